"""Many small decision trees whose answers add up to log-odds, each step told: what a feature adds is the change of the expected value where a tree asks for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Tree = tuple[int, float, float, Any, Any]
"""(feature, threshold, value, below, above): a feature up to the threshold goes below; a branch is a Tree or, where it ends, a value."""


@dataclass(frozen=True, slots=True)
class Forest:
    """`names` of the features, by number."""

    names: tuple[str, ...]
    numbers: Mapping[str, int]
    trees: tuple[Tree, ...]

    @classmethod
    def read(cls, names: Sequence[str], trees: Sequence[Any]) -> Forest:
        """From lists, as JSON has them."""
        return cls(tuple(names), {name: number for number, name in enumerate(names)}, tuple(_tree(tree) for tree in trees))

    def add_up(self, features: Mapping[str, float]) -> tuple[float, dict[str, float]]:
        """The log-odds, and what each feature added to them; with the name "" what all items have."""
        seen = {self.numbers[name]: value for name, value in features.items() if name in self.numbers}
        added = [0.0] * len(self.names)
        usual = 0.0
        for tree in self.trees:
            here = tree
            usual += tree[2]
            while True:
                feature, threshold, value, below, above = here
                branch = below if seen.get(feature, 0.0) <= threshold else above
                if branch.__class__ is float:
                    added[feature] += branch - value
                    break
                added[feature] += branch[2] - value
                here = branch
        return usual + sum(added), {"": usual} | {name: value for name, value in zip(self.names, added, strict=True) if value}


def _tree(node: Any) -> Any:
    if not isinstance(node, list):
        return float(node)
    feature, threshold, value, below, above = node
    return feature, float(threshold), float(value), _tree(below), _tree(above)
