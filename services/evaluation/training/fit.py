"""Fits the score and says how good it is: every figure is of items of which the model had learnt neither themselves, nor their event, nor a near copy."""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from services.classifier.classify import decide, fired_on, is_led, may_alert, weighed
from services.classifier.model.score import Scored
from services.classifier.rules import Ruleset
from services.evaluation.measures import Score, count
from services.evaluation.training.examples import Example
from services.evaluation.training.forest import grow
from services.evaluation.training.lines import Fitted, fit_line

REAL = "dev"
OPEN = (0.02, 1.0)
"""Scores of the forest between which the encoder is asked."""
REAL_COUNTS = 3.0
"""How much more real items count when scores are made probabilities: they are what will come."""
FEW = 8
"""Languages with fewer alerts are measured together."""
STEP = 0.05
LEAST = 0.4
"""No lower threshold is tried: the score is a probability, and readers are not told what is far more likely wrong than right."""
STEPS = tuple(round(LEAST + STEP * step, 2) for step in range(11))
"""Thresholds that are tried, each with its neighbours: next month's news will not be this year's."""


@dataclass(frozen=True, slots=True)
class Made:
    """What `score.json` holds, and the figures."""

    stored: dict[str, Any]
    figures: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Seen:
    """An example that the gate lets through, as the score sees it; `settled` is the verdict where the score does not decide: a rule's, or none of the topic; `led` by a rule."""

    example: Example
    features: dict[str, float]
    settled: str | None
    led: bool


@dataclass(frozen=True, slots=True)
class Threshold:
    """The score from which an item alerts: where a rule speaks for it, and where none does."""

    led: float
    unled: float

    def __str__(self) -> str:
        return f"{self.led:.2f}, where no rule speaks for it {self.unled:.2f}"


def fit(examples: Sequence[Example], ruleset: Ruleset, judged: Mapping[str, float], *, folds: int, seed: int) -> Made:
    """`judged` is what the encoder says of items that it did not learn from, by id."""
    seen = [one for one in (_look(example, ruleset) for example in examples) if one is not None]
    unseen = [0.0] * len(seen)
    for fold in range(folds):
        forest = grow([(one.features, one.example) for one in seen if one.example.fold(folds, seed) != fold], seed=seed)
        for place, one in enumerate(seen):
            if one.example.fold(folds, seed) == fold:
                unseen[place] = forest.total(one.features)
    labels = [one.example.alert for one in seen]
    weights = [one.example.weight * (REAL_COUNTS if one.example.source == REAL else 1.0) for one in seen]
    alone = fit_line([(odds,) for odds in unseen], labels, weights)
    read = [judged.get(one.example.line.id) for one in seen]
    known = [place for place, said in enumerate(read) if said is not None]
    together = fit_line([(unseen[place], read[place] or 0.0) for place in known], [labels[p] for p in known], [weights[p] for p in known]) if known else None
    by_forest = [alone.score((odds,)) for odds in unseen]
    by_both = [_both(score, odds, said, together) for score, odds, said in zip(by_forest, unseen, read, strict=True)]
    thresholds = [_best_threshold(examples, seen, scores) for scores in (by_forest, by_both)]
    whole = grow([(one.features, one.example) for one in seen], seed=seed)
    figures = {
        name: _figures(examples, seen, scores, threshold)
        for name, scores, threshold in zip(("without encoder", "with encoder"), (by_forest, by_both), thresholds, strict=True)
    }
    stored = {
        "data": dict(_sizes(examples)),
        "alone": {"forest": alone.weights[0], "encoder": 0.0, "offset": alone.offset} | _stored(thresholds[0]),
        "together": _line(together, thresholds[1]) if together else {"forest": 1.0, "encoder": 0.0, "offset": 0.0, "alert": 0.5, "unled": 0.5},
        "open": list(OPEN) if together else [1.0, 0.0],
        "features": list(whole.names),
        "trees": whole.trees,
    }
    return Made(stored, figures)


def _look(example: Example, ruleset: Ruleset) -> _Seen | None:
    view = ruleset.view(example.line.to_item())
    if not ruleset.terms.passes(view.sighting):
        return None
    fired = fired_on(view, ruleset)
    verdict, decided = decide(view, fired, Scored(0.0, 1.0), ruleset.tables.score)
    settled = decided.startswith("rule ") or not may_alert(view.found, ruleset.tables.score)
    return _Seen(example, weighed(view, fired, ruleset), verdict if settled else None, is_led(fired))


def _both(score: float, odds: float, said: float | None, line: Fitted | None) -> float:
    if line is None or said is None or not OPEN[0] <= score <= OPEN[1]:
        return score
    return line.score((odds, said))


def _line(fitted: Fitted, threshold: Threshold) -> dict[str, float]:
    return {"forest": fitted.weights[0], "encoder": fitted.weights[1], "offset": fitted.offset} | _stored(threshold)


def _stored(threshold: Threshold) -> dict[str, float]:
    return {"alert": threshold.led, "unled": threshold.unled}


def _alerts(one: _Seen, score: float, threshold: Threshold) -> bool:
    return one.settled == "alert" if one.settled is not None else score >= (threshold.led if one.led else threshold.unled)


def _best_threshold(examples: Sequence[Example], seen: Sequence[_Seen], scores: Sequence[float]) -> Threshold:
    """The one with the best F1, smoothed over its neighbours: the mean over the kinds of news, real news counting twice."""
    kinds = sorted({one.source for one in examples})
    f1 = {
        pair: sum(_f1(examples, seen, scores, kind, Threshold(*pair)) * (2 if kind == REAL else 1) for kind in kinds)
        for pair in product(STEPS, STEPS)
        if pair[0] <= pair[1]
    }
    return Threshold(*max(f1, key=lambda pair: _smooth(f1, *pair)))


def _smooth(f1: Mapping[tuple[float, float], float], led: float, unled: float) -> float:
    """The mean with the neighbours on all sides."""
    around = (-1, 0, 1)
    near = [f1.get((round(led + STEP * one, 2), round(unled + STEP * other, 2))) for one, other in product(around, around)]
    there = [value for value in near if value is not None]
    return sum(there) / len(there)


def _f1(examples: Sequence[Example], seen: Sequence[_Seen], scores: Sequence[float], kind: str, threshold: Threshold) -> float:
    judged = [(one.example.alert, _alerts(one, score, threshold)) for one, score in zip(seen, scores, strict=True) if one.example.source == kind]
    stopped = sum(one.alert for one in examples if one.source == kind) - sum(alert for alert, _ in judged)
    return count([*judged, *[(True, False)] * stopped]).score.f1


def _figures(examples: Sequence[Example], seen: Sequence[_Seen], scores: Sequence[float], threshold: Threshold) -> dict[str, Any]:
    """By source and by language, over all examples: one that the gate stops is found to be none."""
    found = {one.example.line.id: _alerts(one, score, threshold) for one, score in zip(seen, scores, strict=True)}
    groups: dict[str, list[tuple[bool, bool]]] = defaultdict(list)
    alerts: dict[tuple[str, str], int] = defaultdict(int)
    for one in examples:
        alerts[_kind(one), one.line.language or "und"] += one.alert
    for one in examples:
        kind, language = _kind(one), one.line.language or "und"
        pair = (one.alert, found.get(one.line.id, False))
        groups[one.source].append(pair)
        groups[f"{kind} {language if alerts[kind, language] >= FEW else 'others'}"].append(pair)
        if one.line.indirect:
            groups["indirect alerts"].append(pair)
    return {"threshold": threshold, **{name: count(pairs).score for name, pairs in sorted(groups.items())}}


def _kind(example: Example) -> str:
    return "corpus" if example.source == "corpus" else "given"


def _sizes(examples: Sequence[Example]) -> list[tuple[str, int]]:
    return [(source, sum(one.source == source for one in examples)) for source in sorted({one.source for one in examples})]


def shown(figures: Mapping[str, Any]) -> str:
    """The figures for people."""
    lines = []
    for mode, measured in figures.items():
        lines.append(f"{mode}: alert from {measured['threshold']}")
        scores: list[tuple[str, Score]] = [(name, score) for name, score in measured.items() if isinstance(score, Score)]
        lines += [f"  {name:<18} F1 {score.f1:.3f}  precision {score.precision:.3f}  recall {score.recall:.3f}" for name, score in scores]
    return "\n".join(lines)


def read_judged(path: Path) -> dict[str, float]:
    """What the encoder says of items that it did not learn from: log-odds by id."""
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        return {row["id"]: float(row["odds"]) for row in csv.DictReader(file)}


def write_judged(path: Path, judged: Mapping[str, float]) -> None:
    """Ids and figures, never texts."""
    rows = "".join(f"{name},{odds:.3f}\n" for name, odds in sorted(judged.items()) if math.isfinite(odds))
    path.write_text(f"id,odds\n{rows}", encoding="utf-8")
