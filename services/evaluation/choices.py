"""Fits `choices.yaml`, the table by which the classifier chooses action, direction and stage, to labelled alerts.

    python -m services.evaluation.choices corpus/items/*.jsonl [more.jsonl ...]

Multinomial logistic regression with a ridge, by plain gradient steps: a minute, and the same figures each time. NumPy is needed here and nowhere else.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from services.classifier.document import read
from services.classifier.facts import told
from services.classifier.rules import Ruleset, load_ruleset
from services.evaluation.data import Line, parse
from services.runtime.config_files import ConfigDir

if TYPE_CHECKING:
    import numpy as np

HEAD = """\
# What an item most likely tells where verb and object leave it open: sign -> label -> weight. Written by `python -m services.evaluation.choices`; do not edit.
# A sign is a concept of the lexicon (anywhere in the lead, in the title, in the text), or what the tables changes.yaml and stages.yaml made of the words.
"""
KEEP: Mapping[str, float] = {"keep_direction": 0.2, "keep_action": 0.06, "keep_stage": 0.15}
RIDGE = 8.0
STEPS = 400
RARE = 5
"""Signs of fewer items are left out."""
SMALL = 0.1
"""Weights below this are left out."""


@dataclass(frozen=True, slots=True)
class Example:
    """What was seen in an item, and what is right."""

    seen: Mapping[str, float]
    change: str
    stage: str
    weight: float = 1.0


def examples(lines: Iterable[Line], ruleset: Ruleset, *, weight: float = 1.0) -> list[Example]:
    """The alerts among the lines that have all labels."""
    found: list[Example] = []
    for line in lines:
        if line.gold == "alert" and line.action and line.direction and line.stage:
            seen = told(read(line.to_item(), ruleset.terms), ruleset.tables, ruleset.terms).signs()
            found.append(Example(seen, f"{line.action}/{line.direction}", line.stage, weight))
    return found


def fit(found: Sequence[Example]) -> dict[str, Any]:
    """The table."""
    change = _fit([one.seen for one in found], [one.change for one in found], [one.weight for one in found])
    stage = _fit([one.seen for one in found], [one.stage for one in found], [one.weight for one in found])
    return {**KEEP, "change": change, "stage": stage}


def _fit(seen: Sequence[Mapping[str, float]], labels: Sequence[str], weights: Sequence[float]) -> dict[str, Any]:
    import numpy as np

    times = Counter(sign for one in seen for sign in one)
    names = sorted(sign for sign, count in times.items() if count >= RARE)
    kinds = sorted(set(labels))
    matrix = np.zeros((len(seen), len(names) + 1))
    places = {name: place for place, name in enumerate(names)}
    for row, one in enumerate(seen):
        matrix[row, -1] = 1.0
        for sign, value in one.items():
            if sign in places:
                matrix[row, places[sign]] = value
    wanted = np.zeros((len(seen), len(kinds)))
    wanted[np.arange(len(seen)), [kinds.index(label) for label in labels]] = 1.0
    fitted = _steps(matrix, wanted, np.asarray(weights))
    rows = {
        name: {kind: round(float(weight), 2) for kind, weight in zip(kinds, fitted[place], strict=True) if abs(weight) >= SMALL}
        for name, place in places.items()
    }
    return {
        "start": {kind: round(float(weight), 2) for kind, weight in zip(kinds, fitted[-1], strict=True)},
        "weights": {name: row for name, row in rows.items() if row},
    }


def _steps(matrix: np.ndarray, wanted: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Adam on the mean of the weighted log loss with a ridge on all but the start."""
    import numpy as np

    fitted = np.zeros((matrix.shape[1], wanted.shape[1]))
    first, second = np.zeros_like(fitted), np.zeros_like(fitted)
    ridge = np.full((matrix.shape[1], 1), RIDGE)
    ridge[-1] = 0.0
    for step in range(1, STEPS + 1):
        sums = matrix @ fitted
        powers = np.exp(sums - sums.max(axis=1, keepdims=True))
        chances = powers / powers.sum(axis=1, keepdims=True)
        slope = matrix.T @ ((chances - wanted) * weights[:, None]) + ridge * fitted
        first = 0.9 * first + 0.1 * slope
        second = 0.999 * second + 0.001 * slope**2
        fitted -= 0.05 * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
    return fitted


def written(table: Mapping[str, Any]) -> str:
    """The table as YAML, one sign a line."""
    lines = [HEAD.rstrip(), *(f"{name}: {table[name]}" for name in KEEP)]
    for name in ("change", "stage"):
        lines += [f"{name}:", f"  start: {_flow(table[name]['start'])}", "  weights:"]
        lines += [f'    "{sign}": {_flow(row)}' for sign, row in table[name]["weights"].items()]
    return "\n".join(lines) + "\n"


def _flow(row: Mapping[str, float]) -> str:
    return "{" + ", ".join(f"{label}: {weight:g}" for label, weight in row.items()) + "}"


def main(paths: Sequence[str]) -> None:
    """Reads the files, fits, and writes the table into its place."""
    ruleset = load_ruleset(ConfigDir(), now=datetime.now(UTC))
    found = [one for path in paths for one in examples(parse(Path(path).read_bytes(), labels=True).lines, ruleset)]
    target = Path(__file__).parent.parent / "classifier" / "tables" / "choices.yaml"
    target.write_text(written(fit(found)), encoding="utf-8")
    sys.stdout.write(f"{target}: fitted to {len(found)} alerts\n")


if __name__ == "__main__":
    main(sys.argv[1:])
