"""What each rule is good for: each is taken out in turn, and the items on which it fires are judged anew. Pure.

The score is not fitted anew without the rule: what is measured is the rule set as it stands, with a hole in it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from schemas.config.rule import Rule
from services.classifier.classify import Verdict, classify
from services.classifier.rules import Ruleset
from services.evaluation.threads import Judged


@dataclass(frozen=True, slots=True)
class Contribution:
    """One rule. `says` is the verdict that it settles or leans to.

    `fires` counts the items on which it fires, `alerts` the gold alerts among them, `alone` the items on which no other rule says the same as it, rightly.
    `gained` alerts are found by it only, `spared` false alarms are avoided by it only; `lost` alerts and `raised` false alarms are its fault.
    """

    rule: str
    status: str
    says: str | None = None
    settles: bool = False
    fires: int = 0
    alerts: int = 0
    alone: int = 0
    gained: int = 0
    spared: int = 0
    lost: int = 0
    raised: int = 0

    @property
    def right(self) -> int:
        """Items on which it fires and that are what it says; for a rule that says nothing, alerts."""
        return self.alerts if self.says in ("alert", None) else self.fires - self.alerts

    @property
    def net(self) -> int:
        """Errors that there are fewer for it."""
        return self.gained + self.spared - self.lost - self.raised

    def plus(self, other: Contribution) -> Contribution:
        """The same rule over more items."""
        sums = {name: getattr(self, name) + getattr(other, name) for name in ("fires", "alerts", "alone", "gained", "spared", "lost", "raised")}
        return replace(self, **sums)


def contributions(parts: Iterable[tuple[Ruleset, Sequence[Judged]]]) -> list[Contribution]:
    """Of every rule that fires somewhere, the most useful first. Each part was judged by its rule set."""
    return together(_of_part(ruleset, judged) for ruleset, judged in parts)


def together(parts: Iterable[Iterable[Contribution]]) -> list[Contribution]:
    """What was found on several parts, added up, the most useful rule first."""
    total: dict[str, Contribution] = {}
    for part in parts:
        for one in part:
            total[one.rule] = total[one.rule].plus(one) if one.rule in total else one
    return sorted(total.values(), key=lambda one: (-one.net, -one.right, one.rule))


def _of_part(ruleset: Ruleset, judged: Sequence[Judged]) -> Iterable[Contribution]:
    rules = {rule.id: rule for rule in ruleset.rules}
    fired = defaultdict[str, list[Judged]](list)
    for one in judged:
        for hit in one.verdict.rules:
            fired[hit.id].append(one)
    for name, items in fired.items():
        yield _of_rule(rules[name], items, ruleset, rules)


def _of_rule(rule: Rule, items: Sequence[Judged], ruleset: Ruleset, rules: Mapping[str, Rule]) -> Contribution:
    says = rule.verdict or rule.leans
    gold = [one.line.gold == "alert" for one in items]
    alone = sum(alert == (says in ("alert", None)) and _speaks_alone(rule, one, rules) for alert, one in zip(gold, items, strict=True))
    seen = Contribution(rule.id, rule.status, says, rule.verdict is not None, len(items), sum(gold), alone)
    if rule.status != "active":
        return seen
    hole = ruleset.without({rule.id: "measured"}, now=ruleset.activated_at)
    changes = [(alert, one.alert, _alerts(classify(one.item, hole))) for alert, one in zip(gold, items, strict=True)]
    return replace(
        seen,
        gained=changes.count((True, True, False)),
        lost=changes.count((True, False, True)),
        spared=changes.count((False, False, True)),
        raised=changes.count((False, True, False)),
    )


def _speaks_alone(rule: Rule, one: Judged, rules: Mapping[str, Rule]) -> bool:
    said = rule.verdict or rule.leans
    others = (rules[hit.id] for hit in one.verdict.rules if hit.id != rule.id and hit.status == "active")
    return all((other.verdict or other.leans) != said for other in others)


def _alerts(verdict: Verdict) -> bool:
    return verdict.verdict == "alert"
