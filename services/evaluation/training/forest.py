"""Grows the forest by gradient boosting (LightGBM; Ke et al., 2017): many trees of four leaves, so that each looks at two or three features together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import lightgbm
import numpy as np

from services.classifier.model.forest import Forest
from services.evaluation.training.examples import Example

LEAST = 6
"""A feature that fewer examples have is left out."""
TREES, RATE = 400, 0.07
SETTINGS: Mapping[str, Any] = {
    "objective": "binary",
    "num_leaves": 4,
    "min_data_in_leaf": 10,
    "feature_fraction": 0.3,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 5.0,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbose": -1,
}


def grow(examples: Sequence[tuple[Mapping[str, float], Example]], *, seed: int) -> Forest:
    """The forest that tells alerts from the rest. The same seed and examples give the same one."""
    counts = Counter(name for features, _ in examples for name in features)
    names = sorted(name for name, times in counts.items() if times >= LEAST)
    numbers = {name: number for number, name in enumerate(names)}
    table = np.zeros((len(examples), len(names)), np.float32)
    for row, (features, _) in enumerate(examples):
        for name, value in features.items():
            if name in numbers:
                table[row, numbers[name]] = value
    labels, weights = (np.array(values, float) for values in zip(*((one.alert, one.weight) for _, one in examples), strict=True))
    model = lightgbm.train({**SETTINGS, "learning_rate": RATE, "seed": seed}, lightgbm.Dataset(table, labels, weight=weights), TREES)
    return _kept(names, [_tree(tree["tree_structure"])[0] for tree in model.dump_model()["tree_info"]])


def _tree(node: Mapping[str, Any]) -> tuple[Any, float, int]:
    """A node as a list, its expected value, and how many examples came by."""
    if "leaf_value" in node:
        return round(node["leaf_value"], 4), node["leaf_value"], node.get("leaf_count", 1)
    below, of_below, low = _tree(node["left_child"])
    above, of_above, high = _tree(node["right_child"])
    value = (of_below * low + of_above * high) / (low + high)
    return [node["split_feature"], round(node["threshold"], 4), round(value, 4), below, above], value, low + high


def _kept(names: Sequence[str], trees: Sequence[Any]) -> Forest:
    """Only the features that some tree asks for, numbered anew."""
    grown = [tree for tree in trees if isinstance(tree, list)]
    used = sorted({number for tree in grown for number in _asked(tree)})
    numbers = {number: place for place, number in enumerate(used)}
    return Forest.read([names[number] for number in used], [_renumbered(tree, numbers) for tree in grown])


def _asked(node: Any) -> list[int]:
    return [node[0], *_asked(node[3]), *_asked(node[4])] if isinstance(node, list) else []


def _renumbered(node: Any, numbers: Mapping[int, int]) -> Any:
    if not isinstance(node, list):
        return node
    return [numbers[node[0]], node[1], node[2], _renumbered(node[3], numbers), _renumbered(node[4], numbers)]
