"""Which change and which stage an item most likely tells, where verb and object leave it open: a line through named signs, fitted on labelled news.

What verb and object say is a sign among others, and it stands unless the signs speak clearly against it.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from schemas.config.tables import Choice, Choices, Outcome
from services.classifier.entries import NAMES
from services.classifier.facts.change import ALONE, Change
from services.classifier.facts.parts import Part
from services.classifier.terms import Hit

LEAD = 4
IDIOM = "idiom"
STRENGTH = 2.0
"""How surely an idiom is the change of its sentence: less than a verb with its object."""
NAMED = NAMES | {"outlet", "phrase"}
_FIRST = 3
_OFTEN = 4
"""So many changes of a sentence are signs."""


def signs(parts: Sequence[Part], change: Change | None, found: Iterable[Change], stage: str) -> dict[str, float]:
    """What the choice looks at: concepts of the title and of the lead, the change that verb and object make, the stage that cues show."""
    seen: dict[str, float] = {f"stage {stage}": 1.5}
    for part in parts[:LEAD]:
        where = "text" if part.place else "title"
        for word in {word for hit in part.hits for word in _called(hit)}:
            seen[f"{where} {word}"] = seen[word] = 1.0
    if change is not None:
        seen |= {f"action {change.outcome.action}": 1.5, f"direction {change.outcome.direction}": 1.5, f"{change.verb_class} x {change.object_class}": 1.0}
    for outcome, times in _count(found).items():
        seen[f"told {outcome}"] = times / 2
    return seen


def _called(hit: Hit) -> tuple[str, ...]:
    """A name counts by its kind alone: who acts and on what says nothing of what is done."""
    return (hit.kind,) if hit.kind in NAMED else (hit.kind, hit.concept)


def _count(found: Iterable[Change]) -> Mapping[str, int]:
    times: dict[str, int] = defaultdict(int)
    by_part: dict[int, int] = defaultdict(int)
    for change in found:
        by_part[change.part.place] += 1
        if change.part.place < _FIRST and by_part[change.part.place] <= _OFTEN:
            times[_label(change.outcome)] += 1
    return times


def _label(outcome: Outcome) -> str:
    return f"{outcome.action}/{outcome.direction}"


def odds(seen: Mapping[str, float], table: Choice) -> dict[str, float]:
    """How likely each label is; together 1."""
    sums = dict(table.start)
    for sign, value in seen.items():
        for label, weight in table.weights.get(sign, {}).items():
            sums[label] += weight * value
    most = max(sums.values())
    powers = {label: math.exp(total - most) for label, total in sums.items()}
    whole = sum(powers.values())
    return {label: power / whole for label, power in powers.items()}


def likely_outcome(seen: Mapping[str, float], told: Outcome | None, table: Choices) -> Outcome:
    """The outcome: direction and action as told unless they are unlikely, else the likeliest."""
    chances = odds(seen, table.change)
    directions, actions = _summed(chances, 1), _summed(chances, 0)
    keeps = told is not None and directions.get(told.direction, 0.0) >= table.keep_direction
    direction = told.direction if told is not None and keeps else max(directions, key=directions.__getitem__)
    if told is not None and keeps and actions.get(told.action, 0.0) >= table.keep_action:
        return told
    return Outcome(action=max(_with(direction, chances), key=lambda pair: pair[1])[0], direction=direction)


def _summed(chances: Mapping[str, float], which: int) -> dict[str, float]:
    sums: dict[str, float] = defaultdict(float)
    for label, chance in chances.items():
        sums[label.split("/")[which]] += chance
    return sums


def _with(direction: str, chances: Mapping[str, float]) -> Iterator[tuple[str, float]]:
    return ((label.split("/")[0], chance) for label, chance in chances.items() if label.endswith(f"/{direction}"))


def likely_stage(seen: Mapping[str, float], told: str, table: Choices) -> str:
    """The stage as told unless it is unlikely, else the likeliest."""
    chances = odds(seen, table.stage)
    return told if chances.get(told, 0.0) >= table.keep_stage else max(chances, key=chances.__getitem__)


def told_by_idiom(parts: Sequence[Part], news: Sequence[float]) -> tuple[Part, Hit] | None:
    """The idiom of the sentence that is most the news, the longest first."""
    found = [(score, hit.end - hit.start, part, hit) for part, score in zip(parts[:LEAD], news, strict=False) for hit in part.of(IDIOM)]
    best = max(found, key=lambda one: one[:2], default=None)
    return None if best is None else best[2:]


def idiom_change(part: Part, hit: Hit, outcome: Outcome) -> Change:
    """A change that an idiom tells whole."""
    return Change(part, hit, hit, IDIOM, ALONE, outcome, STRENGTH)
