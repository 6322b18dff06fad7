from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from schemas.config.lexicon import Company, Concept, LexiconFile
from schemas.config.rule import Condition, Rule
from schemas.events.signal import Facts
from services.classifier.conditions import Match, Span, evaluate
from services.classifier.document import Document, read
from services.classifier.terms import Terms
from tests import make

LEXICON = LexiconFile(
    concepts={
        "ban": Concept(kind="obj_restriction", terms={"en": ("ban",), "zh-Hans": ("禁令",)}),
        "lift": Concept(kind="remove", terms={"en": ("lifts",), "zh-Hans": ("解除",)}),
        "chip": Concept(kind="subject", terms={"en": ("chip*",)}),
    },
    companies={"NVIDIA": Company(hq="US", terms={"any": ("Nvidia",)}), "Tencent": Company(hq="CN", chip=False, terms={"any": ("Tencent",)})},
)
TERMS = Terms.build(LEXICON, phrases=["necessary measures"])


def document(text: str, title: str | None = None, **item: Any) -> Document:
    return read(make.news_item(title=title, text=text, **item), TERMS)


def holds(condition: dict[str, Any], text: str, title: str | None = None, facts: Facts | None = None, **item: Any) -> bool:
    return evaluate(Condition.model_validate(condition), document(text, title, **item), facts or Facts()) is not None


def test_a_condition_shows_what_it_saw() -> None:
    match = evaluate(Condition.model_validate({"all": [{"term": "lift"}, {"term": "obj_restriction"}]}), document("US lifts a chip ban"))

    assert match == Match((Span("text", 3, 8), Span("text", 16, 19)))


@pytest.mark.parametrize(
    ("condition", "text", "expected"),
    [
        ({"term": "ban"}, "a ban", True),
        ({"term": "subject"}, "no ban", False),
        ({"term": "chip_company"}, "Nvidia said", True),
        ({"term": "chip_company"}, "Tencent said", False),
        ({"phrase": "necessary measures"}, "It takes necessary measures", True),
        ({"regex": r"\b\d+ firms"}, "US lists 32 Firms", True),
        ({"regex": "firms"}, "US lists nobody", False),
        ({"any": [{"term": "ban"}, {"term": "lift"}]}, "He lifts", True),
        ({"any": [{"term": "ban"}, {"term": "lift"}]}, "He left", False),
        ({"all": [{"term": "ban"}], "none": [{"term": "lift"}]}, "a ban", True),
        ({"all": [{"term": "ban"}], "none": [{"term": "lift"}]}, "lifts a ban", False),
        ({"none": [{"term": "ban"}]}, "nothing", True),
        ({"language": ["zh"]}, "美国解除禁令", True),
        ({"language": ["ar"]}, "美国解除禁令", False),
    ],
)
def test_terms_phrases_patterns_and_groups(condition: dict[str, Any], text: str, expected: bool) -> None:
    assert holds(condition, text) is expected


@pytest.mark.parametrize(
    ("within", "text", "expected"),
    [
        (3, "US lifts the chip ban", True),
        (1, "US lifts the chip ban", False),
        (3, "A ban that it lifts", True),
        (30, "US lifts it. The ban stays", False),
        (2, "解除对华芯片禁令", True),
        (1, "解除对华芯片禁令", False),
    ],
)
def test_near_counts_the_words_between(within: int, text: str, expected: bool) -> None:
    assert holds({"near": {"terms": ["lift", "ban"], "within": within}}, text) is expected


def test_near_may_look_beyond_the_sentence() -> None:
    assert holds({"near": {"terms": ["lift", "ban"], "within": 5, "same_sentence": False}}, "US lifts it. The ban stays")


@pytest.mark.parametrize(
    ("position", "title", "text", "expected"),
    [
        ("title", "A ban", "text", True),
        ("title", "Nothing", "A ban", False),
        ("title", None, "A ban", False),
        ("opening", "The new ban", "text", True),
        ("opening", "One two three four five six ban", "text", False),
        ("opening", "一二三四五六七八九十禁令", "text", True),
        ("opening", "一二三四五六七八九十十一禁令", "text", False),
        ("opening", None, "A ban", False),
        ("lead", "Nothing", "One. A ban.", True),
        ("lead", "Nothing", "One. Two. A ban.", False),
        ("lead", None, "One. A ban.", True),
        ("lead", None, "One. Two. A ban.", False),
    ],
)
def test_a_position_binds_a_term_to_title_opening_or_lead(position: str, title: str | None, text: str, expected: bool) -> None:
    assert holds({"term": "ban", "position": position}, text, title) is expected


def test_facts_fit_by_value_by_member_and_by_company() -> None:
    facts = make.facts(direction="loosen", targets=("CN", "HK"))

    assert holds({"fact": {"direction": "loosen", "targets": "CN"}}, "x", facts=facts)
    assert holds({"fact": {"direction": ["tighten", "loosen"], "companies": "NVIDIA"}}, "x", facts=facts)
    assert not holds({"fact": {"direction": "tighten"}}, "x", facts=facts)


def test_the_source_fits_by_tier_and_id() -> None:
    assert holds({"source": {"tier": [0, 1], "id": ["bis"]}}, "x", tier=0, source="bis")
    assert not holds({"source": {"tier": [0]}}, "x", tier=2)


@pytest.mark.parametrize(
    ("condition", "problem"),
    [
        ({}, "found nothing"),
        ({"term": "ban", "phrase": "x"}, "found term, phrase"),
        ({"all": [{"term": "ban"}], "term": "ban"}, "found all, term"),
        ({"language": ["en"], "position": "title"}, "position goes with"),
        ({"fact": {"colour": "red"}}, "no such fact: colour"),
        ({"near": {"terms": ["ban"]}}, "at least 2"),
        ({"trem": "ban"}, "Extra inputs"),
    ],
)
def test_a_condition_that_says_nothing_or_two_things_is_refused(condition: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        Condition.model_validate(condition)


def test_a_rule_states_real_facts_only() -> None:
    rule = {"id": "some-rule", "title": "t", "owner": "o", "when": {"term": "ban"}}

    with pytest.raises(ValidationError, match="sets no such fact: colour"):
        Rule.model_validate(rule | {"sets": {"colour": "red"}})
    with pytest.raises(ValidationError, match="sets severity"):
        Rule.model_validate(rule | {"sets": {"severity": "high"}})
