from __future__ import annotations

import pytest

from schemas.events.base import Moment
from schemas.events.signal import Amount, FactDate
from services.notifier import material
from tests import make


def date(kind: str, text: str) -> FactDate:
    return FactDate(kind=kind, moment=Moment.parse(text))


def test_amounts_that_contradict_each_other_are_all_kept() -> None:
    each, together = Amount(value=35_000, kind="quota_units"), Amount(value=70_000, kind="quota_units")

    facts, changes = material.merged(make.facts(amounts=(each,)), make.facts(amounts=(together, each)), tier=1)

    assert facts.amounts == (each, together)
    assert changes == ()


def test_a_month_that_becomes_a_day_of_that_month_is_no_move() -> None:
    _, changes = material.merged(make.facts(dates=(date("expires", "2026-11"),)), make.facts(dates=(date("expires", "2026-11-09"),)), tier=0)

    assert changes == ()


def test_the_gazette_moves_a_date_by_a_single_day() -> None:
    before, after = make.facts(dates=(date("expires", "2026-11-09"),)), make.facts(dates=(date("expires", "2026-11-10"),))

    facts, changes = material.merged(before, after, tier=0)

    assert (facts.dates, changes) == (after.dates, ("date_moved",))


@pytest.mark.parametrize(("tier", "agency"), [(2, "BIS"), (3, None)])
def test_a_source_that_does_not_lead_fills_gaps_at_most_and_widens_nothing(tier: int, agency: str | None) -> None:
    facts, changes = material.merged(make.facts(agency=None), make.facts(agency="BIS", targets=("RU",), products=("H200",), severity=5), tier=tier)

    assert (facts.agency, facts.targets, facts.products, facts.severity) == (agency, ("CN",), ("H20",), 3)
    assert changes == ()


def test_dates_that_are_no_turn_of_the_measure_are_kept_silently() -> None:
    facts, changes = material.merged(make.facts(), make.facts(dates=(date("announced", "2026-03-02"),)), tier=1)

    assert facts.dates == (date("announced", "2026-03-02"),)
    assert changes == ()


@pytest.mark.parametrize(("direction", "changes"), [("loosen", ("stage_raised",)), (None, ("stage_raised",)), ("neutral", ())])
def test_only_the_same_course_raises_a_stage(direction: str | None, changes: tuple[str, ...]) -> None:
    assert material.merged(make.facts(), make.facts(direction=direction, stage="announced"), tier=1)[1] == changes


def test_an_end_state_weighs_as_much_as_an_announcement() -> None:
    assert material.rank_of("withdrawn") == material.rank_of("announced")
    assert material.rank_of(None) == 0


def test_everything_that_changed_is_named_when_the_only_source_tells_it_anew() -> None:
    before, after = make.facts(), make.facts(direction="tighten", imposers=("NL",), severity=5)

    assert set(material.replaced(before, after)) == {"severity_raised", "direction_corrected", "imposer_corrected"}
