"""The article as it is shown to a model: plain data that can end nothing and start nothing. Pure.

Chat templates of many servers read control tokens such as <|im_end|> or [INST] also where they stand in what a user sends; so no bracket or bar of
an article goes out as such, but as the escape that JSON has for it. What nobody can see is taken out: bidi marks, tags, control characters.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass

import orjson

from schemas.events.news import NewsItem
from schemas.events.signal import Evidence

MOST_TITLE, MOST_TEXT = 500, 4_000
"""Characters that are shown."""
_JOINERS = "\u200c\u200d"  # Persian and Hindi are spelled with them
_UNSEEN = ("Cc", "Cf", "Co", "Cs", "Cn")
_TEMPLATE_MARKS = re.compile(r"[<>\[\]|]")


@dataclass(frozen=True, slots=True)
class Shown:
    """A field as it is shown, and for each character where it stands in the field."""

    name: str
    source: str
    text: str
    places: tuple[int, ...]

    def find(self, quote: str) -> Evidence | None:
        """Where words that were shown stand in the field as the source gives it."""
        at = self.text.find(quote)
        if at < 0:
            return None
        start, end = self.places[at], self.places[at + len(quote) - 1] + 1
        return Evidence(fact="verdict", value="alert", field=self.name, start=start, end=end, text=self.source[start:end])


@dataclass(frozen=True, slots=True)
class Article:
    """What is shown of an item."""

    title: Shown
    text: Shown

    @classmethod
    def of(cls, item: NewsItem) -> Article:
        return cls(_shown("title", item.title or "", MOST_TITLE), _shown("text", item.text, MOST_TEXT))

    @property
    def mark(self) -> str:
        """Names the article where it begins and ends. Nobody can write an article that holds its own mark."""
        return hashlib.sha256(f"{self.title.text}\0{self.text.text}".encode()).hexdigest()[:12]

    def as_data(self) -> str:
        """JSON on one line."""
        data = orjson.dumps({"title": self.title.text, "text": self.text.text}).decode()
        return _TEMPLATE_MARKS.sub(lambda mark: f"\\u{ord(mark[0]):04x}", data)

    def find(self, quote: str) -> Evidence | None:
        """The words in title or text, however they are spaced; None where they are not there."""
        words = _shown("quote", quote, MOST_TEXT).text.strip()
        return (self.title.find(words) or self.text.find(words)) if words else None


def _shown(name: str, source: str, most: int) -> Shown:
    """Blanks of any kind become one."""
    kept: list[tuple[str, int]] = []
    for place, char in enumerate(source[: 2 * most]):
        if char.isspace():
            if kept and kept[-1][0] != " ":
                kept.append((" ", place))
        elif char in _JOINERS or unicodedata.category(char) not in _UNSEEN:
            kept.append((char, place))
    return Shown(name, source, "".join(char for char, _ in kept[:most]), tuple(place for _, place in kept[:most]))
