"""All measures of one run, as the JSON that programs read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from services.evaluation.calibration import Calibration, calibration
from services.evaluation.compare import Compared
from services.evaluation.confusion import confusion, doubt, languages, pairs, wording
from services.evaluation.contribution import Contribution
from services.evaluation.facts import FACTS, fact_accuracy, mistaken
from services.evaluation.measures import Accuracy, ci95, count, rounded
from services.evaluation.threads import Judged, Threads, measure

VERSION = 1
MOST_MISTAKES = 10
"""Kinds of mistakes that are told of a fact."""
MOST_WEIGHED = 8
"""Features that are told of an error."""


@dataclass(frozen=True, slots=True)
class Run:
    """What was judged, by what, and how fast. `sha256` is of the file; `seconds` of judging alone.

    `unseen` tells whether what judged had learnt from no item like the one it judged; `rules` what each rule is good for, where that was asked.
    """

    judged: Sequence[Judged]
    sha256: str
    ruleset: str
    model: str | None
    seconds: float
    unseen: bool = False
    rules: Sequence[Contribution] | None = None
    compared: Compared | None = None


def report(run: Run) -> dict[str, Any]:
    """The figures of a run."""
    judged = run.judged
    return {
        "version": VERSION,
        "data": {"items": len(judged), "alerts": sum(one.line.gold == "alert" for one in judged), "sha256": run.sha256},
        "ruleset": run.ruleset,
        "model": run.model,
        "unseen": run.unseen,
        "items_per_second": round(len(judged) / run.seconds, 1) if run.seconds > 0 else None,
        "alert": _alert(judged),
        "by_language": _by_language(judged),
        "confusion": {"all": confusion(judged), "by_language": {language: confusion(group) for language, group in languages(judged).items()}},
        "wording": wording(judged),
        "doubt": doubt(judged),
        "facts": {name: _accuracy(fact_accuracy(judged, fact)) for name, fact in FACTS.items()},
        "mistaken": {name: mistaken(judged, fact, MOST_MISTAKES) for name, fact in FACTS.items()},
        "calibration": _calibration(calibration((one.verdict.score, one.line.gold == "alert") for one in judged if one.verdict.trace.terms)),
        "threads": _threads(measure(judged)),
        "rules": None if run.rules is None else [_rule(one, sum(other.line.gold == "alert" for other in judged)) for one in run.rules],
        "compared": None if run.compared is None else _compared(run.compared),
        "errors": errors(judged),
    }


def _alert(judged: Sequence[Judged]) -> dict[str, Any]:
    told = pairs(judged)
    counts = count(told)
    low, high = ci95(told)
    return {"tp": counts.tp, "fp": counts.fp, "fn": counts.fn, **rounded(counts.score), "ci95": [round(low, 4), round(high, 4)]}


def _by_language(judged: Sequence[Judged]) -> dict[str, Any]:
    return {
        language: {"alerts": sum(one.line.gold == "alert" for one in group), **rounded(count(pairs(group)).score)}
        for language, group in languages(judged).items()
    }


def _accuracy(figures: Accuracy) -> dict[str, Any]:
    return {"n": figures.n, "accuracy": round(figures.accuracy, 4), "accuracy_all_gold": round(figures.accuracy_all_gold, 4)}


def _calibration(found: Calibration) -> dict[str, Any]:
    """Of the items that were scored: what the gate stops has no score."""
    bins = [{"from": one.low, "to": one.high, "items": one.items, "score": round(one.score, 4), "alerts": round(one.alerts, 4)} for one in found.bins]
    return {"items": found.items, "ece": round(found.ece, 4), "brier": round(found.brier, 4), "bins": bins}


def _threads(threads: Threads) -> dict[str, Any]:
    return {
        "items": threads.items,
        "b3": rounded(threads.b3),
        "pairwise": rounded(threads.pairwise),
        "trivial_b3_f1": round(threads.trivial.f1, 4),
        "trivial_b3": rounded(threads.trivial),
        "events_gold": threads.events_gold,
        "events_found": threads.events_found,
        "pushes_per_event": round(threads.pushes_per_event, 4),
    }


def _rule(one: Contribution, alerts: int) -> dict[str, Any]:
    return {
        **asdict(one),
        "precision": round(one.right / one.fires, 4),
        "recall": round(one.alerts / alerts, 4) if alerts else 0.0,
        "recall_gained": round(one.gained / alerts, 4) if alerts else 0.0,
        "net": one.net,
    }


def _compared(found: Compared) -> dict[str, Any]:
    differences = {
        name: {
            "here": round(one.here, 4),
            "there": round(one.there, 4),
            "difference": round(one.difference, 4),
            "ci95": [round(one.low, 4), round(one.high, 4)],
            "n": one.n,
        }
        for name, one in found.differences.items()
    }
    return {
        "with": found.name,
        "ruleset": found.ruleset,
        "model": found.model,
        "differences": differences,
        "b3_f1": round(found.b3_f1, 4),
        "changed": found.changed,
    }


def errors(judged: Sequence[Judged]) -> list[dict[str, Any]]:
    """Missed alerts and false alarms, the surest mistakes first."""
    wrong = [one for one in judged if (one.line.gold == "alert") != one.alert]
    return [_error(one) for one in sorted(wrong, key=lambda one: (-abs((one.line.gold == "alert") - one.verdict.score), one.item.id))]


def _error(one: Judged) -> dict[str, Any]:
    return {
        "id": one.item.id,
        "gold": one.line.gold,
        "found": one.verdict.verdict,
        "why": why(one),
        "language": one.line.language,
        "event": one.line.event,
        "doubted": one.line.doubted,
        "score": round(one.verdict.score, 4),
        "rules": [hit.id for hit in one.verdict.rules],
        "weighed": [{"feature": name, "added": round(value, 3)} for name, value in _heaviest(one)[:MOST_WEIGHED]],
    }


def why(one: Judged, most: int = 4) -> str:
    """What decided, and the features that weighed most."""
    heaviest = _heaviest(one)[:most]
    told = "; ".join([one.verdict.trace.decided, *([one.verdict.trace.change] if one.verdict.trace.change else [])])
    return f"{told} ({', '.join(f'{name} {weight:+.2f}' for name, weight in heaviest)})" if heaviest else told


def _heaviest(one: Judged) -> list[tuple[str, float]]:
    return sorted(one.verdict.trace.terms.items(), key=lambda term: -abs(term[1]))
