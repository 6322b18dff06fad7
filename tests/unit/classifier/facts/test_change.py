"""Direction by verb and object, innermost first (taxonomy, section 4)."""

from __future__ import annotations

import pytest

from services.classifier.classify import classify
from services.classifier.rules import Ruleset
from tests import make

CASES = [
    ("BIS revokes validated end-user status of Samsung's chip fabs in China", "tighten"),
    ("Trump administration rescinds AI diffusion rule on chip exports", "loosen"),
    ("美国撤销三星在华工厂的VEU豁免，芯片设备出口须申请许可", "tighten"),
    ("美国撤销AI芯片出口管制规则", "loosen"),
    ("미 상무부, 반도체 장비 수출 규제 철회", "loosen"),
    ("США отменили ограничения на экспорт чипов в Китай", "loosen"),
    ("США ужесточили экспортный контроль за чипами для Китая", "tighten"),
    ("الولايات المتحدة ترفع الحظر عن تصدير رقائق إنفيديا إلى الصين", "loosen"),
    ("الولايات المتحدة تشدد القيود على تصدير رقائق الذكاء الاصطناعي إلى الصين", "tighten"),
    ("US delays easing of chip export curbs on China", "tighten"),
    ("US suspends export controls on chip design software for China", "loosen"),
    ("China suspends exports of gallium to the United States", "tighten"),
    ("US grants Nvidia export licences for H20 chips to China", "loosen"),
    ("Commerce denies Nvidia licences to export H20 chips to China", "tighten"),
    ("China hebt Exportverbot für Gallium in die USA auf", "loosen"),
    ("USA lockern Exportbeschränkungen für KI-Chips von Nvidia nach China", "loosen"),
    ("Pekín cierra el grifo de las exportaciones de galio a EE.UU.", "tighten"),
    ("Gli Stati Uniti allentano le restrizioni all'export di semiconduttori verso la Cina", "loosen"),
    ("ABD, Çin'e yapay zeka çiplerine yönelik ihracat kısıtlamalarını gevşetti", "loosen"),
    ("Mỹ nới lỏng hạn chế xuất khẩu chip AI sang Trung Quốc", "loosen"),
]


@pytest.mark.parametrize(("title", "direction"), CASES, ids=[title for title, _ in CASES])
def test_the_object_decides_what_the_verb_does(title: str, direction: str, ruleset: Ruleset) -> None:
    verdict = classify(make.news_item(title=title, text="", language=None), ruleset)

    assert verdict.facts.direction == direction, verdict.trace


def test_a_denied_block_is_neutral(ruleset: Ruleset) -> None:
    verdict = classify(make.news_item(title="US denies blocking sales of AI chips to the Middle East", text=""), ruleset)

    assert (verdict.facts.action, verdict.facts.direction) == ("clarify", "neutral")


def test_a_suspended_plan_is_dropped_while_a_suspended_rule_is_suspended(ruleset: Ruleset) -> None:
    plan = classify(make.news_item(title="US suspends plan for export curbs on Nvidia chips to China", text=""), ruleset)
    rule = classify(make.news_item(title="US suspends export curbs on Nvidia chips to China", text=""), ruleset)

    assert (plan.facts.action, rule.facts.action) == ("shelve", "suspend")


def test_a_listing_is_named_as_one(ruleset: Ruleset) -> None:
    verdict = classify(make.news_item(title="US Commerce Department adds 32 firms to the Entity List over chipmaking tools for SMIC", text=""), ruleset)

    assert verdict.facts.action == "list_add"
    assert "listed" in [company.role for company in verdict.facts.companies]
