"""Features: named, by where and in which order things stand; never by length."""

from __future__ import annotations

from services.classifier.classify import fired_on, weighed
from services.classifier.rules import Ruleset
from tests import make


def features(ruleset: Ruleset, title: str, text: str = "") -> dict[str, float]:
    view = ruleset.view(make.news_item(title=title, text=text))
    return weighed(view, fired_on(view, ruleset), ruleset)


def test_a_measure_and_the_reaction_to_it_differ_by_the_order_of_the_title(ruleset: Ruleset) -> None:
    measure = features(ruleset, "Japan announces export controls on chip tools, China's commerce ministry protests")
    reaction = features(ruleset, "China's commerce ministry protests Japan's export controls on chip tools")

    assert measure["begins:country"] == 1.0
    assert "begins:country" in reaction or "begins:agency" in reaction
    assert measure.keys() != reaction.keys()


def test_who_stands_before_a_colon_speaks(ruleset: Ruleset) -> None:
    spoken = features(ruleset, "Huang: export controls on chips to China were a failure")

    assert spoken["speaks:person"] == 1.0
    assert "colon" not in features(ruleset, "Export controls on chips to China were a failure")


def test_a_time_of_day_is_no_speaker(ruleset: Ruleset) -> None:
    assert "colon" not in features(ruleset, "At 10:30 the US lifted export controls on chips to China")


def test_names_count_by_their_kind(ruleset: Ruleset) -> None:
    one, other = features(ruleset, "Nvidia halts H20 exports to China"), features(ruleset, "AMD halts MI308 exports to China")

    assert {name for name in one if name.startswith("title:")} == {name for name in other if name.startswith("title:")}


def test_what_stands_far_behind_changes_nothing(ruleset: Ruleset) -> None:
    short = features(ruleset, "US bans exports of H20 chips to China", "The rule takes effect today. ")
    long = features(ruleset, "US bans exports of H20 chips to China", "The rule takes effect today. " + "Shares fell in quiet trading. " * 30)

    assert {name for name in short if name.startswith("title")} == {name for name in long if name.startswith("title")}
