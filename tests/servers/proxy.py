"""A small HTTP proxy on loopback that makes tunnels (CONNECT) and notes what it was asked for. What is asked for leads to the server of the test, wherever it says it is.

async with proxy.serve(to=server.port) as way:
    ...
    assert way.asked == ["93.184.216.34:443"]
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

OPEN = b"HTTP/1.1 200 Connection established\r\n\r\n"


class Way:
    """What a test may ask: where it listens, which tunnels were asked for, what was said."""

    def __init__(self, to: int, answers: Sequence[bytes]) -> None:
        self._to, self._answers = to, list(answers)
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0
        self.heads: list[str] = []

    @property
    def asked(self) -> list[str]:
        return [head.split(" ")[1] for head in self.heads]

    def url(self, user: str = "") -> str:
        return f"http://{user}127.0.0.1:{self.port}"

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
            answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
            writer.write(answer)
            await writer.drain()
            if answer.startswith(OPEN):
                await self._join(reader, writer)
            elif not answer:
                await reader.read()  # says nothing
        writer.close()
        self._tasks.discard(task)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, here = await asyncio.open_connection("127.0.0.1", self._to)
        try:
            await asyncio.gather(_pour(reader, here), _pour(there, writer))
        finally:
            here.close()

    def cancel(self) -> None:
        for task in self._tasks:
            task.cancel()


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def serve(*answers: bytes, to: int = 0) -> AsyncIterator[Way]:
    """A proxy whose tunnels lead to a port of loopback. `answers` come by turns, the last one stands; it is 200 unless said otherwise, and b"" is silence."""
    way = Way(to, answers or [OPEN])
    listener = await asyncio.start_server(way.accept, "127.0.0.1", 0)
    way.port = listener.sockets[0].getsockname()[1]
    try:
        yield way
    finally:
        listener.close()
        way.cancel()
        await listener.wait_closed()
