"""When a destination may be told: its zone, quiet hours, daily cap, and the times of its digests.

times: {zone: Europe/Berlin, quiet: {from: "22:00", to: "07:00"}, break_through: 5, most_a_day: 10, digest_at: "08:00", digest_on: monday}
"""

from __future__ import annotations

from datetime import time
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema, model_validator

from schemas.config.base import Config

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_SHAPE = r"^([01]\d|2[0-3]):[0-5]\d$"


def _time_of(written: object) -> object:
    if isinstance(written, time):
        return written
    hours, _, minutes = written.partition(":") if isinstance(written, str) else ("", "", "")
    if not (len(hours) == len(minutes) == 2 and (hours + minutes).isascii() and (hours + minutes).isdigit() and int(hours) < 24 and int(minutes) < 60):
        raise ValueError('expected a time of day such as "22:00", in quotes')
    return time(int(hours), int(minutes))


def _is_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, OSError, ValueError) as exc:
        raise ValueError("is no time zone; expected a name of the IANA database such as Europe/Berlin, or UTC") from exc
    return name


TimeOfDay = Annotated[
    time, BeforeValidator(_time_of), PlainSerializer(lambda one: f"{one:%H:%M}", return_type=str), WithJsonSchema({"type": "string", "pattern": _SHAPE})
]
"""Hours and minutes on the clock of the zone."""


class Quiet(Config):
    """The part of every day in which nothing comes. It may go over midnight."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=False, validate_by_alias=True)

    from_: TimeOfDay = Field(alias="from")
    to: TimeOfDay

    @model_validator(mode="after")
    def _ends(self) -> Self:
        if self.from_ == self.to:
            raise ValueError("quiet hours that never end; expected `from` and `to` to differ")
        return self


class Times(Config):
    """When a destination may be told. What waits is looked at again before it is told: what was taken back meanwhile is not told at all."""

    zone: Annotated[str, AfterValidator(_is_zone)] = Field(default="UTC", description="IANA name of the zone whose clock counts here.")
    quiet: Quiet | None = None
    break_through: int | None = Field(default=None, ge=1, le=5, description="From this severity on neither quiet hours nor the daily cap hold an alert back.")
    most_a_day: int | None = Field(default=None, ge=0, description="So many alerts a day come at once; what is beyond them comes in the daily digest.")
    digest_at: TimeOfDay = Field(default=time(8), description="When daily and weekly digests come.")
    digest_on: Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"] = "monday"
