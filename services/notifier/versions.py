"""A version of an event, ready to be written: with what it is found by, its record for other systems, and its timers. Values in, values out."""

from __future__ import annotations

from datetime import datetime

from schemas.events.event import PolicyEvent
from schemas.topics import POLICY_EVENTS
from services.notifier import keys, threads, timers
from services.runtime import codec
from services.store.threads import NewVersion

_SOURCE = "/chipwire/notifier"


def to_write(event: PolicyEvent, now: datetime, *, kind: str | None = None, fresh: bool = False, traceparent: str | None = None) -> NewVersion:
    """The version as the store takes it. With a `kind` it is material, and an alert; only a `fresh` one is pushed."""
    first_at, last_at = keys.span(event)
    record = codec.encode(POLICY_EVENTS, event, key=event.id, id=f"{event.id}.{event.version}", source=_SOURCE, time=now, traceparent=traceparent)
    return NewVersion(event, first_at, last_at, keys.index(event), record, kind, threads.rank(event, now), fresh, timers.plan(event))
