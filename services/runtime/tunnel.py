"""Through an egress proxy: a socket on which the very address that was asked for answers (CONNECT, RFC 9110, 9.3.6).

The proxy gets an address that the guard has passed, never a name: what it would make of a name, nobody here could check.
"""

from __future__ import annotations

import asyncio
import re
import socket

from services.runtime.proxy import Proxy

_HEAD = 16 * 1024
"""Bytes of the proxy's answer at most."""

_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5]\d\d)\b")


class NoTunnel(OSError):
    """The proxy opened none. The message names no address and no password."""


async def tunnel(proxy: Proxy, address: str, port: int) -> socket.socket:
    """A connected socket that leads to the address. Raises NoTunnel; the caller sets the deadline."""
    sock = await _connected(proxy)
    try:
        await asyncio.get_running_loop().sock_sendall(sock, _request(proxy, address, port))
        _check(await _answer(sock))
    except BaseException as exc:
        sock.close()
        if isinstance(exc, OSError) and not isinstance(exc, NoTunnel):
            raise NoTunnel("the proxy dropped the connection") from exc
        raise
    return sock


async def _connected(proxy: Proxy) -> socket.socket:
    """A connection to the proxy, at the first of its addresses that answers."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(proxy.host, proxy.port, type=socket.SOCK_STREAM)
    except OSError as exc:
        raise NoTunnel("the proxy's name cannot be resolved") from exc
    for family, kind, protocol, _, sockaddr in found:
        sock = socket.socket(family, kind, protocol)
        sock.setblocking(False)
        try:
            await loop.sock_connect(sock, sockaddr)
        except BaseException as exc:
            sock.close()
            if not isinstance(exc, OSError):
                raise
        else:
            return sock
    raise NoTunnel("the proxy cannot be reached")


def _request(proxy: Proxy, address: str, port: int) -> bytes:
    target = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
    if proxy.authorization is not None:
        lines.append(f"Proxy-Authorization: {proxy.authorization}")
    return "\r\n".join([*lines, "", ""]).encode("ascii")


async def _answer(sock: socket.socket) -> bytes:
    """The proxy's answer, to the end of its head."""
    head = b""
    while b"\r\n\r\n" not in head:
        more = await asyncio.get_running_loop().sock_recv(sock, 4096)
        if not more or len(head) > _HEAD:
            raise NoTunnel("the proxy's answer is not HTTP as we understand it")
        head += more
    return head


def _check(head: bytes) -> None:
    """Raises NoTunnel unless a tunnel stands and is silent: at its other end nobody has been spoken to yet."""
    status = _STATUS.match(head)
    if status is None:
        raise NoTunnel("the proxy's answer is not HTTP as we understand it")
    if not status[1].startswith(b"2"):
        raise NoTunnel(f"the proxy answered {status[1].decode()}")
    if head.partition(b"\r\n\r\n")[2]:
        raise NoTunnel("the proxy said more than that the tunnel stands")
