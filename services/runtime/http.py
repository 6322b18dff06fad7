"""The one HTTP client. Everything that leaves this process over HTTP leaves here.

    request -> URL and headers checked -> transport: pool, address guard at the socket -> head -> body, bounded -> Response

This is what callers hold and see; `http_transport.py` does it. One deadline covers the whole attempt, because timeouts per operation never catch
a trickle. There is no cookie jar, no proxy but the one that is given, no retry: whoever calls knows what may be repeated.
"""

from __future__ import annotations

import asyncio
import importlib
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, Self

from services.runtime.addresses import Network
from services.runtime.errors import Unavailable

if TYPE_CHECKING:
    from aiohttp.abc import AbstractResolver

    from services.runtime.http_transport import Transport
    from services.runtime.proxy import Proxy

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


@dataclass(frozen=True, slots=True)
class Options:
    """How a client reaches out."""

    user_agent: str
    allow: tuple[Network, ...]
    connect_timeout: timedelta
    connections: int
    tls: ssl.SSLContext | None
    resolver: AbstractResolver | None
    proxy: Proxy | None


class HttpClient:
    """Requests over a shared pool of guarded connections. Open with `async with`.

    `allow` opens networks that the address guard denies; `resolver` and `tls` are for tests and for private certificate authorities. With a `proxy`
    everything goes through tunnels of its making, to addresses that were resolved and checked here.
    The transport and its libraries are loaded at the first request, in a thread: a third of a second that starting need not wait for, and a
    process that asks nobody never spends.
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
        proxy: Proxy | None = None,
    ) -> None:
        self._options = Options(user_agent, tuple(allow), connect_timeout, connections, tls, resolver, proxy)
        self._open = False
        self._transport: Transport | None = None
        self._loading = asyncio.Lock()

    async def __aenter__(self) -> Self:
        self._open = True
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the pool and whatever is under way. May be called twice."""
        self._open = False
        if self._transport is not None:
            await self._transport.close()

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
        transport = self._transport or await self._load()
        return await transport.request(
            method, url, headers=headers or {}, content=content, deadline=deadline, max_body=max_body, whole=whole, follow_redirects=follow_redirects
        )

    async def _load(self) -> Transport:
        async with self._loading:
            if not self._open:
                raise RuntimeError("the HTTP client is used before it was opened or after it was closed; use `async with`")
            if self._transport is None:
                module = await asyncio.to_thread(importlib.import_module, "services.runtime.http_transport")
                self._transport = module.Transport(self._options)
            return self._transport
