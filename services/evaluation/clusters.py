"""How well items were put together: B-cubed and pairwise scores, and the trivial rule to beat. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.evaluation.measures import Counts, Score

Clusters = Mapping[str, Hashable]
"""Item id -> the cluster it is in."""

TRIVIAL_GAP = timedelta(days=7)


def b_cubed(gold: Clusters, found: Clusters) -> Score:
    """B-cubed (Bagga and Baldwin 1998): for each item, how much of its found cluster belongs there, and how much of its gold cluster is there."""
    if not gold:
        return Score(0.0, 0.0)
    shared = Counter((gold[item], found[item]) for item in gold)
    gold_sizes = Counter(gold.values())
    found_sizes = Counter(found[item] for item in gold)
    precision = sum(shared[gold[item], found[item]] / found_sizes[found[item]] for item in gold)
    recall = sum(shared[gold[item], found[item]] / gold_sizes[gold[item]] for item in gold)
    return Score(precision / len(gold), recall / len(gold))


def pairwise(gold: Clusters, found: Clusters) -> Counts:
    """Over all pairs of items: together in both, together only as found, together only in gold."""
    both = _pairs(Counter((gold[item], found[item]) for item in gold).values())
    return Counts(both, _pairs(Counter(found[item] for item in gold).values()) - both, _pairs(Counter(gold.values()).values()) - both)


def _pairs(sizes: Iterable[int]) -> int:
    return sum(size * (size - 1) // 2 for size in sizes)


@dataclass(frozen=True, slots=True)
class Told:
    """What the trivial rule looks at. `alert` False: the item was missed and stands alone."""

    id: str
    at: datetime
    imposer: str | None
    direction: str | None
    alert: bool = True


def trivial(items: Sequence[Told]) -> dict[str, Hashable]:
    """The rule to beat: same imposer and direction within 7 days of the latest such item. `items` in order of time."""
    clusters: dict[str, Hashable] = {}
    latest: dict[tuple[str | None, str | None], Told] = {}
    for item in items:
        key = (item.imposer, item.direction)
        before = latest.get(key)
        if not item.alert:
            clusters[item.id] = ("alone", item.id)
            continue
        near = before is not None and item.at - before.at <= TRIVIAL_GAP
        clusters[item.id] = clusters[before.id] if before is not None and near else item.id
        latest[key] = item
    return clusters
