"""Requests through an egress proxy: the guard decides here, and the proxy gets nothing but addresses that it has passed."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import pytest
import trustme

from services.runtime.http import HttpClient, HttpFailure, Reason, Response
from services.runtime.proxy import parse_proxy
from tests.servers import hostile, proxy
from tests.servers.names import Names

PUBLIC, ALSO_PUBLIC = "93.184.216.34", "1.1.1.1"
LOOPBACK = (ip_network("127.0.0.0/8"),)
SOON = timedelta(seconds=5)
SHORT = timedelta(seconds=0.5)


@asynccontextmanager
async def through(way: proxy.Way, user: str = "", **settings: Any) -> AsyncIterator[HttpClient]:
    """A client that may reach nothing inside: not even the loopback, where the proxy itself is."""
    resolver = Names(hooks_example=[[PUBLIC]], home_example=[["127.0.0.1"]])
    async with HttpClient(**({"proxy": parse_proxy(way.url(user)), "resolver": resolver} | settings)) as client:
        yield client


async def post(client: HttpClient, url: str, **options: Any) -> Response:
    return await client.request("POST", url, **({"content": b"{}", "deadline": SOON, "max_body": 1_000, "whole": False} | options))


async def failure(request: Any) -> HttpFailure:
    with pytest.raises(HttpFailure) as caught:
        await request
    return caught.value


async def test_the_proxy_is_asked_for_the_address_and_the_server_is_told_the_name() -> None:
    async with hostile.serve(hostile.answer()) as server, proxy.serve(to=server.port) as way, through(way) as client:
        answer = await post(client, "http://hooks.example/in", headers={"x-team": "chips"})

    assert answer.status == 200
    assert way.asked == [f"{PUBLIC}:80"]
    assert "hooks.example" not in way.heads[0]
    assert "chips" not in way.heads[0]
    assert server.requests[0].startswith(b"POST /in HTTP/1.1\r\n")
    assert b"host: hooks.example\r\n" in server.requests[0].lower()


async def test_inside_the_tunnel_the_certificate_must_be_the_names() -> None:
    authority = trustme.CA()
    right, wrong = (server_side(authority.issue_cert(name)) for name in ("hooks.example", PUBLIC))
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)

    async with hostile.serve(hostile.answer(b"safe"), tls=right) as server, proxy.serve(to=server.port) as way, through(way, tls=trusting) as client:
        answer = await post(client, "https://hooks.example/")
    async with hostile.serve(hostile.answer(), tls=wrong) as server, proxy.serve(to=server.port) as way, through(way, tls=trusting) as client:
        failed = await failure(post(client, "https://hooks.example/"))

    assert answer.body == b"safe"
    assert (failed.reason, failed.sent, server.requests, way.asked) == (Reason.TLS, "never", [], [f"{PUBLIC}:443"])


def server_side(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


async def test_a_tunnel_is_used_again() -> None:
    async with hostile.serve(hostile.answer()) as server, proxy.serve(to=server.port) as way, through(way) as client:
        for _ in range(5):
            await post(client, "http://hooks.example/")

    assert (len(server.requests), len(way.heads)) == (5, 1)


async def test_a_name_that_leads_home_never_reaches_the_proxy() -> None:
    async with proxy.serve() as way, through(way) as client:
        failed = await failure(post(client, "http://home.example/"))

    assert (failed.reason, failed.sent, way.heads) == (Reason.BLOCKED_ADDRESS, "never", [])


async def test_a_resolver_that_changes_its_mind_does_not_get_past() -> None:
    lying = Names(hooks_example=[[PUBLIC], ["169.254.169.254"]])
    once = hostile.say(hostile.head(headers="Content-Length: 0\r\n"))

    async with hostile.serve(once) as server, proxy.serve(to=server.port) as way, through(way, resolver=lying) as client:
        first = await post(client, "http://hooks.example/")
        await server.all_closed()
        client._transport._session.connector.clear_dns_cache()  # type: ignore[union-attr]  # as when the answer has expired
        failed = await failure(post(client, "http://hooks.example/"))

    assert (first.status, failed.reason, way.asked) == (200, Reason.BLOCKED_ADDRESS, [f"{PUBLIC}:80"])


async def test_of_mixed_answers_only_what_the_guard_passes_is_asked_for() -> None:
    mixed = Names(hooks_example=[["10.0.0.1", PUBLIC, "127.0.0.1"]])

    async with hostile.serve(hostile.answer()) as server, proxy.serve(to=server.port) as way, through(way, resolver=mixed) as client:
        answer = await post(client, "http://hooks.example/")

    assert (answer.status, way.asked) == (200, [f"{PUBLIC}:80"])


async def test_a_redirect_into_the_house_never_reaches_the_proxy() -> None:
    elsewhere = hostile.redirect("http://169.254.169.254/latest/meta-data/")

    async with hostile.serve(elsewhere) as server, proxy.serve(to=server.port) as way, through(way) as client:
        failed = await failure(client.request("GET", "http://hooks.example/", deadline=SOON, max_body=10, follow_redirects=3))

    assert (failed.reason, way.asked) == (Reason.BLOCKED_ADDRESS, [f"{PUBLIC}:80"])


async def test_an_address_that_the_proxy_cannot_reach_is_followed_by_the_next() -> None:
    two = Names(hooks_example=[[PUBLIC, ALSO_PUBLIC]])
    refused = b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n"

    async with hostile.serve(hostile.answer()) as server, proxy.serve(refused, proxy.OPEN, to=server.port) as way, through(way, resolver=two) as client:
        answer = await post(client, "http://hooks.example/")

    assert (answer.status, way.asked) == (200, [f"{PUBLIC}:80", f"{ALSO_PUBLIC}:80"])


async def test_an_ipv6_address_is_asked_for_in_brackets() -> None:
    async with hostile.serve(hostile.answer()) as server, proxy.serve(to=server.port) as way, through(way) as client:
        await post(client, "http://[2606:4700::1111]/")

    assert way.asked == ["[2606:4700::1111]:80"]


async def test_the_proxy_is_told_who_asks_and_the_server_is_not() -> None:
    async with hostile.serve(hostile.answer()) as server, proxy.serve(to=server.port) as way, through(way, user="ana:s%40fe@") as client:
        await post(client, "http://hooks.example/")

    assert "Proxy-Authorization: Basic YW5hOnNAZmU=\r\n" in way.heads[0]
    assert b"proxy-authorization" not in server.requests[0].lower()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "the proxy answered 407"),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", "the proxy answered 403"),
        (b"HTTP/1.1 302 Found\r\nlocation: http://elsewhere.example/\r\n\r\n", "the proxy answered 302"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "the proxy's answer is not HTTP as we understand it"),
        (b"HTTP/1.1 200 OK\r\n", "the proxy's answer is not HTTP as we understand it"),
        (b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 5_000, "the proxy's answer is not HTTP as we understand it"),
        (b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", "the proxy said more than that the tunnel stands"),
    ],
)
async def test_a_proxy_that_opens_no_tunnel_is_told_without_its_password(answer: bytes, said: str) -> None:
    async with proxy.serve(answer) as way, through(way, user="ana:hidden@") as client:
        failed = await failure(post(client, "http://hooks.example/"))

    assert (failed.reason, failed.sent) == (Reason.REFUSED, "never")
    assert said in str(failed)
    assert not {"hidden", "ana"} & set(str(failed).replace(":", " ").split())


async def test_a_proxy_that_is_away_means_never_sent_and_never_direct() -> None:
    async with proxy.serve() as way:
        pass
    async with hostile.serve(hostile.answer()) as server, through(way, allow=LOOPBACK) as client:
        failed = await failure(post(client, server.url()))

        assert server.connections == 0
    assert (failed.reason, failed.sent) == (Reason.REFUSED, "never")
    assert "the proxy cannot be reached" in str(failed)


@pytest.mark.parametrize("limit", ["deadline", "connect_timeout"])
async def test_a_proxy_that_says_nothing_means_no_connection_in_time(limit: str) -> None:
    async with proxy.serve(b"") as way, through(way, **({"connect_timeout": SHORT} if limit == "connect_timeout" else {})) as client:
        failed = await failure(post(client, "http://hooks.example/", deadline=SHORT if limit == "deadline" else SOON))

    assert (failed.reason, failed.sent) == (Reason.CONNECT_TIMEOUT, "never")


async def test_a_cancelled_request_leaves_no_socket_behind() -> None:
    async with proxy.serve(b"") as way, through(way) as client:
        task = asyncio.create_task(post(client, "http://hooks.example/"))
        async with asyncio.timeout(5):
            while not way.heads:  # noqa: ASYNC110 the proxy's head comes when it comes
                await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        async with asyncio.timeout(5):
            while way._tasks:
                await asyncio.wait(way._tasks)  # ends when our end is closed


async def test_a_proxy_without_a_name_that_resolves_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nobody(*_: object, **__: object) -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    async with HttpClient(proxy=parse_proxy("http://proxy.invalid:3128"), resolver=Names(hooks_example=[[PUBLIC]])) as client:
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", nobody)
        failed = await failure(post(client, "http://hooks.example/"))

    assert (failed.reason, failed.sent) == (Reason.REFUSED, "never")
    assert "the proxy's name cannot be resolved" in str(failed)
