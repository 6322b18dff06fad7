"""The egress proxy of a network that lets nothing else out, as the settings name it. Pure; `tunnel.py` speaks to it."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit


@dataclass(frozen=True, slots=True)
class Proxy:
    """Where it listens, and what it wants to hear before it opens a tunnel. Its repr shows no password."""

    host: str
    port: int
    authorization: str | None = field(default=None, repr=False)
    """The value of Proxy-Authorization; None where it asks nobody who they are."""


def parse_proxy(written: str) -> Proxy:
    """`http://[user:password@]host:port`. Raises ValueError with a sentence that does not repeat it."""
    try:
        url = urlsplit(written)
        host, port = url.hostname, url.port
    except ValueError:
        url, host, port = urlsplit(""), None, None
    if url.scheme != "http" or not host or not port or url.path not in ("", "/") or url.query or url.fragment:
        raise ValueError("no proxy; expected http://host:port or http://user:password@host:port")
    return Proxy(host, port, _basic(url.username, url.password or "") if url.username else None)


def _basic(user: str, password: str) -> str:
    """RFC 7617."""
    return "Basic " + base64.b64encode(f"{unquote(user)}:{unquote(password)}".encode()).decode()
