"""A line through log-odds, fitted so that its scores are probabilities (Platt, 1999)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

ROUNDS = 50
SHRINK = 1e-3


@dataclass(frozen=True, slots=True)
class Fitted:
    """Weights and offset."""

    weights: tuple[float, ...]
    offset: float

    def score(self, odds: Sequence[float]) -> float:
        """0 to 1."""
        return 1 / (1 + math.exp(-(sum(weight * value for weight, value in zip(self.weights, odds, strict=True)) + self.offset)))


def fit_line(odds: Sequence[Sequence[float]], labels: Sequence[bool], weights: Sequence[float]) -> Fitted:
    """Logistic regression by Newton's method, with next to no shrinking."""
    inputs = np.column_stack([np.asarray(odds, float), np.ones(len(odds))])
    wanted, counts = np.asarray(labels, float), np.asarray(weights, float)
    found = np.zeros(inputs.shape[1])
    for _ in range(ROUNDS):
        said = 1 / (1 + np.exp(-np.clip(inputs @ found, -30, 30)))
        slope = inputs.T @ (counts * (wanted - said)) - SHRINK * found
        bend = (inputs * (counts * said * (1 - said))[:, None]).T @ inputs + SHRINK * np.eye(len(found))
        found = found + np.linalg.solve(bend, slope)
    *lean, offset = (round(float(value), 4) for value in found)
    return Fitted(tuple(lean), offset)
