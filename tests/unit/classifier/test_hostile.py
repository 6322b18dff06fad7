"""Text made to hurt: what is read of it is bounded, so are time and memory, and whatever is reported slices the source."""

from __future__ import annotations

import time
import tracemalloc

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.config.rule import Rule
from schemas.events.news import NewsItem
from services.classifier.classify import Verdict, classify
from services.classifier.explain import explain
from services.classifier.rules import Ruleset, load_ruleset
from services.classifier.terms import MOST_CHARACTERS
from services.runtime.config_files import ConfigDir
from tests import make

SECONDS = 5.0
"""Of CPU for one item on a slow and busy machine; a quadratic step over 200 kB would take minutes."""
BYTES = 64 * 1024 * 1024
"""Beside the text itself."""

MATCHES = "US bans Nvidia H20 chip exports to China 出口管制 美国商务部 "
HOSTILE = {
    "a title of 200 kB": ("US curbs chips " * 14_000, ""),
    "a text of 10 MB": ("US bans chip exports", "x" * 10_000_000),
    "a text of 10 MB without a space in Chinese": (None, "芯片出口管制" * 600_000),
    "100,000 matches": (MATCHES * 15_000, MATCHES * 15_000),
    "nested markup": (None, "<div>" * 50_000 + "US bans chip exports" + "</div>" * 50_000),
    "tags that never end": (None, "<a " * 200_000),
    "tags of tags": (None, "<" * 300_000 + "US bans chips" + ">" * 300_000),
    "entities of entities": (None, "&amp;" * 100_000 + "&#x110000;&#0;&#xD800;" * 10_000),
    "lone surrogates": ("US bans \ud800 chips \udfff" * 500, "\ud83d" * 200_000),
    "marks without end": (None, "a" + "\u0301" * 300_000 + " chip ban"),
    "invisible marks": (None, "\u200b" * 300_000 + "chip ban"),
    "direction marks": (None, "\u202e\u2066chip\u2069 ban" * 20_000),
    "blanks and lines": (None, " \n" * 300_000 + "chip ban"),
    "stops": (None, "U.S. no. 1. " * 50_000),
    "jamo": (None, "\u1100\u1161\u11a8" * 100_000),
    "ligatures that grow": (None, "\ufdfa" * 200_000),
    "one long word": (None, "chip" * 500_000),
    "quotes": (None, "“" * 200_000),
    "years": (None, "2019 2020 2021 " * 50_000),
    "law numbers": (None, "91 FR 1684 15 CFR 744.23 公告2024年第46号 " * 20_000),
    "suspends and suspends": (None, "suspends the suspension of the ban on the ban of chip exports " * 5_000),
    "nothing": ("", ""),
    "nul": ("\x00" * 1_000, "\x00chip ban\x00" * 1_000),
}
PATTERNS = ("(a+)+b", "(a|a)*c", "(.*)(.*)(.*)x", r"(\w+\s?)+!", "(?:a?){20}a{20}z", r"^(\w+ ?)*$x")


@pytest.fixture(scope="module")
def with_patterns(ruleset: Ruleset) -> Ruleset:
    """The shipped rules beside patterns that would make a backtracking matcher run for years."""
    rules = [
        Rule.model_validate({"id": f"pattern-{number}", "title": "t", "owner": "o", "status": "active", "when": {"regex": pattern}})
        for number, pattern in enumerate(PATTERNS)
    ]
    return Ruleset.build(ruleset.terms.lexicon, [*ruleset.rules, *rules], ruleset.tables, ruleset.model, hash="x", now=make.NOW)


def item(title: str | None, text: str) -> NewsItem:
    return make.news_item(title=title, text=text, language=None)


def slices(news: NewsItem, verdict: Verdict) -> bool:
    fields = {"title": news.title or "", "text": news.text}
    return all(found.text == fields[found.field][found.start : found.end] for found in verdict.evidence)


@pytest.mark.parametrize("name", HOSTILE)
def test_it_costs_no_more_than_a_long_text(with_patterns: Ruleset, name: str) -> None:
    news = item(*HOSTILE[name])
    began = time.process_time()
    tracemalloc.start()
    try:
        verdict = classify(news, with_patterns)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert time.process_time() - began < SECONDS
    assert most < BYTES
    assert slices(news, verdict)


@pytest.mark.parametrize(
    "text", ["a" * MOST_CHARACTERS, "ab" * MOST_CHARACTERS, "a " * MOST_CHARACTERS, "a" * 30 + "!", "US bans chips " + "a" * MOST_CHARACTERS]
)
def test_a_pattern_that_would_backtrack_is_linear(with_patterns: Ruleset, text: str) -> None:
    began = time.process_time()

    classify(item("US bans chip exports to China", text), with_patterns)

    assert time.process_time() - began < SECONDS


def test_a_hostile_text_is_explained_as_cheaply(ruleset: Ruleset) -> None:
    began = time.process_time()

    told = explain(item(*HOSTILE["100,000 matches"]), ruleset)

    assert time.process_time() - began < SECONDS
    assert len(told) == len(ruleset.rules)


_PIECES = st.sampled_from(
    ["US", "bans", "lifts", "chip", "exports", "to China", "Nvidia’s", "Ｈ２０", "芯片", "出口管制", "商务部", "公告2024年第46号", "칩", "수출통제", "في", "حظر", "تصدير", "رقائق", "निर्यात", "पर रोक",
     "<b>", "</b>", "<p class='x'>", "<!--", "&amp;", "&#72;", "&nbsp;", "&#xD800;", "\u200b", "\u202e", "\u00ad", "\u0301", "\ud800", "\x00", "\n", ".", "。", "?", '"', "“", "\u1100\u1161", "ﷺ", "½", "İ", "ß"]
)  # fmt: skip
_TEXTS = st.lists(st.one_of(_PIECES, st.text(max_size=4)), max_size=40).map(" ".join)


SHIPPED = load_ruleset(ConfigDir(), now=make.NOW, encoder=False)


@given(title=st.one_of(st.none(), _TEXTS), text=_TEXTS)
@example(title=None, text="")
@example(title="", text="US bans chips")
def test_every_span_that_is_reported_slices_the_source(title: str | None, text: str) -> None:
    news = item(title, text)
    fields = {"title": title or "", "text": text}

    assert slices(news, classify(news, SHIPPED))
    for told in explain(news, SHIPPED):
        steps = [told.step]
        while steps:
            step = steps.pop()
            steps += step.parts
            assert all(quote.text == fields[quote.field][quote.start : quote.end] for quote in step.saw)
