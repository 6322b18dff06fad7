from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.classifier.regex import compiled, literal_of, unsafe
from services.classifier.spelling import flatten


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("(a", "missing"),
        (r"(a)\1", "refers back"),
        ("(?=a)b", "looks around"),
        ("(a{1000}){1000}", "RE2 refuses it"),
        ("a*", "matches the empty text"),
        (r"\pL{200}", "RE2 refuses it|steps"),
        (".{0,600}b.{0,600}c", "steps at a character"),
        ("(a{1,20}){1,30}b", "inside another"),
        ("((a{2})b){2,}", "inside another"),
        ("ban\ud827", "half a character"),
        ("Export", "'E' stands as 'e' in folded text"),
    ],
)
def test_a_pattern_that_is_unsafe_slow_or_blind_is_refused_with_the_reason(pattern: str, problem: str) -> None:
    told = unsafe(pattern)

    assert told is not None
    assert any(word in told for word in problem.split("|"))


@pytest.mark.parametrize("pattern", [r"\b\d+ firms", "(a+)+b", "(?i)Export", r"[A-Z]{2}x", r"\p{Han}{2}条", "a{3}(b{2}|c)", "export(?:s|ed)? ban", r"no\. \d+"])
def test_a_pattern_that_is_linear_may_be_used(pattern: str) -> None:
    assert unsafe(pattern) is None


@pytest.mark.parametrize(
    ("pattern", "literal"),
    [
        (r"\b\d+ firms", " firms"),
        ("exports? ban", "export"),
        ("export(s)? ban", "export"),
        ("foo{2}barn", "barn"),
        ("(ab)+cd", "cd"),
        (r"\[x\] yz", "[x] yz"),
        ("[^a]bc.*defg", "defg"),
        ("芯片.{0,5}出口管制", "出口管制"),
        (r"no\. \d+", "no. "),
        ("a-b", "a b"),
        ("ab|cd", None),
        ("(?i)ab", None),
        ("a?", None),
        (r"\pLx{0}", None),
        (r"\Qa|b\E", None),
    ],
)
def test_the_literal_that_a_pattern_needs(pattern: str, literal: str | None) -> None:
    assert literal_of(pattern) == literal


_PIECES = st.lists(
    st.sampled_from(["a", "b", "-", r"\.", "[ab]", "(a)", "(b|a)", "?", "*", "+", "{2}", "{0,1}", "{,3}", "^", r"\d", ".", r"\b", "x"]), max_size=8
)


@given(_PIECES.map("".join), st.text("ab.-x1 ", max_size=30))
def test_every_match_holds_the_literal(pattern: str, text: str) -> None:
    literal = literal_of(pattern)
    try:
        found = compiled(pattern).search(text)
    except Exception:  # noqa: BLE001 no pattern
        return

    assert found is None or literal is None or literal in flatten(found.group())
