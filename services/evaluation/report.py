"""All measures of one run, as the JSON that programs read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from services.evaluation.measures import Accuracy, Score, accuracy, ci95, count
from services.evaluation.threads import Judged, Threads, measure

VERSION = 1


@dataclass(frozen=True, slots=True)
class Run:
    """What was judged, by what, and how fast. `sha256` is of the file; `seconds` of judging alone."""

    judged: Sequence[Judged]
    sha256: str
    ruleset: str
    model: str | None
    seconds: float


def report(run: Run) -> dict[str, Any]:
    """The figures of a run."""
    judged = run.judged
    return {
        "version": VERSION,
        "data": {"items": len(judged), "alerts": sum(one.line.gold == "alert" for one in judged), "sha256": run.sha256},
        "ruleset": run.ruleset,
        "model": run.model,
        "items_per_second": round(len(judged) / run.seconds, 1) if run.seconds > 0 else None,
        "alert": _alert(judged),
        "by_language": _by_language(judged),
        "facts": {name: _rounded(_fact(judged, is_right)) for name, is_right in FACTS.items()},
        "threads": _threads(measure(judged)),
        "errors": [_error(one) for one in judged if (one.line.gold == "alert") != one.alert],
    }


def _alert(judged: Sequence[Judged]) -> dict[str, Any]:
    pairs = [(one.line.gold == "alert", one.alert) for one in judged]
    counts = count(pairs)
    low, high = ci95(pairs)
    return {"tp": counts.tp, "fp": counts.fp, "fn": counts.fn, **_score(counts.score), "ci95": [round(low, 4), round(high, 4)]}


def _by_language(judged: Sequence[Judged]) -> dict[str, Any]:
    groups: dict[str, list[Judged]] = defaultdict(list)
    for one in judged:
        groups[one.line.language or "und"].append(one)
    return {
        language: {"alerts": sum(one.line.gold == "alert" for one in group), **_score(count([(one.line.gold == "alert", one.alert) for one in group]).score)}
        for language, group in sorted(groups.items())
    }


Right = Callable[[Judged], bool | None]
"""Whether a fact of a gold alert is right; None where nobody labelled it."""


def _fact(judged: Sequence[Judged], is_right: Right) -> Accuracy:
    marks = [(one.alert, mark) for one in judged if one.line.gold == "alert" and (mark := is_right(one)) is not None]
    return accuracy([mark for alert, mark in marks if alert], missed=sum(not alert for alert, _ in marks))


def _same(name: str) -> Right:
    def is_right(one: Judged) -> bool | None:
        gold = getattr(one.line, name)
        return None if gold is None else bool(getattr(one.verdict.facts, name) == gold)

    return is_right


def _same_set(name: str) -> Right:
    return lambda one: set(getattr(one.line, name)) == set(getattr(one.verdict.facts, name))


def _same_imposer(one: Judged) -> bool | None:
    return None if one.line.imposer is None else next(iter(one.verdict.facts.imposers), None) == one.line.imposer


FACTS: dict[str, Right] = {
    "direction": _same("direction"),
    "action": _same("action"),
    "stage": _same("stage"),
    "imposer": _same_imposer,
    "targets": _same_set("targets"),
    "products": _same_set("products"),
}


def _rounded(figures: Accuracy) -> dict[str, Any]:
    return {"n": figures.n, "accuracy": round(figures.accuracy, 4), "accuracy_all_gold": round(figures.accuracy_all_gold, 4)}


def _threads(threads: Threads) -> dict[str, Any]:
    return {
        "items": threads.items,
        "b3": _score(threads.b3),
        "pairwise": _score(threads.pairwise),
        "trivial_b3_f1": round(threads.trivial.f1, 4),
        "events_gold": threads.events_gold,
        "events_found": threads.events_found,
        "pushes_per_event": round(threads.pushes_per_event, 4),
    }


def _error(one: Judged) -> dict[str, Any]:
    return {"id": one.item.id, "gold": one.line.gold, "found": one.verdict.verdict, "why": why(one)}


def why(one: Judged, most: int = 4) -> str:
    """What decided, and the features that weighed most."""
    heaviest = sorted(one.verdict.trace.terms.items(), key=lambda term: -abs(term[1]))[:most]
    told = "; ".join([one.verdict.trace.decided, *([one.verdict.trace.change] if one.verdict.trace.change else [])])
    return f"{told} ({', '.join(f'{name} {weight:+.2f}' for name, weight in heaviest)})" if heaviest else told


def _score(figures: Score) -> dict[str, float]:
    return {"precision": round(figures.precision, 4), "recall": round(figures.recall, 4), "f1": round(figures.f1, 4)}
