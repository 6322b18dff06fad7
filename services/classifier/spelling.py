"""How one written term becomes what is looked for: a literal for the one pass over the text, and the checks at its edges.

A text is searched in its *flat* form: folded, hyphens and line ends as blanks, of the same length. Which edge a term needs depends on its script: words are kept
apart by blanks in most, Arabic glues small words to the front, Korean glues particles to the end, Chinese and Japanese have no edges at all.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, lru_cache

from services.classifier.fold import fold

_GAP = r"(?: [^ \n]*[^ \n.;!?]){0,15}?"
"""Up to 15 tokens without the end of a sentence."""
_PROCLITICS = re.compile("[وف]?(?:[بكل]?(?:ال)?|لل)")
_FUTURE = re.compile("[وف]?س")
_WITH_ARTICLE = re.compile("[وف]?(?:[بكل]?ال|لل)")
_ENDING = "(?:ا|ها|ه|هم|نا|كم|ان|ين|ون|ات|يه)?"
_ENDINGS = re.compile(_ENDING)


@dataclass(frozen=True, slots=True)
class Spelling:
    """One way a term is written. `rest` is tried where the literal was found and gives the whole of the term."""

    literal: str
    starts: bool = True
    ends: bool = True
    rest: str | None = None
    article: bool = False
    exact: str | None = None
    name: bool = False
    plain: bool = field(init=False, compare=False)
    """Nothing but whole words of a script that keeps them apart: the common case, and a short test."""

    def __post_init__(self) -> None:
        plain = self.starts and self.ends and self.rest is None and not (self.article or self.name)
        object.__setattr__(self, "plain", plain and _is_plain(self.literal[0]) and _is_plain(self.literal[-1]))

    def fit(self, flat: str, start: int, end: int) -> tuple[int, int] | None:
        """The span of the term that was sighted at `flat[start:end]`, whole words where it has stars, or None when its edges do not fit."""
        if self.plain:
            apart = (not start or flat[start - 1] == " " or not is_letter(flat[start - 1])) and (
                end == len(flat) or flat[end] == " " or not is_letter(flat[end])
            )
            return (start, end) if apart else None
        if self.rest is not None:
            found = _compiled(self.rest).match(flat, start)
            if found is None:
                return None
            end = found.end()
        if self.starts:
            if start and (flat[start - 1] != " " or self.article) and not self._starts_at(flat, start):
                return None
        else:
            start = word_start(flat, start) if is_letter(flat[start]) else start
        if not self.ends:
            return start, word_end(flat, end) if is_letter(flat[end - 1]) else end
        return (start, end) if end == len(flat) or flat[end] == " " or self._ends_at(flat, end) else None

    def _starts_at(self, flat: str, start: int) -> bool:
        first, before = flat[start], flat[start - 1]
        if is_arabic(first):
            return self._after_proclitics(flat, start)
        if is_hangul(first):
            return not is_hangul(before) or len(self.literal) >= 3
        return not (is_letter(first) and is_letter(before))

    def _after_proclitics(self, flat: str, start: int) -> bool:
        glued = flat[word_start(flat, start) : start]
        if self.article:
            return _WITH_ARTICLE.fullmatch(glued) is not None
        if not glued:
            return True
        if len(self.literal) < 3:
            return False
        return _PROCLITICS.fullmatch(glued) is not None or (self.literal[0] in "يتن" and _FUTURE.fullmatch(glued) is not None)

    def _ends_at(self, flat: str, end: int) -> bool:
        last, after = flat[end - 1], flat[end]
        if not (is_letter(last) and is_letter(after)):
            return True
        if is_arabic(last):
            return len(self.literal) >= 3 and _ENDINGS.fullmatch(flat, end, word_end(flat, end)) is not None
        return self.name and after == "s" and not (end + 1 < len(flat) and is_letter(flat[end + 1]))  # the bare genitive of German and Dutch: Chinas


@cache
def _compiled(rest: str) -> re.Pattern[str]:
    """Compiled when it is first tried: most never are, and all together cost a quarter of a second."""
    return re.compile(rest)


def flatten(folded: str) -> str:
    """The form that terms are looked for in; every character keeps its place."""
    return folded.replace("-", " ").replace("\n", " ")


@lru_cache(maxsize=200_000)
def spellings(term: str, language: str, *, name: bool = False) -> tuple[Spelling, ...]:
    """All the ways that a term of a lexicon file is written. `name` allows the bare genitive. Raises ValueError for a term that starts with no letters.

    They are kept: a reload changes few of them.
    """
    exact = term[1:] if term.startswith("=") else None
    written = term if exact is None else exact
    folded = flatten(fold(written.removeprefix("*-")).text).strip()  # what stands before a hyphen is a word of its own
    if not folded.split(" ")[0].strip("*"):
        raise ValueError(f"the term {term!r} ({language}) does not start with letters")
    return tuple(_spelling(variant, exact, name) for variant in dict.fromkeys((folded, *_variants(folded, language))))


def _variants(folded: str, language: str) -> Iterator[str]:
    """The same term as feeds spell it: without accents, umlauts as two letters, Korean with the blank left out or put in."""
    if is_hangul(folded[0]):
        yield folded.replace(" ", "")
        if len(folded) == 4 and all(map(is_hangul, folded)):
            yield f"{folded[:2]} {folded[2:]}"
    elif folded[0] < "\u0250" and not folded.isascii():
        if language == "de":
            yield folded.replace("ä", "ae").replace("ö", "oe").replace("ü", "ue")
        elif language != "vi" or folded.count(" "):  # a bare Vietnamese syllable looks like a word of another language
            yield _without_accents(folded)


def _without_accents(text: str) -> str:
    return "".join(char for char in unicodedata.normalize("NFKD", text.replace("đ", "d").replace("ł", "l")) if not unicodedata.combining(char))


def _spelling(folded: str, exact: str | None, name: bool) -> Spelling:
    if is_arabic(folded.strip("*")[0]):
        return _arabic(folded, exact)
    words = folded.split()
    if len(words) == 1 or "*" not in folded.strip("*"):
        return Spelling(folded.strip("*"), not folded.startswith("*"), not folded.endswith("*"), exact=exact, name=name)
    rest = _pattern(words[1:])
    first = re.escape(words[0].strip("*")) + (r"\w*" if words[0].endswith("*") else "")
    return Spelling(words[0].strip("*"), not words[0].startswith("*"), not words[-1].endswith("*"), first + rest, exact=exact, name=name)


def _pattern(words: list[str]) -> str:
    return "".join(_GAP if word == "*" else " " + _word(word) for word in words)


def _word(word: str) -> str:
    """A whole word, or one with any beginning or ending where a star stands."""
    return re.escape(word).replace(r"\*", r"\w*") + ("" if word.endswith("*") else r"(?!\w)")


def _arabic(folded: str, exact: str | None) -> Spelling:
    """The article is split off the first word and may be left out or put in before the others."""
    first, *others = folded.split()
    article = first.startswith("ال") and len(first) >= 5
    literal = (first[2:] if article else first).strip("*")
    if not others:
        return Spelling(literal, not first.startswith("*"), not first.endswith("*"), article=article, exact=exact)
    rest = re.escape(literal) + (r"\w*" if first.endswith("*") else _ENDING)
    for word in others:
        if word == "*":
            rest += _GAP
            continue
        bare = word.removeprefix("ال") if len(word) >= 5 else word
        rest += " (?:ال)?" + re.escape(bare).replace(r"\*", r"\w*")
    return Spelling(literal, ends=not folded.endswith("*"), rest=rest, article=article, exact=exact)


def _is_plain(char: str) -> bool:
    return is_letter(char) and not is_arabic(char)


def is_letter(char: str) -> bool:
    """A letter, mark or digit of a script that keeps words apart by blanks."""
    return char < "\u2e80" and (char.isalnum() or (char > "\u02ff" and unicodedata.category(char)[0] == "M"))


def is_hangul(char: str) -> bool:
    """A Korean syllable."""
    return "\uac00" <= char <= "\ud7a3"


def is_arabic(char: str) -> bool:
    """A letter of the Arabic script."""
    return "\u0600" <= char <= "\u06ff"


def word_start(flat: str, at: int) -> int:
    """Where the word begins that reaches up to `at`."""
    while at and is_letter(flat[at - 1]):
        at -= 1
    return at


def word_end(flat: str, at: int) -> int:
    """Where the word ends that goes on at `at`."""
    while at < len(flat) and is_letter(flat[at]):
        at += 1
    return at
