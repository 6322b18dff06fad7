"""Two judges on the same items."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.events.signal import LanguageGuess
from services.classifier.classify import Verdict
from services.evaluation.compare import Compared, compare
from services.evaluation.data import Line
from services.evaluation.threads import Judged
from tests import make


def judged(name: str, found: str, *, gold: str = "alert", event: str | None = None, direction: str = "tighten") -> Judged:
    told: dict[str, Any] = {"id": name, "class": gold, "event": event, "direction": "tighten", "published": "2025-04-10", "title": name}
    line = Line.model_validate(told)
    verdict = Verdict(found, 0.9 if found == "alert" else 0.1, LanguageGuess(tag="en", confidence=1.0), make.facts(direction=direction))
    return Judged(line, line.to_item(), verdict)


def compared(here: list[Judged], there: list[Judged]) -> Compared:
    return compare(here, there, name="mine", ruleset="abc", model="forest")


def test_the_same_judge_differs_in_nothing() -> None:
    items = [judged("a", "alert"), judged("b", "no"), judged("c", "alert", gold="no")]

    found = compared(items, items)

    assert all((one.difference, one.low, one.high) == (0.0, 0.0, 0.0) for one in found.differences.values())
    assert not any(found.changed.values())


def test_a_judge_that_finds_more_is_better_beyond_chance() -> None:
    here = [judged(f"{place}", "alert" if place % 2 else "no") for place in range(40)]
    there = [judged(f"{place}", "alert") for place in range(40)]

    recall = compared(here, there).differences["recall"]

    assert (recall.here, recall.there, recall.difference) == (0.5, 1.0, 0.5)
    assert 0 < recall.low < 0.5 < recall.high < 1


def test_items_of_one_event_are_drawn_together() -> None:
    def intervals(event: str | None) -> tuple[float, float]:
        names = [f"{place}" for place in range(40)]
        here = [judged(name, "no" if place < 20 else "alert", event=event and f"{event}{place // 20}") for place, name in enumerate(names)]
        found = compared(here, [judged(one.item.id, "alert", event=one.line.event) for one in here]).differences["recall"]
        return found.low, found.high

    alone, together = intervals(None), intervals("event")

    assert together == (0.0, 1.0)
    assert together[0] < alone[0] < alone[1] < together[1]


def test_facts_are_held_against_one_another_where_both_find_the_alert() -> None:
    here = [judged("a", "alert"), judged("b", "alert", direction="loosen"), judged("c", "no")]
    there = [judged("a", "alert"), judged("b", "alert"), judged("c", "alert", direction="loosen")]

    direction = compared(here, there).differences["direction"]

    assert (direction.n, direction.here, direction.there) == (2, 0.5, 1.0)


def test_items_that_are_judged_otherwise_are_named_by_what_happens_to_them() -> None:
    here = [judged("a", "no"), judged("b", "alert"), judged("c", "alert", gold="no"), judged("d", "no", gold="context")]
    there = [judged("a", "alert"), judged("b", "context"), judged("c", "no", gold="no"), judged("d", "alert", gold="context")]

    assert compared(here, there).changed == {"found": ["a"], "missed": ["b"], "silenced": ["c"], "raised": ["d"]}


def test_other_items_are_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        compared([judged("a", "alert"), judged("b", "alert")], [judged("a", "alert")])


def test_nothing_to_compare_is_no_difference() -> None:
    assert compared([], []).differences["f1"].n == 0
