"""The likeliest change and stage, where verb and object leave it open."""

from __future__ import annotations

import pytest

from schemas.config.tables import Choice, Choices, Outcome
from services.classifier.classify import classify
from services.classifier.document import read
from services.classifier.facts import find
from services.classifier.facts.likely import likely_outcome, likely_stage, odds
from services.classifier.rules import Ruleset
from tests import make

TABLE = Choices(
    change=Choice(
        start={"tighten/tighten": 1.0, "loosen/loosen": 0.0, "rescind/loosen": 0.0},
        weights={"opens": {"loosen/loosen": 4.0}, "binned": {"rescind/loosen": 5.0}},
    ),
    stage=Choice(start={"announced": 1.0, "reported": 0.0}, weights={"sources": {"reported": 5.0}}),
    keep_direction=0.2,
    keep_action=0.1,
    keep_stage=0.1,
)
TIGHTEN = Outcome(action="tighten", direction="tighten")


def test_chances_of_all_labels_are_one() -> None:
    assert sum(odds({"opens": 1.0}, TABLE.change).values()) == pytest.approx(1.0)


def test_what_verb_and_object_tell_stands_while_it_is_likely_enough() -> None:
    assert likely_outcome({}, TIGHTEN, TABLE) == TIGHTEN
    assert likely_outcome({"opens": 1.0}, TIGHTEN, TABLE) == Outcome(action="loosen", direction="loosen")


def test_an_unlikely_action_is_replaced_within_its_direction() -> None:
    assert likely_outcome({"binned": 1.0}, Outcome(action="loosen", direction="loosen"), TABLE) == Outcome(action="rescind", direction="loosen")


def test_a_stage_gives_way_only_to_a_clearly_likelier_one() -> None:
    assert likely_stage({}, "reported", TABLE) == "reported"
    assert likely_stage({"sources": 1.0}, "announced", TABLE) == "reported"


def test_a_table_with_a_label_that_has_no_start_is_refused() -> None:
    with pytest.raises(ValueError, match="loosen/loosen has no start"):
        Choice(start={"tighten/tighten": 0.0}, weights={"opens": {"loosen/loosen": 1.0}})


@pytest.mark.parametrize(
    ("title", "direction"),
    [
        ("Washington gives Nvidia the green light: H200 back in Chinese shops", "loosen"),
        ("Sperre für Nvidias H20: China bleibt die Tür verschlossen, Washington dreht den Hahn zu", "tighten"),
        ("Washington cierra el grifo: el H20 de Nvidia, bajo llave", "tighten"),
        ("华盛顿松手，英伟达H200又能卖中国了", "loosen"),
        ("워싱턴, 엔비디아 H20에 빗장 걸었다", "tighten"),
        ("Вашингтон закрутил гайки: H20 больше не сможет попасть в Китай", "tighten"),
        ("واشنطن تفتح الباب أمام شريحة H200 إلى الصين", "loosen"),
        ("वॉशिंगटन ने दी हरी झंडी, एनवीडिया की H200 चीन जाएगी", "loosen"),
    ],
)
def test_an_idiom_tells_a_change_without_verb_and_object(title: str, direction: str, ruleset: Ruleset) -> None:
    found = find(read(make.news_item(title=title, text="", language=None), ruleset.terms), ruleset.tables, ruleset.terms)

    assert found.facts.direction == direction
    assert any(quote.fact == "action" for quote in found.quotes)


def test_every_alert_has_an_action_and_the_words_it_rests_on(ruleset: Ruleset) -> None:
    verdict = classify(make.news_item(title="US tightens AI chip export curbs on China", text=""), ruleset)

    assert verdict.facts.action is not None
    assert any(quote.fact == "action" for quote in verdict.evidence)
