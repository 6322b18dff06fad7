"""Was the measure that ended ever in force, or only planned (taxonomy, section 2.1)? And which other rules does an item merely mention?

What was only planned is shelved, whatever verb a headline uses.
"""

from __future__ import annotations

from collections.abc import Sequence

from schemas.config.tables import Changes
from services.classifier.facts.change import SHELVED, Change
from services.classifier.facts.news import tells_older_year
from services.classifier.facts.parts import Part
from services.classifier.terms import Hit

LEAD = 4
READ = 8
"""So far into an item it says how far the measure had come; behind that stands history."""
MEASURED = frozenset({"obj_restriction", "export_word", "product"})
"""What a sentence must hold besides, so that it is the measure that was being prepared."""
HISTORY = -2.0
"""The news score of what is only told as background."""
BEHIND = 6
"""Characters between a measure and the plan that it stands in: 限制出口的计划."""


def was_only_planned(change: Change, parts: Sequence[Part], others: Sequence[Change], table: Changes, year: int | None) -> bool:
    """Whether the lead says that a plan was dropped, or the item that the measure was still being prepared. A rule known by name is no plan, nor is a licence."""
    if change.object_class == "permission" or any(table.issued in part.concepts for part in (parts[0], change.part)):
        return False
    told = [other for other in others if other.part.place < LEAD and not tells_older_year(other.part.text, year)]
    if any(other.outcome == SHELVED or (other.outcome.action in table.only_planned and _in_plan(other, table)) for other in told):
        return True
    return any(_prepared(part, table) and not tells_older_year(part.text, year) for part in parts[:READ])


def _prepared(part: Part, table: Changes) -> bool:
    return table.not_yet in part.concepts and table.issued not in part.concepts and not part.concepts.isdisjoint(MEASURED)


def _in_plan(change: Change, table: Changes) -> bool:
    """Whether a word for a plan stands between verb and object, or right behind the object: lifts the planned ban, 取消限制出口的计划."""
    return any(
        _between(change.verb, plan, change.object) or 0 <= plan.start - change.object.end <= BEHIND for plan in change.part.hits if plan.concept == table.plans
    )


def _between(verb: Hit, plan: Hit, thing: Hit) -> bool:
    return verb.end <= plan.start < plan.end <= thing.start or thing.end <= plan.start < plan.end <= verb.start


def without_other_rules(parts: Sequence[Part], news: Sequence[float], table: Changes) -> tuple[float, ...]:
    """The news scores; sentences on a rule known by name are history where the item does not begin with one."""
    if any(table.issued in part.concepts for part in parts[: 2 if parts and parts[0].sentence.field == "title" else 1]):
        return tuple(news)
    return tuple(min(score, HISTORY) if table.issued in part.concepts else score for part, score in zip(parts, news, strict=True))
