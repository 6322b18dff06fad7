from __future__ import annotations

import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.classifier.fold import _ONE_TO_ONE, _TO_LATIN, _fold_letters, fold

_CURIOUS = st.sampled_from(
    [
        *"aсрe\u0400ÀéßİıЖＨ２０٣۴ｶﾞが각ᄀ\u1161\u11a8\u0301\u0307\u200b\u202e\u00ad\u064b\u0640ةگ…½ﬁ  \n\t<>&;",
        "&amp;",
        "&#72;",
        "&nbsp;",
        "<b>",
        "</b>",
        "<p class='x'>",
        "&bogus;",
        "\ud800",
    ]
)
_MESSY = st.lists(st.one_of(_CURIOUS, st.text(max_size=3)), max_size=30).map("".join)


@pytest.mark.parametrize(
    ("source", "folded"),
    [
        ("US lifts Export Curbs", "us lifts export curbs"),
        ("英伟达Ｈ２０芯片，对华", "英伟达h20芯片,对华"),
        ("تُصدِّرُ شرائح إتش ٢٠ إلى الصّين", "تصدر شرايح اتش 20 الي الصين"),
        ("صادرات تراشه به چین", "صادرات تراشه به جين"),
        ("“Nvidia’s” — chips", '"nvidia\'s" - chips'),
        ("ЕЩЁ ограничения", "еще ограничения"),
        ("İHRACAT kısıtlaması", "ihracat kisitlamasi"),
        ("N\u200bvi\u00addia", "nvidia"),
        ("<b>H</b>20 &amp; H200<br/>to China", "h20 & h200\nto china"),
        ("Weiße  Straße\n\n \n auf", "weisse strasse\nauf"),
        ("ｶﾞﾘｳﾑ", "ガリウム"),
        ("बाज़ार", "बाजार"),
        ("half \ud800 a character", "half \ufffd a character"),
        ("ехроrt сontrоls", "export controls"),  # Cyrillic letters in it
        ("экспoртный кoнтрoль", "экспортный контроль"),  # Latin ones in it
        ("AMDовский H20-чип", "amdовский h20-чип"),
    ],
)
def test_what_looks_the_same_is_the_same(source: str, folded: str) -> None:
    assert folded == fold(source).text


def test_a_span_leads_back_to_the_words_as_they_stood() -> None:
    source = "Report: <em>N\u200bvidia’s</em> Ｈ２０ &amp; H200"
    folded = fold(source)

    def back(words: str) -> str:
        at = folded.text.index(words)
        start, end = folded.original(at, at + len(words))
        return source[start:end]

    assert back("nvidia's") == "N\u200bvidia’s"
    assert back("h20") == "Ｈ２０"
    assert back("&") == "&amp;"
    assert back("h200") == "H200"


@given(_MESSY)
@example("a  \n b")
@example("a\u0400")
@example("&nbsp; x")
def test_every_span_of_the_folded_text_slices_the_source_and_folds_to_itself(source: str) -> None:
    folded = fold(source)

    spans = [folded.original(at, at + 1) for at in range(len(folded.text))]

    assert all(0 <= start < end <= len(source) for start, end in spans)
    assert spans == sorted(spans)
    assert all(char in " \n" or looks(char) in looks(fold(source[start:end]).text) for char, (start, end) in zip(folded.text, spans, strict=True))


def looks(folded: str) -> str:
    """Without the choice of an alphabet, which the whole word decides."""
    return folded.translate(_TO_LATIN)


@given(_MESSY)
def test_folding_is_done_once_for_text_without_markup(source: str) -> None:
    plain = source.replace("<", "").replace("&", "")

    once = fold(plain).text

    assert once == fold(once).text or "\u0301" in once  # a mark left behind by a dropped one may join at the second fold


def test_an_empty_text_has_no_spans() -> None:
    assert (fold("").text, fold("").original(0, 0)) == ("", (0, 0))


def test_characters_that_are_said_to_fold_to_one_do() -> None:
    assert all(len(_fold_letters(chr(code))) == 1 for code in range(0x11000) if not 0xD800 <= code < 0xE000 and _ONE_TO_ONE.fullmatch(chr(code)))


TERMS = (
    "export controls", "Nvidia H20", "出口管制", "수출통제", "输出管理", "ограничения на экспорт", "قيود التصدير", "محدودیت صادرات", "निर्यात प्रतिबंध", "Beschränkung",
)  # fmt: skip
_WIDE = {ord(char): ord(char) + 0xFEE0 for char in map(chr, range(0x21, 0x7F)) if char not in "<&"}
_LOOKALIKES = str.maketrans("aeopcxy", "аеорсху")


def _marked(mark: str) -> Callable[[str, int], str]:
    return lambda text, at: text[:at] + mark + text[at:]


def _entity(text: str, at: int) -> str:
    return f"{text[:at]}&#{ord(text[at])};{text[at + 1 :]}" if at < len(text) else text


def _harakat(text: str, at: int) -> str:
    """A vowel mark or a stretch behind an Arabic letter."""
    return f"{text[: at + 1]}\u064e\u0640{text[at + 1 :]}" if "\u0627" <= text[at : at + 1] <= "\u06d2" else text


def _look_alike(text: str, at: int) -> str:
    """A Latin letter of a Latin word by the Cyrillic one that looks the same."""
    return text[:at] + text[at : at + 1].translate(_LOOKALIKES) + text[at + 1 :] if text.isascii() else text


DISGUISES: dict[str, Callable[[str, int], str]] = {
    "zero width": _marked("\u200b"),
    "joiner": _marked("\u200d"),
    "soft hyphen": _marked("\u00ad"),
    "bidi": _marked("\u202e"),
    "isolate": _marked("\u2067"),
    "markup": _marked("<b>"),
    "full width": lambda text, at: text[:at] + text[at : at + 1].translate(_WIDE) + text[at + 1 :],
    "entity": _entity,
    "vowel marks": _harakat,
    "homoglyph": _look_alike,
    "capital": lambda text, at: text[:at] + text[at : at + 1].upper() + text[at + 1 :],
    "decomposed": lambda text, at: text[:at] + unicodedata.normalize("NFD", text[at:]),
}


@given(st.sampled_from(TERMS), st.sampled_from(sorted(DISGUISES)), st.data())
def test_a_disguised_term_folds_to_the_plain_one_and_leads_back_to_the_disguise(term: str, disguise: str, data: st.DataObject) -> None:
    disguised = DISGUISES[disguise](term, data.draw(st.integers(0, len(term) - 1)))
    if disguise == "markup" and "<b>" in disguised:
        disguised += "</b>"
    source = f"一 «{disguised}» — 二"
    plain, folded = fold(f"一 «{term}» — 二").text, fold(source)

    start = folded.text.index(fold(term).text)
    first, last = folded.original(start, start + len(fold(term).text))

    assert folded.text == plain
    assert source[first:last] in disguised
    assert fold(source[first:last]).text == fold(term).text
