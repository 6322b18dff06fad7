"""What an HTTP request runs on: aiohttp's connections, guarded, and httpx's URLs. Loaded by `http.py` at the first request.

httpx's own pool leaks when requests are cancelled, and the ready-made bridge to aiohttp calls a connection that was dropped after the request
was read "never connected", so that a careful caller would send twice (decision 0003).
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any

import aiohttp
from multidict import CIMultiDictProxy
from yarl import URL

from services.runtime.addresses import why_denied
from services.runtime.errors import Malformed, Rejected
from services.runtime.http import HttpFailure, Options, Reason, Response
from services.runtime.inflate import ACCEPTED, Inflater
from services.runtime.proxy import Proxy
from services.runtime.tunnel import NoTunnel, tunnel
from services.runtime.unseen import unseen

with unseen("pygments"):  # for a command line that we never show
    import httpx


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


class Transport:
    """Requests on a pool of guarded connections. Made inside the event loop that uses it; closed with `close`."""

    def __init__(self, options: Options) -> None:
        self._headers = {"user-agent": options.user_agent, "accept": "*/*"}
        self._allow = options.allow
        connector = _GuardedConnector(
            check=self._check,
            proxy=options.proxy,
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
        request = _Request(method, *_checked(url), self._all_headers(headers, whole=whole), content)
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
                answer.release()  # gives the connection back, or ends it when the body was not read to its end
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

    async def _follow(self, request: _Request, redirects: int) -> tuple[aiohttp.ClientResponse, _Request]:
        """The answer, and the request that it answers."""
        if redirects and request.method not in ("GET", "HEAD"):
            raise ValueError("only GET and HEAD follow redirects")
        answer = await self._ask(request)
        for _ in range(redirects):
            if not _leads_on(answer):
                return answer, request
            answer.release()
            request = _redirected(request, answer.headers["location"])
            answer = await self._ask(request)
        if redirects and _leads_on(answer):
            answer.release()
            raise _exchange.get().failure(Reason.REDIRECT, f"more than {redirects} hops")
        return answer, request

    async def _ask(self, request: _Request) -> aiohttp.ClientResponse:
        _exchange.get().host = request.url.host
        with _TRANSLATED:
            return await self._session.request(
                request.method,
                _target(request.text),
                headers=request.headers,
                data=request.content or None,
                allow_redirects=False,
                middlewares=_SAFEGUARDS.get(request.method, ()),
            )

    def _guarded_socket(self, addr_info: aiohttp.AddrInfoType) -> socket.socket:
        """A socket for this very address. aiohttp calls it for every address it is about to connect to."""
        family, kind, protocol, _, sockaddr = addr_info
        self._check(str(sockaddr[0]))
        return socket.socket(family, kind, protocol)

    def _check(self, address: str) -> None:
        """Raises OSError, and notes why, when the guard denies the address."""
        why = why_denied(address, self._allow)
        if why is not None:
            _exchange.get().blocked = why
            raise OSError(f"{why} address")


class _GuardedConnector(aiohttp.TCPConnector):
    """Notes when a request has got its connection: from then on nobody may claim that it was never sent. Connects through the proxy where there is one."""

    def __init__(self, *, check: Callable[[str], None], proxy: Proxy | None, **options: Any) -> None:
        super().__init__(**options)
        self._check = check
        self._proxy = proxy

    async def _wrap_create_connection(self, *args: Any, addr_infos: list[Any], req: aiohttp.ClientRequest, **options: Any) -> Any:
        """aiohttp's step from addresses to a connection: here a tunnel takes the place of a socket. Its own way through proxies hands them the name."""
        if self._proxy is None:
            return await super()._wrap_create_connection(*args, addr_infos=addr_infos, req=req, **options)
        address, port = addr_infos[0][4][:2]  # after a failure aiohttp comes again with the others
        try:
            self._check(str(address))
            async with asyncio.timeout(options["timeout"].sock_connect):
                sock = await tunnel(self._proxy, str(address), port)
        except TimeoutError:
            raise
        except OSError as exc:
            raise aiohttp.ClientConnectorError(req.connection_key, exc) from exc
        return await self._wrap_existing_connection(*args, sock=sock, req=req, **options)

    async def connect(self, req: aiohttp.ClientRequest, traces: list[Any], timeout: aiohttp.ClientTimeout) -> Any:  # noqa: ASYNC109 aiohttp's signature
        connection = await super().connect(req, traces, timeout)
        _exchange.get().connected = True
        return connection


async def _no_second_try(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """aiohttp silently repeats a GET whose connection was dropped. Translated in here, the error is none that it would retry."""
    with _TRANSLATED:
        return await handler(request)


_SAFEGUARDS = dict.fromkeys(("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"), (_no_second_try,))
"""What is wrapped around a request, by method: aiohttp repeats none but these, which HTTP calls idempotent."""


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


class _Translated:
    """aiohttp's errors become ours."""

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, _traceback: object) -> None:
        if not isinstance(exc, aiohttp.ClientError):
            return
        exchange = _exchange.get()
        if exchange.blocked and isinstance(exc, aiohttp.ClientConnectorError):
            raise exchange.failure(Reason.BLOCKED_ADDRESS, exchange.blocked) from exc
        detail = str(exc.os_error) if isinstance(exc, aiohttp.ClientConnectorError) and isinstance(exc.os_error, NoTunnel) else ""
        raise exchange.failure(next(reason for known, reason in _REASONS if isinstance(exc, known)), detail) from exc


_TRANSLATED = _Translated()


async def _read(answer: aiohttp.ClientResponse, body: bytearray, *, limit: int, inflate: bool) -> bool:
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


def _leads_on(answer: aiohttp.ClientResponse) -> bool:
    return answer.status in (301, 302, 303, 307, 308) and "location" in answer.headers


def _redirected(request: _Request, location: str) -> _Request:
    try:
        url, text = _checked(str(request.url.join(location)))
    except (httpx.InvalidURL, HttpFailure) as exc:
        raise _exchange.get().failure(Reason.REDIRECT) from exc
    same = (url.scheme, url.host, url.port) == (request.url.scheme, request.url.host, request.url.port)
    headers = {name: value for name, value in request.headers.items() if name != "host" and (same or name in _CARRIED)}
    return _Request(request.method, url, text, headers, None)
