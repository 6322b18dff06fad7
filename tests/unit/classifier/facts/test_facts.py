"""Stage, states, products, companies, dates, origin, severity."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.config.tables import Severity
from schemas.events.base import Moment
from schemas.events.signal import Facts
from services.classifier.classify import classify
from services.classifier.facts.news import tells_older_year
from services.classifier.facts.severity import confidence, severity
from services.classifier.rules import Ruleset
from tests import make


def facts(ruleset: Ruleset, title: str, text: str = "", **fields: Any) -> Facts:
    item = make.news_item(**{"title": title, "text": text, "language": None, "published": Moment.parse("2023-07-04")} | fields)
    return classify(item, ruleset).facts


@pytest.mark.parametrize(
    ("title", "imposer", "targets"),
    [
        ("China bans exports of gallium and germanium to the United States", "CN", ("US",)),
        ("US restricts exports of AI chips to China and Russia", "US", ("CN", "RU")),
        ("荷兰宣布扩大对华芯片设备出口管制", "NL", ("CN",)),
        ("美商务部收紧对华AI芯片出口限制", "US", ("CN",)),
        ("日本、半導体製造装置の対中輸出を規制", "JP", ("CN",)),
        ("美 상무부, 중국에 AI 반도체 수출 통제 강화", "US", ("CN",)),
        ("Die Niederlande verschärfen Exportkontrollen für Chipmaschinen nach China", "NL", ("CN",)),
        ("واشنطن تشدد القيود على تصدير الرقائق إلى الصين", "US", ("CN",)),
        ("China to restrict gallium and germanium exports from August", "CN", ("*",)),
        ("China urges companies to avoid Nvidia's H20 chips", "CN", ("US",)),
        ("La Chine interdit à ses géants de la tech d'acheter la puce RTX Pro 6000D de Nvidia", "CN", ("US",)),
        ("Китай запретил своим компаниям покупать чипы Nvidia RTX Pro 6000D", "CN", ("US",)),
    ],
)
def test_who_imposes_and_who_is_hit(title: str, imposer: str, targets: tuple[str, ...], ruleset: Ruleset) -> None:
    found = facts(ruleset, title)

    assert found.imposers[:1] == (imposer,)
    assert found.targets == targets


def test_a_ministry_that_responds_does_not_impose(ruleset: Ruleset) -> None:
    assert facts(ruleset, "日本宣布对半导体制造设备实施出口管制，商务部回应").imposers == ("JP",)


def test_parts_of_a_region_are_no_states(ruleset: Ruleset) -> None:
    assert facts(ruleset, "Washington imposes a licence requirement on AI chips sold to buyers in the Middle East").targets == ()


@pytest.mark.parametrize(
    ("words", "stage"),
    [
        ("Two people familiar with the matter said the US may restrict exports of AI chips to China", "reported"),
        ("US Commerce Department announced new export controls on AI chips for China", "announced"),
        ("Senate bill would restrict exports of AI chips to China, lawmakers said", "proposed"),
        ("US export controls on AI chips to China took effect today", "in_force"),
        ("据知情人士透露，美国正考虑限制AI芯片对华出口", "reported"),
    ],
)
def test_how_far_a_measure_has_come(words: str, stage: str, ruleset: Ruleset) -> None:
    assert facts(ruleset, words).stage == stage


def test_a_named_product_hides_its_group(ruleset: Ruleset) -> None:
    assert facts(ruleset, "US bans export of Nvidia's A100 and H100 AI chips to China").products == ("A100", "H100")


def test_products_of_earlier_rounds_do_not_count(ruleset: Ruleset) -> None:
    found = facts(ruleset, "US bans export of Nvidia's H20 to China", "The chip is popular. Since 2022 the A100 and H100 have been banned.")

    assert found.products == ("H20",)


def test_a_chip_firm_tells_which_chips_are_meant(ruleset: Ruleset) -> None:
    assert facts(ruleset, "US limits sales of Nvidia chips to China").products == ("ai_accelerators",)


def test_dates_are_told_by_the_words_around_them(ruleset: Ruleset) -> None:
    found = facts(ruleset, "China to restrict gallium exports", "China will restrict exports of gallium, effective 1 August 2023.")

    assert {date.kind: str(date.moment) for date in found.dates} == {"effective": "2023-08-01", "announced": "2023-07-04"}


def test_a_chinese_date_takes_its_year_from_the_item(ruleset: Ruleset) -> None:
    found = facts(ruleset, "中国自8月1日起对镓、锗实施出口管制")

    assert ("effective", "2023-08-01") in [(date.kind, str(date.moment)) for date in found.dates]


def test_an_outlet_that_is_cited_is_the_origin(ruleset: Ruleset) -> None:
    assert facts(ruleset, "US to tighten AI chip export curbs on China, Reuters reports").origin == "Reuters"
    assert facts(ruleset, "据彭博社报道，美国将收紧对华芯片出口限制").origin == "Bloomberg"
    assert facts(ruleset, "US tightens AI chip export curbs on China").origin is None


def test_a_legal_id_is_kept(ruleset: Ruleset) -> None:
    found = facts(ruleset, "商务部公告2024年第46号：禁止镓、锗对美国出口", published=Moment.parse("2024-12-03"))

    assert found.instruments == ("MOFCOM 46/2024",)


def test_severity_weighs_product_stage_and_state(ruleset: Ruleset) -> None:
    table: Severity = ruleset.tables.severity

    assert severity(("H200",), "tighten", "announced", ("US",), table) == 5
    assert severity(("H200",), "propose", "proposed", ("US",), table) == 4
    assert severity(("chips",), "propose", "proposed", ("JP",), table) == 2
    assert severity(("chips",), "tighten", "announced", ("MY",), table) == 2
    assert severity((), None, "rumour", (), table) == 1


def test_confidence_is_capped_by_stage_and_tier(ruleset: Ruleset) -> None:
    stages = ruleset.tables.stages

    assert confidence(0.99, "reported", 1, stages) == 0.6
    assert confidence(0.99, "published", 3, stages) == 0.5
    assert confidence(0.4, "published", 0, stages) == 0.4


def test_only_years_before_that_of_the_item_are_old() -> None:
    assert tells_older_year("curbs of 2022", 2025)
    assert not tells_older_year("curbs of 2022, widened in 2025", 2025)
    assert not tells_older_year("curbs of 2022", None)


@pytest.mark.parametrize(
    ("words", "action", "direction"),
    [
        ("US drops H20 export curbs to China, NPR reports", "shelve", "loosen"),
        ("US drops chip export curbs on China", "shelve", "loosen"),
        ("Washington denies a report that it dropped plans to curb H20 exports to China; the White House denies report", "clarify", "neutral"),
    ],
)
def test_what_is_dropped_and_what_is_denied(ruleset: Ruleset, words: str, action: str, direction: str) -> None:
    found = facts(ruleset, words)

    assert (found.action, found.direction) == (action, direction)


def test_another_states_commerce_ministry_is_not_that_of_the_us(ruleset: Ruleset) -> None:
    assert facts(ruleset, "Beijing's commerce ministry tightens export controls on germanium").imposers == ("CN",)
