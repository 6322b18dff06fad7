"""Alerts that are told later: held in quiet hours, gathered for digests, beyond the daily cap. From fan-out to the queue, on every store."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from schemas.config.subscriptions import When
from schemas.config.times import Times
from schemas.events.event import PolicyEvent
from services.notifier import digest, fanout, subscriptions
from services.notifier.digest import release
from services.store import digests, journal, queue, threads
from services.store.accounts import WantedSubscription
from services.store.engine import Connection, Store
from tests import make
from tests.alerting import CIPHER, LONG_AGO, NAMES, account, claim, deliveries, fan_out_all, hook, key, raise_alert, retried, sent, subscribe, write

EVENING = datetime.fromisoformat("2026-03-02T22:30+00:00")
MORNING = datetime.fromisoformat("2026-03-03T07:00+00:00")
NIGHT = Times.model_validate({"quiet": {"from": "22:00", "to": "07:00"}, "break_through": 5})


@pytest.fixture(autouse=True)
def _moved_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL's own clock would always say today."""
    for module in (fanout, digest, queue, journal):
        monkeypatch.setattr(module, "database_now", lambda _db, now: now)


def told(db: Connection, event: PolicyEvent, now: datetime, *, kind: str = "new", rank: int = 4) -> None:
    """Raises an alert, keeps the event as it stands, and fans out."""
    alert_id = raise_alert(db, event, kind=kind, now=now)
    db.execute(threads.alerts.update().where(threads.alerts.c.id == alert_id).values(rank=rank))
    stands = {"version": event.version, "status": event.status, "event": event.model_dump_json()}
    db.execute(threads.events.update().where(threads.events.c.id == event.id).values(**stands))
    fan_out_all(db, now)


def listen(db: Connection, *, times: Times = NIGHT, cadence: str = "immediate", when: dict[str, Any] | None = None, now: datetime = LONG_AGO) -> None:
    wanted = WantedSubscription("mine", ("hook",), When.model_validate(when or {}), cadence)
    subscribe(db, account(hook(times=times), subscriptions=[wanted]), now=now)


def queued(db: Connection) -> list[tuple[str, str, str]]:
    """Alert, kind and state of every delivery, the oldest first."""
    return [(one.alert_id, one.kind, one.state) for one in sorted(deliveries(db), key=lambda one: (one.created_at, one.id))]


def put_off(db: Connection) -> dict[str, tuple[str, str | None]]:
    """What waits or waited: state and reason, by alert."""
    table = digests.waiting
    return {row.alert_id: (row.state, row.why) for row in db.execute(sa.select(table.c.alert_id, table.c.state, table.c.why))}


def due(db: Connection) -> datetime | None:
    return digests.next_due(db)


def send_everything(db: Connection, now: datetime) -> list[Any]:
    claimed = claim(db, now=now)
    write(db, *map(sent, claimed), now=now)
    return claimed


def event(number: int = 1, **fields: Any) -> PolicyEvent:
    return make.event(id=f"E{number}", **({"severity": 4} | fields))


# ---- quiet hours


async def test_an_alert_of_the_night_is_told_in_the_morning(store: Store) -> None:
    def at_night(db: Connection) -> None:
        listen(db)
        told(db, event(), EVENING)

    await store.run(at_night)
    assert (await store.read(queued), await store.read(due)) == ([], MORNING)
    await store.run(lambda db: release(db, EVENING, NAMES))
    assert await store.read(queued) == [], "it is not due"

    await store.run(lambda db: release(db, MORNING, NAMES))
    await store.run(lambda db: release(db, MORNING, NAMES))

    assert await store.read(queued) == [("E1.1", "new", "pending")]
    assert (await store.read(deliveries))[0].reasons == ("mine: everything",)


async def test_what_is_severe_enough_breaks_through(store: Store) -> None:
    def at_night(db: Connection) -> list[tuple[str, str, str]]:
        listen(db)
        told(db, event(severity=5), EVENING)
        return queued(db)

    assert await store.run(at_night) == [("E1.1", "new", "pending")]


async def test_a_story_that_goes_on_at_night_is_told_once_as_it_stands_and_as_news(store: Store) -> None:
    def night(db: Connection) -> list[tuple[str, str, str]]:
        listen(db)
        told(db, event(), EVENING)
        told(db, event(version=2, stage="announced"), EVENING + timedelta(hours=1), kind="update")
        release(db, MORNING, NAMES)
        return queued(db)

    assert await store.run(night) == [("E1.2", "new", "pending")]
    assert (await store.read(put_off))["E1.1"] == ("dropped", "newer_version")


async def test_a_story_that_is_taken_back_at_night_is_not_told_at_all(store: Store) -> None:
    def night(db: Connection) -> list[tuple[str, str, str]]:
        listen(db)
        told(db, event(), EVENING)
        told(db, event(version=2, status="withdrawn"), EVENING + timedelta(hours=1), kind="withdrawal")
        release(db, MORNING, NAMES)
        return queued(db)

    assert await store.run(night) == []


async def test_what_was_merged_into_an_event_that_nobody_was_told_of_is_still_news(store: Store) -> None:
    def night(db: Connection) -> dict[str, tuple[str, str | None]]:
        listen(db)
        told(db, event(1), EVENING)
        stands = event(1, version=2, status="merged", merged_into="E9")
        db.execute(threads.events.update().where(threads.events.c.id == stands.id).values(event=stands.model_dump_json()))
        release(db, MORNING, NAMES)
        return put_off(db)

    assert await store.run(night) == {"E1.1": ("told", None)}


async def test_what_was_merged_into_an_event_that_waits_too_is_told_once(store: Store) -> None:
    def night(db: Connection) -> dict[str, tuple[str, str | None]]:
        listen(db)
        told(db, event(1), EVENING)
        told(db, event(2), EVENING)
        stands = event(1, version=2, status="merged", merged_into="E2")
        db.execute(threads.events.update().where(threads.events.c.id == stands.id).values(event=stands.model_dump_json()))
        release(db, MORNING, NAMES)
        return put_off(db)

    assert await store.run(night) == {"E1.1": ("dropped", "taken_back"), "E2.1": ("told", None)}


async def test_what_was_merged_into_another_or_matches_no_more_is_dropped_with_the_reason(store: Store) -> None:
    def night(db: Connection) -> dict[str, tuple[str, str | None]]:
        listen(db, when={"imposers": "US"})
        told(db, event(1), EVENING)
        told(db, event(2), EVENING)
        for number, fields in ((1, {"status": "merged"}), (2, {"imposers": ("NL",)})):
            stands = event(number, version=2, **fields)
            db.execute(threads.events.update().where(threads.events.c.id == stands.id).values(event=stands.model_dump_json()))
        release(db, MORNING, NAMES)
        return put_off(db)

    assert await store.run(night) == {"E1.1": ("dropped", "taken_back"), "E2.1": ("dropped", "no_longer_matches")}
    assert await store.read(queued) == []


async def test_who_left_at_night_is_told_nothing(store: Store) -> None:
    def night(db: Connection) -> dict[str, tuple[str, str | None]]:
        listen(db)
        told(db, event(), EVENING)
        subscribe(db, account(hook(times=NIGHT), subscriptions=[]), now=EVENING)
        release(db, MORNING, NAMES)
        return put_off(db)

    assert await store.run(night) == {"E1.1": ("dropped", "not_wanted")}


async def test_a_correction_waits_for_the_morning_unless_what_it_corrects_came_at_night(store: Store) -> None:
    def day_and_night(db: Connection) -> list[tuple[str, str, str]]:
        listen(db)
        told(db, event(1), EVENING - timedelta(hours=4))
        send_everything(db, EVENING - timedelta(hours=4))
        told(db, event(2, severity=5), EVENING)
        send_everything(db, EVENING)
        told(db, event(1, version=2), EVENING + timedelta(hours=1), kind="correction")
        told(db, event(2, version=2, severity=5), EVENING + timedelta(hours=1), kind="correction")
        return queued(db)

    at_night = await store.run(day_and_night)
    await store.run(lambda db: release(db, MORNING, NAMES))

    assert [one for one in at_night if one[1] == "correction"] == [("E2.2", "correction", "pending")]
    assert ("E1.2", "correction", "pending") in await store.read(queued)


async def test_a_process_that_was_away_all_day_does_not_wake_anybody_the_next_night(store: Store) -> None:
    def night(db: Connection) -> datetime | None:
        listen(db)
        told(db, event(), EVENING)
        release(db, MORNING + timedelta(hours=16), NAMES)
        return due(db)

    assert await store.run(night) == MORNING + timedelta(days=1)


# ---- digests

DAY = Times.model_validate({"zone": "Europe/Berlin", "digest_at": "08:00"})
EIGHT = datetime.fromisoformat("2026-03-03T08:00+01:00")


async def test_a_digest_gathers_a_day_in_one_delivery_the_weightiest_first(store: Store) -> None:
    def day(db: Connection) -> list[Any]:
        listen(db, times=DAY, cadence="daily")
        told(db, event(1), make.NOW, rank=2)
        told(db, event(2), make.NOW + timedelta(hours=1), rank=5)
        release(db, EIGHT - timedelta(seconds=1), NAMES)
        assert queued(db) == []
        release(db, EIGHT, NAMES)
        release(db, EIGHT, NAMES)
        return claim(db, now=EIGHT)

    (claimed,) = await store.run(day)

    assert claimed.digest is not None
    assert [alert.alert_id for alert in claimed.digest.alerts] == ["E2.1", "E1.1"]
    assert (claimed.kind, claimed.alert_id, claimed.raised_at, claimed.sequence) == ("digest", "E2.1", EIGHT, 1)
    assert claimed.reasons == ("mine: everything",)
    assert claimed.event_ids == ("E2", "E1")


async def test_an_empty_digest_is_not_sent(store: Store) -> None:
    def day(db: Connection) -> list[tuple[str, str, str]]:
        listen(db, times=DAY, cadence="daily")
        told(db, event(), make.NOW)
        told(db, event(version=2, status="withdrawn"), make.NOW + timedelta(hours=1), kind="withdrawal")
        release(db, EIGHT, NAMES)
        return queued(db)

    assert await store.run(day) == []


async def test_two_cadences_that_meet_are_one_digest(store: Store) -> None:
    def day(db: Connection) -> list[tuple[str, str, str]]:
        wanted = [
            WantedSubscription("slow", ("hook",), When(), "daily"),
            WantedSubscription("fast", ("hook",), When.model_validate({"products": "H200"}), "hourly"),
        ]
        subscribe(db, account(hook(times=DAY), subscriptions=wanted))
        told(db, event(1), EIGHT - timedelta(hours=5))
        told(db, event(2, products=("H200",)), EIGHT - timedelta(minutes=5))
        release(db, EIGHT, NAMES)
        return queued(db)

    assert [one[1] for one in await store.run(day)] == ["digest"]


async def test_what_comes_when_the_digest_is_out_waits_for_the_next(store: Store) -> None:
    def day(db: Connection) -> list[datetime]:
        listen(db, times=DAY, cadence="daily")
        told(db, event(1), make.NOW)
        release(db, EIGHT, NAMES)
        told(db, event(2), EIGHT - timedelta(seconds=1))  # another process, whose clock is behind
        release(db, EIGHT + timedelta(seconds=1), NAMES)
        return [one.due_at for one in digests.waits(db, [key("hook")])]

    assert await store.run(day) == [EIGHT + timedelta(days=1)]
    assert len(await store.read(queued)) == 1


async def test_a_digest_is_sent_late_within_hours_and_after_that_goes_into_the_next(store: Store) -> None:
    def day(db: Connection) -> tuple[int, datetime | None]:
        listen(db, times=DAY, cadence="daily")
        told(db, event(1), make.NOW)
        release(db, EIGHT + timedelta(hours=7), NAMES)
        nothing, postponed = len(queued(db)), due(db)
        release(db, EIGHT + timedelta(days=1, hours=5), NAMES)
        return nothing, postponed

    assert await store.run(day) == (0, EIGHT + timedelta(days=1))
    assert [one[1] for one in await store.read(queued)] == ["digest"]


async def test_hours_in_which_nothing_ran_come_in_one_digest(store: Store) -> None:
    def hours(db: Connection) -> list[tuple[str, str, str]]:
        listen(db, times=DAY, cadence="hourly")
        for number in range(4):
            told(db, event(number), make.NOW + timedelta(hours=number))
        release(db, make.NOW + timedelta(hours=9), NAMES)
        return queued(db)

    assert [one[1] for one in await store.run(hours)] == ["digest"]


async def test_a_correction_goes_to_who_was_told_by_a_digest(store: Store) -> None:
    def day(db: Connection) -> list[tuple[str, str, str]]:
        listen(db, times=DAY, cadence="daily")
        told(db, event(1), make.NOW)
        release(db, EIGHT, NAMES)
        send_everything(db, EIGHT)
        told(db, event(1, version=2), EIGHT + timedelta(hours=1), kind="correction")
        return queued(db)

    assert (await store.run(day))[-1] == ("E1.2", "correction", "pending")


async def test_what_is_corrected_while_its_digest_still_waits_is_taken_out_and_nobody_is_told_twice(store: Store) -> None:
    def day(db: Connection) -> tuple[list[str], list[tuple[str, str, str]]]:
        listen(db, times=DAY, cadence="daily")
        told(db, event(1), make.NOW)
        told(db, event(2), make.NOW)
        release(db, EIGHT, NAMES)
        told(db, event(1, version=2), EIGHT + timedelta(minutes=1), kind="correction")
        (claimed,) = claim(db, now=EIGHT + timedelta(minutes=2))
        return [alert.alert_id for alert in claimed.digest.alerts], queued(db)

    inside, everything = await store.run(day)

    assert inside == ["E2.1"]
    assert [one[1] for one in everything] == ["digest"]


async def test_a_waiting_digest_of_which_everything_is_corrected_is_not_sent(store: Store) -> None:
    def day(db: Connection) -> list[tuple[str, str, str]]:
        listen(db, times=DAY, cadence="daily")
        told(db, event(1), make.NOW)
        release(db, EIGHT, NAMES)
        told(db, event(1, version=2, status="retracted"), EIGHT + timedelta(minutes=1), kind="withdrawal")
        return queued(db)

    assert await store.run(day) == [("E1.1", "digest", "superseded")]


async def test_what_is_corrected_while_its_digest_fails_is_taken_out_and_its_correction_with_it(store: Store) -> None:
    def day(db: Connection) -> list[tuple[str, str, str]]:
        listen(db, times=DAY, cadence="daily")
        told(db, event(1), make.NOW)
        told(db, event(2), make.NOW)
        release(db, EIGHT, NAMES)
        (claimed,) = claim(db, now=EIGHT)
        told(db, event(1, version=2), EIGHT + timedelta(seconds=1), kind="correction")
        assert [one[1:] for one in queued(db)] == [("digest", "sending"), ("correction", "pending")]
        write(db, retried(claimed), now=EIGHT + timedelta(seconds=2))
        return queued(db)

    assert await store.run(day) == [("E1.1", "digest", "pending"), ("E1.2", "correction", "superseded")]
    assert (await store.read(put_off))["E1.1"] == ("dropped", "corrected")


# ---- by rank, and the cap


async def test_by_rank_the_weighty_comes_at_once_the_rest_later_and_a_reversal_always_at_once(store: Store) -> None:
    def day(db: Connection) -> list[str]:
        listen(db, times=DAY, cadence="by_rank")
        for number in range(1, 6):
            told(db, event(number), make.NOW, rank=number)
        told(db, event(6), make.NOW, kind="reversal", rank=2)
        return [alert for alert, _, _ in queued(db)]

    assert sorted(await store.run(day)) == ["E4.1", "E5.1", "E6.1"]
    assert {one.alert_id: one.cadence for one in await store.read(lambda db: digests.waits(db, [key("hook")]))} == {
        "E1.1": "daily",
        "E2.1": "daily",
        "E3.1": "hourly",
    }


async def test_beyond_the_daily_cap_alerts_go_into_the_digest_and_none_is_lost(store: Store) -> None:
    capped = Times.model_validate({"zone": "Europe/Berlin", "most_a_day": 2, "break_through": 5})

    def day(db: Connection) -> tuple[int, int]:
        listen(db, times=capped)
        for number in range(10):
            told(db, event(number, severity=5 if number == 9 else 4), make.NOW + timedelta(minutes=number))
        at_once = len(queued(db))
        told(db, event(20), make.NOW + timedelta(days=1))
        next_day = len(queued(db)) - at_once
        return at_once, next_day

    assert await store.run(day) == (3, 1), "two, the one that breaks through, and the first of the next day"
    await store.run(lambda db: release(db, EIGHT, NAMES))
    (claimed,) = [one for one in await store.run(lambda db: claim(db, now=EIGHT + timedelta(days=1))) if one.digest]
    assert len(claimed.digest.alerts) == 7


async def test_a_night_beyond_the_cap_comes_in_the_morning_as_far_as_it_goes(store: Store) -> None:
    times = Times.model_validate({"quiet": {"from": "22:00", "to": "07:00"}, "most_a_day": 2, "digest_at": "09:00"})

    def night(db: Connection) -> list[str]:
        listen(db, times=times)
        for number, rank in enumerate((4, 5, 4, 5)):
            told(db, event(number), EVENING + timedelta(minutes=number), rank=rank)
        release(db, MORNING, NAMES)
        return sorted(alert for alert, _, _ in queued(db))

    assert await store.run(night) == ["E1.1", "E3.1"]
    assert await store.read(due) == MORNING + timedelta(hours=2)


# ---- other times


async def test_what_waits_follows_when_its_destination_gets_other_times(store: Store) -> None:
    def day(db: Connection) -> datetime | None:
        listen(db, times=DAY, cadence="daily")
        told(db, event(1), make.NOW)
        wanted = WantedSubscription("mine", ("hook",), When(), "daily")
        moved = Times.model_validate({"zone": "Asia/Tokyo", "digest_at": "20:00"})
        subscriptions.apply(db, [account(hook(times=moved), subscriptions=[wanted])], CIPHER, make.NOW + timedelta(hours=1))
        return due(db)

    assert await store.run(day) == datetime.fromisoformat("2026-03-02T20:00+09:00")


async def test_two_workers_make_one_digest(store: Store) -> None:
    await store.run(lambda db: (listen(db, times=DAY, cadence="daily"), told(db, event(1), make.NOW), told(db, event(2), make.NOW)))
    await asyncio.gather(*(store.run(lambda db: release(db, EIGHT, NAMES)) for _ in range(4)))

    assert [one[1:] for one in await store.read(queued)] == [("digest", "pending")]
    assert {state for state, _ in (await store.read(put_off)).values()} == {"told"}


async def test_a_crash_half_way_leaves_everything_untold(store: Store) -> None:
    await store.run(lambda db: (listen(db, times=DAY, cadence="daily"), told(db, event(1), make.NOW)))

    def crashing(db: Connection) -> None:
        release(db, EIGHT, NAMES)
        raise RuntimeError("the power went")

    with pytest.raises(RuntimeError, match="power"):
        await store.run(crashing)
    assert await store.read(queued) == []

    await store.run(lambda db: release(db, EIGHT, NAMES))
    assert [one[1] for one in await store.read(queued)] == ["digest"]
