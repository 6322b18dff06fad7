"""A webhook receiver that costs next to nothing: in the measuring process, where it notes what came when, or as a process of its own.

python -m tests.bench.receiver     prints its port, and answers until it is ended
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

ANSWER = b"HTTP/1.1 204 No Content\r\n\r\n"
AWAY = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n"
SLOW = 10.0
"""Seconds until `/slow` answers. `/dead` never does."""
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)

Came = Callable[[bytes], None]
"""Gets head and body of each request, once it is answered."""


class Endpoint(asyncio.Protocol):
    """Answers 204 to every POST, or what `answer` gives; to `/slow` late, to `/dead` never."""

    def __init__(self, came: Came | None = None, answer: Callable[[], bytes] = lambda: ANSWER) -> None:
        self._came, self._seen, self._answer = came, b"", answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._seen += data
        while (end := self._end()) is not None:
            self._reply(self._seen[:16])
            request, self._seen = self._seen[:end], self._seen[end:]
            if self._came:
                self._came(request)

    def _reply(self, start: bytes) -> None:
        write = self._transport.write  # type: ignore[attr-defined]  # a TCP transport
        if start.startswith(b"POST /slow"):
            asyncio.get_running_loop().call_later(SLOW, write, ANSWER)
        elif not start.startswith(b"POST /dead"):
            write(self._answer())

    def _end(self) -> int | None:
        head = self._seen.find(b"\r\n\r\n") + 4
        length = _LENGTH.search(self._seen, 0, head) if head > 3 else None
        end = head + (int(length[1]) if length else 0)
        return end if head > 3 and end <= len(self._seen) else None


class Arrivals:
    """What came at an endpoint in this process: the time of each request by what it told of."""

    def __init__(self) -> None:
        self.url = ""
        self.last = 0.0
        self.count = 0
        self._grown = asyncio.Event()

    def note(self, _request: bytes) -> None:
        self.last = time.perf_counter()
        self.count += 1
        self._grown.set()

    async def more_than(self, count: int, *, seconds: float) -> bool:
        """Waits until more than so many have come; False when they did not in time."""
        try:
            async with asyncio.timeout(seconds):
                while self.count <= count:
                    self._grown.clear()
                    await self._grown.wait()
        except TimeoutError:
            return False
        return True


@asynccontextmanager
async def arriving() -> AsyncIterator[Arrivals]:
    """An endpoint in this process."""
    arrivals = Arrivals()
    server = await asyncio.get_running_loop().create_server(lambda: Endpoint(arrivals.note), "127.0.0.1", 0)
    arrivals.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    try:
        yield arrivals
    finally:
        server.close()


@contextmanager
def elsewhere() -> Iterator[str]:
    """An endpoint in a process of its own. Gives its URL."""
    with subprocess.Popen([sys.executable, "-m", "tests.bench.receiver"], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/hook"
        finally:
            process.terminate()


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Endpoint, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
