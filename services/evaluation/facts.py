"""Whether the facts of an alert are right, and what was taken for what. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from schemas.events.signal import Facts
from services.evaluation.data import Line
from services.evaluation.measures import Accuracy, accuracy
from services.evaluation.threads import Judged


@dataclass(frozen=True, slots=True)
class Fact:
    """How the data and the classifier tell one fact. The label is None where nobody labelled it."""

    label: Callable[[Line], Hashable | None]
    found: Callable[[Facts], Hashable | None]

    def right(self, one: Judged) -> bool | None:
        """None where nobody labelled it."""
        label = self.label(one.line)
        return None if label is None else label == self.found(one.verdict.facts)


def _value(name: str) -> Fact:
    return Fact(lambda line: getattr(line, name), lambda facts: getattr(facts, name))


def _set(name: str) -> Fact:
    return Fact(lambda line: frozenset(getattr(line, name)), lambda facts: frozenset(getattr(facts, name)))


def _labelled_companies(line: Line) -> frozenset[str] | None:
    return None if line.companies is None else frozenset(line.companies)


FACTS: dict[str, Fact] = {
    "direction": _value("direction"),
    "action": _value("action"),
    "stage": _value("stage"),
    "imposer": Fact(lambda line: line.imposer, lambda facts: next(iter(facts.imposers), None)),
    "targets": _set("targets"),
    "products": _set("products"),
    "agency": _value("agency"),
    "companies": Fact(_labelled_companies, lambda facts: frozenset(company.id for company in facts.companies)),
}
"""Sets are right when they are the same; of the imposers the first is looked at."""


def fact_accuracy(judged: Iterable[Judged], fact: Fact) -> Accuracy:
    """Over gold alerts."""
    marks = [(one.alert, mark) for one in judged if one.line.gold == "alert" and (mark := fact.right(one)) is not None]
    return accuracy([mark for alert, mark in marks if alert], missed=sum(not alert for alert, _ in marks))


def mistaken(judged: Sequence[Judged], fact: Fact, most: int) -> list[dict[str, Any]]:
    """The commonest mistakes on gold alerts judged alert: the label, what was found instead, how often, and on which items."""
    wrong = defaultdict[tuple[str, str], list[str]](list)
    for one in judged:
        if one.alert and one.line.gold == "alert" and fact.right(one) is False:
            wrong[_shown(fact.label(one.line)), _shown(fact.found(one.verdict.facts))].append(one.item.id)
    times = Counter({pair: len(ids) for pair, ids in wrong.items()})
    return [{"gold": pair[0], "found": pair[1], "times": count, "ids": wrong[pair]} for pair, count in times.most_common(most)]


def _shown(value: Hashable | None) -> str:
    if isinstance(value, frozenset):
        return " ".join(sorted(value)) or "none"
    return "none" if value is None else str(value)
