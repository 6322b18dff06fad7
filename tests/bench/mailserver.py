"""A mail server that costs next to nothing: it takes every mail and keeps none.

python -m tests.bench.mailserver     prints its port, and answers until it is ended
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_ANSWERS = {b"EHLO": b"250 bench.test\r\n", b"DATA": b"354 go on\r\n", b"QUIT": b"221 bye\r\n"}
_END = b"\r\n.\r\n"


class Server(asyncio.Protocol):
    """One dialogue (RFC 5321), in which everything is 250."""

    def __init__(self) -> None:
        self._seen, self._in_mail = b"", False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._write = transport.write  # type: ignore[attr-defined]  # a TCP transport
        self._write(b"220 bench.test\r\n")

    def data_received(self, data: bytes) -> None:
        self._seen += data
        while (end := self._seen.find(_END if self._in_mail else b"\r\n")) >= 0:
            line, self._seen = self._seen[:end], self._seen[end + (5 if self._in_mail else 2) :]
            command = b"" if self._in_mail else line[:4].upper()
            self._in_mail = command == b"DATA"
            self._write(_ANSWERS.get(command, b"250 OK\r\n"))


@contextmanager
def elsewhere() -> Iterator[int]:
    """A server in a process of its own. Gives its port."""
    with subprocess.Popen([sys.executable, "-m", "tests.bench.mailserver"], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            process.terminate()


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
