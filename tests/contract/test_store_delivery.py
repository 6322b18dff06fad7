"""The queue and its journal, on every store."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.config.subscriptions import When
from services.notifier.pace import Pace
from services.store import accounts, delivery, engine, queue
from services.store.accounts import WantedSubscription
from services.store.delivery import delivery_id
from services.store.engine import Store
from services.store.health import Breaker, Health
from services.store.journal import Result
from services.store.queue import Claimed, Tidied
from tests import make
from tests.alerting import (
    DESK,
    LONG_AGO,
    account,
    attempts,
    claim,
    deliveries,
    fan_out_all,
    hook,
    key,
    raise_alert,
    retried,
    sent,
    states,
    subscribe,
    write,
)
from tests.fakes import FakeClock

V1, V2, V3 = (make.event(version=version) for version in (1, 2, 3))
A1, A2, A3 = (f"{event.id}.{event.version}" for event in (V1, V2, V3))


@pytest.fixture
async def now(store: Store) -> FakeClock:
    """A clock at the database's time, with one subscriber in the store and one alert fanned out to it."""
    clock = FakeClock(await store.read(lambda db: engine.database_now(db, make.NOW)))
    await store.run(subscribe)
    await store.run(lambda db: (raise_alert(db, V1, now=clock.now()), fan_out_all(db, clock.now())))
    return clock


async def claimed(store: Store, clock: FakeClock, **fields: object) -> list[Claimed]:
    return await store.run(lambda db: claim(db, now=clock.now(), **fields))


# ---- fan-out


async def test_an_alert_is_fanned_out_once_however_often_it_is_tried(store: Store, now: FakeClock) -> None:
    await store.run(lambda db: delivery.leave_fanout(db, A1, None, done=False, now=now.now()))  # as after a crash before the cursor was kept

    assert await store.run(lambda db: fan_out_all(db, now.now())) == 0
    assert await store.read(states) == {("hook", A1): "pending"}


async def test_a_fan_out_goes_on_where_it_stopped(store: Store) -> None:
    await store.run(lambda db: subscribe(db, account(*(hook(f"hook{number}") for number in range(7)))))
    await store.run(lambda db: raise_alert(db, V1))

    made = await store.run(lambda db: fan_out_all(db, chunk=3))

    assert 7 == made == len(await store.read(states))
    assert await store.read(lambda db: delivery.take_fanout(db, A1)) is None, "it is done"


async def test_only_one_fan_out_of_an_alert_runs_at_a_time(store: Store) -> None:
    await store.run(lambda db: (subscribe(db), raise_alert(db, V1)))

    made = await asyncio.gather(*(store.run(fan_out_all) for _ in range(4)))

    assert sum(made) == 1


async def test_a_younger_version_waits_for_the_fan_out_of_the_older(store: Store) -> None:
    await store.run(lambda db: (subscribe(db), raise_alert(db, V1), raise_alert(db, V2, kind="update")))

    assert await store.read(lambda db: delivery.take_fanout(db, A2)) is None


async def test_a_delivery_names_every_subscription_that_matched(store: Store) -> None:
    subscriptions = [
        WantedSubscription("us", ("hook",), When.model_validate({"imposers": "US"}), language="ar"),
        WantedSubscription("zz-all", ("hook",), When()),
        WantedSubscription("nl", ("hook",), When.model_validate({"imposers": "NL"})),
    ]
    await store.run(lambda db: (subscribe(db, account(hook(), subscriptions=subscriptions)), raise_alert(db, V1), fan_out_all(db)))

    (made,) = await store.read(deliveries)

    assert (made.reasons, made.language) == (("us: imposers is US (US)", "zz-all: everything"), "ar")
    assert delivery_id(A1, key("hook")) == made.id


def test_a_delivery_id_is_a_function_of_alert_and_destination() -> None:
    ids = {delivery_id("a.1", key("x")), delivery_id("a.1", key("x")), delivery_id("a.2", key("x")), delivery_id("a.1", key("y"))}

    assert len(ids) == 3
    assert all(one.startswith("msg_") and len(one) == 36 and one[4:].isalnum() for one in ids)


# ---- versions and corrections


async def test_a_newer_version_supersedes_what_waits(store: Store, now: FakeClock) -> None:
    await store.run(lambda db: (raise_alert(db, V2, kind="update", now=now.now()), fan_out_all(db, now.now())))

    assert await store.read(states) == {("hook", A1): "superseded", ("hook", A2): "pending"}


async def test_a_newer_version_leaves_alone_where_it_does_not_go(store: Store) -> None:
    wanted = account(hook(), subscriptions=[WantedSubscription("low", ("hook",), When.model_validate({"severity": 3}))])
    rise = make.event(version=2, severity=5)
    await store.run(lambda db: (subscribe(db, wanted), raise_alert(db, V1), raise_alert(db, rise, kind="update"), fan_out_all(db)))

    assert await store.read(states) == {("hook", A1): "pending"}


@pytest.mark.parametrize("kind", ["correction", "withdrawal"])
async def test_a_correction_goes_to_exactly_those_who_were_told_whatever_they_filter(store: Store, kind: str) -> None:
    clock = FakeClock(await store.read(lambda db: engine.database_now(db, make.NOW)))
    loosening = When.model_validate({"direction": "loosen"})
    wanted = account(hook("told"), hook("waiting"), subscriptions=[WantedSubscription("l", ("told", "waiting"), loosening)])
    await store.run(lambda db: (subscribe(db, wanted), raise_alert(db, V1, now=clock.now()), fan_out_all(db, clock.now())))
    mine = await claimed(store, clock)
    results = [sent(one) if one.destination.id == "told" else retried(one) for one in mine]
    await store.run(lambda db: write(db, *results, now=clock.now()))

    wrong = make.event(version=2, direction="tighten")
    await store.run(lambda db: (raise_alert(db, wrong, kind=kind, now=clock.now()), fan_out_all(db, clock.now())))

    assert await store.read(states) == {("told", A1): "sent", ("told", A2): "pending", ("waiting", A1): "superseded"}


async def test_a_correction_reaches_those_who_may_have_been_told(store: Store, now: FakeClock) -> None:
    mine = await claimed(store, now)
    await store.run(lambda db: write(db, *(retried(one, maybe_sent=True) for one in mine), now=now.now()))

    await store.run(lambda db: (raise_alert(db, V2, kind="correction", now=now.now()), fan_out_all(db, now.now())))

    assert await store.read(states) == {("hook", A1): "superseded", ("hook", A2): "pending"}


async def test_a_correction_respects_who_left(store: Store, now: FakeClock) -> None:
    mine = await claimed(store, now)
    await store.run(lambda db: write(db, *map(sent, mine), now=now.now()))
    await store.run(lambda db: subscribe(db, account(hook(), subscriptions=[]), now=now.now()))

    await store.run(lambda db: (raise_alert(db, V2, kind="correction", now=now.now()), fan_out_all(db, now.now())))

    assert await store.read(states) == {("hook", A1): "sent"}


async def test_what_fails_while_a_newer_version_came_is_not_tried_again(store: Store, now: FakeClock) -> None:
    mine = await claimed(store, now)
    await store.run(lambda db: (raise_alert(db, V2, kind="update", now=now.now()), fan_out_all(db, now.now())))

    await store.run(lambda db: write(db, *map(retried, mine), now=now.now()))

    assert await store.read(states) == {("hook", A1): "superseded", ("hook", A2): "pending"}


async def test_a_correction_of_what_was_in_flight_and_failed_goes_with_it(store: Store, now: FakeClock) -> None:
    mine = await claimed(store, now)
    await store.run(lambda db: (raise_alert(db, V2, kind="withdrawal", now=now.now()), fan_out_all(db, now.now())))
    assert await store.read(states) == {("hook", A1): "sending", ("hook", A2): "pending"}

    await store.run(lambda db: write(db, *map(retried, mine), now=now.now()))

    assert await store.read(states) == {("hook", A1): "superseded", ("hook", A2): "superseded"}


@pytest.mark.parametrize("kind", ["update", "correction"])
async def test_what_was_abandoned_while_a_newer_version_came_is_not_tried_again(store: Store, now: FakeClock, kind: str) -> None:
    await claimed(store, now, lease=timedelta(seconds=-1))
    await store.run(lambda db: (raise_alert(db, V2, kind=kind, now=now.now()), fan_out_all(db, now.now())))

    await store.run(lambda db: queue.tidy(db, now.now()))

    assert await store.read(states) == {("hook", A1): "superseded", ("hook", A2): "pending"}, "its receiver may have it, so a correction goes"


@pytest.mark.parametrize(("kind", "then"), [("update", "pending"), ("correction", "superseded")])
async def test_what_is_given_back_while_a_newer_version_came_is_not_tried_again(store: Store, now: FakeClock, kind: str, then: str) -> None:
    mine = await claimed(store, now)
    await store.run(lambda db: (raise_alert(db, V2, kind=kind, now=now.now()), fan_out_all(db, now.now())))

    await store.run(lambda db: queue.release(db, mine, now.now()))

    assert await store.read(states) == {("hook", A1): "superseded", ("hook", A2): then}, "its receiver never had it, so there is nothing to correct"


# ---- claiming


async def test_a_claimed_delivery_holds_what_is_needed_to_send_it(store: Store, now: FakeClock) -> None:
    (one,) = await claimed(store, now)

    assert (A1, V1, "new", "webhook", key("hook"), 1, "mine") == (one.alert_id, one.event, one.kind, one.channel, one.destination, one.attempt, one.token)
    assert (one.sequence, one.previous, one.epoch) == (1, 0, 1)
    (before,) = await store.read(deliveries)
    assert (before.state, before.attempts) == ("sending", 1), "the attempt is written before it is made"


async def test_after_a_restore_numbers_start_again_in_a_new_epoch_and_what_has_one_keeps_it(store: Store, now: FakeClock) -> None:
    (old,) = await claimed(store, now)
    await store.run(lambda db: write(db, retried(old, wait=timedelta()), now=now.now()))
    await store.run(lambda db: (raise_alert(db, make.event(id="E9"), now=now.now()), fan_out_all(db, now.now())))

    await store.run(lambda db: accounts.begin_epoch(db, now.now()))

    found = {one.event.id: (one.sequence, one.previous, one.epoch) for one in await claimed(store, now)}
    assert found == {V1.id: (1, 0, 1), "E9": (1, 0, 2)}


async def test_a_delivery_is_claimed_by_one(store: Store, now: FakeClock) -> None:
    await store.run(lambda db: [raise_alert(db, make.event(id=f"E{number}"), now=now.now()) for number in range(30)])
    await store.run(lambda db: fan_out_all(db, now.now()))

    rounds = await asyncio.gather(*(claimed(store, now, token=f"t{number}", limit=10) for number in range(6)))

    ids = [one.id for claims in rounds for one in claims]
    assert len(ids) == len(set(ids))
    rest = await claimed(store, now)
    assert len(ids) + len(rest) == 31


async def test_what_is_not_due_is_not_claimed(store: Store, now: FakeClock) -> None:
    mine = await claimed(store, now)
    await store.run(lambda db: write(db, *(retried(one, timedelta(hours=1)) for one in mine), now=now.now()))

    assert await claimed(store, now) == []
    due = await store.read(queue.next_due)
    assert due is not None
    assert timedelta(minutes=59) < due - now.now() < timedelta(minutes=61)


async def test_a_destination_gets_its_share_and_hides_nobody(store: Store) -> None:
    clock = FakeClock(await store.read(lambda db: engine.database_now(db, make.NOW)))
    await store.run(lambda db: subscribe(db, account(hook("busy"), hook("calm"))))
    await store.run(lambda db: [raise_alert(db, make.event(id=f"E{number}"), now=clock.now()) for number in range(9)])
    await store.run(lambda db: fan_out_all(db, clock.now()))

    pace = Pace(places=100, per_destination=2)
    first = await claimed(store, clock, pace=pace)
    for name in ("busy", "busy", "calm"):
        pace.took(key(name), 0, probe=False)
    second = await claimed(store, clock, pace=pace)

    assert [sum(one.destination.id == name for one in first) for name in ("busy", "calm")] == [2, 2]
    assert [one.destination.id for one in second] == ["calm"]


async def test_numbers_rise_by_one_in_the_order_of_release_and_are_kept(store: Store, now: FakeClock) -> None:
    await store.run(lambda db: [raise_alert(db, make.event(id=f"E{number}"), now=now.now()) for number in range(5)])
    await store.run(lambda db: fan_out_all(db, now.now()))
    first = await claimed(store, now, limit=2)
    await store.run(lambda db: write(db, *(retried(one, timedelta()) for one in first), now=now.now()))

    rest = await claimed(store, now, limit=10, breaker=Breaker(failures=100))

    assert sorted(one.sequence for one in rest) == [1, 2, 3, 4, 5, 6]
    assert {one.id: one.sequence for one in first}.items() <= {one.id: one.sequence for one in rest}.items()
    assert all(one.previous == one.sequence - 1 for one in rest)


async def test_two_claimers_at_once_never_give_a_number_twice(store: Store, now: FakeClock) -> None:
    await store.run(lambda db: [raise_alert(db, make.event(id=f"E{number:02}"), now=now.now()) for number in range(39)])
    await store.run(lambda db: fan_out_all(db, now.now()))

    rounds = await asyncio.gather(*(claimed(store, now, token=f"t{number}", limit=7) for number in range(8)))
    rest = await claimed(store, now)

    numbers = sorted(one.sequence for claims in (*rounds, rest) for one in claims)
    assert list(range(1, 41)) == numbers


# ---- the journal


async def test_what_was_sent_is_done(store: Store, now: FakeClock) -> None:
    (one,) = await claimed(store, now)

    fenced = await store.run(lambda db: write(db, sent(one), now=now.now()))

    assert (fenced, await store.read(states), await store.read(lambda db: attempts(db, one.id))) == ([], {("hook", A1): "sent"}, [(1, "sent", "accepted")])
    assert await store.read(queue.next_due) is None


async def test_what_has_no_attempt_left_has_failed(store: Store, now: FakeClock) -> None:
    (one,) = await claimed(store, now)

    await store.run(lambda db: write(db, retried(one, None), now=now.now()))

    assert await store.read(states) == {("hook", A1): "failed"}


async def test_a_lease_that_ran_out_is_taken_back_and_its_late_holder_writes_nothing(store: Store, now: FakeClock) -> None:
    (slow,) = await claimed(store, now, token="slow", lease=timedelta(seconds=-1))

    tidied = await store.run(lambda db: queue.tidy(db, now.now()))
    (again,) = await claimed(store, now, token="quick")
    fenced = await store.run(lambda db: write(db, sent(slow), now=now.now()))

    assert Tidied(expired=1, withheld=0) == tidied
    assert (slow.id, slow.sequence, 2) == (again.id, again.sequence, again.attempt)
    assert [slow] == [one.delivery for one in fenced]
    assert await store.read(states) == {("hook", A1): "sending"}
    assert await store.read(lambda db: attempts(db, slow.id)) == [(1, "abandoned", "abandoned")]
    assert await store.run(lambda db: write(db, sent(again), now=now.now())) == []


async def test_a_lease_that_runs_is_not_taken_back(store: Store, now: FakeClock) -> None:
    await claimed(store, now)

    assert Tidied(0, 0) == await store.run(lambda db: queue.tidy(db, now.now()))


async def test_what_was_never_begun_goes_back_uncounted(store: Store, now: FakeClock) -> None:
    mine = await claimed(store, now)

    await store.run(lambda db: queue.release(db, mine, now.now()))
    (again,) = await claimed(store, now)

    assert (1, mine[0].sequence) == (again.attempt, again.sequence)


async def test_a_destination_that_is_gone_is_disabled_and_what_waits_is_withheld(store: Store, now: FakeClock) -> None:
    await store.run(lambda db: (raise_alert(db, make.event(id="E2"), now=now.now()), fan_out_all(db, now.now())))
    (one,) = await claimed(store, now, limit=1)

    await store.run(lambda db: write(db, Result(one, "final", "gone", 410, disable=True), now=now.now()))
    nothing = await claimed(store, now)
    tidied = await store.run(lambda db: queue.tidy(db, now.now()))

    assert (nothing, tidied.withheld) == ([], 1)
    assert sorted((await store.read(states)).values()) == ["failed", "withheld"]
    assert (await store.read(lambda db: accounts.list_destinations(db, DESK)))[0].disabled == "gone"


async def test_what_nobody_subscribes_to_any_more_is_withheld(store: Store, now: FakeClock) -> None:
    await store.run(lambda db: subscribe(db, account(hook(), subscriptions=[])))

    await store.run(lambda db: queue.tidy(db, now.now()))

    assert await store.read(states) == {("hook", A1): "withheld"}


async def test_a_destination_that_keeps_failing_is_left_alone_then_probed_by_one(store: Store, now: FakeClock) -> None:
    await store.run(lambda db: [raise_alert(db, make.event(id=f"E{number}"), now=now.now()) for number in range(9)])
    await store.run(lambda db: fan_out_all(db, now.now()))
    mine = await claimed(store, now)
    await store.run(lambda db: write(db, *(retried(one, timedelta()) for one in mine), now=now.now()))

    while_open = await claimed(store, now)
    await store.run(lambda db: db.execute(accounts.destinations.update().values(paused_until=LONG_AGO)))
    await store.run(lambda db: db.execute(delivery.deliveries.update().values(due_at=LONG_AGO)))
    pace = Pace(places=100, per_destination=9)
    probe = await claimed(store, now, pace=pace)
    pace.took(key("hook"), 0, probe=True)
    beside = await claimed(store, now, pace=pace)
    await store.run(lambda db: write(db, *map(sent, probe), now=now.now()))
    after = await claimed(store, now)

    assert (len(while_open), len(probe), len(beside), len(after)) == (0, 1, 0, 9)


async def test_a_receiver_that_asks_for_a_pause_gets_it(store: Store, now: FakeClock) -> None:
    await store.run(lambda db: (raise_alert(db, make.event(id="E2"), now=now.now()), fan_out_all(db, now.now())))
    (one,) = await claimed(store, now, limit=1)

    await store.run(lambda db: write(db, retried(one, timedelta(minutes=5), pause=timedelta(minutes=5)), now=now.now()))

    assert await claimed(store, now) == []


async def test_the_queue_tells_its_depth_and_its_oldest(store: Store, now: FakeClock) -> None:
    waiting = await store.read(queue.queue)

    assert waiting.depth == 1
    assert waiting.oldest_due_at is not None
    assert abs(waiting.oldest_due_at - now.now()) < timedelta(minutes=1)


def test_a_burst_of_failures_opens_the_breaker_for_its_first_pause_only() -> None:
    breaker, now = Breaker(failures=5, pause=timedelta(seconds=10)), make.NOW

    opened = breaker.after(Health(), 64, now)
    straggler = breaker.after(opened, 3, now + timedelta(seconds=1))
    probed = breaker.after(opened, 1, now + timedelta(seconds=11))

    assert Health(5, now + timedelta(seconds=10)) == opened == straggler
    assert Health(6, now + timedelta(seconds=31)) == probed


@given(st.lists(st.integers(1, 20), max_size=40))
def test_a_breaker_pauses_never_longer_than_its_longest(bursts: list[int]) -> None:
    breaker, health, now = Breaker(), Health(), make.NOW
    for failed in bursts:
        health = breaker.after(health, failed, now)
        assert health.paused_until is None or health.paused_until - now <= breaker.longest
        now = health.paused_until or now

    assert breaker.is_open(health.failures) == (sum(bursts) >= breaker.failures)
