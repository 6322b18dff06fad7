"""Judging by a show of hands."""

from __future__ import annotations

import pytest

from services.classifier.classify import classify
from services.classifier.rules import Ruleset
from services.evaluation.rules_alone import rules_alone
from tests import make

SEEN = "US chip export controls on China"


@pytest.mark.parametrize(
    ("words", "alert"),
    [
        ("the tide of permits turns", True),
        ("the tide of permits turns, nobody says so", False),
        ("the tide of permits turns, the quota lapses, nobody says so", True),
        ("the tide of permits turns, the quota lapses, just joking", False),
        ("a quiet day", False),
    ],
)
def test_what_rules_settle_stands_else_more_must_lean_to_an_alert_than_against_one(quota_rules: Ruleset, words: str, alert: bool) -> None:
    ours = frozenset({"quota-lapses", "only-a-joke", "leans-to-an-alert", "leans-against"})
    others = {rule.id: "not of this test" for rule in quota_rules.rules if rule.id not in ours}
    judge = rules_alone(quota_rules.without(others, now=make.NOW))

    verdict = classify(make.news_item(title=f"{SEEN}: {words}", text=""), judge)

    assert (verdict.verdict == "alert") == alert
    assert judge.model.name == "rules alone"
