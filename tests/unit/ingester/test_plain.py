from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingester.plain import one_line, plain


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("<p>Hello <b>wor</b>ld</p>", "Hello world"),
        ("<p>One</p><p>Two</p>", "One\nTwo"),
        ("One<br/>Two<br>Three", "One\nTwo\nThree"),
        ("a &amp; b &#8364; &nbsp; c", "a & b € c"),
        ("<script>alert(1)</script>News<style>p{}</style>", "News"),
        ("<img src='x.png'>Leads", "Leads"),
        ("<!-- ad -->Text", "Text"),
        ("Chips below <10 nm and a < b", "Chips below <10 nm and a < b"),
        ("AT&T and R&D", "AT&T and R&D"),
        ("zero\x00width\x07 bell\ud800", "zerowidth bell"),
        ("line\r\n\r\nline\u2028line", "line\nline\nline"),
        ("إعفاء\u200f الرقائق", "إعفاء\u200f الرقائق"),
        ("<div>未完<p>了</div>", "未完\n了"),
    ],
)
def test_only_the_words_are_left(written: str, expected: str) -> None:
    assert expected == plain(written, 1_000)


def test_a_title_is_one_line() -> None:
    assert one_line("Chips &amp; rules:\n  a <i>story</i> ", 100) == "Chips & rules: a story"


def test_a_long_text_is_cut_at_the_cap() -> None:
    assert len(plain("語" * 30_000, 20_000)) == 20_000


def test_a_document_nested_without_end_costs_no_more_than_its_words() -> None:
    assert plain("shallow" + "<div>" * 20_000 + "<p></p>" * 10, 100) == "shallow"


@pytest.mark.parametrize("written", [" " * 400_000 + "x", " \n" * 200_000, "<" * 400_000, "&" * 400_000, "<b>" * 130_000])
def test_no_text_takes_long(written: str) -> None:
    started = process_time()

    plain(written, 20_000)

    assert process_time() - started < 5  # a tenth of a second as a rule; minutes where a pattern goes wrong


@given(st.text(alphabet=st.characters(codec=None, categories=None), max_size=200), st.integers(min_value=1, max_value=50))
def test_any_text_comes_out_clean_and_short(text: str, longest: int) -> None:
    words = plain(text, longest)

    assert len(words) <= longest
    assert words == words.strip()
    words.encode()
