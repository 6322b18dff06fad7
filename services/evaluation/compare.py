"""Two ways of judging the same items, held against one another: what differs, and how sure that is. Pure.

Differences are there minus here. Their intervals are of the paired bootstrap (Efron 1979): whole events are drawn anew, since items that tell the same event
are right or wrong together, and both sides are measured on the same draw.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import add

from services.evaluation.facts import FACTS, Fact
from services.evaluation.measures import RESAMPLES, SEED, Counts, Score
from services.evaluation.threads import Judged, measure

Tally = tuple[int, ...]
"""Sums that a figure is made of: first those of here, then those of there."""
Both = tuple[Judged, Judged]
"""An item as judged here and there."""
Figure = Callable[[Tally], float]


@dataclass(frozen=True, slots=True)
class Difference:
    """A figure here and there, their difference, and the middle 95 % of it over resampled events. `n` is the number of items it rests on."""

    here: float
    there: float
    low: float
    high: float
    n: int

    @property
    def difference(self) -> float:
        return self.there - self.here


@dataclass(frozen=True, slots=True)
class Compared:
    """What the other side is, its figures beside ours, its threads, and the ids of items that it judges otherwise."""

    name: str
    ruleset: str
    model: str
    differences: Mapping[str, Difference]
    b3_f1: float
    changed: Mapping[str, list[str]]


def compare(here: Sequence[Judged], there: Sequence[Judged], *, name: str, ruleset: str, model: str) -> Compared:
    """Both hold the same items in the same order."""
    both = list(zip(here, there, strict=True))
    differences = {name: _difference(both, _alert_tally, *(_of_side(figure, side) for side in (0, 1))) for name, figure in _ALERT.items()}
    for fact_name, fact in FACTS.items():
        found = [(one, other) for one, other in both if _found_by_both(one, other, fact)]
        if found:
            differences[fact_name] = _difference(found, _fact_tally(fact), lambda sums: sums[1] / max(sums[0], 1), lambda sums: sums[2] / max(sums[0], 1))
    return Compared(name, ruleset, model, differences, measure(there).b3.f1, _changed(both))


_ALERT: Mapping[str, Callable[[Score], float]] = {
    "f1": lambda score: score.f1,
    "precision": lambda score: score.precision,
    "recall": lambda score: score.recall,
}


def _of_side(figure: Callable[[Score], float], side: int) -> Figure:
    return lambda sums: figure(Counts(*sums[3 * side : 3 * side + 3]).score)


def _alert_tally(one: Judged, other: Judged) -> Tally:
    gold = one.line.gold == "alert"
    return tuple(int(mark) for found in (one.alert, other.alert) for mark in (gold and found, found and not gold, gold and not found))


def _found_by_both(one: Judged, other: Judged, fact: Fact) -> bool:
    """Facts are compared on the alerts that both find: who finds more of the hard ones is no worse for it."""
    return one.line.gold == "alert" and one.alert and other.alert and fact.right(one) is not None


def _fact_tally(fact: Fact) -> Callable[[Judged, Judged], Tally]:
    return lambda one, other: (1, int(bool(fact.right(one))), int(bool(fact.right(other))))


def _difference(both: Sequence[Both], tally: Callable[[Judged, Judged], Tally], here: Figure, there: Figure) -> Difference:
    groups = defaultdict[str, list[Tally]](list)
    for one, other in both:
        groups[one.line.event or one.item.id].append(tally(one, other))
    sums = [_sum(tallies) for tallies in groups.values()]
    total = _sum(sums) if sums else ()
    if not total:
        return Difference(0.0, 0.0, 0.0, 0.0, 0)
    low, high = _interval(sums, lambda drawn: there(drawn) - here(drawn))
    return Difference(here(total), there(total), low, high, len(both))


def _interval(sums: Sequence[Tally], figure: Figure) -> tuple[float, float]:
    dice = random.Random(SEED)  # noqa: S311 - resampling, no secret; a fixed seed makes the figure repeatable
    drawn = sorted(figure(_drawn(Counter(dice.choices(sums, k=len(sums))))) for _ in range(RESAMPLES))
    return drawn[int(0.025 * RESAMPLES)], drawn[int(0.975 * RESAMPLES) - 1]


def _drawn(times: Mapping[Tally, int]) -> Tally:
    return _sum([tuple(value * count for value in tally) for tally, count in times.items()])


def _sum(tallies: Sequence[Tally]) -> Tally:
    total = tallies[0]
    for tally in tallies[1:]:
        total = tuple(map(add, total, tally))
    return total


def _changed(both: Sequence[Both]) -> dict[str, list[str]]:
    """Ids by what happens to them there: alerts `found` or `missed`, false alarms `silenced` or `raised`."""
    kinds: dict[str, list[str]] = {"found": [], "missed": [], "silenced": [], "raised": []}
    for one, other in both:
        if one.alert != other.alert:
            gold = one.line.gold == "alert"
            kinds[("found" if gold else "raised") if other.alert else ("missed" if gold else "silenced")].append(one.item.id)
    return kinds
