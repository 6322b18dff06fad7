"""A length of time as people write it: "15m", "1h30m", "PT5M", or a number of seconds."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)\s*")
_SHAPE = re.compile(rf"(?:{_PART.pattern})+")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


def parse_duration(value: Any) -> Any:
    """The timedelta that a text means, or seconds as a number; anything else is left for pydantic to judge."""
    if not isinstance(value, str):
        return value
    text = value.strip().lower()
    if _NUMBER.fullmatch(text):
        return float(text)
    if _SHAPE.fullmatch(text):
        return timedelta(seconds=sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text)))
    if text.startswith("p"):
        return text.upper()  # ISO 8601, which pydantic reads
    raise ValueError('expected a duration such as "10s", "15m", "1h30m", "PT5M" or a number of seconds')


def format_duration(value: timedelta) -> str:
    """The shortest text that `parse_duration` reads back, such as "1h30m"."""
    milliseconds = round(value.total_seconds() * 1000)
    parts = []
    for unit in ("d", "h", "m", "s", "ms"):
        count, milliseconds = divmod(milliseconds, round(_UNITS[unit] * 1000))
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


Duration = Annotated[
    timedelta,
    Field(ge=timedelta(0)),
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str, when_used="json"),
    WithJsonSchema({"type": ["string", "number"], "description": 'A length of time: "10s", "15m", "1h30m", "PT5M" or a number of seconds.'}),
]
"""A length of time, never negative."""
