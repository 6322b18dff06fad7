from __future__ import annotations

import asyncio
import threading
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from schemas.events.event import PolicyEvent, Relation
from schemas.events.signal import PolicySignal
from schemas.topics import POLICY_EVENTS
from services.runtime import codec
from services.runtime.errors import Unavailable
from services.store import leases, threads
from services.store.engine import Store, place_lock
from services.store.threads import NewVerdict, NewVersion
from services.store.wake import Waker, notify
from tests import make

NOW = make.NOW


def version(event: PolicyEvent | None = None, *, keys: frozenset[str] = frozenset({"US:product:h20"}), at: datetime = NOW, **alert: object) -> NewVersion:
    told = event or make.event()
    record = codec.encode(POLICY_EVENTS, told, key=told.id, id=f"{told.id}.{told.version}", source="/chipwire/notifier", time=NOW)
    return NewVersion(told, at, at, keys, record, **alert)


async def write(store: Store, *told: NewVersion, judged: tuple[NewVerdict, ...] = ()) -> None:
    await store.run(lambda db: threads.write(db, told, judged, NOW))


async def test_a_fresh_alert_waits_for_its_fan_out_and_one_that_is_not_fresh_never_does(store: Store) -> None:
    stale = make.event(id="stale")
    await write(store, version(kind="new", rank=4, fresh=True), version(stale, kind="new", rank=3, fresh=False))

    (alert,) = await store.read(lambda db: threads.unfanned_alerts(db, 10))

    event = make.event()
    assert (alert.id, alert.event, alert.kind, alert.rank, alert.created_at) == (f"{event.id}.1", event, "new", 4, NOW)
    assert [fresh for _, fresh in await store.read(lambda db: threads.alerts_of(db, "stale"))] == [False]


async def test_a_fan_out_resumes_at_its_cursor_and_ends_once(store: Store) -> None:
    await write(store, version(kind="new", fresh=True))
    (alert,) = await store.read(lambda db: threads.unfanned_alerts(db, 10))

    await store.run(lambda db: threads.set_fanout_cursor(db, alert.id, "sub-17", False, NOW))
    assert await store.read(lambda db: threads.fanout_cursor(db, alert.id)) == "sub-17"
    await store.run(lambda db: threads.set_fanout_cursor(db, alert.id, None, True, NOW))

    assert await store.read(lambda db: threads.unfanned_alerts(db, 10)) == []
    assert await store.read(lambda db: threads.alert(db, alert.id)) == alert


async def test_every_version_is_kept_and_the_newest_stands(store: Store) -> None:
    first = make.event()
    second = first.model_copy(update={"version": 2, "changes": ("stage_raised",)})
    await write(store, version(first), version(second))

    assert await store.read(lambda db: threads.event(db, first.id)) == second
    assert await store.read(lambda db: threads.event(db, first.slug)) == second
    assert await store.read(lambda db: threads.versions(db, first.id)) == [first, second]
    assert await store.read(lambda db: threads.event(db, "nothing")) is None


async def test_candidates_are_found_by_key_within_their_time_or_for_ever(store: Store) -> None:
    old = make.event(id="old")
    await write(
        store,
        version(keys=frozenset({"US:product:h20"})),
        version(old, keys=frozenset({"US:product:h20", "instrument:91fr1684"}), at=NOW - timedelta(days=400)),
    )

    async def found(lasting: list[str], timely: list[str]) -> set[str]:
        window = [(timely, NOW - timedelta(days=180), NOW + timedelta(days=180))]
        return set(await store.read(lambda db: threads.candidates(db, lasting, window)))

    assert await found([], ["US:product:h20"]) == {make.event().id}
    assert await found(["instrument:91fr1684"], []) == {"old"}
    assert await found([], ["US:product:gallium"]) == set()


async def test_what_is_not_open_is_no_candidate(store: Store) -> None:
    await write(store, version(make.event(status="withdrawn")))

    assert await store.read(lambda db: threads.candidates(db, [], [(["US:product:h20"], NOW, NOW)])) == {}


async def test_events_are_listed_latest_first_and_related_both_ways(store: Store) -> None:
    older, newer = make.event(id="older"), make.event(id="newer", relations=(Relation(event="older", relation="reverses"),))
    await write(store, version(older, at=NOW - timedelta(days=6)), version(newer, keys=frozenset({"relates:older"})))

    assert [event.id for event in await store.read(lambda db: threads.list_events(db))] == ["newer", "older"]
    assert [event.id for event in await store.read(lambda db: threads.list_events(db, since=NOW))] == ["newer"]
    assert [event.id for event in await store.read(lambda db: threads.related(db, "older"))] == ["newer"]
    assert [event.id for event in await store.read(lambda db: threads.related(db, "newer"))] == ["older"]


async def test_the_standing_verdict_of_an_item_is_the_last_one_written(store: Store) -> None:
    signal = make.signal()
    later = make.signal(signal.item.model_copy(update={"observed_at": NOW + timedelta(hours=1)}))

    await write(store, judged=(NewVerdict(signal, None),))
    await write(store, judged=(NewVerdict(later, "event1"),))

    standing = await store.read(lambda db: threads.standing(db, [signal.item.id, "other"]))
    assert {item: (one.observed_at, one.event_id) for item, one in standing.items()} == {signal.item.id: (NOW + timedelta(hours=1), "event1")}


async def test_a_held_item_is_found_by_what_it_waits_for_and_its_time_is_not_prolonged(store: Store) -> None:
    signal = make.signal()

    def held(until: datetime) -> NewVerdict:
        return NewVerdict(signal, None, until, "an aggregator alone", frozenset({"US:product:h20"}))

    await write(store, judged=(held(NOW + timedelta(hours=24)),))
    await write(store, judged=(held(NOW + timedelta(hours=48)),))

    assert await store.read(lambda db: threads.held_signals(db, ["US:product:h20"])) == [signal]
    assert await store.read(lambda db: threads.held_signals(db, ["US:product:gallium"])) == []
    assert await store.read(lambda db: threads.due_signals(db, NOW + timedelta(hours=23))) == []
    assert await due(store, NOW + timedelta(hours=24)) == [signal]

    await write(store, judged=(NewVerdict(signal, "event1"),))
    assert await due(store, NOW + timedelta(hours=24)) == []
    assert await store.read(lambda db: threads.held_signals(db, ["US:product:h20"])) == []


async def due(store: Store, now: datetime) -> list[PolicySignal]:
    return await store.read(lambda db: threads.due_signals(db, now))


async def test_the_outbox_gives_records_back_as_they_were_in_the_order_they_were_written(store: Store) -> None:
    versions = [version(make.event(version=number)) for number in (1, 2, 3)]
    await write(store, *versions)

    rows = await store.read(lambda db: threads.waiting_records(db, 2))
    assert [record for _, record in rows] == [new.record for new in versions[:2]]

    await store.run(lambda db: threads.forget_records(db, [seq for seq, _ in rows]))
    assert [record for _, record in await store.read(lambda db: threads.waiting_records(db, 10))] == [versions[2].record]


async def test_a_failure_leaves_nothing_of_a_batch_behind(store: Store) -> None:
    def fail(db: object) -> None:
        threads.write(db, [version(kind="new", fresh=True)], [], NOW)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await store.run(fail)

    assert await store.read(lambda db: (threads.unfanned_alerts(db, 9), threads.waiting_records(db, 9), threads.list_events(db))) == ([], [], [])


@pytest.mark.postgres
async def test_a_holder_of_the_placement_lock_that_freezes_is_cut_off(postgres_url: str) -> None:
    async with Store.open(postgres_url, statement_timeout=timedelta(seconds=1)) as store:
        frozen, thawed = threading.Event(), threading.Event()

        def freeze(db: Connection) -> None:
            place_lock(db)
            frozen.set()
            thawed.wait(30)
            db.execute(sa.text("SELECT 1"))

        holder = asyncio.create_task(store.run(freeze))
        await asyncio.to_thread(frozen.wait, 10)
        async with asyncio.timeout(20):
            while True:
                try:
                    await store.run(place_lock)
                    break
                except Unavailable:  # its own wait for the lock timed out first: as the worker does, again
                    continue
        thawed.set()

        with pytest.raises(Unavailable):
            await holder


async def test_a_lease_is_held_by_one_until_it_ends_or_is_given_back(store: Store) -> None:
    async def take(token: str, now: datetime, span: timedelta = timedelta(minutes=1)) -> bool:
        return await store.run(lambda db: leases.take(db, "outbox", token, now, span))

    assert await take("one", NOW) is True
    assert await take("two", NOW) is False
    assert await take("one", NOW) is True
    await store.run(lambda db: leases.give_back(db, "outbox", "two"))
    assert await take("two", NOW) is False
    await store.run(lambda db: leases.give_back(db, "outbox", "one"))
    assert await take("two", NOW, timedelta(0)) is True
    assert await take("one", NOW) is True


async def test_a_waiter_is_woken_by_its_own_process(store: Store) -> None:
    waker, stop = Waker(store), asyncio.Event()
    waiting = asyncio.create_task(waker.wait("alerts", stop, timedelta(minutes=5)))
    await asyncio.sleep(0)

    waker.wake("alerts")

    await asyncio.wait_for(waiting, 5)


@pytest.mark.postgres
async def test_a_waiter_is_woken_by_another_process_when_it_commits(postgres_url: str) -> None:
    async with Store.open(postgres_url) as store:
        waker, stop = Waker(store), asyncio.Event()
        waiting = asyncio.create_task(waker.wait("alerts", stop, timedelta(minutes=5)))
        listening = asyncio.create_task(waker.listen(stop))
        await asyncio.wait_for(waker.hearing.wait(), 10)

        await store.run(lambda db: notify(db, "alerts"))

        await asyncio.wait_for(waiting, 10)
        stop.set()
        await asyncio.wait_for(listening, 10)
