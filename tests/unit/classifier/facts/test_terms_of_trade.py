"""Conditions, the basis of a target, transit states, motive and silence."""

from __future__ import annotations

import pytest

from schemas.events.signal import CONDITIONS, TARGET_BASES, Facts
from services.classifier.document import read
from services.classifier.facts import find
from services.classifier.rules import Ruleset
from tests import make


def facts(title: str, ruleset: Ruleset, text: str = "") -> Facts:
    return find(read(make.news_item(title=title, text=text, language=None), ruleset.terms), ruleset.tables, ruleset.terms).facts


@pytest.mark.parametrize(
    ("title", "condition"),
    [
        ("US allows export of H200 chips to approved customers in China", "approved_buyers"),
        ("Les Etats-Unis autorisent l'exportation de puces H200 vers la Chine après des tests indépendants", "independent_test"),
        ("美国允许H200对华出口，须经第三方检测", "independent_test"),
        ("USA erlauben Export von H200 nach China für ein Viertel der Erlöse", "share_of_sales"),
        ("China allows import of H200 chips only with a matching purchase of domestic chips, for each buyer", "local_purchase"),
        ("China lifts ban on gallium exports to the US, for civilian use only", "civil_use_only"),
    ],
)
def test_a_condition_is_told_by_its_id(title: str, condition: str, ruleset: Ruleset) -> None:
    assert condition in facts(title, ruleset).conditions


def test_conditions_and_bases_of_the_lexicon_are_those_of_the_contract(ruleset: Ruleset) -> None:
    concepts = ruleset.terms.lexicon.concepts
    bases = {key.removeprefix("by_") for key, concept in concepts.items() if concept.kind == "target_basis"}

    assert set(CONDITIONS) <= {key for key, concept in concepts.items() if concept.kind == "condition"}
    assert bases == set(TARGET_BASES) - {"destination"}


@pytest.mark.parametrize(
    ("title", "basis"),
    [
        ("US widens chip export controls to firms 50% or more owned by listed companies", "ownership"),
        ("US requires licences for AI chip exports to subsidiaries of companies headquartered in China", "headquarters"),
        ("US bars chip exports for military end use in China", "end_use"),
        ("US bars AI chip exports to China", None),
    ],
)
def test_by_what_a_measure_picks_whom_it_hits(title: str, basis: str | None, ruleset: Ruleset) -> None:
    assert facts(title, ruleset).target_basis == basis


@pytest.mark.parametrize(
    "title",
    ["US bars AI chip exports to China via Malaysia", "美国禁止经马来西亚向中国出口AI芯片", "USA verbieten Export von KI-Chips nach China über Malaysia"],
)
def test_a_state_that_goods_pass_through_is_no_target(title: str, ruleset: Ruleset) -> None:
    found = facts(title, ruleset)

    assert (found.via, found.targets) == (("MY",), ("CN",))


def test_retaliation_is_a_motive_and_no_action(ruleset: Ruleset) -> None:
    found = facts("China bans gallium exports to the US in retaliation for chip curbs", ruleset)

    assert (found.motive, found.action) == ("retaliation", "tighten")


def test_silence_of_officials_is_told(ruleset: Ruleset) -> None:
    assert facts("US drops plan to curb H20 exports to China", ruleset, "The White House did not comment.").no_comment
    assert not facts("US drops plan to curb H20 exports to China", ruleset).no_comment
