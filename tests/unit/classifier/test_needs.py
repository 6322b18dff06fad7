from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.config.lexicon import Concept, Gate, LexiconFile
from schemas.config.rule import Condition, Rule
from services.classifier.conditions import as_test, evaluate
from services.classifier.model.score import read_model
from services.classifier.needs import needs
from services.classifier.rules import Ruleset
from services.classifier.tables import read_tables
from services.runtime.config_files import ConfigDir
from tests import make

Words = tuple[frozenset[str], frozenset[str]]


def literals(*words: str) -> Words:
    return frozenset(words), frozenset()


def names(*words: str) -> Words:
    return frozenset(), frozenset(words)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"phrase": "Quantum Comput*"}, (literals("quantum comput"),)),
        ({"term": "licence"}, (names("licence"),)),
        ({"regex": r"\b\d+ firms"}, (literals(" firms"),)),
        ({"regex": "a|b"}, ()),
        ({"near": {"terms": ["ban", "lift"], "phrases": ["for now"]}}, (names("ban"), names("lift"), literals("for now"))),
        ({"all": [{"phrase": "aa"}, {"term": "licence"}, {"language": ["en"]}]}, (literals("aa"), names("licence"))),
        ({"any": [{"phrase": "aa"}, {"phrase": "bb"}]}, (literals("aa", "bb"),)),
        ({"any": [{"phrase": "aa"}, {"term": "licence"}]}, ((frozenset({"aa"}), frozenset({"licence"})),)),
        ({"any": [{"phrase": "aa"}, {"language": ["en"]}]}, ()),
        ({"any": [{"all": [{"phrase": "aa"}, {"phrase": "longer"}]}, {"phrase": "bb"}]}, (literals("longer", "bb"),)),
        ({"none": [{"phrase": "aa"}]}, ()),
        ({"phrase": "Außen-handel"}, (literals("aussen handel"),)),
    ],
)
def test_what_a_condition_needs(condition: dict[str, Any], expected: tuple[Words, ...]) -> None:
    assert tuple((frozenset(one.literal for one in need.spellings), need.names) for need in needs(Condition.model_validate(condition))) == expected


LEXICON = LexiconFile(
    concepts={
        "ban": Concept(kind="obj", terms={"en": ("ban",), "zh-Hans": ("禁令",)}),
        "chip": Concept(kind="subject", terms={"en": ("chip*",), "zh-Hans": ("芯片",)}),
    },
    gate=Gate(groups=(("subject",),)),
)
TABLES = read_tables(ConfigDir())
MODEL = read_model(encoder=False)
WORDS = ("ban", "chips", "quota", "lapses", "in the", "禁令", "芯片", "export-stop", "Nvidia's", "x")
LEAVES = st.one_of(
    st.sampled_from(
        [{"term": "ban"}, {"term": "subject"}, {"phrase": "quota"}, {"phrase": "export stop"}, {"phrase": "=Nvidia"}, {"phrase": "laps*"}, {"phrase": "禁令"}]
    ),
    st.sampled_from([{"regex": r"quo\w+"}, {"regex": "ban|quota"}, {"regex": r"(in )?the"}, {"regex": "x+"}, {"phrase": "x"}, {"language": ["en"]}]),
    st.just({"near": {"terms": ["ban", "subject"], "phrases": ["quota"]}}),
)
CONDITIONS = st.recursive(
    LEAVES,
    lambda inner: st.dictionaries(st.sampled_from(["all", "any", "none"]), st.lists(inner, min_size=1, max_size=3), min_size=1),
    max_leaves=8,
)


@given(st.lists(CONDITIONS, min_size=1, max_size=5), st.lists(st.sampled_from(WORDS), max_size=8).map(" ".join))
def test_a_rule_that_fires_is_among_those_that_are_looked_at(conditions: list[dict[str, Any]], text: str) -> None:
    rules = [Rule.model_validate({"id": f"rule-{number}", "title": "t", "owner": "o", "when": condition}) for number, condition in enumerate(conditions)]
    ruleset = Ruleset.build(LEXICON, rules, TABLES, MODEL, hash="x", now=make.NOW)
    view = ruleset.view(make.news_item(title=None, text=text, language=None))

    matches = {rule.id: evaluate(rule.when, view) for rule in rules}
    fires = {rule for rule, match in matches.items() if match.holds}

    assert [as_test(rule.when)(view) for rule in rules] == [matches[rule.id].holds for rule in rules]
    assert fires <= {one.rule.id for one in ruleset.index.candidates(view)}
