"""`POST /v1/items` over ASGI, with a real store; the broker is a fake."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry
from pydantic import SecretStr
from starlette.applications import Starlette

from schemas.config.source import Source
from schemas.events.news import NewsItem
from schemas.topics import NEWS_ITEMS
from services.ingester.intake import Intake
from services.ingester.metrics import IngesterMetrics
from services.ingester.push import PushRoute
from services.ingester.settings import IngesterSettings
from services.runtime.broker import Record
from services.runtime.errors import Unavailable
from services.store.engine import Store, metadata
from tests.fakes import FakeBroker, FakeClock

TOKEN = "correct horse"
ITEM = {"id": "1", "title": "US eases the H20 rule", "text": "Two people said so.", "language": "en", "published": "2026-03-01"}
GAZETTE = Source(id="gazette", title="Gazette", publisher="The Gazette", tier=0, language="nl", reader="push")


class Desk:
    """The push route at work."""

    def __init__(self, store: Store, **settings: Any) -> None:
        self.clock = FakeClock()
        self.broker = FakeBroker(self.clock)
        self.registry = CollectorRegistry()
        chosen = IngesterSettings(**({"push_token": SecretStr(TOKEN)} | settings))
        metrics = IngesterMetrics(self.registry)
        intake = Intake(self.broker, store, self.clock, metrics)
        route = PushRoute(intake, lambda: {"gazette": GAZETTE}, clock=self.clock, metrics=metrics, settings=chosen)
        self._client = httpx.AsyncClient(transport=httpx.ASGITransport(Starlette(routes=[route.route])), base_url="http://chipwire.example")

    async def push(self, content: Any, *, token: str | None = TOKEN) -> httpx.Response:
        headers: dict[bytes, bytes] = {} if token is None else {b"Authorization": f"Bearer {token}".encode()}
        body = content if isinstance(content, bytes) or hasattr(content, "__aiter__") else json.dumps(content).encode()
        return await self._client.post("/v1/items", content=body, headers=headers)

    def items(self) -> list[NewsItem]:
        return [NewsItem.model_validate_json(value or b"") for value in self.broker.values(NEWS_ITEMS)]

    def answers(self, outcome: str) -> float:
        return self.registry.get_sample_value("chipwire_ingester_pushes_total", {"outcome": outcome}) or 0.0

    @property
    def in_flight(self) -> float:
        return self.registry.get_sample_value("chipwire_ingester_push_in_flight_bytes") or 0.0


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with Store.open(f"sqlite:///{tmp_path / 'store.db'}") as opened:
        await opened.run(metadata.create_all)
        yield opened


@pytest.fixture
def desk(store: Store) -> Desk:
    return Desk(store)


@pytest.mark.parametrize("body", [ITEM, [ITEM], json.dumps(ITEM).encode() + b"\n\n"])
async def test_one_item_may_be_pushed_as_object_array_or_line(desk: Desk, body: Any) -> None:
    answer = await desk.push(body)

    assert (answer.status_code, answer.json()) == (202, {"accepted": 1, "known": 0, "refused": []})
    (item,) = desk.items()
    assert (item.source, item.title, item.tier, item.language, str(item.published)) == ("push", "US eases the H20 rule", 1, "en", "2026-03-01")


async def test_many_lines_are_many_items(desk: Desk) -> None:
    answer = await desk.push("\n".join(json.dumps(ITEM | {"id": str(number)}) for number in range(3)).encode())

    assert answer.json()["accepted"] == 3
    assert len(desk.items()) == 3


async def test_fields_that_we_do_not_know_are_ignored(desk: Desk) -> None:
    assert (await desk.push(ITEM | {"class": "alert", "event": "h20", "note": None})).status_code == 202


async def test_an_item_pushed_again_is_known_and_not_published_again(desk: Desk) -> None:
    await desk.push(ITEM)

    answer = await desk.push(ITEM)

    assert answer.json() == {"accepted": 1, "known": 1, "refused": []}
    assert len(desk.items()) == 1


async def test_the_same_id_in_other_words_is_a_revision(desk: Desk) -> None:
    await desk.push(ITEM)

    await desk.push(ITEM | {"text": "Three people said so.", "url": "https://news.example/moved"})

    first, second = sorted(desk.items(), key=lambda item: item.revised)
    assert first.id == second.id
    assert (first.revised, second.revised) == (False, True)


async def test_a_configured_source_lends_its_tier_outlet_and_language(desk: Desk) -> None:
    await desk.push({"title": "Nieuws", "source": "gazette"})
    await desk.push({"title": "News", "source": "gazette", "tier": 2, "language": "en", "outlet": "Other"})

    assert {(0, "nl", "The Gazette"), (2, "en", "Other")} == {(item.tier, item.language, item.outlet) for item in desk.items()}


async def test_good_items_are_taken_and_each_bad_one_is_told(desk: Desk) -> None:
    good = json.dumps(ITEM).encode()
    bad = [b'{"text": ""}', b"{", b'{"title": "t", "tier": 9}', b'{"title": "t", "published": "soon"}', b'"text"', b'{"title": "t", "source": "no/id"}']

    answer = await desk.push(b"\n".join([good, *bad]))

    assert answer.status_code == 207
    assert answer.json()["accepted"] == 1
    problems = {each["index"]: each["problem"] for each in answer.json()["refused"]}
    assert sorted(problems) == [1, 2, 3, 4, 5, 6]
    assert "title or a text" in problems[1]
    assert "no JSON" in problems[2]
    assert problems[3].startswith("tier: ")
    assert "expected a date" in problems[4]
    assert len(desk.items()) == 1


@pytest.mark.parametrize("body", [b"", b"rubbish", b"[]", b'[{"title": ""}]', b"42", b"\xff\xfe\x00"])
async def test_a_push_without_one_good_item_is_invalid(desk: Desk, body: bytes) -> None:
    answer = await desk.push(body)

    assert answer.status_code == 400
    assert answer.json()["problem"]
    assert desk.answers("invalid") == 1


@pytest.mark.parametrize("token", [None, "", "wrong", TOKEN + "!", "correct horsé"])
async def test_without_the_token_nothing_is_taken(desk: Desk, token: str | None) -> None:
    answer = await desk.push(ITEM, token=token)

    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert desk.items() == []


async def test_pushing_is_off_until_a_token_is_set(store: Store) -> None:
    answer = await Desk(store, push_token=SecretStr("")).push(ITEM, token="")

    assert answer.status_code == 503
    assert "CHIPWIRE_INGESTER_PUSH_TOKEN" in answer.json()["problem"]


async def test_a_body_that_is_too_large_is_refused_before_it_is_read(store: Store) -> None:
    answer = await Desk(store, push_max_body=1_000).push(b" " * 1_001)

    assert answer.status_code == 413


async def test_a_body_that_grows_too_large_unannounced_is_cut_off(store: Store) -> None:
    desk = Desk(store, push_max_body=1_000)

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b" " * 100

    assert (await desk.push(endless())).status_code == 413
    assert desk.in_flight == 0


async def test_too_many_items_at_once_are_refused(store: Store) -> None:
    answer = await Desk(store, push_max_items=2).push([ITEM] * 3)

    assert (answer.status_code, answer.json()["problem"]) == (413, "3 items; push at most 2 at once")


@asynccontextmanager
async def stuck(desk: Desk) -> AsyncIterator[asyncio.Event]:
    """A broker that takes nothing until the event is set, as one that is full."""
    room, publish = asyncio.Event(), desk.broker.publish

    async def waits(records: list[Record]) -> None:
        await room.wait()
        await publish(records)

    desk.broker.publish = waits  # type: ignore[assignment, method-assign]  # the broker of this test is full
    yield room


async def settled(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 the condition is a metric, which has no event
            await asyncio.sleep(0.001)


async def test_under_backpressure_further_pushes_are_told_to_wait_and_nothing_is_lost(store: Store) -> None:
    desk = Desk(store, push_in_flight=1_000)
    async with stuck(desk) as room:
        first = asyncio.create_task(desk.push(ITEM | {"text": "x" * 900}))
        await settled(lambda: desk.in_flight > 900)

        refused = await desk.push(ITEM | {"id": "2"})
        room.set()

        assert (await first).status_code == 202
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) >= 1
    assert (await desk.push(ITEM | {"id": "2"})).status_code == 202
    assert (desk.in_flight, len(desk.items())) == (0, 2)


async def test_a_line_that_stays_full_is_busy_after_the_deadline(store: Store) -> None:
    desk = Desk(store, push_deadline=timedelta(milliseconds=20))
    async with stuck(desk) as room:
        answer = await desk.push(ITEM)
        held = desk.in_flight
        room.set()
        await settled(lambda: desk.in_flight == 0)

    assert answer.status_code == 429
    assert held > 0


async def test_what_was_given_up_and_is_pushed_again_is_published_once(store: Store) -> None:
    desk = Desk(store, push_deadline=timedelta(milliseconds=20))
    async with stuck(desk) as room:
        refused = [await desk.push(ITEM) for _ in range(3)]
        room.set()
        await settled(lambda: desk.in_flight == 0)

    assert [answer.status_code for answer in refused] == [429, 429, 429]
    assert len(desk.items()) == 1


async def test_a_broker_that_is_away_is_told_and_the_item_may_come_again(desk: Desk) -> None:
    desk.broker.fail("publish", Unavailable("the broker does not answer"))

    refused = await desk.push(ITEM)
    taken = await desk.push(ITEM)

    assert (refused.status_code, taken.status_code) == (503, 202)
    assert "retry-after" in refused.headers
    assert len(desk.items()) == 1


async def test_every_answer_is_counted_under_its_outcome(desk: Desk) -> None:
    await desk.push(ITEM)
    await desk.push([ITEM, {}])
    await desk.push(ITEM, token="wrong")

    assert (desk.answers("taken"), desk.answers("partly_taken"), desk.answers("unauthorised")) == (1, 1, 1)
