"""What the classifier counts. Labels are verdicts and the ids of the rules in force; children are made when the rules are loaded, and go with them."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from schemas.events.signal import VERDICTS, RuleHit
from services.classifier.rules import Ruleset

RELOADS = ("loaded", "unchanged", "refused")
MOST_RULES = 1_000
"""So many rules have a counter of their own; the hits of all others count as those of one."""
OTHERS = "(others)"
_SECONDS = (0.00002, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 1)


class ClassifierMetrics:
    """Every metric of the classifier, on one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        verdicts = Counter("chipwire_classifier_verdicts_total", "Items judged, by verdict.", ["verdict"], registry=registry)
        reloads = Counter("chipwire_classifier_reloads_total", "Attempts to read the rule set again, by how they ended.", ["outcome"], registry=registry)
        self._named = set[tuple[str, str]]()
        self.verdicts = {verdict: verdicts.labels(verdict) for verdict in VERDICTS}
        self.reloads = {outcome: reloads.labels(outcome) for outcome in RELOADS}
        self.replaced = Counter("chipwire_classifier_replaced_total", 'Verdicts "no" that went on, because they may replace an earlier one.', registry=registry)
        self.item_seconds = Histogram("chipwire_classifier_item_seconds", "Time to judge one item, the mean of its batch.", buckets=_SECONDS, registry=registry)
        self.rule_hits = Counter("chipwire_classifier_rule_hits_total", "Items on which a rule fired.", ["rule", "status"], registry=registry)
        rules = Gauge("chipwire_classifier_rules", "Rules of the rule set that judges, by status.", ["status"], registry=registry)
        self.rules = {status: rules.labels(status) for status in ("active", "shadow")}
        told = "1 for a rule that was taken out because it failed or was slow; (none) at 0 while all judge."
        self.quarantined = Gauge("chipwire_classifier_quarantined_rule", told, ["rule", "why"], registry=registry)
        self.ruleset = Gauge("chipwire_classifier_ruleset_info", "Always 1; the label says which rule set judges.", ["ruleset"], registry=registry)
        self.activated = Gauge("chipwire_classifier_ruleset_activated_timestamp_seconds", "When the rule set was activated.", registry=registry)

    def open(self, ruleset: Ruleset) -> None:
        """Makes the children of these rules and takes away those of others, and names the rule set that judges from now on."""
        named = {(rule.id, rule.status) for rule in ruleset.rules[:MOST_RULES]} | {(OTHERS, "active"), (OTHERS, "shadow")}
        for gone in self._named - named:
            self.rule_hits.remove(*gone)
        for rule in named:
            self.rule_hits.labels(*rule)
        self._named = named
        self.quarantined.clear()
        if not ruleset.quarantined:
            self.quarantined.labels("(none)", "").set(0)
        for rule_id, why in ruleset.quarantined.items():
            self.quarantined.labels(rule_id, why).set(1)
        self.ruleset.clear()
        self.ruleset.labels(ruleset.hash).set(1)
        self.activated.set(ruleset.activated_at.timestamp())
        tally = Tally[str](rule.status for rule in ruleset.rules)
        for status, gauge in self.rules.items():
            gauge.set(tally[status])

    def count(self, verdicts: Iterable[str], hits: Iterable[RuleHit], seconds: float) -> None:
        """Adds one batch that was judged."""
        tally = Tally(verdicts)
        for verdict, number in tally.items():
            self.verdicts[verdict].inc(number)
        for hit, number in Tally((hit.id, hit.status) for hit in hits).items():
            self.rule_hits.labels(*(hit if hit in self._named else (OTHERS, hit[1]))).inc(number)
        if total := tally.total():
            self.item_seconds.observe(seconds / total)
