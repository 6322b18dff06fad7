"""What each rule is good for."""

from __future__ import annotations

from collections.abc import Mapping

from services.classifier.classify import classify
from services.classifier.rules import Ruleset
from services.evaluation.contribution import Contribution, contributions
from services.evaluation.data import Line
from services.evaluation.threads import Judged


def measured(ruleset: Ruleset, *told: tuple[str, str]) -> Mapping[str, Contribution]:
    lines = [Line.model_validate({"id": f"{place}", "class": gold, "title": title, "language": "en"}) for place, (gold, title) in enumerate(told)]
    judged = [Judged(line, line.to_item(), classify(line.to_item(), ruleset)) for line in lines]
    return {one.rule: one for one in contributions([(ruleset, judged)])}


def test_an_alert_that_only_one_rule_finds_is_gained_by_it(quota_rules: Ruleset) -> None:
    found = measured(quota_rules, ("alert", "The quota lapses at midnight"), ("no", "A quiet day at the office"))["quota-lapses"]

    assert (found.fires, found.alerts, found.alone, found.gained, found.net) == (1, 1, 1, 1, 1)
    assert (found.says, found.settles, found.right) == ("alert", True, 1)


def test_a_false_alarm_that_a_rule_brings_is_raised_by_it(quota_rules: Ruleset) -> None:
    found = measured(quota_rules, ("no", "The quota lapses at midnight"))["quota-lapses"]

    assert (found.right, found.alone, found.raised, found.net) == (0, 0, 1, -1)


def test_a_rule_that_silences_spares_false_alarms_and_loses_alerts(quota_rules: Ruleset) -> None:
    found = measured(quota_rules, ("no", "The quota lapses, just joking"), ("alert", "The quota lapses, but some are just joking"))["only-a-joke"]

    assert (found.spared, found.lost, found.right, found.fires) == (1, 1, 1, 2)


def test_a_rule_in_shadow_is_counted_and_changes_nothing(quota_rules: Ruleset) -> None:
    found = measured(quota_rules, ("alert", "The quota lapses at midnight"))["quota-in-shadow"]

    assert (found.status, found.fires, found.gained) == ("shadow", 1, 0)


def test_parts_that_other_rule_sets_judged_add_up(quota_rules: Ruleset) -> None:
    line = Line.model_validate({"id": "a", "class": "alert", "title": "The quota lapses at midnight"})
    judged = [Judged(line, line.to_item(), classify(line.to_item(), quota_rules))]

    found = contributions([(quota_rules, judged), (quota_rules, judged)])

    assert (found[0].rule, found[0].fires, found[0].gained) == ("quota-lapses", 2, 2)
