"""At once or later."""

from __future__ import annotations

from datetime import timedelta

import pytest

from schemas.config.times import Times
from services.notifier.cadence import Later, kind_for, later, postponed, soonest
from tests import make

NIGHT = Times.model_validate({"quiet": {"from": "22:00", "to": "07:00"}, "break_through": 5, "most_a_day": 2})
AT_NIGHT = make.NOW.replace(hour=23)


@pytest.mark.parametrize(
    ("cadences", "rank", "kind", "expected"),
    [
        (["by_rank"], 5, "new", "immediate"),
        (["by_rank"], 4, "update", "immediate"),
        (["by_rank"], 3, "new", "hourly"),
        (["by_rank"], 2, "new", "daily"),
        (["by_rank"], 1, "reversal", "immediate"),
        (["weekly", "daily"], 5, "new", "daily"),
        (["weekly", "by_rank"], 3, "new", "hourly"),
        (["weekly"], 5, "reversal", "weekly"),
        (["immediate", "hourly"], 1, "new", "immediate"),
    ],
)
def test_the_soonest_of_what_is_asked_for_counts(cadences: list[str], rank: int, kind: str, expected: str) -> None:
    assert expected == soonest(cadences, rank=rank, kind=kind)


def test_quiet_hours_hold_and_the_cap_gathers_unless_it_is_severe_enough() -> None:
    mild, severe = make.event(severity=4), make.event(severity=5)

    assert later(NIGHT, "immediate", mild, told_today=0, now=make.NOW) is None
    assert later(NIGHT, "immediate", mild, told_today=0, now=AT_NIGHT) == Later("held", AT_NIGHT + timedelta(hours=7.5))
    assert later(NIGHT, "immediate", mild, told_today=2, now=make.NOW) == Later("daily", make.NOW.replace(hour=8, minute=0) + timedelta(days=1))
    assert later(NIGHT, "immediate", severe, told_today=9, now=AT_NIGHT) is None
    assert later(NIGHT, "hourly", severe, told_today=0, now=make.NOW) == Later("hourly", make.NOW.replace(hour=10, minute=0)), "a digest was asked for"


def test_a_late_digest_comes_within_its_patience_and_else_with_the_next() -> None:
    always, due = Times(), make.NOW

    assert postponed(always, "daily", due, due + timedelta(hours=6)) is None
    assert postponed(always, "daily", due, due + timedelta(hours=7)) == make.NOW.replace(hour=8, minute=0) + timedelta(days=1)
    assert postponed(always, "hourly", due, due + timedelta(days=9)) is None
    assert postponed(always, "held", due, due + timedelta(days=9)) is None


def test_an_update_is_news_to_who_was_never_told() -> None:
    assert (kind_for("update", told_before=False), kind_for("update", told_before=True), kind_for("reversal", told_before=False)) == (
        "new",
        "update",
        "reversal",
    )
