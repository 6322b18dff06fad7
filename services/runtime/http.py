"""The one HTTP client. Everything that leaves this process over HTTP leaves here.

    request -> URL and headers checked -> aiohttp: pool, address guard at the socket -> head -> body, bounded -> Response

On aiohttp's connections: httpx's own pool leaks when requests are cancelled, and the ready-made bridge calls a connection that was dropped after
the request was read "never connected", so that a careful caller would send twice (decision 0003).
One deadline covers the whole attempt, because timeouts per operation never catch a trickle. There is no cookie jar, no proxy from the
environment, no retry: whoever calls knows what may be repeated.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Literal, Self

import aiohttp
from aiohttp.abc import AbstractResolver
from aiohttp.connector import Connection
from aiohttp.http_exceptions import HttpProcessingError
from multidict import CIMultiDictProxy
from yarl import URL

from services.runtime.addresses import Network, why_denied
from services.runtime.errors import Malformed, Rejected, Unavailable
from services.runtime.inflate import ACCEPTED, Inflater
from services.runtime.unseen import unseen

with unseen("rich"):
    import httpx

Sent = Literal["never", "maybe"]
"""Whether the server may have seen the request. "never" is said only where no connection was had."""


class Reason(StrEnum):
    """Why an attempt failed: the whole list, fit for a metric's label."""

    BAD_URL = "bad_url"
    BLOCKED_ADDRESS = "blocked_address"
    DNS = "dns"
    REFUSED = "refused"
    CONNECT_TIMEOUT = "connect_timeout"
    TLS = "tls"
    DROPPED = "dropped"
    DEADLINE = "deadline"
    PROTOCOL = "protocol"
    TOO_LARGE = "too_large"
    REDIRECT = "redirect"


_SENTENCES = {
    Reason.BAD_URL: "the URL cannot be used; expected http:// or https:// and a host, without a user name or password",
    Reason.BLOCKED_ADDRESS: "the name leads to an address that may not be reached",
    Reason.DNS: "the name cannot be resolved",
    Reason.REFUSED: "the connection was refused or the host cannot be reached",
    Reason.CONNECT_TIMEOUT: "no connection was had in time",
    Reason.TLS: "the server's certificate or TLS handshake is not in order",
    Reason.DROPPED: "the connection was dropped before the answer was complete",
    Reason.DEADLINE: "the answer was not complete in time",
    Reason.PROTOCOL: "the answer is not HTTP as we understand it",
    Reason.TOO_LARGE: "the answer is larger than allowed",
    Reason.REDIRECT: "the server redirects too often or to what is no web address",
}


class HttpFailure(Unavailable):
    """An attempt that brought no usable answer. An answer with an error status is no failure: it is a Response.

    `sent` "maybe": the server may have read and obeyed the request, so repeating it is the caller's decision.
    """

    def __init__(self, reason: Reason, *, sent: Sent, host: str = "", detail: str = "") -> None:
        where = f"{host}: " if host else ""
        super().__init__(f"{where}{_SENTENCES[reason]}{f' ({detail})' if detail else ''}")
        self.reason = reason
        self.sent = sent
        self.host = host


@dataclass(frozen=True, slots=True)
class Response:
    """The server's answer, whatever its status."""

    status: int
    headers: Mapping[str, str]
    """Case does not matter when asking; repeated headers are joined by ", "."""
    body: bytes
    truncated: bool
    """The body went on after what was read."""
    url: str
    """Where the answer came from, after redirects."""
    elapsed: timedelta


class _Joined(Mapping[str, str]):
    """Headers of an answer."""

    def __init__(self, headers: CIMultiDictProxy[str]) -> None:
        self._headers = headers

    def __getitem__(self, name: str) -> str:
        return ", ".join(self._headers.getall(name))

    def __contains__(self, name: object) -> bool:
        return name in self._headers

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name.lower() for name in self._headers))

    def __len__(self) -> int:
        return len(set(self))


@dataclass(frozen=True, slots=True)
class _Request:
    """What is asked for. The names of its headers are in lower case."""

    method: str
    url: httpx.URL
    text: str
    """The URL once more: httpx puts it together anew whenever it is asked."""
    headers: Mapping[str, str]
    content: bytes | None


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


class HttpClient:
    """Requests over a shared pool of guarded connections. Open with `async with`.

    `allow` opens networks that the address guard denies; `resolver` and `tls` are for tests and for private certificate authorities.
    """

    def __init__(
        self,
        *,
        user_agent: str = "chipwire",
        allow: Sequence[Network] = (),
        connect_timeout: timedelta = timedelta(seconds=10),
        connections: int = 200,
        tls: ssl.SSLContext | None = None,
        resolver: AbstractResolver | None = None,
    ) -> None:
        self._headers = {"user-agent": user_agent, "accept": "*/*"}
        self._allow = tuple(allow)
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect_timeout.total_seconds())
        self._connections = connections
        self._tls = tls
        self._resolver = resolver
        self._connector: _GuardedConnector | None = None

    async def __aenter__(self) -> Self:
        self._connector = _GuardedConnector(
            limit=self._connections,
            ssl=self._tls or ssl.create_default_context(),
            resolver=self._resolver,
            socket_factory=self._guarded_socket,
        )
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the pool and whatever is under way. May be called twice."""
        if self._connector is not None:
            await self._connector.close()

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        deadline: timedelta,
        max_body: int,
        whole: bool = True,
        follow_redirects: int = 0,
    ) -> Response:
        """One attempt, over within `deadline`. Raises HttpFailure, or Rejected for a header that cannot be sent.

        `max_body` counts bytes after decompression. With `whole`, a body that is larger is a failure. Without, the status is what matters: the body
        is read as sent until it ends, the cap or the deadline, the connection is closed, and the Response says `truncated`.
        Redirects are answers like any other unless `follow_redirects` says how many may be followed (GET and HEAD only). Each hop meets the
        same guard, and another origin gets no header that could carry a credential.
        """
        started = asyncio.get_running_loop().time()
        request = _Request(method, *_checked(url), self._all_headers(headers or {}, whole=whole), content)
        exchange = _Exchange(request.url.host)
        _exchange.set(exchange)
        body, complete, answer = bytearray(), False, None
        try:
            async with asyncio.timeout(deadline.total_seconds()):
                answer, request = await self._follow(request, follow_redirects)
                complete = await _read(answer, body, limit=max_body, inflate=whole)
        except TimeoutError as exc:
            if whole or answer is None:
                raise exchange.failure(Reason.DEADLINE if exchange.connected else Reason.CONNECT_TIMEOUT) from exc
        finally:
            if answer is not None:
                answer.release()
        if whole and not complete:
            raise exchange.failure(Reason.TOO_LARGE, f"more than {max_body} bytes")
        elapsed = timedelta(seconds=asyncio.get_running_loop().time() - started)
        return Response(answer.status, _Joined(answer.headers), bytes(body), not complete, request.text, elapsed)

    def _all_headers(self, headers: Mapping[str, str], *, whole: bool) -> dict[str, str]:
        for name, value in headers.items():
            if not (_is_token(name) and value.isascii() and (value.isprintable() or _FIELD.fullmatch(value))):
                raise Rejected(f"the header {name[:40]!r} cannot be sent; expected printable ASCII on one line")
        defaults = self._headers | {"accept-encoding": ACCEPTED if whole else "identity"}
        return defaults | {name.lower(): value for name, value in headers.items()}

    async def _follow(self, request: _Request, redirects: int) -> tuple[_Answer, _Request]:
        """The answer, and the request that it answers."""
        if redirects and request.method not in ("GET", "HEAD"):
            raise ValueError("only GET and HEAD follow redirects")
        answer = await self._ask(request)
        for _ in range(redirects):
            if not answer.leads_on:
                return answer, request
            answer.release()
            request = _redirected(request, answer.headers["location"])
            answer = await self._ask(request)
        if redirects and answer.leads_on:
            answer.release()
            raise _exchange.get().failure(Reason.REDIRECT, f"more than {redirects} hops")
        return answer, request

    async def _ask(self, request: _Request) -> _Answer:
        if self._connector is None:
            raise RuntimeError("the HTTP client is used before it was opened; use `async with`")
        exchange = _exchange.get()
        exchange.host = request.url.host
        head = _head(request)
        with _TRANSLATED:
            connection = await self._connector.connect(_caller(request.text), [], self._timeout)
            exchange.connected = True  # from now on nobody may claim that it was never sent
            try:
                return await _exchanged(connection, head + request.content if request.content else head, bodiless=request.method == "HEAD")
            except BaseException:
                connection.close()
                raise

    def _guarded_socket(self, addr_info: aiohttp.AddrInfoType) -> socket.socket:
        """A socket for this very address. aiohttp calls it for every address it is about to connect to."""
        family, kind, protocol, _, sockaddr = addr_info
        why = why_denied(str(sockaddr[0]), self._allow)
        if why is not None:
            _exchange.get().blocked = why
            raise OSError(f"{why} address")
        return socket.socket(family, kind, protocol)


class _GuardedConnector(aiohttp.TCPConnector):
    """aiohttp's pool: names resolved, connections made through the guard, kept and given out again."""


@dataclass(slots=True)
class _Answer:
    """The head of an answer, and the body as it arrives."""

    connection: Connection
    status: int
    headers: CIMultiDictProxy[str]
    content: aiohttp.StreamReader

    @property
    def leads_on(self) -> bool:
        return self.status in (301, 302, 303, 307, 308) and "location" in self.headers

    def release(self) -> None:
        """Gives the connection back, or ends it when the body was not read to its end. May be called twice."""
        self.connection.release()


async def _exchanged(connection: Connection, sent: bytes, *, bodiless: bool) -> _Answer:
    """Writes the request and reads the head of the answer.

    aiohttp's own request and response objects are left out: they cost as much as all the rest of a delivery.
    """
    protocol = connection.protocol
    if protocol is None or protocol.transport is None:
        raise aiohttp.ServerDisconnectedError
    protocol.set_response_params(skip_payload=bodiless, read_until_eof=True, auto_decompress=False, max_line_size=_HEADER_LINE, max_field_size=_HEADER_LINE)
    protocol.transport.write(sent)
    message, content = await protocol.read()
    while 100 <= message.code < 200 and message.code != 101:  # RFC 9110, 15.2: the answer is still to come
        message, content = await protocol.read()
    return _Answer(connection, message.code, message.headers, content)


@lru_cache(1024)
def _caller(url: str) -> aiohttp.ClientRequest:
    """What the connector wants to know of a request: where it goes."""
    return aiohttp.ClientRequest("GET", _target(url), loop=asyncio.get_running_loop())


def _head(request: _Request) -> bytes:
    headers = request.headers if "host" in request.headers else {"host": _target(request.text).host_port_subcomponent, **request.headers}
    lines = [_start(request.method, request.text), *(f"{name}: {value}" for name, value in headers.items())]
    if request.content or request.method in ("POST", "PUT", "PATCH"):
        lines.append(f"content-length: {len(request.content or b'')}")
    return "\r\n".join([*lines, "\r\n"]).encode("ascii")


@lru_cache(1024)
def _start(method: str, url: str) -> str:
    return f"{method} {_target(url).raw_path_qs} HTTP/1.1"


_REASONS: tuple[tuple[type[Exception], Reason], ...] = (
    (aiohttp.ClientConnectorDNSError, Reason.DNS),
    (aiohttp.ClientSSLError, Reason.TLS),
    (aiohttp.ServerTimeoutError, Reason.CONNECT_TIMEOUT),
    (aiohttp.ClientConnectorError, Reason.REFUSED),
    (aiohttp.InvalidURL, Reason.BAD_URL),
    (aiohttp.ClientResponseError, Reason.PROTOCOL),
    (HttpProcessingError, Reason.PROTOCOL),
    (aiohttp.ClientError, Reason.DROPPED),
)
"""The first that fits. Whatever we do not know counts as dropped, which claims the least."""


class _Translated:
    """aiohttp's errors become ours."""

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, _traceback: object) -> None:
        if not isinstance(exc, (aiohttp.ClientError, HttpProcessingError)):
            return
        exchange = _exchange.get()
        if exchange.blocked and isinstance(exc, aiohttp.ClientConnectorError):
            raise exchange.failure(Reason.BLOCKED_ADDRESS, exchange.blocked) from exc
        raise exchange.failure(next(reason for known, reason in _REASONS if isinstance(exc, known))) from exc


_TRANSLATED = _Translated()


async def _read(answer: _Answer, body: bytearray, *, limit: int, inflate: bool) -> bool:
    """Fills `body` up to `limit` bytes. False when there was more."""
    if answer.content.at_eof() and not inflate:
        return True  # most receivers say nothing
    arrived = 0
    try:
        inflater = Inflater(answer.headers.get("content-encoding", "") if inflate else "identity")
        with _TRANSLATED:
            async for chunk in answer.content.iter_any():
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
_FIELD = re.compile(r"[\x20-\x7e\t]*")
_CARRIED = frozenset({"accept", "accept-encoding", "accept-language", "if-modified-since", "if-none-match", "user-agent"})
"""Headers that another origin may see when it was redirected to."""


@lru_cache(256)  # names of headers are few
def _is_token(name: str) -> bool:
    return re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name) is not None


@lru_cache(1024)  # the same few feeds and endpoints, over and over
def _checked(url: str) -> tuple[httpx.URL, str]:
    """The URL, parsed and as it is asked for, if it may be asked at all. Where it leads is the guard's business, at the socket."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        parsed = httpx.URL()
    if parsed.scheme not in ("http", "https") or not parsed.host or parsed.userinfo or _BAD_IN_URL.search(url):
        raise HttpFailure(Reason.BAD_URL, sent="never")
    return parsed, str(parsed)


@lru_cache(1024)
def _target(url: str) -> URL:
    try:
        target = URL(url, encoded=True)
        _ = target.raw_host  # yarl reads host and port only when asked, and complains only then
    except ValueError as exc:
        raise _exchange.get().failure(Reason.BAD_URL) from exc
    return target


def _redirected(request: _Request, location: str) -> _Request:
    try:
        url, text = _checked(str(request.url.join(location)))
    except (httpx.InvalidURL, HttpFailure) as exc:
        raise _exchange.get().failure(Reason.REDIRECT) from exc
    same = (url.scheme, url.host, url.port) == (request.url.scheme, request.url.host, request.url.port)
    headers = {name: value for name, value in request.headers.items() if name != "host" and (same or name in _CARRIED)}
    return _Request(request.method, url, text, headers, None)
