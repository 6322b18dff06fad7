from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from schemas.config.lexicon import Company, Concept, LexiconFile
from schemas.config.rule import Condition, Rule
from schemas.events.signal import Facts
from services.classifier.conditions import Match, as_test, evaluate
from services.classifier.terms import Terms
from services.classifier.view import Likeness, Span, View
from tests import make

LEXICON = LexiconFile(
    concepts={
        "ban": Concept(kind="obj_restriction", terms={"en": ("ban",), "zh-Hans": ("禁令",)}),
        "lift": Concept(kind="remove", terms={"en": ("lifts",), "zh-Hans": ("解除",)}),
        "chip": Concept(kind="subject", terms={"en": ("chip*",)}),
    },
    companies={"NVIDIA": Company(hq="US", terms={"any": ("Nvidia",)}), "Tencent": Company(hq="CN", chip=False, terms={"any": ("Tencent",)})},
)
TERMS = Terms.build(LEXICON)


class Known(View):
    """A view whose facts are given."""

    facts = Facts()


def view(text: str, title: str | None = None, facts: Facts | None = None, likeness: Likeness | None = None, **fields: Any) -> View:
    item = make.news_item(title=title, text=text, **fields)
    seen = Known(item, TERMS.look(item), TERMS, None, likeness)  # type: ignore[arg-type]  # no tables: the facts are given
    seen.facts = facts or Facts()
    return seen


def holds(condition: dict[str, Any], text: str, title: str | None = None, **fields: Any) -> bool | None:
    wanted = Condition.model_validate(condition)
    answer = evaluate(wanted, view(text, title, **fields)).holds
    assert as_test(wanted)(view(text, title, **fields)) is answer
    return answer


def test_a_condition_shows_what_it_saw() -> None:
    match = evaluate(Condition.model_validate({"all": [{"term": "lift"}, {"term": "obj_restriction"}]}), view("US lifts a chip ban"))

    assert match == Match(True, (Span("text", 3, 8), Span("text", 16, 19)))


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
    assert holds({"near": {"terms": ["lift"], "phrases": ["ban" if "ban" in text else "禁令"], "within": within}}, text) is expected


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


def test_the_source_fits_by_tier_id_and_jurisdiction() -> None:
    assert holds({"source": {"tier": [0, 1], "id": ["bis"]}}, "x", tier=0, source="bis")
    assert not holds({"source": {"tier": [0]}}, "x", tier=2)
    assert holds({"source": {"jurisdiction": ["NL", "JP"]}}, "x", jurisdiction="JP")
    assert not holds({"source": {"jurisdiction": ["NL"]}}, "x")


LIKE = {"resembles": {"texts": ["a quota lapses"], "at_least": 0.5}}
TRUE, FALSE = {"term": "ban"}, {"term": "lift"}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (LIKE, None),
        ({"all": [TRUE, LIKE]}, None),
        ({"all": [FALSE, LIKE]}, False),
        ({"any": [TRUE, LIKE]}, True),
        ({"any": [FALSE, LIKE]}, None),
        ({"none": [LIKE]}, None),
        ({"none": [LIKE, TRUE]}, False),
        ({"all": [{"any": [FALSE, LIKE]}], "none": [TRUE]}, False),
    ],
)
def test_without_a_model_likeness_is_unknown_and_stays_so_until_something_else_settles_it(condition: dict[str, Any], expected: bool | None) -> None:
    assert holds(condition, "a ban") is expected


@pytest.mark.parametrize(("cosine", "expected"), [(0.6, True), (0.4, False)])
def test_with_a_model_likeness_is_yes_or_no(cosine: float, expected: bool) -> None:
    assert holds(LIKE, "x", likeness=lambda item, texts: cosine) is expected


@pytest.mark.parametrize(
    ("condition", "problem"),
    [
        ({}, "found nothing"),
        ({"term": "ban", "phrase": "x"}, "found term, phrase"),
        ({"all": [{"term": "ban"}], "term": "ban"}, "found all, term"),
        ({"language": ["en"], "position": "title"}, "position goes with"),
        ({"fact": {"colour": "red"}}, "Extra inputs"),
        ({"near": {"terms": ["ban"]}}, "at least 2"),
        ({"trem": "ban"}, "Extra inputs"),
    ],
)
def test_a_condition_that_says_nothing_or_two_things_is_refused(condition: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        Condition.model_validate(condition)


@pytest.mark.parametrize(
    ("sets", "place"),
    [
        ({"colour": "red"}, ("sets", "colour")),
        ({"severity": 9}, ("sets", "severity")),
        ({"action": "forbid"}, ("sets", "action")),
        ({"confidence": 1}, ("sets", "confidence")),
    ],
)
def test_a_rule_states_real_facts_only(sets: dict[str, Any], place: tuple[str, ...]) -> None:
    rule = {"id": "some-rule", "title": "t", "owner": "o", "when": {"term": "ban"}}

    with pytest.raises(ValidationError) as refused:
        Rule.model_validate(rule | {"sets": sets})

    assert [error["loc"] for error in refused.value.errors()] == [place]


@pytest.mark.parametrize("fact", [{"direction": "sideways"}, {"severity": [3, 9]}, {"imposers": "China"}, {"action": []}])
def test_a_fact_is_tested_for_values_that_it_can_have(fact: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Condition.model_validate({"fact": fact})
