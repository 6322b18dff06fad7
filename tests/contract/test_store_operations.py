"""What operators do with deliveries, on every store: hold them, send them once more, forget and erase them; and how a queue stays passable."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from services.store import accounts, brakes, delivery, engine, erasure, queue, replay, retention, suppression
from services.store.accounts import WantedDestination
from services.store.engine import Store
from services.store.queue import Claimed
from tests import make
from tests.alerting import (
    CIPHER,
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

V1, V2 = (make.event(version=version) for version in (1, 2))
A1, A2 = (f"{event.id}.{event.version}" for event in (V1, V2))
MAIL = WantedDestination("ana", "email", "Ana@Example.com")
KEY = b"a lasting key"


@pytest.fixture
async def now(store: Store) -> FakeClock:
    """A clock at the database's time, with a hook and a mailbox in the store, and one alert fanned out to both."""
    clock = FakeClock(await store.read(lambda db: engine.database_now(db, make.NOW)))
    await store.run(lambda db: subscribe(db, account(hook(), MAIL)))
    await store.run(lambda db: (raise_alert(db, V1, now=clock.now()), fan_out_all(db, clock.now())))
    return clock


async def claimed(store: Store, clock: FakeClock, **fields: object) -> list[Claimed]:
    return await store.run(lambda db: claim(db, now=clock.now(), **fields))


async def told(store: Store, clock: FakeClock) -> list[Claimed]:
    """Everything that is due, sent."""
    mine = await claimed(store, clock)
    await store.run(lambda db: write(db, *map(sent, mine), now=clock.now()))
    return mine


# ---- the brake


@pytest.mark.parametrize(
    ("scope", "goes"),
    [
        (brakes.ALL, []),
        (brakes.channel("webhook"), ["ana"]),
        (brakes.destination(key("ana")), ["hook"]),
        (brakes.destination(key("somebody-else")), ["ana", "hook"]),
    ],
)
async def test_what_a_brake_is_on_for_is_not_claimed_until_it_is_off(store: Store, now: FakeClock, scope: str, goes: list[str]) -> None:
    put_on = await store.run(lambda db: (brakes.pause(db, scope, "a test", now.now()), brakes.pause(db, scope, "again", now.now())))
    while_on = await claimed(store, now)
    (seen,) = await store.read(brakes.list_brakes)
    taken_off = await store.run(lambda db: (brakes.resume(db, scope), brakes.resume(db, scope)))
    after = await claimed(store, now)

    assert (put_on, taken_off) == ((True, False), (True, False))
    assert (seen.scope, seen.why) == (scope, "a test")
    assert sorted(one.destination.id for one in while_on) == goes
    assert len(while_on) + len(after) == 2


# ---- late ones


async def test_what_waits_for_a_destination_that_is_left_alone_is_not_due_before(store: Store, now: FakeClock) -> None:
    more = [make.event(id=f"E{number}") for number in range(8)]
    await store.run(lambda db: [raise_alert(db, event, now=now.now()) for event in more])
    await store.run(lambda db: fan_out_all(db, now.now()))
    mine = [one for one in await claimed(store, now, limit=12) if one.channel == "webhook"]
    await store.run(lambda db: write(db, *(retried(one) for one in mine), now=now.now()))

    paused_until = next(one.paused_until for one in await store.read(lambda db: accounts.list_destinations(db, DESK)) if one.key == key("hook"))
    waiting = [one for one in await store.read(deliveries) if one.destination == key("hook") and one.state == "pending"]

    assert paused_until is not None
    assert {one.due_at for one in waiting} == {paused_until}


async def test_a_new_alert_for_a_destination_that_is_left_alone_waits_with_the_others(store: Store, now: FakeClock) -> None:
    until = now.now() + timedelta(minutes=5)
    await store.run(lambda db: db.execute(accounts.destinations.update().where(accounts.destinations.c.id == "hook").values(paused_until=until)))

    await store.run(lambda db: (raise_alert(db, V2, kind="update", now=now.now()), fan_out_all(db, now.now())))

    due = {one.destination.id: one.due_at for one in await store.read(deliveries) if one.alert_id == A2}
    assert due["hook"] == until
    assert due["ana"] < until


async def test_late_ones_are_claimed_within_their_budget_and_new_ones_before_them(store: Store, now: FakeClock) -> None:
    mine = await claimed(store, now)
    await store.run(lambda db: write(db, *(retried(one, timedelta()) for one in mine), now=now.now()))
    await store.run(lambda db: db.execute(delivery.deliveries.update().values(due_at=LONG_AGO)))
    await store.run(lambda db: (raise_alert(db, make.event(id="E2"), now=now.now()), fan_out_all(db, now.now())))

    without = await claimed(store, now, late=0)
    with_one = await claimed(store, now, late=1)

    assert [(one.attempt, one.late) for one in without] == [(1, False), (1, False)]
    assert [(one.attempt, one.late) for one in with_one] == [(2, True)]


# ---- once more


async def test_what_was_sent_is_sent_once_more_under_the_same_number_with_a_schedule_of_its_own(store: Store, now: FakeClock) -> None:
    first = {one.id: one for one in await told(store, now)}

    again = await store.run(lambda db: replay.replay(db, now.now(), ids=list(first)))
    second = await claimed(store, now)

    assert set(again) == set(first)
    assert [(one.sequence, one.epoch, one.replays, one.attempt - one.spent) for one in second] == [(1, 1, 1, 1)] * 2
    assert {one.id for one in second} == set(first)


async def test_only_the_failed_are_sent_once_more_where_that_is_asked(store: Store, now: FakeClock) -> None:
    good, bad = await claimed(store, now)
    await store.run(lambda db: write(db, sent(good), retried(bad, wait=None), now=now.now()))

    again = await store.run(lambda db: replay.replay(db, now.now(), failed_only=True))

    assert again == [bad.id]


async def test_what_ended_before_the_moment_asked_for_is_left_alone(store: Store, now: FakeClock) -> None:
    await told(store, now)

    assert await store.run(lambda db: replay.replay(db, now.now(), since=now.now() + timedelta(hours=1))) == []
    assert len(await store.run(lambda db: replay.replay(db, now.now(), since=now.now() - timedelta(hours=1)))) == 2


async def test_what_was_superseded_is_never_sent_once_more(store: Store, now: FakeClock) -> None:
    await store.run(lambda db: (raise_alert(db, V2, kind="update", now=now.now()), fan_out_all(db, now.now())))

    old = [one.id for one in await store.read(deliveries) if one.alert_id == A1]

    assert await store.run(lambda db: replay.replay(db, now.now(), ids=old)) == []


async def test_who_is_being_told_once_more_still_hears_of_a_correction(store: Store, now: FakeClock) -> None:
    mine = await told(store, now)
    await store.run(lambda db: replay.replay(db, now.now(), ids=[one.id for one in mine]))

    await store.run(lambda db: (raise_alert(db, V2, kind="correction", now=now.now()), fan_out_all(db, now.now())))

    assert {place: state for place, state in (await store.read(states)).items() if place[1] == A2} == {("hook", A2): "pending", ("ana", A2): "pending"}


# ---- looking


async def test_a_delivery_is_shown_with_its_attempts(store: Store, now: FakeClock) -> None:
    first, _ = await claimed(store, now)
    await store.run(lambda db: write(db, retried(first), now=now.now()))

    found = await store.read(lambda db: delivery.find(db, first.id))

    assert found is not None
    assert (found[0].id, [(one.number, one.outcome, one.status) for one in found[1]]) == (first.id, [(1, "retry", 503)])
    assert await store.read(lambda db: delivery.find(db, "msg_none")) is None


# ---- forgetting


async def test_old_attempts_go_first_and_old_deliveries_with_theirs(store: Store, now: FakeClock) -> None:
    mine = await told(store, now)
    later = now.now() + timedelta(days=1)

    kept = await store.run(lambda db: retention.forget(db, attempts_before=LONG_AGO, deliveries_before=LONG_AGO))
    without_attempts = await store.run(lambda db: retention.forget(db, attempts_before=later, deliveries_before=LONG_AGO))
    state = await store.read(states)
    gone = await store.run(lambda db: retention.forget(db, attempts_before=later, deliveries_before=later))

    assert [(one.attempts, one.deliveries) for one in (kept, without_attempts, gone)] == [(0, 0), (2, 0), (0, 2)]
    assert set(state.values()) == {"sent"}
    assert await store.read(lambda db: attempts(db, mine[0].id)) == []


async def test_what_waits_is_never_forgotten(store: Store, now: FakeClock) -> None:
    later = now.now() + timedelta(days=1)

    await store.run(lambda db: retention.forget(db, attempts_before=later, deliveries_before=later))

    assert set((await store.read(states)).values()) == {"pending"}


# ---- erasing


async def test_erasing_leaves_nothing_of_a_person_but_a_hash(store: Store, now: FakeClock) -> None:
    mine = await told(store, now)
    anas = tuple(one.id for one in mine if one.channel == "email")

    erased = await store.run(lambda db: erasure.erase(db, key("ana"), CIPHER, suppression_key=KEY, now=now.now()))

    assert erased is not None
    assert (erased.kind, erased.delivery_ids, erased.attempts, erased.subscriptions) == ("email", anas, 1, ())
    assert set(await store.read(states)) == {("hook", A1)}
    for table in engine.metadata.sorted_tables:
        columns = [column for column in table.c if column.name in ("destination_id", "delivery_id", "id")]
        rows = await store.read(lambda db, columns=columns: [value for row in db.execute(sa.select(*columns)) for value in row] if columns else [])
        assert not {"ana", *anas} & set(rows), table.name


async def test_an_erased_address_is_recognised_however_it_is_written(store: Store, now: FakeClock) -> None:
    await store.run(lambda db: erasure.erase(db, key("ana"), CIPHER, suppression_key=KEY, now=now.now()))

    same, other = suppression.digest_of(" ANA@example.com", KEY), suppression.digest_of("bob@example.com", KEY)

    assert await store.read(lambda db: suppression.why_suppressed(db, [same, other])) == {same: "erased"}
    assert "ana" not in same


async def test_a_subscription_that_points_nowhere_any_more_goes_too(store: Store) -> None:
    await store.run(lambda db: subscribe(db, account(MAIL)))

    erased = await store.run(lambda db: erasure.erase(db, key("ana"), CIPHER, suppression_key=KEY, now=make.NOW))

    assert erased is not None
    assert erased.subscriptions == ("all",)
    assert await store.read(lambda db: accounts.list_subscriptions(db, DESK)) == []


async def test_what_is_in_flight_while_it_is_erased_writes_nothing(store: Store, now: FakeClock) -> None:
    mine = [one for one in await claimed(store, now) if one.channel == "email"]
    await store.run(lambda db: erasure.erase(db, key("ana"), CIPHER, suppression_key=KEY, now=now.now()))

    fenced = await store.run(lambda db: write(db, *map(sent, mine), now=now.now()))

    assert [one.delivery.id for one in fenced] == [one.id for one in mine]
    assert await store.read(lambda db: attempts(db, mine[0].id)) == []


async def test_erasing_what_is_not_there_tells_so(store: Store, now: FakeClock) -> None:
    assert await store.run(lambda db: erasure.erase(db, key("nobody"), CIPHER, suppression_key=KEY, now=now.now())) is None


async def test_the_next_look_is_when_the_next_one_is_due_late_or_not(store: Store, now: FakeClock) -> None:
    mine = await claimed(store, now)
    await store.run(lambda db: write(db, *(retried(one, timedelta(minutes=5 + number)) for number, one in enumerate(mine)), now=now.now()))

    due = await store.read(queue.next_due)

    assert due is not None
    assert timedelta(minutes=4) < due - now.now() < timedelta(minutes=6)
