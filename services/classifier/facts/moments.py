"""Dates as they are written, absolute or relative to the day of publication: 2026-08-01, 8月1日, "9일", 1 August, next Monday, 下月1日, im April."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from schemas.config.tables import Dates
from schemas.events.base import Moment

_ISO = re.compile(r"(?<!\d)(20\d\d)[-/.](\d\d?)[-/.](\d\d?)(?!\d)")
_CJK = re.compile(r"(?:(20\d\d|今|明|来|來|내)\s?[年년]\s?)?(\d{1,2})\s?[月월]\s?(\d{1,2})\s?[日号號일]")
_CJK_MONTH = re.compile(r"(?:(20\d\d|今|明|来|來|내)\s?[年년]\s?)?(\d{1,2})\s?[月월](?!\s?\d)")
_CJK_NEXT = re.compile(r"(?:下个月|下個月|下月|来月|다음 ?달)\s?(?:(\d{1,2})\s?[日号號일])?")
_CJK_DAY = re.compile(r"(?<![\d月월])\s?(?<!\d)(\d{1,2})\s?[日号號일](?![圆圓元均])")
_DAY_MONTH = re.compile(r"(?<![\d$€£.,])(\d{1,2})(?:st|nd|rd|th|er|\.|º)?\s(?:of\s|de\s)?([^\W\d_]{2,12})\.?(?:,?\s(?:de\s)?(20\d\d))?(?!\w)")
_MONTH_DAY = re.compile(r"(?<!\w)([^\W\d_]{3,12})\.?\s(\d{1,2})(?:st|nd|rd|th)?(?!\d)(?:,?\s(20\d\d))?")
_MONTH_YEAR = re.compile(r"(?<!\w)([^\W\d_]{3,12})(?:\sde|\sdel|,)?\s(20\d\d)(?!\d)")
_NEXT_YEARS = ("明", "来", "來", "내")
_WORD = re.compile(r"[^\W\d_]+")
_LETTER = re.compile(r"[^\W\d_\u3040-\u30ff\u3400-\u9fff]")
HALF_YEAR = 183


@dataclass(frozen=True, slots=True)
class Written:
    """A date that stands in a text. `recurs` tells what was left open, `week` or `year`: a Friday may be the last one or the next."""

    start: int
    end: int
    day: date
    precision: str = "day"
    recurs: str | None = None

    def moment(self, zone: str | None) -> Moment:
        """The period, in the zone in which it is meant."""
        at = datetime(self.day.year, self.day.month, self.day.day, tzinfo=ZoneInfo(zone) if zone else UTC)
        return Moment(at=at.astimezone(UTC), precision=self.precision, zone=zone)

    def later(self) -> Written:
        """The same day of the next week or year."""
        if self.recurs == "week":
            return replace(self, day=self.day + timedelta(days=7))
        leap_day = (self.day.month, self.day.day) == (2, 29)
        return replace(self, day=self.day.replace(year=self.day.year + 1, day=28 if leap_day else self.day.day))


def written(text: str, published: date | None, table: Dates) -> list[Written]:
    """The dates of a folded sentence, in order; where two readings overlap, the fuller one. Relative ones need the day of publication."""
    found: list[Written] = []
    for read in _ABSOLUTE + (_RELATIVE if published else ()):
        for one in read(text, published or date.min, table):
            if not any(one.start < other.end and other.start < one.end for other in found):
                found.append(one)
    return sorted(found, key=lambda one: one.start)


def _day(found: re.Match[str], year: int, month: int, day: int, recurs: str | None = None) -> Iterator[Written]:
    try:
        yield Written(found.start(), found.end(), date(year, month, day), recurs=recurs)
    except ValueError:
        return  # 31 April, or a number that is no day


def _nearest(month: int, day: int, published: date) -> int:
    """The year in which a date without one is meant: that which brings it nearest to the day of publication."""
    gap = (month - published.month) * 30 + day - published.day
    return published.year + (1 if gap < -HALF_YEAR else -1 if gap > HALF_YEAR else 0)


def _year(told: str | None, month: int, day: int, published: date) -> int:
    if told is None:
        return _nearest(month, day, published)
    if told.isdigit():
        return int(told)
    return published.year + (1 if told in _NEXT_YEARS else 0)


def _iso(text: str, _: date, __: Dates) -> Iterator[Written]:
    for found in _ISO.finditer(text):
        yield from _day(found, int(found[1]), int(found[2]), int(found[3]))


def _cjk(text: str, published: date, _: Dates) -> Iterator[Written]:
    for found in _CJK.finditer(text):
        month, day = int(found[2]), int(found[3])
        if found[1] or published != date.min:
            yield from _day(found, _year(found[1], month, day, published), month, day, None if found[1] else "year")


def _named(text: str, published: date, table: Dates) -> Iterator[Written]:
    for pattern, day, month in ((_DAY_MONTH, 1, 2), (_MONTH_DAY, 2, 1)):
        for found in pattern.finditer(text):
            number = table.months.get(found[month])
            if number is not None and (found[3] or published != date.min):
                yield from _day(found, _year(found[3], number, int(found[day]), published), number, int(found[day]), None if found[3] else "year")


def _month_year(text: str, _: date, table: Dates) -> Iterator[Written]:
    for found in _MONTH_YEAR.finditer(text):
        if (month := table.months.get(found[1])) is not None:
            yield Written(found.start(), found.end(), date(int(found[2]), month, 1), "month")


def _cjk_month(text: str, published: date, _: Dates) -> Iterator[Written]:
    for found in _CJK_MONTH.finditer(text):
        if 1 <= (month := int(found[2])) <= 12:
            yield Written(found.start(), found.end(), date(_year(found[1], month, 15, published), month, 1), "month", None if found[1] else "year")


def _cjk_next_month(text: str, published: date, _: Dates) -> Iterator[Written]:
    for found in _CJK_NEXT.finditer(text):
        year, month = (published.year, published.month + 1) if published.month < 12 else (published.year + 1, 1)
        if found[1]:
            yield from _day(found, year, month, int(found[1]))
        else:
            yield Written(found.start(), found.end(), date(year, month, 1), "month")


def _cjk_day(text: str, published: date, _: Dates) -> Iterator[Written]:
    """A bare day of the month, 9日: the one nearest to the day of publication."""
    for found in _CJK_DAY.finditer(text):
        near = [day for month in (-1, 0, 1) if (day := _in_month(published, month, int(found[1]))) is not None]
        if near:
            yield Written(found.start(), found.end(), min(near, key=lambda day: abs(day - published)))


def _in_month(published: date, step: int, day: int) -> date | None:
    month = published.year * 12 + published.month - 1 + step
    try:
        return date(month // 12, month % 12 + 1, day)
    except ValueError:
        return None


def _month_alone(text: str, published: date, table: Dates) -> Iterator[Written]:
    for found, month in _words(text, table.months):
        if text[: found.start()].endswith(table.in_month):
            yield Written(found.start(), found.end(), date(_nearest(month, 15, published), month, 1), "month", "year")


def _weekday(text: str, published: date, table: Dates) -> Iterator[Written]:
    for found, weekday in _words(text, table.weekdays):
        before, after = text[: found.start()], text[found.end() :]
        back = (published.weekday() - weekday) % 7
        last = published - timedelta(days=back)
        if before.endswith(table.next) or after.startswith(table.next_after):
            week_on = 7 if before.endswith(_WEEKS) and back else 0  # 下周一 is of the next week, whatever day it is
            yield Written(found.start(), found.end(), _of_week(published, 1, weekday) if week_on else last + timedelta(days=7))
        elif before.endswith(_WEEKS_BACK):
            yield Written(found.start(), found.end(), _of_week(published, -1, weekday))
        elif before.endswith(table.last) or after.startswith(table.last_after):
            yield Written(found.start(), found.end(), last if back else last - timedelta(days=7))
        else:
            yield Written(found.start(), found.end(), last, recurs="week")


_WEEKS = ("下", "下个", "下個", "来週", "来週の", "다음 주 ", "다음주 ")
_WEEKS_BACK = ("上", "上个", "上個", "先週", "先週の", "지난주 ", "지난 주 ")


def _of_week(published: date, step: int, weekday: int) -> date:
    return published + timedelta(days=7 * step + weekday - published.weekday())


def _relative_day(text: str, published: date, table: Dates) -> Iterator[Written]:
    for found, days in _words(text, table.days):
        yield Written(found.start(), found.end(), published + timedelta(days=days))


def _words(text: str, table: Mapping[str, int]) -> Iterator[tuple[re.Match[str], int]]:
    """Where words of a table stand, with what they mean. The table is searched only in a text that has one of them: few have."""
    if not table.keys().isdisjoint(_WORD.findall(text)) or any(word in text for word in _loose(tuple(table))):
        for found in _any_of(tuple(table)).finditer(text):
            yield found, table[found[0]]


@lru_cache(maxsize=16)
def _loose(words: Sequence[str]) -> tuple[str, ...]:
    """Those that are no single word of a script that keeps words apart."""
    return tuple(word for word in words if not (_WORD.fullmatch(word) and _LETTER.match(word)))


@lru_cache(maxsize=16)
def _any_of(words: Sequence[str]) -> re.Pattern[str]:
    """Any of the words, the longest first, whole where their script keeps words apart."""
    return re.compile(
        "|".join(f"(?<!\\w){re.escape(word)}(?!\\w)" if _LETTER.match(word) else re.escape(word) for word in sorted(words, key=len, reverse=True))
    )


Reader = Callable[[str, date, Dates], Iterator[Written]]
_ABSOLUTE: tuple[Reader, ...] = (_iso, _cjk, _named, _month_year)
_RELATIVE: tuple[Reader, ...] = (_cjk_next_month, _cjk_month, _cjk_day, _weekday, _month_alone, _relative_day)
