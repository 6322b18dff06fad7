from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from schemas.config.rule import Rule
from services.classifier.explain import Explanation, Step, explain
from services.classifier.rules import Ruleset
from tests import make


def explained(ruleset: Ruleset, when: dict[str, Any], text: str, **fields: Any) -> Explanation:
    rule = Rule.model_validate({"id": "some-rule", "title": "t", "owner": "o", "when": when})
    own = Ruleset.build(ruleset.terms.lexicon, [rule], ruleset.tables, ruleset.model, hash="x", now=make.NOW)
    (one,) = explain(make.news_item(title=None, text=text, **fields), replace(own, likeness=None))
    return one


def leaves(step: Step) -> Iterator[Step]:
    if step.parts:
        for part in step.parts:
            yield from leaves(part)
    else:
        yield step


def test_it_quotes_the_source_as_it_stands(ruleset: Ruleset) -> None:
    text = "The US lifts its ban on N\u200bvidia’s Ｈ２０ chips"

    one = explained(ruleset, {"all": [{"phrase": "Nvidia's H20"}, {"term": "subject"}]}, text)

    quotes = [quote for leaf in leaves(one.step) for quote in leaf.saw]
    assert one.fires
    assert quotes[0].text == "N\u200bvidia’s Ｈ２０"
    assert all(quote.text == text[quote.start : quote.end] for quote in quotes)


@pytest.mark.parametrize(
    ("when", "why"),
    [
        ({"phrase": "never said"}, "not seen"),
        ({"term": "country", "position": "title"}, "seen elsewhere only: “US”"),
        ({"near": {"terms": ["country", "subject"], "within": 0}}, "not close together"),
        ({"fact": {"direction": "loosen"}}, "found direction tighten"),
        ({"language": ["fr"]}, "found en"),
        ({"source": {"tier": [0]}}, "found tier 2, id acme-news, jurisdiction NL"),
        ({"resembles": {"texts": ["x"]}}, "unknown: no sentence encoder is installed"),
    ],
)
def test_it_says_what_is_missing(ruleset: Ruleset, when: dict[str, Any], why: str) -> None:
    one = explained(ruleset, when, "The US tightens export controls on chips for China", tier=2, source="acme-news", jurisdiction="NL")

    assert not one.fires
    assert [leaf.why for leaf in leaves(one.step)] == [why]


@pytest.mark.parametrize(
    ("group", "answer"),
    [
        ({"any": [{"phrase": "ban"}, {"phrase": "curb"}]}, True),
        ({"all": [{"phrase": "ban"}, {"phrase": "curb"}]}, False),
        ({"none": [{"phrase": "curb"}]}, True),
    ],
)
def test_a_group_answers_for_its_parts(ruleset: Ruleset, group: dict[str, Any], answer: bool) -> None:
    one = explained(ruleset, group, "The US ban on chips")

    assert one.step.holds is answer
    assert len(list(leaves(one.step))) == len(next(iter(group.values())))


def test_a_rule_without_words_of_its_own_is_not_asked_about_what_the_gate_stops(ruleset: Ruleset) -> None:
    one = explained(ruleset, {"none": [{"term": "subject"}]}, "The museum opens")

    assert (one.looked_at, one.fires, one.step.holds) == (False, False, True)
