"""Many small decision trees whose answers add up to log-odds, each step told: what a feature adds is the change of the expected value where a tree asks for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Tree = tuple[int, float, float, Any, Any]
"""(feature, threshold, value, below, above): a feature up to the threshold goes below; a branch is a Tree or, where it ends, a value."""


Step = tuple[int, float]
"""A feature that is asked for, and how the expected value changes by the answer."""


_ROUNDING = 1e-12
"""What is smaller was added and taken away again."""


@dataclass(frozen=True, slots=True)
class Forest:
    """`names` of the features, by number. Of most items most features are zero, so the way of an item on which all are is known beforehand."""

    names: tuple[str, ...]
    numbers: Mapping[str, int]
    trees: tuple[Tree, ...]
    usual: float
    """The expected values with which the trees begin, added up: what all items have."""
    ends: tuple[float, ...]
    """For each tree the value at the end of the way of an item without features."""
    asking: tuple[tuple[int, ...], ...]
    """For each feature the trees in which it turns such an item's way."""

    @classmethod
    def read(cls, names: Sequence[str], trees: Sequence[Any]) -> Forest:
        """From nested lists, as JSON has them."""
        read = tuple(_tree(tree) for tree in trees)
        asking = [set[int]() for _ in names]
        for number, tree in enumerate(read):
            for feature, _ in _steps(tree, {}):
                asking[feature].add(number)
        numbers = {name: number for number, name in enumerate(names)}
        ends = tuple(_end(tree, {}) for tree in read)
        return cls(tuple(names), numbers, read, sum(tree[2] for tree in read), ends, tuple(tuple(sorted(found)) for found in asking))

    def total(self, features: Mapping[str, float]) -> float:
        """The log-odds."""
        seen, ends = self._seen(features), list(self.ends)
        for number in set().union(*(self.asking[feature] for feature in seen)):
            ends[number] = _end(self.trees[number], seen)
        return sum(ends)

    def told(self, features: Mapping[str, float]) -> dict[str, float]:
        """What each feature added to the log-odds, and with the name "" what all items have. It costs more than the total, and is for those who ask why."""
        seen, added = self._seen(features), [0.0] * len(self.names)
        for tree in self.trees:
            for feature, change in _steps(tree, seen):
                added[feature] += change
        return {"": self.usual} | {name: value for name, value in zip(self.names, added, strict=True) if abs(value) > _ROUNDING}

    def _seen(self, features: Mapping[str, float]) -> dict[int, float]:
        return {self.numbers[name]: value for name, value in features.items() if name in self.numbers}


def _end(tree: Tree, seen: Mapping[int, float]) -> float:
    """The value at the end of the way through a tree."""
    here: Any = tree
    while here.__class__ is not float:
        feature, threshold, _, below, above = here
        here = below if seen.get(feature, 0.0) <= threshold else above
    return here


def _steps(tree: Tree, seen: Mapping[int, float]) -> Iterator[Step]:
    """The way through a tree: which feature is asked for, and how the expected value changes."""
    here: Any = tree
    while here.__class__ is not float:
        feature, threshold, value, below, above = here
        here = below if seen.get(feature, 0.0) <= threshold else above
        yield feature, (here if here.__class__ is float else here[2]) - value


def _tree(node: Any) -> Any:
    if not isinstance(node, list | tuple):
        return float(node)
    feature, threshold, value, below, above = node
    return feature, float(threshold), float(value), _tree(below), _tree(above)
