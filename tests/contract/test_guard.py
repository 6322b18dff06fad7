"""Nothing that is asked for over HTTP leads into the house, whoever asks and however it is written: webhooks, challenges and fetches alike, through a proxy too."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import pytest

from schemas.config.source import Source
from services.ingester.fetch import Limits, fetch
from services.notifier.channels.challenge import challenge
from services.notifier.channels.outcome import Message, Retry
from services.notifier.channels.webhook import WebhookChannel
from services.runtime.clock import SystemClock
from services.runtime.http import HttpClient, HttpFailure
from services.runtime.proxy import parse_proxy
from services.store.ingest import SourceState
from tests import make
from tests.alerting import SECRET
from tests.data.addresses import BLOCKED, NAMES, UNUSABLE
from tests.servers import hostile, proxy
from tests.servers.names import Names

CLOCK = SystemClock()
SOON = timedelta(seconds=5)
OUTSIDE = "127.0.0.2"
"""Plays a public address where something has to answer there: it alone is allowed."""

Ask = Callable[[HttpClient, str], Awaitable[str]]
"""Asks for a URL as one part of the house does. Gives the word for how it ended."""


class Answers(Names):
    """The lying resolver; whatever it knows nothing of is read as the system reads numbers, and no DNS server is asked."""

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[Any]:
        if host.rstrip(".") in NAMES:
            return await super().resolve(host, port, family)
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        return [
            {"hostname": host, "host": address[0], "port": port, "family": kind, "proto": 0, "flags": socket.AI_NUMERICHOST} for kind, _, _, _, address in found
        ]


def answers() -> Answers:
    return Answers(**{name: [addresses] for name, addresses in NAMES.items()})


# ---- who asks


async def by_webhook(client: HttpClient, url: str) -> str:
    outcome = await WebhookChannel(client, CLOCK, SOON).send(message(url))
    return str(outcome.reason) if isinstance(outcome, Retry) and not outcome.maybe_sent else f"got out: {outcome}"


async def by_challenge(client: HttpClient, url: str) -> str:
    said = await challenge(client, CLOCK, address=url, secret=SECRET, deadline=SOON) or "got out"
    return said.removeprefix("the endpoint was not reached: ")


async def by_fetch(client: HttpClient, url: str) -> str:
    source = Source.model_validate({"id": "wire", "title": "Wire", "tier": 1, "reader": "feed", "url": "https://news.example/rss", "every": "5m"})
    try:
        await fetch(source.model_copy(update={"url": url}), SourceState("wire", url), client, Limits(SOON, 1_000, "chipwire"), make.NOW)
    except HttpFailure as exc:
        return str(exc.reason) if exc.sent == "never" else f"got out: {exc}"
    return "got out"


def message(url: str) -> Message:
    words = {"headline": "H", "subject": "S", "text": "T", "language": "en", "reasons": ("all",)}
    return Message(
        id="msg_1", account_id="desk", destination_id="hook", address=url, secret=SECRET, alert_id="E1.1", kind="new", event=make.event(), raised_at=make.NOW,
        sequence=1, previous=0, epoch=1, **words,
    )  # type: ignore[arg-type]  # fmt: skip


@dataclass
class House:
    """A client that may reach nothing inside, a server that must not hear of it, and a proxy that must not either."""

    client: HttpClient
    server: hostile.Server
    way: proxy.Way

    def untouched(self) -> bool:
        return self.server.connections == 0 and self.way.heads == []


@pytest.fixture(params=["direct", "through a proxy"])
async def house(request: pytest.FixtureRequest) -> AsyncIterator[House]:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(hostile.serve(hostile.answer()))
        way = await stack.enter_async_context(proxy.serve(to=server.port))
        through = parse_proxy(way.url()) if request.param == "through a proxy" else None
        client = await stack.enter_async_context(HttpClient(resolver=answers(), proxy=through))
        yield House(client, server, way)


ASKING = pytest.mark.parametrize("ask", [by_webhook, by_challenge, by_fetch], ids=["webhook", "challenge", "fetch"])


def test_there_are_enough_ways_to_write_an_address_and_none_is_there_twice() -> None:
    assert len(BLOCKED) >= 120
    assert len({*BLOCKED, *UNUSABLE}) == len(BLOCKED) + len(UNUSABLE) >= 220


@ASKING
async def test_every_way_to_write_an_inside_address_is_stopped_by_the_guard(house: House, ask: Ask) -> None:
    ended = {url: await ask(house.client, url.format(port=house.server.port)) for url in BLOCKED}

    assert {url: said for url, said in ended.items() if said != "blocked_address"} == {}
    assert house.untouched()


@ASKING
async def test_what_is_no_web_address_is_refused_before_anybody_is_asked(house: House, ask: Ask) -> None:
    ended = {url: await ask(house.client, url.format(port=house.server.port)) for url in UNUSABLE}

    assert {url: said for url, said in ended.items() if said not in ("bad_url", "dns")} == {}
    assert "hidden" not in str(list(ended.values()))
    assert house.untouched()


async def test_a_redirect_leads_into_the_house_by_none_of_them() -> None:
    """Only fetches follow redirects. The number in the path says where to."""
    ways = [url for url in (*BLOCKED, *UNUSABLE) if url.isascii() and url.isprintable()]

    async def lead(connection: hostile.Connection) -> None:
        while request := await connection.request():
            number = int(request.split(b" ")[1].rpartition(b"/")[2] or 0)
            location = ways[number].format(port=server.port)
            await connection.send(hostile.head("302 Found", f"Content-Length: 0\r\nLocation: {location}\r\n"))

    async with hostile.serve(hostile.answer()) as server, hostile.serve(lead, host=OUTSIDE) as outside:
        async with HttpClient(resolver=answers(), allow=[ip_network(OUTSIDE)]) as client:
            ended = {url: await by_redirect(client, outside.url(f"/{number}")) for number, url in enumerate(ways)}

        assert server.connections == 0
    assert {url: said for url, said in ended.items() if url in BLOCKED and said != "blocked_address"} == {}
    assert "hidden" not in str(list(ended.values()))


async def by_redirect(client: HttpClient, url: str) -> str:
    try:
        answer = await client.request("GET", url, deadline=SOON, max_body=1_000, follow_redirects=3)
    except HttpFailure as exc:
        return str(exc.reason)
    return f"answered {answer.status}"


@pytest.mark.parametrize("lying", [[[OUTSIDE], ["127.0.0.1"]], [[OUTSIDE, "127.0.0.1"]], [["127.0.0.1", OUTSIDE]], [["::1", OUTSIDE, "127.0.0.1"]]], ids=str)
@pytest.mark.parametrize("up", [True, False], ids=["the outside answers", "the outside refuses"])
@ASKING
async def test_a_lying_resolver_leads_nobody_home(lying: list[list[str]], up: bool, ask: Ask) -> None:
    """First public and then private, or both at once; also when what is public does not answer."""
    once = hostile.say(hostile.head(headers="Content-Length: 0\r\n"))
    async with hostile.serve(once, host=OUTSIDE) as outside, HttpClient(resolver=Names(hooks_example=lying), allow=[ip_network(OUTSIDE)]) as client:
        if not up:
            await outside.stop()
        with socket.create_server(("127.0.0.1", outside.port)) as home:
            home.setblocking(False)
            for _ in range(3):
                await ask(client, outside.url(host="hooks.example"))
                client._transport._session.connector.clear_dns_cache()  # type: ignore[union-attr]  # as when the answer has expired
            with pytest.raises(BlockingIOError):
                home.accept()

    assert bool(outside.requests) is up


@ASKING
async def test_an_operator_opens_a_network_for_all_of_them(ask: Ask) -> None:
    async with hostile.serve(hostile.answer()) as server, HttpClient(allow=[ip_network("127.0.0.0/8")]) as client:
        await ask(client, server.url())

    assert len(server.requests) == 1
