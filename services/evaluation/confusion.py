"""What class was taken for what, as a whole, by language, by wording and by doubt. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from schemas.events.signal import VERDICTS
from services.evaluation.measures import Pair, count, rounded
from services.evaluation.threads import Judged

NO_LANGUAGE = "und"


def pairs(judged: Iterable[Judged]) -> list[Pair]:
    """(it is an alert, it was judged one), for each."""
    return [(one.line.gold == "alert", one.alert) for one in judged]


def confusion(judged: Iterable[Judged]) -> dict[str, dict[str, int]]:
    """Gold class -> class found -> how many items."""
    counts = Counter((one.line.gold, one.verdict.verdict) for one in judged)
    return {gold: {found: counts[gold, found] for found in VERDICTS} for gold in VERDICTS}


def languages(judged: Iterable[Judged]) -> dict[str, list[Judged]]:
    """The items by the language that the data name."""
    groups = defaultdict[str, list[Judged]](list)
    for one in judged:
        groups[one.line.language or NO_LANGUAGE].append(one)
    return dict(sorted(groups.items()))


def wording(judged: Sequence[Judged]) -> dict[str, Any] | None:
    """Recall of alerts in plain words and of those without them; None where the data mark none. Only alerts are marked, so there is no precision."""
    alerts = [one for one in judged if one.line.gold == "alert"]
    if not any(one.line.indirect for one in alerts):
        return None
    return {name: _recall([one for one in alerts if one.line.indirect == indirect]) for name, indirect in (("plain", False), ("indirect", True))}


def _recall(alerts: Sequence[Judged]) -> dict[str, Any]:
    return {"alerts": len(alerts), "recall": round(count(pairs(alerts)).score.recall, 4)}


def doubt(judged: Sequence[Judged]) -> dict[str, Any] | None:
    """The score of items that the labellers were sure of, and of those that they doubted; None where they doubted none."""
    if not any(one.line.doubted for one in judged):
        return None
    groups = (("clear", [one for one in judged if not one.line.doubted]), ("doubted", [one for one in judged if one.line.doubted]))
    return {name: {"items": len(group), "alerts": sum(gold for gold, _ in pairs(group)), **rounded(count(pairs(group)).score)} for name, group in groups}
