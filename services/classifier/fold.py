"""Makes what looks the same the same: one folded form of a text in any script, and the way back to the words as they stood.

    source -> tags and entities -> invisible marks out -> NFKC -> case -> letter table -> words of mixed alphabets -> runs of blanks

The letter table holds what Unicode leaves apart: Arabic letter forms and vowel marks, Persian digits, quotes, dashes, dotless i, nukta. Terms of the lexicon go
through the same fold, so both sides agree. The way back is only needed when a span is reported, and is built then.
"""

from __future__ import annotations

import html
import re
import unicodedata
from array import array
from collections.abc import Iterator

_INVISIBLE = "".join(
    map(chr, (0x00AD, 0x034F, 0x061C, 0x180E, 0xFEFF, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070), *range(0xFE00, 0xFE10)))
)
_DROPPED = "".join(map(chr, (0x0307, 0x0640, 0x0670, 0x093C, *range(0x064B, 0x0656), *range(0x0610, 0x061B))))
"""Marks that writers use or leave out freely: Arabic vowel marks and tatweel, the nukta of Hindi, the dot that a lower-cased Turkish capital keeps."""

_SAME = {
    "أإآٱ": "ا", "ىیې": "ي", "ئ": "ي", "ة": "ه", "ؤ": "و", "ڤ": "ف", "گ": "ك", "ک": "ك", "چ": "ج", "پ": "ب", "ۀ": "ه", "ہ": "ه",
    "‘’‚‛ʼʻ`´": "'", "“”„‟«»「」『』《》〈〉": '"', "‐‑‒–—―−": "-", "ё": "е", "ı": "i", "\t\r\v\f\x85": " ", "\u2028\u2029": "\n", "・･": "·",
    "٠۰": "0", "١۱": "1", "٢۲": "2", "٣۳": "3", "٤۴": "4", "٥۵": "5", "٦۶": "6", "٧۷": "7", "٨۸": "8", "٩۹": "9",
}  # fmt: skip
_LETTERS: dict[int, str | None] = {
    **{ord(char): same for chars, same in _SAME.items() for char in chars},
    **dict.fromkeys(map(ord, _DROPPED)),
    **dict.fromkeys(range(0xD800, 0xE000), "\ufffd"),  # half a character, which no encoding takes
}
_HIDDEN = dict.fromkeys(map(ord, _INVISIBLE))

_AS_LATIN, _AS_CYRILLIC = "асеіјорԛѕԝхуԁһ", "aceijopqswxydh"
"""Letters of two alphabets that look the same, side by side."""
_TO_LATIN = str.maketrans(_AS_LATIN, _AS_CYRILLIC)
_TO_CYRILLIC = str.maketrans(_AS_CYRILLIC, _AS_LATIN)
_NARROW = {char: unicodedata.normalize("NFKC", char) for char in map(chr, (0x00A0, 0x2026, 0x3000, *range(0xFF01, 0xFF5F)))}
"""What NFKC changes in nearly every Chinese text. Done beforehand, nine in ten texts need no more of it, and it sees that at once."""
_WIDE = re.compile("[" + "".join(map(re.escape, _NARROW)) + "]")
_CYRILLIC = re.compile("[\u0400-\u052f]")
_CLASH = re.compile("[a-z][\u0400-\u052f]|[\u0400-\u052f][a-z]")
_MIXED = re.compile("[a-z\u0400-\u052f]+")

_LETTER = re.compile("[" + "".join(map(re.escape, map(chr, _LETTERS))) + "]")
_HIDDEN_MARK = re.compile(f"[{_INVISIBLE}]")
_BLANKS = re.compile(r" *\n[ \n]*| {2,}")
_MARKUP = re.compile(r"<!--|-->|</?[A-Za-z][^<>]{0,2000}>|&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_INLINE = re.compile(r"</?(?:a|abbr|b|bdi|bdo|em|font|i|mark|small|span|strong|sub|sup|u|wbr)\b", re.IGNORECASE)


_ONE_TO_ONE = re.compile(
    "[\\x00-%'-;=-\x7f\u00c0-\u00de\u00e0-\u012f\u0134-\u013e\u0141-\u0148\u014a-\u017e\u0400-\u045f\u0621-\u063a\u0641-\u064a\u0660-\u0669"
    "\u2010-\u2016\u2018-\u201f\u3000-\u3029\u3041-\u3096\u30a1-\u30fe\u4e00-\u9fff\uac00-\ud7a3\uff01-\uff5e]*"
)
"""Texts of characters that each fold to one; where the length is kept too, nothing has moved."""


class Folded:
    """A folded text that still knows what it was made of."""

    __slots__ = ("_aligned", "_spans", "source", "text")

    def __init__(self, source: str, text: str) -> None:
        self.source = source
        self.text = text
        self._aligned: bool | None = None
        self._spans: tuple[array[int], array[int]] | None = None

    def original(self, start: int, end: int) -> tuple[int, int]:
        """The span of the source, in code points and half-open, that gave `text[start:end]`. Empty spans stay empty."""
        if self._aligned is None:
            self._aligned = len(self.source) == len(self.text) and _ONE_TO_ONE.fullmatch(self.source) is not None
        if self._aligned:
            return start, end
        if self._spans is None:
            self._spans = _spans(self.source)
        starts, ends = self._spans
        if start < end:
            return starts[start], ends[end - 1]
        at = starts[start] if start < len(starts) else len(self.source)
        return at, at


def fold(text: str) -> Folded:
    """The folded form. Plain text costs a few microseconds; nothing depends on the language."""
    plain = _without_markup(text) if "<" in text or "&" in text else text
    return Folded(text, _fold_blanks(_fold_letters(plain)))


def _fold_letters(text: str) -> str:
    if text.isascii():
        return text.lower().translate(_ASCII)
    if _HIDDEN_MARK.search(text):
        text = text.translate(_HIDDEN)
    text = unicodedata.normalize("NFKC", _WIDE.sub(_narrow, text)).casefold()
    text = _LETTER.sub(_same, text)  # most texts have a handful of these, so this takes a quarter of the time of `translate`
    return _MIXED.sub(_unmixed, text) if _CYRILLIC.search(text) and _CLASH.search(text) else text


def _narrow(char: re.Match[str]) -> str:
    return _NARROW[char[0]]


def _same(letter: re.Match[str]) -> str:
    return _LETTERS[ord(letter[0])] or ""


def _unmixed(word: re.Match[str]) -> str:
    """A word of two alphabets as it looks: in the one that all letters of the other resemble. Every letter stays one letter."""
    text = word[0]
    if not _CLASH.search(text):
        return text
    if all(char in _AS_LATIN for char in text if _CYRILLIC.match(char)):
        return text.translate(_TO_LATIN)
    if all(char in _AS_CYRILLIC for char in text if "a" <= char <= "z"):
        return text.translate(_TO_CYRILLIC)
    return text


_ASCII = {ord(char): same for char in "`\t\r\v\f" for same in (_LETTERS[ord(char)],)}


def _fold_blanks(text: str) -> str:
    return _BLANKS.sub(lambda run: "\n" if "\n" in run[0] else " ", text) if "  " in text or "\n" in text else text


def _without_markup(text: str) -> str:
    return _MARKUP.sub(lambda found: _meaning(found[0]), text)


def _meaning(markup: str) -> str:
    """What a reader sees of a tag or an entity: nothing, a new line, or the character."""
    if markup.startswith("&"):
        return html.unescape(markup)
    return "" if _INLINE.match(markup) else "\n"


def _spans(source: str) -> tuple[array[int], array[int]]:
    """For each character of the folded text, where its piece begins and ends in the source."""
    starts, ends = array("Q"), array("Q")
    last = ""
    for start, end, piece in _pieces(source):
        for char in _fold_letters(piece):
            if (char in " \n" and last == "\n") or char == last == " ":
                continue
            if char == "\n" and last == " ":
                starts.pop()
                ends.pop()
            starts.append(start)
            ends.append(end)
            last = char
    return starts, ends


def _pieces(source: str) -> Iterator[tuple[int, int, str]]:
    """The source in pieces that fold by themselves: a character with the marks that hang on it."""
    piece, start, end = "", 0, 0
    for at, after, char in _units(source):
        if piece and not _hangs_on(char[0]):
            yield start, end, piece
            piece = ""
        if not piece:
            start = at
        if not piece or char not in _INVISIBLE:
            end = after
        piece += char
    if piece:
        yield start, end, piece


def _units(source: str) -> Iterator[tuple[int, int, str]]:
    """Characters as a reader sees them, with their place in the source; an entity is one unit."""
    at = 0
    for found in _MARKUP.finditer(source) if "<" in source or "&" in source else ():
        yield from _characters(source, at, found.start())
        if meaning := _meaning(found[0]):
            yield found.start(), found.end(), meaning
        at = found.end()
    yield from _characters(source, at, len(source))


def _characters(source: str, start: int, end: int) -> Iterator[tuple[int, int, str]]:
    return ((at, at + 1, source[at]) for at in range(start, end))


def _hangs_on(char: str) -> bool:
    """Whether NFKC may join this character to the one before it: marks, the later jamo of a Korean syllable, invisible characters."""
    if char.isascii():
        return False
    first = unicodedata.normalize("NFKD", char)[0]
    return unicodedata.category(first)[0] == "M" or "\u1160" <= first <= "\u11ff" or char in _INVISIBLE
