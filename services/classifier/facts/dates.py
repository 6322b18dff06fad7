"""Which dates a measure has: when announced, in force, lapsing. As exactly as the item says."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from schemas.config.tables import Dates
from schemas.events.base import Moment
from schemas.events.signal import FactDate
from services.classifier.facts.change import Change
from services.classifier.facts.parts import Part
from services.classifier.facts.quote import Quote

REACH = 30
_ISO = re.compile(r"(?<!\d)(20\d\d)-(\d\d)-(\d\d)(?!\d)")
_CJK = re.compile(r"(?:(20\d\d)\s?[年년]\s?)?(\d{1,2})\s?[月월]\s?(\d{1,2})\s?[日号號일]")
_DAY_MONTH = re.compile(r"(?<![\d$€£.,])(\d{1,2})(?:st|nd|rd|th|er|\.)?\s(?:of\s|de\s)?([^\W\d_]{3,12})\.?(?:,?\s(?:de\s)?(20\d\d))?")
_MONTH_DAY = re.compile(r"(?<!\w)([^\W\d_]{3,12})\.?\s(\d{1,2})(?:st|nd|rd|th)?(?!\d)(?:,?\s(20\d\d))?")


def dates(parts: Sequence[Part], change: Change | None, published: Moment | None, table: Dates) -> tuple[tuple[FactDate, ...], tuple[Quote, ...]]:
    """Dates of the sentence of the change and the one behind it, by the words around them; without any, the day of publication counts as `announced`."""
    found: dict[str, tuple[FactDate, Quote | None]] = {}
    for part in _near(parts, change):
        for start, end, moment in _written(part.text, published, table):
            kind = _kind(part.text, start, end, table)
            if kind is not None and kind not in found:
                at = part.sentence.start
                found[kind] = (FactDate(kind=kind, moment=moment), Quote("dates", kind, part.sentence.field, at + start, at + end))
    if published is not None and "announced" not in found:
        found["announced"] = (FactDate(kind="announced", moment=_day(published)), None)
    return tuple(date for date, _ in found.values()), tuple(span for _, span in found.values() if span)


def _near(parts: Sequence[Part], change: Change | None) -> Sequence[Part]:
    if change is None:
        return ()
    return parts[change.part.place : change.part.place + 2]


def _written(text: str, published: Moment | None, table: Dates) -> Iterator[tuple[int, int, Moment]]:
    year = published.at.year if published else None
    for found in _ISO.finditer(text):
        yield from _moment(found, int(found[1]), int(found[2]), int(found[3]))
    for found in _CJK.finditer(text):
        yield from _moment(found, int(found[1]) if found[1] else year, int(found[2]), int(found[3]))
    for found in _DAY_MONTH.finditer(text):
        yield from _moment(found, int(found[3]) if found[3] else year, table.months.get(found[2]), int(found[1]))
    for found in _MONTH_DAY.finditer(text):
        yield from _moment(found, int(found[3]) if found[3] else year, table.months.get(found[1]), int(found[2]))


def _moment(found: re.Match[str], year: int | None, month: int | None, day: int) -> Iterator[tuple[int, int, Moment]]:
    if year is None or month is None:
        return
    try:
        at = datetime(year, month, day, tzinfo=UTC)
    except ValueError:
        return  # 31 April, or a number that is no day
    yield found.start(), found.end(), Moment(at=at, precision="day")


def _kind(text: str, start: int, end: int, table: Dates) -> str | None:
    around = text[max(start - REACH, 0) : start], text[end : end + REACH]
    for kind, words in table.kinds.items():
        if any(word in side for word in words for side in around):
            return kind
    return None


def _day(moment: Moment) -> Moment:
    if moment.precision != "second":
        return moment
    return Moment(at=moment.at.replace(hour=0, minute=0, second=0, microsecond=0), precision="day", zone=moment.zone)
