"""The calendar on one store: planned with what is placed, struck on the day, once."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from schemas.events.base import Moment
from schemas.events.event import PolicyEvent
from schemas.events.signal import FactDate, PolicySignal
from services.notifier import known
from services.store import threads, timers
from services.store.engine import Store
from services.store.threads import Alert
from tests import make
from tests.fakes import FakeBroker, FakeClock
from tests.placing import Line

DAY = timedelta(days=1)


@pytest.fixture
def line(store: Store) -> Line:
    return Line(store, FakeClock(), FakeBroker())


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def dated(kind: str, day: str) -> tuple[FactDate, ...]:
    return (FactDate(kind=kind, moment=Moment.parse(day)),)


def told(outlet: str, at: datetime, **facts: object) -> PolicySignal:
    item = make.item_header(url=f"https://{outlet}.example/{at:%d}", outlet=outlet, tier=0, published=Moment.of(at), observed_at=at + timedelta(minutes=1))
    return make.signal(item, **({"action": "tighten", "direction": "tighten", "stage": "published"} | facts))


async def at(line: Line, now: datetime) -> None:
    line.clock.advance(now - line.clock.now())
    await line.placer.strike_due()


async def alerts(line: Line) -> list[Alert]:
    return await line.store.read(lambda db: threads.unfanned_alerts(db, 100))


async def states(line: Line) -> dict[str, tuple[str, str | None]]:
    return {one.timer.kind: (one.state, one.why) for one in await line.store.read(timers.list_timers)}


async def test_a_measure_is_reminded_of_and_takes_effect_on_its_day_each_once(line: Line) -> None:
    start = line.clock.now()
    await line.place(told("gazette", start, dates=dated("effective", f"{start + 30 * DAY:%Y-%m-%d}")))

    await at(line, start + 22 * DAY)
    before = [alert.kind for alert in await alerts(line)]
    for _ in range(3):
        await at(line, start + 24 * DAY)
    reminded = [alert.kind for alert in await alerts(line)]
    for _ in range(3):
        await at(line, start + 31 * DAY)

    assert (before, reminded) == (["new"], ["new", "reminder"])
    assert [alert.kind for alert in await alerts(line)] == ["new", "reminder", "update"]
    (event,) = await line.events()
    assert (event.facts.stage, event.changes, event.version) == ("in_force", ("stage_raised", "by_calendar"), 3)
    assert await line.relayed() == await line.store.read(lambda db: threads.versions(db, event.id))


async def test_a_date_that_moves_moves_its_timers(line: Line) -> None:
    start = line.clock.now()
    day, later = f"{start + 10 * DAY:%Y-%m-%d}", f"{start + 20 * DAY:%Y-%m-%d}"
    await line.place(told("gazette", start, dates=dated("effective", day), instruments=("91 FR 1",)))
    await line.place(told("gazette", start + DAY, dates=dated("effective", later), instruments=("91 FR 1",)))

    await at(line, start + 11 * DAY)

    assert [alert.kind for alert in await alerts(line)] == ["new", "update"]
    standing = [one for one in await line.store.read(timers.list_timers) if one.timer.kind == "effective"]
    assert [(one.state, one.why) for one in standing] == [("dropped", "replanned"), ("waiting", None)]


async def test_an_event_that_is_withdrawn_has_no_dates_any_more(line: Line) -> None:
    start = line.clock.now()
    first = told("gazette", start, dates=dated("effective", f"{start + 10 * DAY:%Y-%m-%d}"))
    await line.place(first)
    item = first.item.model_copy(update={"observed_at": start + timedelta(hours=1), "revision": "2"})
    await line.place(first.model_copy(update={"item": item, "verdict": "no", "id": "again"}))

    await at(line, start + 11 * DAY)

    assert [alert.kind for alert in await alerts(line)] == ["new", "withdrawal"]
    assert (await states(line))["effective"] == ("dropped", "replanned")


async def test_what_was_undone_before_its_day_is_not_told_by_calendar(line: Line) -> None:
    start = line.clock.now()
    await line.place(told("gazette", start, dates=dated("effective", f"{start + 10 * DAY:%Y-%m-%d}")))
    await line.place(told("gazette", start + 2 * DAY, action="rescind", direction="loosen"))

    await at(line, start + 11 * DAY)

    assert [alert.kind for alert in await alerts(line)] == ["new", "reversal"]
    assert (await states(line))["effective"] == ("dropped", "undone")


async def test_the_notice_joins_what_the_calendar_has_told_and_is_no_second_alert(line: Line) -> None:
    start = line.clock.now()
    until = dated("expires", f"{start + 10 * DAY:%Y-%m-%d}")
    await line.place(told("gazette", start, action="suspend", direction="loosen", dates=until))
    await at(line, start + 10 * DAY + timedelta(hours=6))
    await line.place(told("paper", start + 10 * DAY + timedelta(hours=9), action="reinstate", direction="tighten", stage="in_force"))

    assert [alert.kind for alert in await alerts(line)][:1] == ["new"]
    assert sum(alert.kind == "reversal" for alert in await alerts(line)) == 1
    _, back = await line.events()
    assert [source.source for source in back.sources] == ["calendar", "example"]


async def test_what_was_held_joins_what_the_calendar_opens(line: Line) -> None:
    start = line.clock.now()
    await line.place(told("gazette", start, action="suspend", direction="loosen", dates=dated("expires", f"{start + 10 * DAY:%Y-%m-%d}")))
    line.clock.advance(9 * DAY + timedelta(hours=12))
    item = make.item_header(url="https://blog.example/1", outlet="Blog", tier=3, published=Moment.of(line.clock.now()), observed_at=line.clock.now())
    await line.place(make.signal(item, action="reinstate", direction="tighten", stage="reported"))
    assert line.outcomes["held"] == 1

    await at(line, start + 10 * DAY + timedelta(hours=6))

    _, back = await line.events()
    assert [source.outlet for source in back.sources] == [None, "Blog"]


async def test_a_term_that_is_prolonged_in_time_does_not_lapse(line: Line) -> None:
    start = line.clock.now()
    day, later = f"{start + 30 * DAY:%Y-%m-%d}", f"{start + 395 * DAY:%Y-%m-%d}"
    await line.place(told("gazette", start, action="suspend", direction="loosen", dates=dated("expires", day)))
    await line.place(told("paper", start + 20 * DAY, action="extend", direction="loosen", dates=dated("expires", later)))

    await at(line, start + 31 * DAY)

    assert "reversal" not in [alert.kind for alert in await alerts(line)]


async def test_two_processes_that_strike_together_tell_once(line: Line) -> None:
    start = line.clock.now()
    await line.place(told("gazette", start, dates=dated("effective", f"{start + 10 * DAY:%Y-%m-%d}")))
    other = Line(line.store, line.clock, FakeBroker())
    line.clock.advance(11 * DAY)

    await asyncio.gather(line.placer.strike_due(), other.placer.strike_due())

    assert [alert.kind for alert in await alerts(line)].count("update") == 1


async def history(line: Line, now: datetime) -> None:
    ids = count(1)
    line.clock.advance(now - line.clock.now())
    await line.store.run(
        lambda db: known.import_known(db, known.shipped(), now, mint=lambda: f"history{next(ids):03}", headline=lambda facts: str(facts.stage))
    )


def as_told(event: PolicyEvent) -> tuple[str | None, ...]:
    return (*event.facts.imposers, event.facts.action, event.facts.direction, event.facts.stage)


async def test_the_history_as_imported_is_silent_whatever_has_passed(line: Line) -> None:
    await history(line, utc("2026-10-20T12:00"))
    await line.placer.strike_due()

    assert await alerts(line) == []
    waiting = await line.store.read(lambda db: timers.list_timers(db, waiting=True))
    assert {f"{one.timer.due_at:%m-%d}" for one in waiting if one.timer.kind == "lapse"} == {"11-09", "11-26", "12-31"}


async def test_the_lapses_of_november_2026_come_by_themselves(line: Line) -> None:
    await history(line, utc("2026-11-08T12:00"))

    raised = {}
    for hour in range(20 * 24):
        now = utc("2026-11-08T12:00") + hour * timedelta(hours=1)
        before = {alert.id for alert in await alerts(line)}
        await at(line, now)
        raised |= {now: [alert for alert in await alerts(line) if alert.id not in before and alert.kind == "reversal"]}

    told = [(f"{now:%m-%d %H}", *as_told(alert.event)) for now, found in raised.items() for alert in found]
    assert told == [
        ("11-09 05", "US", "reinstate", "tighten", "in_force"),
        ("11-09 16", "CN", "reinstate", "tighten", "in_force"),
        ("11-26 16", "CN", "reinstate", "tighten", "in_force"),
    ]
