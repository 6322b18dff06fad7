"""Precision, recall, F1 and how sure they are. Pure."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

RESAMPLES = 1000
SEED = 20250410


@dataclass(frozen=True, slots=True)
class Score:
    """Precision, recall and their harmonic mean, each 0 to 1; 0 where there is nothing to divide by."""

    precision: float
    recall: float

    @property
    def f1(self) -> float:
        return _ratio(2 * self.precision * self.recall, self.precision + self.recall)


@dataclass(frozen=True, slots=True)
class Counts:
    """Hits, false alarms and misses."""

    tp: int
    fp: int
    fn: int

    @property
    def score(self) -> Score:
        return Score(_ratio(self.tp, self.tp + self.fp), _ratio(self.tp, self.tp + self.fn))


Pair = tuple[bool, bool]
"""(it is one, it was found to be one)"""


def count(pairs: Sequence[Pair]) -> Counts:
    """How often what was found is so."""
    return Counts(
        tp=sum(gold and found for gold, found in pairs),
        fp=sum(found and not gold for gold, found in pairs),
        fn=sum(gold and not found for gold, found in pairs),
    )


def ci95(pairs: Sequence[Pair], *, resamples: int = RESAMPLES, seed: int = SEED) -> tuple[float, float]:
    """The middle 95 % of F1 over resampled data (percentile bootstrap, Efron 1979), the same on every run."""
    if not pairs:
        return 0.0, 0.0
    dice = random.Random(seed)  # noqa: S311 - resampling, no secret; a fixed seed makes the figure repeatable
    figures = sorted(count(dice.choices(pairs, k=len(pairs))).score.f1 for _ in range(resamples))
    return figures[int(0.025 * resamples)], figures[int(0.975 * resamples) - 1]


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How often a fact is right: over gold alerts that were judged alert, and over all (a missed alert is wrong)."""

    n: int
    accuracy: float
    accuracy_all_gold: float


def accuracy(right: Sequence[bool], missed: int) -> Accuracy:
    """`right` has an entry for each gold alert judged alert that carries the label; `missed` counts the others."""
    return Accuracy(len(right), _ratio(sum(right), len(right)), _ratio(sum(right), len(right) + missed))


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def rounded(figures: Score) -> dict[str, float]:
    """For people and programs: four digits."""
    return {"precision": round(figures.precision, 4), "recall": round(figures.recall, 4), "f1": round(figures.f1, 4)}
