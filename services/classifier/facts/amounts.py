"""Sums, shares and counts that belong to a measure (taxonomy, section 5): 15 % of sales, a charge of $5.5bn, 35,000 units each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from schemas.config.tables import Amounts
from schemas.events.signal import Amount
from services.classifier.facts.parts import Part
from services.classifier.facts.quote import Quote

MOST = 6
LEAST_NEWS = 1.0
SCOPE_REACH = 16
BILLION = 1e8
LEAST_COUNT = 100
"""Fewer are kinds of chips, or firms, and no quota."""
_NUMBER = re.compile(r"(?<![\d.,a-z-])(?:\d{1,3}(?:[.,\u00a0\u202f ]\d{3})+(?:[.,]\d{1,2})?|\d+(?:[.,]\d+)?)(?!\d)")
_NO_WORD = re.compile(r"[^\W\d_\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")


@dataclass(frozen=True, slots=True)
class _Found:
    start: int
    end: int
    value: float
    currency: str | None
    sort: str


def amounts(parts: Sequence[Part], news: Sequence[float], table: Amounts) -> tuple[tuple[Amount, ...], tuple[Quote, ...]]:
    """The amounts of the news sentences, each once, in the order they are named. What conflicts is kept: an item that says 35,000 and 70,000 says both."""
    found: dict[Amount, Quote] = {}
    for part, score in zip(parts, news, strict=True):
        if score < LEAST_NEWS:
            continue
        for one in _written(part.text, table):
            kind = _kind(one, part.text, table)
            if kind is not None and len(found) < MOST:
                amount = Amount(value=one.value, currency=one.currency, kind=kind, scope=_scope(one, part.text, table))
                at = part.sentence.start
                found.setdefault(amount, Quote("amounts", f"{one.value:g}", part.sentence.field, at + one.start, at + one.end))
    return tuple(found), tuple(found.values())


def _written(text: str, table: Amounts) -> Iterator[_Found]:
    behind = _behind(tuple(table.currencies), tuple(table.scales), tuple(table.percent), tuple(table.units))
    for match in _NUMBER.finditer(text):
        said = behind.match(text, match.end())
        scale = table.scales.get(said["scale"] or "", 1.0) if said else 1.0
        value = round(_number(match[0], scaled=scale >= BILLION) * scale, 6)
        before = _before(text[max(match.start() - 5, 0) : match.start()].rstrip(), table)
        end = said.end() if said else match.end()
        if said and said["percent"]:
            yield _Found(match.start(), end, value, None, "share")
        elif currency := table.currencies.get(before or (said["money"] if said else "") or ""):
            yield _Found(match.start() - len(before), end, value, currency, "sum")
        elif said and said["unit"] and value >= LEAST_COUNT:
            yield _Found(match.start(), end, value, None, "count")


def _before(text: str, table: Amounts) -> str:
    """The sign of a currency right before a number."""
    return next((sign for sign in table.currencies if text.endswith(sign) and not _NO_WORD.match(sign[-1])), "")


def _number(digits: str, *, scaled: bool) -> float:
    """1,000 and 1.000 are a thousand; 5.5 and 5,5 five and a half; before a word for a billion the last sign is always that of a fraction."""
    plain = digits.replace("\u00a0", "").replace("\u202f", "").replace(" ", "")
    last = max(plain.rfind("."), plain.rfind(","))
    if last < 0:
        return float(plain)
    groups = len(plain) - last - 1 == 3 and not scaled
    whole, part = plain[:last].replace(".", "").replace(",", ""), plain[last + 1 :]
    return float(whole + part) if groups else float(f"{whole}.{part}")


def _kind(one: _Found, text: str, table: Amounts) -> str | None:
    if one.sort == "count":
        return "quota_units"
    allowed = table.shares if one.sort == "share" else table.sums
    for kind in allowed:
        if _any_of(tuple(table.kinds[kind])).search(text):
            return kind
    return None if one.sort == "share" else "other"


def _scope(one: _Found, text: str, table: Amounts) -> str | None:
    around = text[max(one.start - SCOPE_REACH, 0) : one.start], text[one.end : one.end + SCOPE_REACH]
    for scope, words in table.scopes.items():
        if any(_any_of(tuple(words)).search(side) for side in around):
            return scope
    return None


@lru_cache(maxsize=4)
def _behind(currencies: Sequence[str], scales: Sequence[str], percent: Sequence[str], units: Sequence[str]) -> re.Pattern[str]:
    """What may stand behind a number: a word for a million, then a percent sign, a currency or what is counted."""
    return re.compile(
        rf"(?:\s?(?P<scale>{_words(scales)}))?"
        rf"(?:\s?(?P<percent>{_words(percent)})|\s?(?:de\s|d'|di\s)?(?P<money>{_words(currencies)})|\s?(?:(?<=\s)(?!nm\b)[^\W\d_]+\s)?(?P<unit>{_words(units)}))?"
    )


@lru_cache(maxsize=32)
def _any_of(words: Sequence[str]) -> re.Pattern[str]:
    return re.compile("|".join(rf"(?<!\w){re.escape(word)}" if _NO_WORD.match(word) else re.escape(word) for word in words))


def _words(words: Sequence[str]) -> str:
    return "|".join(re.escape(word) + (r"(?!\w)" if _NO_WORD.match(word[-1]) else "") for word in sorted(words, key=len, reverse=True))
