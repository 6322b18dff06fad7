"""Was the measure ever in force, or only planned? And what is merely mentioned beside it?"""

from __future__ import annotations

import pytest

from services.classifier.classify import Verdict, classify
from services.classifier.rules import Ruleset
from tests import make


def judged(ruleset: Ruleset, title: str, text: str = "") -> Verdict:
    return classify(make.news_item(title=title, text=text, language=None), ruleset)


@pytest.mark.parametrize("verb", ["lifts", "cancels", "suspends", "scraps"])
@pytest.mark.parametrize(
    ("text", "action"),
    [
        ("The White House has backed off its plan to restrict the chip, people familiar said.", "shelve"),
        ("Officials had planned for months to restrict exports of the H20.", "shelve"),
        ("The restrictions were to be imposed this week.", "shelve"),
        ("The ban has been in force since last April.", None),
    ],
)
def test_what_ends_is_shelved_only_where_the_item_tells_that_it_was_planned(verb: str, text: str, action: str | None, ruleset: Ruleset) -> None:
    facts = judged(ruleset, f"US {verb} ban on Nvidia H20 exports to China", text).facts

    assert facts.direction == "loosen"
    assert (facts.action == "shelve") == (action == "shelve")


def test_a_rule_in_the_books_is_rescinded_even_before_it_takes_effect(ruleset: Ruleset) -> None:
    facts = judged(ruleset, "US rescinds AI diffusion rule on chip exports", "The export rule was set to be enforced from Thursday.").facts

    assert (facts.action, facts.direction) == ("rescind", "loosen")


def test_a_licence_is_granted_even_where_a_ban_had_been_planned(ruleset: Ruleset) -> None:
    facts = judged(ruleset, "US grants Nvidia export licences for H20 chips to China", "Officials had planned to ban exports of the chip.").facts

    assert facts.action == "licence_grant"


def test_states_of_another_rule_that_is_merely_mentioned_are_no_targets(ruleset: Ruleset) -> None:
    other = "The AI diffusion rule restricts exports to Malaysia, Singapore and the UAE from next month."

    assert judged(ruleset, "US bans exports of Nvidia H20 chips to China", f"The ban was announced on Monday. {other}").facts.targets == ("CN",)


def test_what_is_suspended_is_the_curb_and_not_the_trade_it_is_on(ruleset: Ruleset) -> None:
    curbs = judged(ruleset, "US puts curbs on Nvidia H20 exports to China on hold").facts
    trade = judged(ruleset, "China suspends gallium exports to the United States").facts

    assert (curbs.direction, trade.direction) == ("loosen", "tighten")


def test_the_lead_spells_out_the_group_that_the_title_names(ruleset: Ruleset) -> None:
    text = "The US banned exports of the H20 and MI308 to China on Monday. The H100 and the B200 were barred before."

    assert judged(ruleset, "US bans AI chip exports to China", text).facts.products == ("H20", "MI308")


def test_a_product_made_for_one_state_hits_it_where_none_is_named(ruleset: Ruleset) -> None:
    assert judged(ruleset, "US bans exports of Nvidia's H20").facts.targets == ("CN",)
    assert judged(ruleset, "US bans exports of Nvidia's B200").facts.targets == ("*",)


@pytest.mark.parametrize(
    ("title", "text"),
    [
        ("TSMC board approves chip plant in Dresden", "Germany expects the plant to cost ten billion euros."),
        ("Japan eases budget limits for its chip strategy", "The cabinet approved support for semiconductors until 2040."),
        ("If Washington bans AI chip exports to China, rivals will win, says Nvidia's finance chief", ""),
        ("Casino bans export of its chips", "The poker chips may not leave the house."),
    ],
)
def test_plants_budgets_suppositions_and_casinos_do_not_alert(title: str, text: str, ruleset: Ruleset) -> None:
    assert judged(ruleset, title, text).verdict != "alert"
