"""What an HTTP request runs on: httpx's requests, responses and transport interface, on aiohttp's connections.

httpx's own pool leaks when requests are cancelled, and the ready-made bridge calls a connection that was dropped after the request was read
"never connected", so that a careful caller would send twice (decision 0003). Loaded by `http.py` at the first request.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any

import aiohttp
from yarl import URL

from services.runtime.addresses import why_denied
from services.runtime.errors import Malformed, Rejected
from services.runtime.http import HttpFailure, Options, Reason, Response
from services.runtime.inflate import ACCEPTED, Inflater
from services.runtime.unseen import unseen

with unseen("pygments"):  # for a command line that we never show
    import httpx


@dataclass(slots=True)
class _Exchange:
    """What is known of the attempt under way. The connector writes it, the translation of errors reads it."""

    host: str
    connected: bool = False
    blocked: str | None = None

    def failure(self, reason: Reason, detail: str = "") -> HttpFailure:
        return HttpFailure(reason, sent="maybe" if self.connected else "never", host=self.host, detail=detail)


_exchange: ContextVar[_Exchange] = ContextVar("exchange")
"""Of the request that this task is making. aiohttp hands nothing of ours down to its connector, and a task's children inherit this."""


class Transport:
    """httpx's requests on a pool of guarded connections. Made inside the event loop that uses it; closed with `close`."""

    def __init__(self, options: Options) -> None:
        self._headers = {"user-agent": options.user_agent, "accept": "*/*"}
        self._allow = options.allow
        connector = _GuardedConnector(
            limit=options.connections,
            ssl=options.tls or True,  # True: the verifying context that aiohttp has made already
            resolver=options.resolver,
            socket_factory=self._guarded_socket,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=options.connect_timeout.total_seconds()),
            skip_auto_headers=("user-agent", "accept", "accept-encoding", "content-type"),
            middlewares=(_no_second_try,),
            max_line_size=_HEADER_LINE,
            max_field_size=_HEADER_LINE,
        )

    async def close(self) -> None:
        """Closes the pool and whatever is under way. May be called twice."""
        await self._session.close()

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        content: bytes | None,
        deadline: timedelta,
        max_body: int,
        whole: bool,
        follow_redirects: int,
    ) -> Response:
        """As `HttpClient.request` promises."""
        started = asyncio.get_running_loop().time()
        request = self._request(method, _checked(url), headers, content, whole=whole)
        exchange = _Exchange(request.url.host)
        _exchange.set(exchange)
        body, complete, head = bytearray(), False, None
        try:
            async with asyncio.timeout(deadline.total_seconds()):
                head = await self._follow(request, follow_redirects)
                complete = await _read(head, body, limit=max_body, inflate=whole)
        except TimeoutError as exc:
            if whole or head is None:
                raise exchange.failure(Reason.DEADLINE if exchange.connected else Reason.CONNECT_TIMEOUT) from exc
        finally:
            if head is not None:
                await head.aclose()
        if whole and not complete:
            raise exchange.failure(Reason.TOO_LARGE, f"more than {max_body} bytes")
        elapsed = timedelta(seconds=asyncio.get_running_loop().time() - started)
        return Response(head.status_code, head.headers, bytes(body), not complete, str(head.url), elapsed)

    def _request(self, method: str, url: httpx.URL, headers: Mapping[str, str], content: bytes | None, *, whole: bool) -> httpx.Request:
        for name, value in headers.items():
            if not (_TOKEN.fullmatch(name) and _FIELD.fullmatch(value)):
                raise Rejected(f"the header {name[:40]!r} cannot be sent; expected printable ASCII on one line")
        defaults = self._headers | {"accept-encoding": ACCEPTED if whole else "identity"}
        return httpx.Request(method, url, headers=httpx.Headers(defaults | {name.lower(): value for name, value in headers.items()}), content=content)

    async def _follow(self, request: httpx.Request, redirects: int) -> httpx.Response:
        if redirects and request.method not in ("GET", "HEAD"):
            raise ValueError("only GET and HEAD follow redirects")
        transport = _AioTransport(self._session)
        response = await transport.handle_async_request(request)
        for _ in range(redirects):
            if not response.has_redirect_location:
                return response
            await response.aclose()
            request = _redirected(request, response.headers["location"])
            response = await transport.handle_async_request(request)
        if redirects and response.has_redirect_location:
            await response.aclose()
            raise _exchange.get().failure(Reason.REDIRECT, f"more than {redirects} hops")
        return response

    def _guarded_socket(self, addr_info: aiohttp.AddrInfoType) -> socket.socket:
        """A socket for this very address. aiohttp calls it for every address it is about to connect to."""
        family, kind, protocol, _, sockaddr = addr_info
        why = why_denied(str(sockaddr[0]), self._allow)
        if why is not None:
            _exchange.get().blocked = why
            raise OSError(f"{why} address")
        return socket.socket(family, kind, protocol)


class _GuardedConnector(aiohttp.TCPConnector):
    """Notes when a request has got its connection: from then on nobody may claim that it was never sent."""

    async def connect(self, req: aiohttp.ClientRequest, traces: list[Any], timeout: aiohttp.ClientTimeout) -> Any:  # noqa: ASYNC109 aiohttp's signature
        connection = await super().connect(req, traces, timeout)
        _exchange.get().connected = True
        return connection


class _AioTransport(httpx.AsyncBaseTransport):
    """httpx's transport interface on an aiohttp session. What goes wrong is told as HttpFailure."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        _exchange.get().host = request.url.host
        headers = [(name.decode("ascii"), value.decode("latin-1")) for name, value in request.headers.raw]
        content = await request.aread()
        with _translated():
            answer = await self._session.request(request.method, _target(request.url), headers=headers, data=content or None, allow_redirects=False)
        return httpx.Response(answer.status, headers=list(answer.raw_headers), stream=_Stream(answer), request=request)


class _Stream(httpx.AsyncByteStream):
    """The body as it arrives. Closing gives the connection back, or ends it when the body was not read to its end."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _translated():
            async for chunk in self._answer.content.iter_any():
                yield chunk

    async def aclose(self) -> None:
        self._answer.release()


async def _no_second_try(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """aiohttp silently repeats a GET whose connection was dropped. Translated in here, the error is none that it would retry."""
    with _translated():
        return await handler(request)


_REASONS: tuple[tuple[type[aiohttp.ClientError], Reason], ...] = (
    (aiohttp.ClientConnectorDNSError, Reason.DNS),
    (aiohttp.ClientSSLError, Reason.TLS),
    (aiohttp.ServerTimeoutError, Reason.CONNECT_TIMEOUT),
    (aiohttp.ClientConnectorError, Reason.REFUSED),
    (aiohttp.InvalidURL, Reason.BAD_URL),
    (aiohttp.ClientResponseError, Reason.PROTOCOL),
    (aiohttp.ClientError, Reason.DROPPED),
)
"""The first that fits. Whatever we do not know counts as dropped, which claims the least."""


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except aiohttp.ClientError as exc:
        exchange = _exchange.get()
        if exchange.blocked and isinstance(exc, aiohttp.ClientConnectorError):
            raise exchange.failure(Reason.BLOCKED_ADDRESS, exchange.blocked) from exc
        raise exchange.failure(next(reason for kind, reason in _REASONS if isinstance(exc, kind))) from exc


async def _read(response: httpx.Response, body: bytearray, *, limit: int, inflate: bool) -> bool:
    """Fills `body` up to `limit` bytes. False when there was more."""
    arrived = 0
    try:
        inflater = Inflater(response.headers.get("content-encoding", "") if inflate else "identity")
        async for chunk in response.aiter_raw():
            arrived += len(chunk)
            body += inflater.feed(chunk, limit + 1 - len(body))
            if len(body) > limit or arrived > 2 * limit + _OVERHEAD:  # the latter: compressed bytes that never yield any
                del body[limit:]
                return False
        inflater.end()
    except Malformed as exc:
        raise _exchange.get().failure(Reason.PROTOCOL, str(exc)) from exc
    return True


_OVERHEAD = 1024
_HEADER_LINE = 32 * 1024
"""Bytes of one header at most. Content-Security-Policy and Link of large news sites pass aiohttp's own 8 kB."""
_BAD_IN_URL = re.compile(r"[\x00-\x20\x7f\\]")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_FIELD = re.compile(r"[\x20-\x7e\t]*")
_CARRIED = frozenset({"accept", "accept-encoding", "accept-language", "if-modified-since", "if-none-match", "user-agent"})
"""Headers that another origin may see when it was redirected to."""


@lru_cache(1024)  # the same few feeds and endpoints, over and over
def _checked(url: str) -> httpx.URL:
    """The URL, if it may be asked at all. Where it leads is the guard's business, at the socket."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        parsed = httpx.URL()
    if parsed.scheme not in ("http", "https") or not parsed.host or parsed.userinfo or _BAD_IN_URL.search(url):
        raise HttpFailure(Reason.BAD_URL, sent="never")
    return parsed


@lru_cache(1024)
def _target(url: httpx.URL) -> URL:
    try:
        target = URL(str(url), encoded=True)
        _ = target.raw_host  # yarl reads host and port only when asked, and complains only then
    except ValueError as exc:
        raise _exchange.get().failure(Reason.BAD_URL) from exc
    return target


def _redirected(request: httpx.Request, location: str) -> httpx.Request:
    try:
        url = _checked(str(request.url.join(location)))
    except (httpx.InvalidURL, HttpFailure) as exc:
        raise _exchange.get().failure(Reason.REDIRECT) from exc
    same = (url.scheme, url.host, url.port) == (request.url.scheme, request.url.host, request.url.port)
    headers = {name: value for name, value in request.headers.items() if name != "host" and (same or name in _CARRIED)}
    return httpx.Request(request.method, url, headers=headers)
