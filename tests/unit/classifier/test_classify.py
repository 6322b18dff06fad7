"""The verdict on an item: the H20 story in five languages, its reversal, and what is no news."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle, product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from schemas.events.base import Moment
from schemas.events.news import NewsItem
from services.classifier.classify import Verdict, classify, decide
from services.classifier.model.score import Scored
from services.classifier.rules import Ruleset
from tests import make

STORIES = YAML(typ="safe").load(Path(__file__).parents[2].joinpath("data/h20.yaml").read_text("utf-8"))
PIECES = YAML(typ="safe").load(Path(__file__).parents[2].joinpath("data/h20_pieces.yaml").read_text("utf-8"))
WORDINGS = YAML(typ="safe").load(Path(__file__).parents[2].joinpath("data/h20_wordings.yaml").read_text("utf-8"))
SHELVED = {
    "verdict": "alert",
    "nvidia": "seller",
    "action": "shelve",
    "direction": "loosen",
    "stage": "reported",
    "imposers": ("US",),
    "targets": ("CN",),
    "products": ("H20",),
    "origin": "NPR",
}
WORDS = st.sampled_from(
    ["H20", "\u200f", "إنفيديا", "export", "ban", "Ｈ２０", "限制", "出口", "芯片", "중국에", "수출", "ﬁ", "&amp;", "<b>", "\n", "‘", "Nvidia"]
)


def judged(ruleset: Ruleset, title: str | None, text: str = "", published: str = "2025-04-10", **fields: Any) -> Verdict:
    item = make.news_item(published=Moment.parse(published), language=None, **fields)
    return classify(item.model_copy(update={"title": title, "text": text}), ruleset)


def name(story: dict[str, Any]) -> str:
    return f"{story['language']}-{(story['title'] or story['text'])[:24]}"


@pytest.mark.parametrize("story", STORIES["shelved"], ids=name)
def test_the_h20_story_is_a_reported_shelving_that_loosens(story: dict[str, Any], ruleset: Ruleset) -> None:
    verdict = judged(ruleset, story["title"], story["text"])

    facts = verdict.facts
    assert verdict.verdict == "alert"
    assert (facts.action, facts.direction, facts.stage) == ("shelve", "loosen", "reported")
    assert (facts.imposers, facts.targets, facts.products) == (("US",), ("CN",), ("H20",))
    assert "NVIDIA" in [company.id for company in facts.companies]
    assert facts.origin == "NPR"
    assert facts.confidence is not None
    assert facts.confidence <= 0.6


@pytest.mark.parametrize("language", PIECES)
def test_however_it_is_told_the_h20_story_comes_out_the_same(language: str, ruleset: Ruleset) -> None:
    pieces = PIECES[language]

    for title, lead, background in product(pieces["titles"], pieces["leads"], pieces["backgrounds"]):
        verdict = judged(ruleset, title, f"{lead} {background}")

        facts = verdict.facts
        told = (verdict.verdict, facts.action, facts.direction, facts.stage, facts.imposers, facts.targets, facts.products, facts.origin)
        assert told == ("alert", "shelve", "loosen", "reported", ("US",), ("CN",), ("H20",), "NPR"), (title, lead, background, verdict.trace)
        assert "NVIDIA" in [company.id for company in facts.companies]


def wordings() -> Iterator[dict[str, Any]]:
    yield from WORDINGS["whole"]
    for language, pieces in WORDINGS["pieces"].items():
        texts, backgrounds = cycle(pieces["texts"]), cycle(["", *pieces["backgrounds"]])
        for title in (*pieces["titles"], *(None for _ in pieces["texts"])):
            yield {"language": language, "title": title, "text": f"{next(texts)} {next(backgrounds)}"}


def test_what_was_only_planned_is_shelved_whatever_verb_the_title_uses(ruleset: Ruleset) -> None:
    wrong = [(story["title"], story["text"][:60], told) for story in wordings() if (told := misjudged(story, ruleset))]

    assert not wrong


def misjudged(story: dict[str, Any], ruleset: Ruleset) -> dict[str, Any]:
    """The facts that are not those of the story."""
    verdict = judged(ruleset, story["title"], story["text"])
    facts = verdict.facts
    roles = {company.id: company.role for company in facts.companies}
    told = {"verdict": verdict.verdict, "nvidia": roles.get("NVIDIA")} | {name: getattr(facts, name) for name in SHELVED if hasattr(facts, name)}
    return {name: value for name, value in told.items() if value != SHELVED[name]}


@pytest.mark.parametrize("story", STORIES["required"], ids=name)
def test_its_reversal_six_days_later_is_an_announced_tightening(story: dict[str, Any], ruleset: Ruleset) -> None:
    verdict = judged(ruleset, story["title"], story["text"], published="2025-04-15")

    facts = verdict.facts
    assert verdict.verdict == "alert"
    assert (facts.action, facts.direction, facts.stage) == ("tighten", "tighten", "announced")
    assert (facts.imposers, facts.targets) == (("US",), ("CN",))
    assert "H20" in facts.products


@pytest.mark.parametrize("story", STORIES["shelved"] + STORIES["required"], ids=name)
def test_every_quote_is_the_very_slice_of_the_field_as_given(story: dict[str, Any], ruleset: Ruleset) -> None:
    verdict = judged(ruleset, story["title"], story["text"])

    fields = {"title": story["title"], "text": story["text"]}
    assert verdict.evidence
    assert all(found.text == fields[found.field][found.start : found.end] for found in verdict.evidence)
    assert {"action", "direction", "imposers", "products"} <= {found.fact for found in verdict.evidence}


@given(pieces=st.lists(WORDS, max_size=30), title=st.none() | st.lists(WORDS, max_size=8).map(" ".join))
def test_whatever_the_text_quotes_slice_it(pieces: list[str], title: str | None, ruleset: Ruleset) -> None:
    text = " ".join(pieces)
    verdict = judged(ruleset, title, f"US bans exports of Nvidia H20 chips to China. {text}")

    fields = {"title": title, "text": f"US bans exports of Nvidia H20 chips to China. {text}"}
    assert all(found.text == (fields[found.field] or "")[found.start : found.end] for found in verdict.evidence)


@given(
    title=st.none() | st.text(st.characters(categories=["L", "M", "N", "P", "S", "Z", "C"]), max_size=80),
    text=st.text(st.characters(categories=["L", "M", "N", "P", "S", "Z", "C"]), max_size=200),
    place=st.integers(0, 300),
)
def test_no_text_is_too_odd_to_be_judged(title: str | None, text: str, place: int, ruleset: Ruleset) -> None:
    told = f"{text[:place]} US bans exports of Nvidia H20 chips to China. {text[place:]}"

    verdict = judged(ruleset, title, told)

    fields = {"title": title, "text": told}
    assert verdict.verdict in ("alert", "context", "no")
    assert all(found.text == (fields[found.field] or "")[found.start : found.end] for found in verdict.evidence)


@pytest.mark.parametrize("word", ["قيود ", "ban H20 export ", "出口管制", "\x00\ud800", "<b", "&#x", "Ａ"])
def test_a_title_of_200_kilobytes_is_judged_like_a_long_one(word: str, ruleset: Ruleset) -> None:
    title = "US bans exports of Nvidia H20 chips to China " + word * (200_000 // len(word))

    verdict = judged(ruleset, title)

    assert all(found.text == title[found.start : found.end] for found in verdict.evidence)


def test_the_same_item_is_judged_the_same_twice(ruleset: Ruleset) -> None:
    story = STORIES["shelved"][0]

    assert judged(ruleset, story["title"], story["text"]) == judged(ruleset, story["title"], story["text"])


def test_old_restrictions_told_at_the_end_do_not_turn_the_story_round(ruleset: Ruleset) -> None:
    story = STORIES["shelved"][0]
    old = " وكانت واشنطن قد حظرت في عام 2022 تصدير شرائح A100 وH100 إلى الصين وشددت القيود في 2023." * 3

    verdict = judged(ruleset, story["title"], story["text"] + old)

    assert (verdict.facts.action, verdict.facts.direction, verdict.facts.products) == ("shelve", "loosen", ("H20",))


@pytest.mark.parametrize(
    "title",
    [
        "مصنع جديد لإنتاج رقائق البطاطس يوقع عقد تصدير",
        "Potato chip maker expands exports to China",
        "Le marché aux puces de Saint-Ouen attire des vendeurs venus d'Allemagne",
        "Производитель чипсов увеличил экспорт в Казахстан",
        "대중교통 요금 인상에 시민들이 반발했다",
        "South Korea's football team beats Japan",
        "7월 반도체 수출액 전년 동월 대비 30% 증가",
        "Kim ngạch xuất khẩu chip của Việt Nam tăng so với cùng kỳ",
    ],
)
def test_what_is_off_topic_or_mere_statistics_does_not_alert(title: str, ruleset: Ruleset) -> None:
    assert judged(ruleset, title).verdict != "alert"


def test_quarterly_results_that_mention_standing_curbs_do_not_alert(ruleset: Ruleset) -> None:
    verdict = judged(
        ruleset,
        "Nvidia shares rise as quarterly revenue beats estimates despite export curbs on China",
        "Analysts raised their price targets after the results.",
    )

    assert verdict.verdict == "context"


def test_a_trace_says_what_decided(ruleset: Ruleset) -> None:
    off_topic = judged(ruleset, "Football team beats its rival")
    by_rule = judged(ruleset, STORIES["shelved"][0]["title"], STORIES["shelved"][0]["text"])
    by_score = judged(ruleset, "US tightens export controls on Nvidia AI chips for China")

    assert off_topic.trace.decided == "gate: not of the topic"
    assert by_rule.trace.decided == "rule planned-curb-dropped"
    assert by_rule.trace.change == "spare x alone in sentence 0"
    assert by_score.trace.decided.startswith("score ")
    assert by_score.trace.terms["change_head"] > 0


def test_a_rule_that_leans_is_named_and_leaves_the_verdict_to_the_score(ruleset: Ruleset) -> None:
    verdict = judged(ruleset, "US tightens export controls on Nvidia AI chips for China")

    assert "control-tightened" in {hit.id for hit in verdict.rules}
    assert verdict.trace.decided.startswith("score ")


def test_an_empty_item_is_no(ruleset: Ruleset) -> None:
    assert judged(ruleset, None, "").verdict == "no"


def test_a_tier_three_rewrite_proves_no_law(ruleset: Ruleset) -> None:
    words = "US bans exports of Nvidia AI chips to China, final rule published in the Federal Register, effective immediately"

    assert judged(ruleset, words, tier=3).facts.stage == "reported"
    assert judged(ruleset, words, tier=0).facts.stage in ("published", "in_force")


def test_a_long_text_is_judged_by_its_beginning(ruleset: Ruleset) -> None:
    item = NewsItem.model_validate(make.news_item(title=STORIES["shelved"][0]["title"], language="ar").model_dump() | {"text": "قيود " * 1_000})

    assert classify(item, ruleset).facts.action == "shelve"


@pytest.mark.parametrize(
    ("title", "verdict"),
    [("Brussels to lift sanctions on U.S. goods", "no"), ("Washington eases curbs on chip exports to Seoul", "alert")],
)
def test_the_score_alone_alerts_only_on_what_names_something_of_the_topic(title: str, verdict: str, ruleset: Ruleset) -> None:
    view = ruleset.view(make.news_item(title=title, text="The decision takes effect on Monday.", language="en"))

    assert decide(view, [], Scored(0.9, 0.4), ruleset.tables.score)[0] == verdict
