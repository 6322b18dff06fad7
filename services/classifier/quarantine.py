"""Which rules are to blame when judging an item fails or takes too long."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta

from schemas.events.news import NewsItem
from services.classifier.index import Waiting
from services.classifier.rules import Ruleset
from services.classifier.view import View

REASONS = ("failed", "slow")


def guilty(item: NewsItem, ruleset: Ruleset, *, monotonic: Callable[[], float], limit: timedelta) -> Mapping[str, str]:
    """The ids of the rules that fail on the item, or alone take longer than the limit, each with the reason. Empty when the fault lies elsewhere."""
    view = _read(item, ruleset)
    asked = ruleset.asked(view)
    if _innocent(asked, view, monotonic, limit):
        return {}
    blamed: dict[str, str] = {}
    for one in asked:
        try:
            slow = all(_seconds(one, _read(item, ruleset), monotonic) > limit.total_seconds() for _ in range(2))  # once may be the machine's fault
        except Exception:  # noqa: BLE001 whatever it is, the rule is what raised it
            blamed[one.rule.id] = "failed"
        else:
            if slow:
                blamed[one.rule.id] = "slow"
    return blamed


def _innocent(asked: Iterable[Waiting], view: View, monotonic: Callable[[], float], limit: timedelta) -> bool:
    """Whether all of them together stay within the limit: it was the encoder or the machine that was slow, and each alone need not be tried."""
    try:
        return sum(_seconds(one, view, monotonic) for one in asked) <= limit.total_seconds()
    except Exception:  # noqa: BLE001 whichever it is, it is found one by one
        return False


def _read(item: NewsItem, ruleset: Ruleset) -> View:
    """The item with all that rules share already found, so that no rule pays for it."""
    view = ruleset.view(item)
    _ = view.facts
    return view


def _seconds(one: Waiting, view: View, monotonic: Callable[[], float]) -> float:
    began = monotonic()
    one.test(view)
    return monotonic() - began
