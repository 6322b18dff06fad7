"""What all events share: read tolerantly (unknown fields are ignored, vocabularies are open), never changed once made."""

from __future__ import annotations

import calendar
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

PRECISIONS = ("second", "day", "month", "year")


class Event(BaseModel):
    """Base of what flows through topics. Frozen; unknown fields are ignored, so that an older reader survives a newer writer."""

    model_config = ConfigDict(frozen=True, extra="ignore", validate_by_name=True, validate_by_alias=True, serialize_by_alias=True)


_PARTIAL = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?")


class Moment(Event):
    """A time as precisely as the source said it: "2022-09" is a month, not its first second.

    `at` is the start of the period, in UTC. `zone` is the IANA zone in which the day, month or year is meant, null when unknown (then UTC is assumed).
    Written by hand, a string does: "2022", "2022-09", "2022-09-01" or RFC 3339.
    """

    at: AwareDatetime
    precision: str = Field(default="second", description=f"One of {', '.join(PRECISIONS)}; an unknown value counts as second.")
    zone: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return _fields_of(value) if isinstance(value, str) else value

    @classmethod
    def parse(cls, text: str, zone: str | None = None) -> Moment:
        """Reads a date, a partial date or a time. Raises pydantic's ValidationError when it is none."""
        fields = _fields_of(text, zone)
        return cls.model_validate(fields)

    @classmethod
    def of(cls, at: datetime) -> Moment:
        """That very second."""
        return cls(at=at)

    @property
    def end(self) -> datetime:
        """The first instant after the period."""
        local = self.at.astimezone(ZoneInfo(self.zone) if self.zone else UTC)
        if self.precision == "day":
            return (local + timedelta(days=1)).astimezone(UTC)
        if self.precision == "month":
            return (local + timedelta(days=calendar.monthrange(local.year, local.month)[1])).astimezone(UTC)
        if self.precision == "year":
            return local.replace(year=local.year + 1).astimezone(UTC)
        return self.at + timedelta(seconds=1)

    def __str__(self) -> str:
        local = self.at.astimezone(ZoneInfo(self.zone) if self.zone else UTC)
        shapes = {"day": "%Y-%m-%d", "month": "%Y-%m", "year": "%Y"}
        return local.strftime(shapes[self.precision]) if self.precision in shapes else self.at.isoformat()


def _fields_of(text: str, zone: str | None = None) -> dict[str, Any]:
    match = _PARTIAL.fullmatch(text.strip())
    if match is None:
        return {"at": text.strip(), "precision": "second", "zone": zone}
    year, month, day = match.groups()
    precision = "day" if day else "month" if month else "year"
    try:
        start = datetime(int(year), int(month or 1), int(day or 1), tzinfo=ZoneInfo(zone) if zone else UTC)
    except ValueError:
        return {"at": text}  # "2022-13": pydantic says what is wrong with it
    return {"at": start.astimezone(UTC), "precision": precision, "zone": zone}
