"""Which dates a measure has: when announced, published, in force, to be complied with, lapsing. As exactly as the item says."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date
from functools import lru_cache
from zoneinfo import ZoneInfo

from schemas.config.tables import Dates
from schemas.events.base import Moment
from schemas.events.signal import FactDate
from services.classifier.facts.change import Change
from services.classifier.facts.moments import Written, written
from services.classifier.facts.parts import Part
from services.classifier.facts.quote import Quote

REACH = 24
"""Characters between a date and the word that says which date it is."""
FRESH = 4
"""Days back that a date without such a word counts as that of the announcement."""
AHEAD = ("effective", "expires", "compliance")
LONG_AGO = 60
"""Days back from which a date without a year lies ahead when a measure is to take effect on it."""
_LETTER = re.compile(r"[^\W\d_\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")


def dates(
    parts: Sequence[Part], change: Change | None, published: Moment | None, imposers: Sequence[str], table: Dates
) -> tuple[tuple[FactDate, ...], tuple[Quote, ...]]:
    """Dates of the title, of the sentence of the change and of the one behind it, by the words around them, in the zone of the leading imposer.

    Without any, the day of publication counts as `announced`.
    """
    zone = table.zones.get(imposers[0]) if imposers else None
    today = _local(published, zone) if published else None
    found: dict[str, tuple[FactDate, Quote | None]] = {}
    for part in _near(parts, change):
        for one in written(part.text, today, table):
            kind = _kind(part.text, one, today, table)
            if kind is not None and kind not in found:
                meant = _meant(part.text, one, kind, today, table)
                at = part.sentence.start
                quote = Quote("dates", kind, part.sentence.field, at + one.start, at + one.end)
                found[kind] = (FactDate(kind=kind, moment=meant.moment(zone)), quote)
    if published is not None and "announced" not in found:
        found["announced"] = (FactDate(kind="announced", moment=_day(published)), None)
    return tuple(one for one, _ in found.values()), tuple(span for _, span in found.values() if span)


def is_ahead(found: Sequence[FactDate], published: Moment | None) -> bool:
    """Whether the measure takes effect after the day of publication."""
    return published is not None and any(one.kind == "effective" and one.moment.at >= published.end for one in found)


def _near(parts: Sequence[Part], change: Change | None) -> Sequence[Part]:
    if change is None:
        return ()
    place = change.part.place
    return (*parts[: min(place, 1)], *parts[place : place + 2])


def _local(published: Moment, zone: str | None) -> date:
    if published.precision == "second":
        return published.at.astimezone(ZoneInfo(zone) if zone else UTC).date()
    return published.at.astimezone(ZoneInfo(published.zone) if published.zone else UTC).date()


def _meant(text: str, one: Written, kind: str, today: date | None, table: Dates) -> Written:
    """What takes effect or lapses on a day that may be the last or the next does so on the next one, unless the sentence says that it did."""
    if one.recurs is None or kind not in AHEAD or today is None or any(word in text for word in table.past):
        return one
    behind = (today - one.day).days
    return one.later() if behind >= (1 if one.recurs == "week" else LONG_AGO) else one


def _kind(text: str, one: Written, today: date | None, table: Dates) -> str | None:
    """The kind whose word stands nearest to the date; a date of these days without one is that of the announcement."""
    before, after = text[max(one.start - REACH, 0) : one.start], text[one.end : one.end + REACH]
    gaps = {kind: gap for kind, words in table.kinds.items() if (gap := _gap(before, after, words)) is not None}
    if gaps:
        return min(gaps, key=gaps.__getitem__)
    fresh = today is not None and 0 <= (today - one.day).days < FRESH and one.precision == "day"
    return "announced" if fresh else None


def _gap(before: str, after: str, words: Sequence[str]) -> int | None:
    """Characters to the nearest of the words."""
    pattern = _any_of(tuple(words))
    gaps = [len(before) - found.end() for found in pattern.finditer(before)] + [found.start() for found in pattern.finditer(after)]
    return min(gaps, default=None)


@lru_cache(maxsize=16)
def _any_of(words: Sequence[str]) -> re.Pattern[str]:
    """Any of the words, as the beginning of one where their script keeps words apart; one or two letters only as a whole word."""
    return re.compile("|".join(_spelled(word) for word in sorted(words, key=len, reverse=True)))


def _spelled(word: str) -> str:
    if not _LETTER.match(word):
        return re.escape(word)
    return rf"(?<!\w){re.escape(word)}" + (r"(?!\w)" if len(word) <= 4 else "")


def _day(moment: Moment) -> Moment:
    if moment.precision != "second":
        return moment
    return Moment(at=moment.at.replace(hour=0, minute=0, second=0, microsecond=0), precision="day", zone=moment.zone)
