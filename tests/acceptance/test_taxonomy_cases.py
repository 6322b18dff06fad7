"""The pairs and chains by which the taxonomy (sections 5.4 and 12) is tested, as far as one item can tell them. What threads make of them is tested with the threads."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from schemas.events.base import Moment
from services.classifier.classify import Verdict, classify
from services.classifier.rules import Ruleset, load_ruleset
from services.runtime.config_files import ConfigDir
from tests import make


@pytest.fixture(scope="module")
def ruleset() -> Ruleset:
    """The shipped one."""
    return load_ruleset(ConfigDir(), now=datetime(2026, 11, 24, tzinfo=UTC))


def judged(ruleset: Ruleset, title: str, text: str = "", *, published: str = "2025-04-10", tier: int = 1) -> Verdict:
    return classify(make.news_item(title=title, text=text, language=None, published=Moment.parse(published), tier=tier), ruleset)


@dataclass(frozen=True)
class Step:
    """An item of a chain, and what it must be found to tell."""

    title: str
    text: str
    published: str
    actions: tuple[str, ...]
    direction: str
    imposer: str = "US"


SEED = {
    "ar": (
        "البيت الأبيض يتراجع عن خطة لتقييد تصدير شرائح H20 إلى الصين",
        "ذكرت الإذاعة الوطنية العامة NPR نقلا عن مصدرين مطلعين أن إدارة ترامب تخلت عن خطتها لفرض قيود على تصدير شريحة إنفيديا H20 إلى الصين، ولم يعلق البيت الأبيض.",
    ),
    "en": (
        "White House backs off plan to curb Nvidia H20 chip exports to China, NPR reports",
        "The administration dropped planned export restrictions on the H20 after a dinner at Mar-a-Lago, two people familiar with the matter told NPR. The White House did not comment.",
    ),
    "zh": ("美国据报搁置限制英伟达H20芯片对华出口的计划", "据美国全国公共广播电台（NPR）援引两名知情人士报道，白宫放弃了限制H20对华出口的计划。白宫未予置评。"),
    "ko": (
        "美, 엔비디아 H20 대중 수출 제한 계획 철회…NPR 보도",
        "미국 공영라디오 NPR은 소식통 2명을 인용해 트럼프 행정부가 H20 칩의 중국 수출을 제한하려던 계획을 접었다고 보도했다. 백악관은 논평하지 않았다.",
    ),
    "de": (
        "USA rücken von geplanten Exportbeschränkungen für Nvidias H20 nach China ab",
        "Das Weiße Haus hat den Plan fallen gelassen, den Export des H20 nach China zu beschränken, berichtet NPR unter Berufung auf zwei Insider. Das Weiße Haus wollte sich nicht äußern.",
    ),
}


@pytest.mark.parametrize("language", list(SEED))
def test_the_seed_is_a_reported_dropped_plan_in_every_language(language: str, ruleset: Ruleset) -> None:
    title, text = SEED[language]
    verdict = judged(ruleset, title, text)
    facts = verdict.facts

    assert verdict.verdict == "alert"
    assert (facts.action, facts.direction, facts.stage) == ("shelve", "loosen", "reported")
    assert (facts.imposers[:1], facts.targets, facts.products, facts.origin) == (("US",), ("CN",), ("H20",), "NPR")
    assert facts.no_comment


@pytest.mark.parametrize(
    ("title", "direction"),
    [
        ("US revokes Samsung's validated end-user authorisation for chip tools in China", "tighten"),
        ("US revokes AI diffusion rule on chip exports", "loosen"),
        ("美 상무부, 삼성·SK하이닉스 중국 공장 VEU 철회", "tighten"),
        ("美 상무부, 반도체 장비 수출 규제 철회", "loosen"),
        ("США отозвали лицензии на поставку чипов Huawei в Китай", "tighten"),
        ("США сняли ограничения на экспорт чипов в Китай", "loosen"),
        ("美国撤销三星在华工厂的VEU豁免，芯片设备出口须申请许可", "tighten"),
        ("美国撤销AI芯片出口管制规则", "loosen"),
    ],
)
def test_revoke_follows_its_object(title: str, direction: str, ruleset: Ruleset) -> None:
    assert judged(ruleset, title).facts.direction == direction


CHAINS = {
    "h20": [
        Step(*SEED["en"], "2025-04-09", ("shelve",), "loosen"),
        Step(
            "Nvidia says US now requires licence for H20 exports to China, takes $5.5bn charge",
            "In an 8-K filing the company said the government informed it on 9 April that a licence is required to export H20 chips to China.",
            "2025-04-15",
            ("tighten",),
            "tighten",
        ),
        Step(
            "US issues licences for Nvidia to export H20 chips to China",
            "The Commerce Department has started issuing export licences for the H20, an official said.",
            "2025-08-08",
            ("licence_grant",),
            "loosen",
        ),
        Step(
            "China tells firms to stop buying Nvidia's H20 chips",
            "Regulators in Beijing told companies to halt purchases of the H20, people familiar said.",
            "2025-08-12",
            ("restrict_import", "tighten"),
            "tighten",
            "CN",
        ),
    ],
    "eda": [
        Step(
            "US orders chip design software firms to stop sales to China",
            "Commerce told Synopsys and Cadence that a licence is required to export EDA software to China.",
            "2025-05-28",
            ("tighten",),
            "tighten",
        ),
        Step(
            "US lifts export restrictions on chip design software to China",
            "Synopsys, Cadence and Siemens said Commerce had rescinded the licence requirement with immediate effect.",
            "2025-07-02",
            ("rescind", "loosen"),
            "loosen",
        ),
    ],
    "veu": [
        Step(
            "US grants Samsung and SK Hynix indefinite waiver for chip tools in China",
            "The two were named validated end users, Seoul said.",
            "2023-10-09",
            ("exempt", "licence_grant"),
            "loosen",
        ),
        Step(
            "US revokes waivers that let Samsung and SK Hynix ship chip tools to China",
            "Commerce ended the validated end-user status of the plants.",
            "2025-08-29",
            ("licence_revoke", "rescind"),
            "tighten",
        ),
    ],
    "taiwan and south africa": [
        Step(
            "Taiwan restricts chip exports to South Africa over office dispute",
            "The economy ministry said 47 products, among them integrated circuits, need prior approval.",
            "2025-09-23",
            ("tighten",),
            "tighten",
            "TW",
        ),
        Step(
            "Taiwan suspends chip export curbs on South Africa",
            "The foreign ministry put the restrictions on hold pending talks.",
            "2025-09-25",
            ("suspend", "shelve"),
            "loosen",
            "TW",
        ),
    ],
    "ai rule": [
        Step(
            "Biden administration imposes export controls on AI chips worldwide",
            "The interim final rule caps exports of AI chips.",
            "2025-01-13",
            ("tighten",),
            "tighten",
        ),
        Step("US rescinds AI diffusion rule on chip exports", "Commerce said it would not enforce the rule.", "2025-05-13", ("rescind",), "loosen"),
    ],
}


@pytest.mark.parametrize("step", [step for chain in CHAINS.values() for step in chain], ids=lambda step: step.title)
def test_every_step_of_a_reversal_chain_alerts_with_its_direction(step: Step, ruleset: Ruleset) -> None:
    verdict = judged(ruleset, step.title, step.text, published=step.published)

    assert verdict.verdict == "alert"
    assert verdict.facts.direction == step.direction
    assert verdict.facts.action in step.actions
    assert verdict.facts.imposers[:1] == (step.imposer,)


def test_the_reversal_of_the_seed_is_announced_by_a_filing(ruleset: Ruleset) -> None:
    reversal = CHAINS["h20"][1]
    facts = judged(ruleset, reversal.title, reversal.text, published=reversal.published).facts

    assert facts.stage == "announced"
    assert [(amount.value, amount.currency, amount.kind) for amount in facts.amounts] == [(5.5e9, "USD", "charge")]


def test_opposite_acts_of_two_states_on_one_day_are_told_apart(ruleset: Ruleset) -> None:
    loosens = judged(
        ruleset, "US allows exports of Nvidia H200 chips to China", "BIS published a rule that reviews licences case by case.", published="2026-01-13"
    ).facts
    tightens = judged(ruleset, "China bans imports of Nvidia H200 chips", "Customs told agents that the H200 is not permitted.", published="2026-01-14").facts

    assert (loosens.imposers[:1], loosens.direction) == (("US",), "loosen")
    assert (tightens.imposers[:1], tightens.direction, tightens.action) == (("CN",), "tighten", "restrict_import")


def test_a_tariff_alone_is_context_and_a_share_as_a_condition_is_an_alert(ruleset: Ruleset) -> None:
    tariff = judged(ruleset, "US imposes 25% tariff on imported semiconductors", "The section 232 duty applies from Thursday.", published="2026-01-14")
    share = judged(
        ruleset,
        "US allows Nvidia to export H200 chips to China for a 25% cut of sales",
        "Commerce will license exports to approved customers.",
        published="2026-01-14",
    )

    assert tariff.verdict != "alert"
    assert (share.verdict, share.facts.direction) == ("alert", "loosen")
    assert {"share_of_sales", "approved_buyers"} <= set(share.facts.conditions)


def test_earnings_with_an_old_curb_are_context(ruleset: Ruleset) -> None:
    text = "Quarterly revenue beat estimates although export curbs on China, imposed in 2022, weighed on sales, analysts said."

    assert judged(ruleset, "Nvidia shares rise as quarterly results beat forecasts", text).verdict != "alert"


@pytest.mark.parametrize(
    "title",
    ["3월 반도체 수출 12% 증가…전년 동월 대비 최대", "Kim ngạch xuất khẩu chip tăng trưởng 12% so với cùng kỳ", "チップ輸出額、前年同月比12%増"],
)
def test_export_figures_are_no_alert(title: str, ruleset: Ruleset) -> None:
    assert judged(ruleset, title).verdict != "alert"


@pytest.mark.parametrize(
    "title",
    [
        "US guidance clarifies that AI chip export licence rule covers foreign subsidiaries of Chinese firms",
        "美商务部发布指引，明确AI芯片出口许可适用于中国企业的海外子公司",
    ],
)
def test_guidance_with_unchanged_law_clarifies(title: str, ruleset: Ruleset) -> None:
    assert judged(ruleset, title, published="2026-05-31").facts.action == "clarify"


def test_quantities_that_conflict_are_all_kept(ruleset: Ruleset) -> None:
    title = "US approves export of 35,000 Nvidia chips each to G42 and Humain"
    text = "Commerce granted export licences. A second official spoke of 70,000 chips in total."
    amounts = judged(ruleset, title, text, published="2025-11-19").facts.amounts

    assert [(amount.value, amount.scope) for amount in amounts] == [(35000.0, "each"), (70000.0, "total")]


def test_a_listing_says_how_many_and_by_which_document(ruleset: Ruleset) -> None:
    facts = judged(ruleset, "US adds 23 Chinese chip firms to Entity List", "The notice, 90 FR 44475, was published on Friday.", published="2025-09-15").facts

    assert (facts.action, facts.direction) == ("list_add", "tighten")
    assert facts.instruments == ("90 FR 44475",)
