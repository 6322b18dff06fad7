"""Which rules are to blame when judging an item fails or takes too long."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta

from schemas.events.news import NewsItem
from services.classifier.index import Waiting
from services.classifier.rules import Ruleset
from services.classifier.view import View

REASONS = ("failed", "slow")


def guilty(item: NewsItem, ruleset: Ruleset, *, monotonic: Callable[[], float], limit: timedelta) -> Mapping[str, str]:
    """The ids of the rules that fail on the item, or alone take longer than the limit, each with the reason. Empty when the fault lies elsewhere."""
    blamed: dict[str, str] = {}
    for one in ruleset.asked(_read(item, ruleset)):
        try:
            slow = all(_seconds(one, _read(item, ruleset), monotonic) > limit.total_seconds() for _ in range(2))  # once may be the machine's fault
        except Exception:  # noqa: BLE001 whatever it is, the rule is what raised it
            blamed[one.rule.id] = "failed"
        else:
            if slow:
                blamed[one.rule.id] = "slow"
    return blamed


def _read(item: NewsItem, ruleset: Ruleset) -> View:
    """The item with all that rules share already found, so that no rule pays for it."""
    view = ruleset.view(item)
    _ = view.facts
    return view


def _seconds(one: Waiting, view: View, monotonic: Callable[[], float]) -> float:
    began = monotonic()
    one.test(view)
    return monotonic() - began
