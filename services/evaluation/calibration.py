"""Whether a score of 0.7 means seven in ten. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

BINS = 10


@dataclass(frozen=True, slots=True)
class Bin:
    """The items with a score of `low` up to `high`: how many, their mean score, and the share of alerts among them."""

    low: float
    high: float
    items: int
    score: float
    alerts: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """`ece` is the expected calibration error (Naeini et al., 2015): the mean distance of score and share, weighed by items; `brier` the mean squared one."""

    items: int
    ece: float
    brier: float
    bins: tuple[Bin, ...]


def calibration(scored: Iterable[tuple[float, bool]], *, bins: int = BINS) -> Calibration:
    """`scored` holds a score, 0 to 1, and whether the item is an alert. Bins of equal width; empty ones are left out."""
    given = list(scored)
    groups: list[list[tuple[float, bool]]] = [[] for _ in range(bins)]
    for score, alert in given:
        groups[min(int(score * bins), bins - 1)].append((score, alert))
    filled = tuple(_bin(place / bins, (place + 1) / bins, group) for place, group in enumerate(groups) if group)
    if not given:
        return Calibration(0, 0.0, 0.0, ())
    ece = sum(one.items * abs(one.score - one.alerts) for one in filled) / len(given)
    brier = sum((score - alert) ** 2 for score, alert in given) / len(given)
    return Calibration(len(given), ece, brier, filled)


def _bin(low: float, high: float, group: Sequence[tuple[float, bool]]) -> Bin:
    return Bin(low, high, len(group), sum(score for score, _ in group) / len(group), sum(alert for _, alert in group) / len(group))
