"""Judging by rules alone: what they settle stands, else the more of those that fire lean to an alert than against one. For measuring what the rules know."""

from __future__ import annotations

from dataclasses import replace

from services.classifier.model.forest import Forest
from services.classifier.model.score import Line, Model
from services.classifier.rules import Ruleset

NAME = "rules alone"
FOR, AGAINST, START = 1.0, -1.0, -0.5
"""Log-odds that a rule adds by what it leans to, and what there is before: one rule for an alert makes one, a second against it unmakes it."""


def rules_alone(ruleset: Ruleset) -> Ruleset:
    """The same rule set, whose score is a show of hands: no weight of it was learnt."""
    leaning = [rule for rule in ruleset.rules if rule.status == "active" and rule.leans is not None]
    trees = [[place, 0.5, 0.0, 0.0, FOR if rule.leans == "alert" else AGAINST] for place, rule in enumerate(leaning)]
    forest = Forest.read([f"rule:{rule.id}" for rule in leaning], trees)
    line = Line(forest=1.0, encoder=0.0, offset=START, alert=0.5, unled=0.5)
    return replace(ruleset, model=Model(forest, line, line, 1.0, 0.0, alone_by=NAME), hash=f"{ruleset.hash}+rules")
