"""Many small decision trees whose answers add up to log-odds, each step told: what a feature adds is the change of the expected value where a tree asks for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    steps: tuple[tuple[Step, ...], ...]
    """For each tree the steps of an item without features."""
    empty: tuple[float, ...]
    """What each feature adds on an item that has none."""
    asking: tuple[tuple[int, ...], ...]
    """For each feature the trees in which it turns such an item's way."""

    @classmethod
    def read(cls, names: Sequence[str], trees: Sequence[Any]) -> Forest:
        """From nested lists, as JSON has them."""
        read = tuple(_tree(tree) for tree in trees)
        steps = tuple(tuple(_steps(tree, {})) for tree in read)
        empty, asking = [0.0] * len(names), [set[int]() for _ in names]
        for number, taken in enumerate(steps):
            for feature, change in taken:
                empty[feature] += change
                asking[feature].add(number)
        numbers = {name: number for number, name in enumerate(names)}
        return cls(tuple(names), numbers, read, sum(tree[2] for tree in read), steps, tuple(empty), tuple(tuple(sorted(found)) for found in asking))

    def add_up(self, features: Mapping[str, float]) -> tuple[float, dict[str, float]]:
        """The log-odds, and what each feature added to them; with the name "" what all items have."""
        seen = {self.numbers[name]: value for name, value in features.items() if name in self.numbers}
        added = list(self.empty)
        for number in sorted(set().union(*(self.asking[feature] for feature in seen))):
            for feature, change in self.steps[number]:
                added[feature] -= change
            for feature, change in _steps(self.trees[number], seen):
                added[feature] += change
        told = {name: value for name, value in zip(self.names, added, strict=True) if abs(value) > _ROUNDING}
        return self.usual + sum(added), {"": self.usual} | told


def _steps(tree: Tree, seen: Mapping[int, float]) -> list[Step]:
    """The way through a tree."""
    steps, here = [], tree
    while True:
        feature, threshold, value, below, above = here
        branch = below if seen.get(feature, 0.0) <= threshold else above
        if branch.__class__ is float:
            steps.append((feature, branch - value))
            return steps
        steps.append((feature, branch[2] - value))
        here = branch


def _tree(node: Any) -> Any:
    if not isinstance(node, list | tuple):
        return float(node)
    feature, threshold, value, below, above = node
    return feature, float(threshold), float(value), _tree(below), _tree(above)
