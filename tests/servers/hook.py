"""A webhook receiver on loopback, in the test's own event loop, that answers as it is told: it may also hang, drop the line or never stop talking."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Call:
    """One request, as it arrived."""

    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


Answer = Callable[[Call, asyncio.StreamWriter], Awaitable[None]]


def status(code: int, **headers: str) -> Answer:
    """Answers with this status and nothing else."""
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())

    async def answer(_call: Call, writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 {code} Status\r\ncontent-length: 0\r\n{lines}\r\n".encode())

    return answer


async def drop(_call: Call, writer: asyncio.StreamWriter) -> None:
    """Reads the request and drops the line."""
    writer.transport.abort()


async def hang(_call: Call, _writer: asyncio.StreamWriter) -> None:
    """Never answers."""
    await asyncio.Event().wait()


async def talk_for_ever(_call: Call, writer: asyncio.StreamWriter) -> None:
    """Accepts, and then sends a body without end."""
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n")
    while True:
        writer.write(b"x" * 65536)
        await writer.drain()


@dataclass
class Hook:
    """What arrived so far. `answer` says what happens next, for every call or by turns."""

    url: str = ""
    calls: list[Call] = field(default_factory=list)
    answer: Answer = field(default_factory=lambda: status(204))
    came: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def wait_for(self, count: int, *, seconds: float = 20) -> None:
        """Returns when so many calls have come."""
        async with asyncio.timeout(seconds), self.came:
            await self.came.wait_for(lambda: len(self.calls) >= count)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while call := await _read(reader):
                async with self.came:
                    self.calls.append(call)
                    self.came.notify_all()
                await self.answer(call, writer)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the sender left, or we dropped the line
        finally:
            writer.close()


async def _read(reader: asyncio.StreamReader) -> Call | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    except asyncio.IncompleteReadError:
        return None
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    return Call(headers, await reader.readexactly(int(headers.get("content-length", "0"))))


@asynccontextmanager
async def hook() -> AsyncIterator[Hook]:
    """A receiver at work on a free port."""
    receiver = Hook()
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        await receiver._serve(reader, writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    try:
        yield receiver
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
