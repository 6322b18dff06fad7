"""A loopback HTTP server that misbehaves, byte by byte as told. A behaviour is a function of one connection; it may do anything to it.

async with hostile.serve(hostile.drop_after_request) as server:
    await client.request("POST", server.url("/hook"), ...)
    assert 1 == len(server.requests)
"""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

Behaviour = Callable[["Connection"], Awaitable[None]]


class Connection:
    """One accepted connection, raw."""

    def __init__(self, server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._server, self._reader, self._writer = server, reader, writer

    async def request(self) -> bytes:
        """Reads one request, head and body, and notes it. Raises IncompleteReadError when the client is gone."""
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = next((int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
        request = head + await self._reader.readexactly(length)
        self._server.requests.append(request)
        self._server.arrived.set()
        return request

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def finish(self) -> None:
        """Says that nothing more will come, and waits until the client has closed as well."""
        self._writer.write_eof()
        await self.hang()

    async def hang(self) -> None:
        """Waits until the client has gone."""
        await self._reader.read()

    def reset(self) -> None:
        """Ends the connection with RST instead of FIN."""
        sock = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()


class Server:
    """What a test may ask: the address, the requests that were read, the connections that are open."""

    def __init__(self, behaviour: Behaviour, scheme: str, host: str) -> None:
        self._behaviour, self._scheme, self._host = behaviour, scheme, host
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0
        self.listener: asyncio.Server | None = None
        self.requests: list[bytes] = []
        self.arrived = asyncio.Event()
        self.connections = 0

    @property
    def open(self) -> int:
        return len(self._tasks)

    def url(self, path: str = "/", *, host: str | None = None) -> str:
        return f"{self._scheme}://{host or self._host}:{self.port}{path}"

    async def all_closed(self) -> None:
        """Returns when the clients have closed every connection."""
        async with asyncio.timeout(5):
            while self._tasks:
                await asyncio.wait(self._tasks)

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
                await self._behaviour(Connection(self, reader, writer))
        except asyncio.CancelledError:
            pass  # the server is being closed; a cancelled handler would be reported as an error
        finally:
            self._tasks.discard(task)
            writer.close()

    async def stop(self) -> None:
        """Nobody listens any more."""
        assert self.listener is not None
        self.listener.close()
        await self.listener.wait_closed()

    def cancel(self) -> None:
        for task in self._tasks:
            task.cancel()


@asynccontextmanager
async def serve(behaviour: Behaviour, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> AsyncIterator[Server]:
    """A server on a free port of the loopback."""
    server = Server(behaviour, "https" if tls else "http", host)
    listener = await asyncio.start_server(server.accept, host, 0, ssl=tls)
    server.listener, server.port = listener, listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        server.cancel()
        await listener.wait_closed()


def answer(body: bytes = b"ok", *, status: str = "200 OK", headers: str = "") -> Behaviour:
    """A good server: keeps the connection, answers every request the same."""

    async def behave(connection: Connection) -> None:
        while True:
            await connection.request()
            await connection.send(head(status, f"Content-Length: {len(body)}\r\n{headers}") + body)

    return behave


def head(status: str = "200 OK", headers: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\n{headers}\r\n".encode("latin-1")


def say(data: bytes) -> Behaviour:
    """Reads a request, sends exactly this, and finishes."""

    async def behave(connection: Connection) -> None:
        await connection.request()
        await connection.send(data)
        await connection.finish()

    return behave


def redirect(location: str, *, status: str = "302 Found") -> Behaviour:
    return answer(b"", status=status, headers=f"Location: {location}\r\n")


async def drop_before_request(connection: Connection) -> None:
    """Accepts and resets at once."""
    connection.reset()


async def drop_after_request(connection: Connection) -> None:
    """The request was read, perhaps obeyed; then nothing."""
    await connection.request()


async def reset_after_request(connection: Connection) -> None:
    await connection.request()
    connection.reset()


async def reset_mid_body(connection: Connection) -> None:
    await connection.request()
    await connection.send(head(headers="Content-Length: 100000\r\n") + b"half")
    connection.reset()


async def swallow(connection: Connection) -> None:
    """A black hole that has accepted the connection: reads the request and never answers."""
    await connection.request()
    await connection.hang()


async def trickle_head(connection: Connection) -> None:
    await connection.request()
    await connection.send(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    await _trickle(connection)


async def trickle_body(connection: Connection) -> None:
    await connection.request()
    await connection.send(head(headers="Content-Length: 1000000\r\n"))
    await _trickle(connection)


async def endless_body(connection: Connection) -> None:
    """More and more, as fast as the client takes it; no length, no end."""
    await connection.request()
    await connection.send(head())
    while True:
        await connection.send(b"x" * 65_536)


async def endless_chunks(connection: Connection) -> None:
    await connection.request()
    await connection.send(head(headers="Transfer-Encoding: chunked\r\n"))
    while True:
        await connection.send(b"10000\r\n" + b"x" * 65_536 + b"\r\n")


async def endless_continue(connection: Connection) -> None:
    """100 Continue for ever, a little at a time."""
    await connection.request()
    while True:
        await connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        await asyncio.sleep(0.01)


async def gzip_bomb(connection: Connection) -> None:
    """1 GB in 1 MB."""
    await connection.request()
    piece = gzip.compress(b"\0" * 16_000_000, 9)
    await connection.send(head(headers="Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n"))
    for _ in range(64):
        await connection.send(b"%x\r\n%s\r\n" % (len(piece), piece))
    await connection.send(b"0\r\n\r\n")


async def _trickle(connection: Connection) -> None:
    while True:
        await connection.send(b"x")
        await asyncio.sleep(0.01)
