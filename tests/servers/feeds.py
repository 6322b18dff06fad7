"""A site with feeds on loopback: answers conditional requests by the book, unless a page says otherwise, and keeps what was asked.

async with feeds.site() as site:
    site.put("/rss", body, etag='"1"')
    ...
    assert '"1"' == site.requests[-1].headers["if-none-match"]
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Page:
    """One answer. With an `etag`, whoever sends it back is told "not modified". A page that hangs sends its head and then nothing."""

    body: bytes = b""
    status: int = 200
    etag: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    hangs: bool = False


@dataclass(frozen=True)
class Asked:
    """One request, as it arrived."""

    path: str
    headers: Mapping[str, str]


class Site:
    """Pages by path; replace them at any time."""

    def __init__(self) -> None:
        self.pages: dict[str, Page] = {}
        self.requests: list[Asked] = []
        self.port = 0
        self.at_once = 0
        self.most_at_once = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def put(self, path: str, body: bytes = b"", *, status: int = 200, etag: str | None = None, hangs: bool = False, **headers: str) -> None:
        """Sets a page. Header names are written with underscores."""
        self.pages[path] = Page(body, status, etag, {name.replace("_", "-"): value for name, value in headers.items()}, hangs)

    async def end(self) -> None:
        """Ends what is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._serve(reader, writer)
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            asked = Asked(head[0].split(" ")[1], {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)})
            self.requests.append(asked)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            try:
                await self._send(self.pages.get(asked.path.partition("?")[0], Page(status=404)), asked, reader, writer)
            finally:
                self.at_once -= 1

    async def _send(self, page: Page, asked: Asked, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        known = page.etag is not None and asked.headers.get("if-none-match") == page.etag
        status, body = (304, b"") if known else (page.status, page.body)
        headers = {"Content-Length": str(len(body) + page.hangs), "Connection": "close", **page.headers}
        if page.etag:
            headers["ETag"] = page.etag
        lines = [f"HTTP/1.1 {status} {'OK' if status == 200 else 'Other'}", *(f"{name}: {value}" for name, value in headers.items())]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        await writer.drain()
        if page.hangs:
            await reader.read()


@asynccontextmanager
async def site() -> AsyncIterator[Site]:
    """A site at work on a free loopback port."""
    served = Site()
    server = await asyncio.start_server(served.answer, "127.0.0.1", 0)
    served.port = server.sockets[0].getsockname()[1]
    try:
        yield served
    finally:
        server.close()
        await served.end()
