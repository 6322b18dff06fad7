from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest

from schemas.events.base import Moment
from schemas.events.event import PolicyEvent, Relation
from schemas.events.signal import FactDate
from services.notifier import timers
from services.notifier.threads import Means, next_version
from services.notifier.timers import Reached, Spent
from services.store.timers import Timer
from tests import make

DAY = timedelta(days=1)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def means() -> Means:
    ids = count(1)
    return Means(lambda: f"new{next(ids)}", headline=lambda facts: f"{facts.stage} {facts.action}")


def event(*, effective: str | None = None, until: str | None = None, zone: str | None = None, **facts: Any) -> PolicyEvent:
    named = (("effective", effective), ("expires", until))
    dates = tuple(FactDate(kind=kind, moment=Moment.parse(text, zone)) for kind, text in named if text)
    return make.event(**({"stage": "published", "action": "tighten", "direction": "tighten", "dates": dates} | facts))


def suspension(**fields: Any) -> PolicyEvent:
    return event(**({"action": "suspend", "direction": "loosen", "until": "2026-11-09"} | fields))


def planned(of: PolicyEvent) -> dict[str, datetime]:
    return {timer.kind: timer.due_at for timer in timers.plan(of)}


def struck(of: PolicyEvent, kind: str, *, others: tuple[PolicyEvent, ...] = (), late: timedelta = timedelta(0)) -> Reached | Spent:
    timer = next(timer for timer in timers.plan(of) if timer.kind == kind)
    return timers.strike(of, timer, others, timer.due_at + late, means())


@pytest.mark.parametrize(
    ("imposer", "midnight"),
    [("US", "2026-11-09T05:00"), ("CN", "2026-11-08T16:00"), ("NL", "2026-11-08T23:00"), ("IN", "2026-11-08T18:30"), ("XX", "2026-11-09T00:00")],
)
def test_a_term_runs_out_at_midnight_where_it_was_set(imposer: str, midnight: str) -> None:
    assert planned(suspension(imposers=(imposer,)))["lapse"] == utc(midnight)


def test_the_reminder_is_seven_days_ahead_on_the_clock_of_the_place_also_over_a_change_of_clocks() -> None:
    assert planned(event(effective="2026-11-03")) == {"effective": utc("2026-11-03T05:00"), "effective_reminder": utc("2026-10-27T04:00")}


def test_a_date_with_a_zone_or_a_time_of_day_is_taken_as_it_is() -> None:
    assert planned(event(effective="2026-12-01", zone="Asia/Tokyo"))["effective"] == utc("2026-11-30T15:00")
    assert planned(event(effective="2026-12-01T04:01:00Z"))["effective"] == utc("2026-12-01T04:01")


@pytest.mark.parametrize("date", ["2026", "2026-12"])
def test_what_is_less_exact_than_a_day_has_no_timer(date: str) -> None:
    assert planned(event(effective=date, until=date)) == {}


@pytest.mark.parametrize(
    "facts",
    [
        {"stage": "reported"},
        {"stage": "proposed"},
        {"stage": "in_force"},
        {"stage": "withdrawn"},
        {"action": "propose"},
        {"action": "shelve"},
        {"action": "delay"},
    ],
)
def test_what_is_no_law_yet_or_no_more_or_put_off_does_not_take_effect_by_itself(facts: dict[str, str]) -> None:
    assert planned(event(effective="2026-12-01", **facts)) == {}


@pytest.mark.parametrize("facts", [{"stage": "rumour"}, {"stage": "proposed"}, {"stage": "suspended"}, {"stage": "expired"}, {"action": "propose"}])
def test_what_is_no_law_yet_or_ended_already_does_not_lapse(facts: dict[str, str]) -> None:
    assert planned(suspension(**facts)) == {}


def test_of_several_dates_the_measure_holds_from_the_first_to_the_last() -> None:
    days = [FactDate(kind=kind, moment=Moment.parse(day)) for kind in ("effective", "expires") for day in ("2026-12-05", "2026-12-01")]

    found = planned(event(dates=tuple(days)))

    assert (found["effective"].day, found["lapse"].day) == (1, 5)


@pytest.mark.parametrize("status", ["withdrawn", "retracted", "merged"])
def test_an_event_that_does_not_stand_any_more_has_no_timers(status: str) -> None:
    assert timers.plan(suspension().model_copy(update={"status": status})) == ()


def test_a_measure_takes_effect_by_calendar() -> None:
    reached = struck(event(effective="2026-12-01"), "effective")

    assert isinstance(reached, Reached)
    assert (reached.kind, reached.fresh, reached.event.facts.stage, reached.event.changes) == ("update", True, "in_force", ("stage_raised", "by_calendar"))
    assert timers.plan(reached.event) == ()


def test_a_suspension_that_lapses_brings_the_curbs_back_as_an_event_that_reverses_it() -> None:
    old = suspension(amounts=())

    reached = struck(old, "lapse")

    assert isinstance(reached, Reached)
    new, facts = reached.event, reached.event.facts
    assert (reached.kind, new.id, new.changes) == ("reversal", "new1", ("opened", "by_calendar"))
    assert (facts.action, facts.direction, facts.stage, facts.products) == ("reinstate", "tighten", "in_force", old.facts.products)
    assert new.relations == (Relation(event=old.id, relation="reverses"),)
    assert [str(date.moment) for date in facts.dates] == ["2026-11-09"]
    assert reached.quiet is not None
    assert (reached.quiet.facts.stage, reached.quiet.changes) == ("expired", ())


@pytest.mark.parametrize(
    ("action", "direction", "becomes"),
    [
        ("tighten", "tighten", ("rescind", "loosen")),
        ("list_add", "tighten", ("list_remove", "loosen")),
        ("exempt", "loosen", ("reinstate", "tighten")),
        ("suspend", "tighten", ("rescind", "loosen")),
        ("tariff", "loosen", ("tariff", "tighten")),
        ("restrict_import", "tighten", ("restrict_import", "loosen")),
    ],
)
def test_the_end_of_an_act_is_its_opposite(action: str, direction: str, becomes: tuple[str, str]) -> None:
    facts = timers.returned(make.facts(action=action, direction=direction), make.NOW, "UTC")

    assert facts is not None
    assert (facts.action, facts.direction) == becomes


def test_what_went_in_no_direction_is_only_over() -> None:
    reached = struck(suspension(direction="mixed"), "lapse")

    assert isinstance(reached, Reached)
    assert (reached.kind, reached.event.facts.stage, reached.event.version) == ("update", "expired", 2)


def test_a_term_that_was_only_reported_ends_no_surer() -> None:
    facts = timers.returned(make.facts(stage="reported", direction="loosen"), make.NOW, "UTC")

    assert facts is not None
    assert facts.stage == "reported"


@pytest.mark.parametrize("relation", ["reverses", "suspends", "supersedes", "extends"])
def test_what_another_event_has_ended_is_not_told_by_calendar(relation: str) -> None:
    old = suspension()
    other = make.event(id="other").model_copy(update={"relations": (Relation(event=old.id, relation=relation),)})

    assert struck(old, "lapse", others=(other,)) == Spent("undone")
    assert isinstance(struck(old, "lapse", others=(other.model_copy(update={"status": "withdrawn"}),)), Reached)


def test_what_only_carries_it_out_does_not_end_it() -> None:
    old = event(effective="2026-12-01")
    other = make.event(id="other").model_copy(update={"relations": (Relation(event=old.id, relation="implements"),)})

    assert isinstance(struck(old, "effective", others=(other,)), Reached)


def test_a_date_that_moved_is_not_told() -> None:
    old = suspension()
    moved = next_version(old, make.NOW, lambda facts: "", facts=suspension(until="2027-11-10").facts)

    assert timers.strike(moved, Timer(utc("2026-11-09T05:00"), old.id, "lapse"), (), utc("2026-11-09T05:00"), means()) == Spent("date_moved")


def test_a_reminder_changes_no_facts_and_says_that_it_is_one() -> None:
    old = suspension()

    reached = struck(old, "lapse_reminder")

    assert isinstance(reached, Reached)
    assert (reached.kind, reached.event.changes, reached.event.facts) == ("reminder", ("reminder", "by_calendar"), old.facts)


def test_a_reminder_that_comes_after_the_day_itself_is_dropped() -> None:
    assert struck(suspension(), "lapse_reminder", late=8 * DAY) == Spent("overtaken")


def test_what_is_struck_more_than_a_week_late_is_placed_and_not_pushed() -> None:
    late, later = struck(suspension(), "lapse", late=6 * DAY), struck(suspension(), "lapse", late=8 * DAY)

    assert isinstance(late, Reached)
    assert isinstance(later, Reached)
    assert (late.fresh, later.fresh) == (True, False)


@pytest.mark.parametrize(
    ("facts", "prolonged"),
    [
        ({}, True),
        ({"products": ("H200",), "companies": ()}, False),
        ({"until": "2026-11-01"}, False),
        ({"direction": "tighten"}, False),
        ({"imposers": ("CN",)}, False),
        ({"targets": ("AE",)}, False),
        ({"action": "suspend"}, False),
    ],
)
def test_a_term_does_not_lapse_when_another_event_extends_the_same_measure(facts: dict[str, Any], prolonged: bool) -> None:
    longer = suspension(**({"action": "extend", "until": "2027-11-10"} | facts)).model_copy(update={"id": "other"})

    assert (struck(suspension(), "lapse", others=(longer,)) == Spent("undone")) is prolonged


def test_an_extension_in_the_same_wide_field_prolongs_what_names_nothing_narrower() -> None:
    wide: dict[str, Any] = {"products": ("semiconductors",), "companies": ()}
    longer = suspension(action="extend", until="2027-11-10", **wide).model_copy(update={"id": "other"})

    assert struck(suspension(**wide), "lapse", others=(longer,)) == Spent("undone")
