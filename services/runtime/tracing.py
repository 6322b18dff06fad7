"""W3C trace context (https://www.w3.org/TR/trace-context/) in the headers of records: one trace from the source's page to the receiver."""

from __future__ import annotations

import os
import re
from typing import NamedTuple

from services.runtime.broker import Record

_SHAPE = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")


class TraceContext(NamedTuple):
    """Which trace, which step of it, and whether somebody records it."""

    trace_id: str
    span_id: str
    sampled: bool = False

    def __str__(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.sampled else '00'}"


def parse(traceparent: str | None) -> TraceContext | None:
    """The context in a `traceparent` header, or None when there is none or it breaks the standard."""
    match = _SHAPE.fullmatch(traceparent or "")
    if match is None:
        return None
    version, trace_id, span_id, flags, rest = match.groups()
    if version == "ff" or (version == "00" and rest) or not trace_id.strip("0") or not span_id.strip("0"):
        return None
    return TraceContext(trace_id, span_id, bool(int(flags, 16) & 1))


def next_step(parent: TraceContext | None = None) -> TraceContext:
    """A new step of the parent's trace; without a parent, the first of a new trace."""
    span_id = os.urandom(8).hex()
    return parent._replace(span_id=span_id) if parent else TraceContext(os.urandom(16).hex(), span_id)


def onward(record: Record) -> str:
    """The `traceparent` for what is made of a record."""
    return str(next_step(parse(record.header("traceparent"))))
