"""Dates as sources write them -> Moment. Pure. What cannot be read, or cannot be true, is no date: an item is never missed for it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from schemas.events.base import Moment

_PARTIAL = re.compile(r"\d{4}(?:-\d{2}(?:-\d{2})?)?")
_YEAR_FIRST = re.compile(
    r"(?P<year>\d{4})[-/.年]\s?(?P<month>\d{1,2})[-/.月]\s?(?P<day>\d{1,2})日?(?:[T\s]+(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2}))?)?"
)
_DAY_FIRST = re.compile(r"(?P<day>\d{1,2})\.\s?(?P<month>\d{1,2})\.\s?(?P<year>\d{4})(?:,?\s+(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2}))?)?")
_DAYS = ("%a, %d %b %Y", "%d %b %Y", "%d %B %Y", "%B %d, %Y", "%b %d, %Y")
_ABBREVIATIONS = {"JST": 9, "KST": 9, "HKT": 8, "SGT": 8, "CET": 1, "CEST": 2, "MEZ": 1, "MESZ": 2, "MSK": 3, "BST": 1, "AST": 3}
"""Zones that feeds write and the mail standard does not know; AST is Arabia's, the Atlantic's does not appear in our sources."""
_OLDEST = datetime(1990, 1, 1, tzinfo=UTC)
_SKEW = timedelta(minutes=5)


def published(text: str | None, *, zone: str | None, observed_at: datetime) -> Moment | None:
    """When an entry says that it was published. A time without a zone is in `zone`, else UTC.

    A date after `observed_at` becomes `observed_at`: nobody publishes in the future, but clocks and zones are wrong. One before 1990 is none.
    """
    moment = parse(text, zone) if text else None
    if moment is None or moment.at < _OLDEST:
        return None
    if moment.at > observed_at + _SKEW:
        return Moment.of(observed_at)
    return moment


def parse(text: str, zone: str | None = None) -> Moment | None:
    """A date in any way we know: RFC 3339 and ISO 8601, RFC 822 and its misspellings, 2026/1/2, 2026年1月2日, 2.1.2026, 2 January 2026."""
    text = " ".join(text.split())[:100]
    try:
        if _PARTIAL.fullmatch(text):
            return Moment.parse(text, zone)
        return _iso(text, zone) or _mail(text, zone) or _numbers(text, zone) or _day(text, zone)
    except (ValueError, OverflowError, ValidationError):
        return None


def _iso(text: str, zone: str | None) -> Moment | None:
    try:
        return _moment(datetime.fromisoformat(text), zone)
    except ValueError:
        return None


def _mail(text: str, zone: str | None) -> Moment | None:
    """RFC 822. A zone that the standard does not name reads as none; those of our sources are known by their letters."""
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    hours = _ABBREVIATIONS.get(text.rsplit(" ", 1)[-1].strip("()").upper())
    return _moment(at if hours is None else at.replace(tzinfo=timezone(timedelta(hours=hours))), zone)


def _numbers(text: str, zone: str | None) -> Moment | None:
    match = _YEAR_FIRST.match(text) or _DAY_FIRST.match(text)
    if match is None:
        return None
    part = {name: int(value) for name, value in match.groupdict().items() if value}
    if "hour" not in part:
        return Moment.parse(f"{part['year']:04}-{part['month']:02}-{part['day']:02}", zone)
    at = datetime(part["year"], part["month"], part["day"], part["hour"], part["minute"], part.get("second", 0))  # noqa: DTZ001 local time of the source
    return _moment(at, zone)


def _day(text: str, zone: str | None) -> Moment | None:
    for shape in _DAYS:
        try:
            return Moment.parse(datetime.strptime(text, shape).date().isoformat(), zone)  # noqa: DTZ007 a day has no zone of its own
        except ValueError:
            continue
    return None


def _moment(at: datetime, zone: str | None) -> Moment:
    local = at if at.tzinfo else at.replace(tzinfo=ZoneInfo(zone) if zone else UTC)
    return Moment(at=local.astimezone(UTC), zone=zone)
