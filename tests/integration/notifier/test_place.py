from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest

from schemas.events.base import Moment
from schemas.events.signal import PolicySignal
from schemas.topics import POLICY_EVENTS, POLICY_SIGNALS
from services.notifier.outbox import Relay
from services.notifier.place import OUTCOMES, Placer, UlidMint
from services.runtime.errors import Malformed, Unavailable
from services.store import threads
from services.store.engine import Store
from tests import make
from tests.fakes import FakeBroker, FakeClock
from tests.placing import Line, record

HOUR = timedelta(hours=1)


@pytest.fixture
def line(store: Store) -> Line:
    return Line(store, FakeClock(), FakeBroker())


def told(
    outlet: str, *, after: timedelta = timedelta(0), tier: int = 1, verdict: str = "alert", observed: timedelta | None = None, **facts: object
) -> PolicySignal:
    at = make.NOW + after
    item = make.item_header(
        url=f"https://{outlet}.example/1", outlet=outlet, tier=tier, published=Moment.of(at), observed_at=at + (observed or timedelta(minutes=1))
    )
    return make.signal(item, verdict=verdict, **facts)


async def test_a_verdict_becomes_an_event_an_alert_and_a_record_for_others(line: Line) -> None:
    await line.place(told("NPR"))

    (event,) = await line.events()
    (alert,) = await line.store.read(lambda db: threads.unfanned_alerts(db, 10))
    assert (alert.id, alert.kind, alert.event) == ("event1.1", "new", event)
    assert await line.relayed() == [event]


async def test_the_same_batch_again_changes_nothing(line: Line) -> None:
    batch = [told("NPR"), told("Reuters", stage="announced"), told("Blog", tier=3)]

    await line.place(*batch)
    await line.place(*batch)

    (event,) = await line.events()
    assert event.version == 3
    assert await line.kinds() == ["new", "update"]
    assert line.outcomes["repeated"] == 3


async def test_a_repeated_record_within_a_batch_tells_once(line: Line) -> None:
    await line.place(*[told("NPR")] * 1000)

    assert await line.kinds() == ["new"]


async def test_an_older_verdict_that_comes_late_is_dropped(line: Line) -> None:
    newer, older = told("NPR", observed=2 * HOUR, stage="announced"), told("NPR", observed=HOUR)

    await line.place(newer)
    await line.place(older)

    (event,) = await line.events()
    assert (event.version, event.facts.stage) == (1, "announced")


async def test_a_newer_ruleset_replaces_the_verdict_of_the_same_revision(line: Line) -> None:
    first = told("NPR")
    again = first.model_copy(update={"verdict": "no", "ruleset": "rules2", "ruleset_activated_at": make.NOW})

    await line.place(first)
    await line.place(again)

    (event,) = await line.events()
    assert event.status == "withdrawn"
    assert await line.kinds() == ["new", "withdrawal"]


@pytest.mark.parametrize("late", [False, True], ids=["after the first verdict", "before it"])
async def test_a_second_opinion_replaces_the_verdict_it_was_asked_about_in_whatever_order_they_come(line: Line, late: bool) -> None:
    first = told("NPR")
    just_after = first.ruleset_activated_at + timedelta(microseconds=1)
    second = first.model_copy(update={"id": "second", "verdict": "no", "ruleset_activated_at": just_after})

    for signal in (second, first) if late else (first, second):
        await line.place(signal)

    assert await line.kinds() == ([] if late else ["new", "withdrawal"])
    assert [event.status for event in await line.events()] == ([] if late else ["withdrawn"])
    assert line.outcomes["repeated"] == int(late)


async def test_a_rule_set_that_is_loaded_later_judges_anew_whatever_the_second_opinion_was(line: Line) -> None:
    first = told("NPR")
    second = first.model_copy(update={"verdict": "no", "ruleset_activated_at": first.ruleset_activated_at + timedelta(microseconds=1)})
    later = first.model_copy(update={"ruleset": "rules2", "ruleset_activated_at": make.NOW})

    for signal in (first, second, later):
        await line.place(signal)

    assert [source.verdict for event in await line.events() for source in event.sources if event.status == "open"] == ["alert"]


async def test_a_held_item_joins_when_a_better_source_comes(line: Line) -> None:
    await line.place(told("Blog", tier=3))
    assert await line.events() == []

    await line.place(told("Reuters", after=HOUR))

    (event,) = await line.events()
    assert [source.outlet for source in event.sources] == ["Reuters", "Blog"]
    assert await line.kinds() == ["new"]
    assert [each.version for each in await line.relayed()] == [1, 2]


async def test_a_held_item_is_let_go_after_a_day(line: Line) -> None:
    await line.place(told("Blog", tier=3))
    line.clock.advance(timedelta(hours=25))

    await line.placer.recheck_due()
    await line.placer.recheck_due()

    assert line.outcomes["expired"] == 1
    assert await line.events() == []


async def test_the_task_that_rechecks_ends_when_told_to(line: Line) -> None:
    stop = asyncio.Event()
    task = asyncio.create_task(line.placer.recheck(stop))
    await asyncio.sleep(0)

    stop.set()

    await asyncio.wait_for(task, 10)


async def test_two_trade_papers_confirm_a_reversal_and_both_are_named(line: Line) -> None:
    await line.place(told("NPR"))
    for hours, outlet in ((2, "Register"), (3, "TrendForce")):
        await line.place(told(outlet, after=hours * HOUR, tier=2, action="tighten", direction="tighten", stage="announced"))

    _, reversal = await line.events()
    assert {source.outlet for source in reversal.sources} == {"Register", "TrendForce"}
    assert [relation.event for relation in reversal.relations] == ["event1"]
    assert await line.kinds() == ["new", "reversal"]


async def test_a_backfill_is_stored_and_shown_but_alerts_nobody(line: Line) -> None:
    item = make.item_header(backfill=True)

    await line.place(make.signal(item))

    assert len(await line.events()) == 1
    assert await line.kinds() == []
    assert line.outcomes["stale"] == 1


async def test_a_malformed_record_fails_the_batch_and_leaves_nothing_behind(line: Line) -> None:
    with pytest.raises(Malformed):
        await line.placer.handle([record(told("NPR")), make.record(b"{}", topic=POLICY_SIGNALS)])

    assert await line.events() == []


async def test_versions_of_one_batch_ascend_in_the_topic_with_their_trace(line: Line) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    await line.placer.handle([record(told("NPR"), traceparent=trace), record(told("Reuters", stage="announced")), record(told("AP"))])

    assert [event.version for event in await line.relayed()] == [1, 2, 3]
    records = [each async for each in line.broker.read(POLICY_EVENTS)]
    assert [each.header("ce_id") for each in records] == ["event1.1", "event1.2", "event1.3"]
    assert [each.header("traceparent") for each in records] == [trace, None, None]
    assert {each.key for each in records} == {b"event1"}


async def test_a_relay_that_dies_between_publishing_and_forgetting_repeats_and_loses_nothing(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    await line.place(told("NPR"))
    with monkeypatch.context() as patched:
        patched.setattr(threads, "forget_records", _dies)
        with pytest.raises(ZeroDivisionError):
            await line.relay.relay()

    assert [event.id for event in await line.relayed()] == ["event1", "event1"]


def _dies(db: object, seqs: Sequence[int]) -> None:
    raise ZeroDivisionError


async def test_a_broker_that_is_away_is_waited_for(line: Line) -> None:
    await line.place(told("NPR"))
    line.broker.fail("publish", Unavailable("away"), times=1)
    stop = asyncio.Event()
    task = asyncio.create_task(Relay(line.store, line.broker, line.clock, line.waker, look_every=timedelta(milliseconds=10)).run(stop))

    async with asyncio.timeout(10):
        async for published in line.broker.read(POLICY_EVENTS, follow=True):
            assert published.key == b"event1"
            break
    stop.set()
    await asyncio.wait_for(task, 10)

    assert [event.id for event in await line.relayed()] == ["event1"]


async def test_only_one_relay_works_at_a_time(line: Line) -> None:
    await line.place(told("NPR"))
    other = Relay(line.store, line.broker, line.clock, line.waker)

    assert await line.relay.relay() == 1
    await line.place(told("Reuters"))
    assert await other.relay() == 0
    assert await line.relay.relay() == 1


async def test_placing_wakes_the_relay_and_the_fan_out(line: Line) -> None:
    stop = asyncio.Event()
    waiting = [asyncio.create_task(line.waker.wait(channel, stop, timedelta(minutes=5))) for channel in ("alerts", "outbox")]
    await asyncio.sleep(0)

    await line.place(told("NPR"))

    await asyncio.wait_for(asyncio.gather(*waiting), 10)


async def test_a_flood_of_rewrites_makes_no_flood_of_versions(line: Line) -> None:
    await line.place(*[told(f"portal{number}", tier=2) for number in range(130)])

    (event,) = await line.events()
    assert (event.version, len(event.sources)) == (100, 100)

    await line.place(told("BIS", tier=0, stage="published"))
    assert await line.kinds() == ["new", "update"]


async def test_two_placers_at_once_make_one_event_of_one_story(line: Line) -> None:
    other = Placer(line.store, line.clock, line.waker, headline=lambda facts: "", count=lambda outcome: None, mint=lambda: "other")

    await asyncio.gather(line.place(*[told(f"a{n}") for n in range(20)]), other.handle([record(told(f"b{n}")) for n in range(20)]))

    (event,) = await line.events()
    assert (event.version, len(event.sources)) == (40, 40)
    assert await line.kinds() == ["new"]


async def test_every_outcome_is_one_of_the_counted(line: Line) -> None:
    await line.place(told("NPR"), told("Blog", tier=3, products=("H200",)), told("Analyst", verdict="context"), told("Other", verdict="no"))

    assert set(line.outcomes) == {"opened", "held", "joined", "unplaced"}
    assert set(line.outcomes) <= set(OUTCOMES)


def test_minted_ids_ascend_within_a_millisecond_too() -> None:
    mint = UlidMint()

    minted = [mint() for _ in range(5000)]

    assert minted == sorted(set(minted))
