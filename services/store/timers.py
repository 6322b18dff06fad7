"""The dates on which the calendar itself changes an event, one row each: planned with every version, ended once.

    plan -> waiting -> take: under the placement lock -> done | dropped: the date moved, the event does not stand any more, or it was undone meanwhile

What was past when it was planned is done from the beginning: history raises nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from services.store.engine import Instant, insert, metadata

timers = sa.Table(
    "timers",
    metadata,
    sa.Column("event_id", sa.Text, sa.ForeignKey("events.id"), primary_key=True),
    sa.Column("kind", sa.Text, primary_key=True, comment="effective, lapse, effective_reminder or lapse_reminder"),
    sa.Column("due_at", Instant, primary_key=True),
    sa.Column("state", sa.Text, nullable=False, comment="waiting, done or dropped"),
    sa.Column("why", sa.Text, nullable=True, comment="of what ended without being told"),
    sa.Column("ended_at", Instant, nullable=True),
    sa.Index("ix_timers_due", "state", "due_at"),
)


@dataclass(frozen=True, order=True)
class Timer:
    """What becomes of an event at a time, by calendar."""

    due_at: datetime
    event_id: str
    kind: str


@dataclass(frozen=True)
class Planned:
    """A timer as it stands."""

    timer: Timer
    state: str
    why: str | None
    ended_at: datetime | None


def plan(db: Connection, wanted: Mapping[str, Collection[Timer]], now: datetime) -> None:
    """Makes these events' timers those that are wanted. What ended stays ended, but for what was dropped and is wanted again."""
    dated = sorted(timer for each in wanted.values() for timer in each)
    gone = set(_waiting(db, wanted)) - set(dated)
    for timer in sorted(gone):
        end(db, timer, now, state="dropped", why="replanned")
    past = [_row(timer, state="done", why="past", ended_at=now) for timer in dated if timer.due_at <= now]
    ahead = [_row(timer, state="waiting", why=None, ended_at=None) for timer in dated if timer.due_at > now]
    if past:
        db.execute(insert(db, timers).on_conflict_do_nothing(), past)
    if ahead:
        again = {"state": "waiting", "why": None, "ended_at": None}
        fresh = insert(db, timers)
        db.execute(fresh.on_conflict_do_update(index_elements=["event_id", "kind", "due_at"], set_=again, where=timers.c.state == "dropped"), ahead)


def _row(timer: Timer, **fields: Any) -> dict[str, Any]:
    return {"event_id": timer.event_id, "kind": timer.kind, "due_at": timer.due_at} | fields


def _waiting(db: Connection, event_ids: Collection[str]) -> list[Timer]:
    if not event_ids:
        return []
    return _timers(db.execute(sa.select(timers).where(timers.c.event_id.in_(sorted(event_ids)), timers.c.state == "waiting")).mappings().all())


def _timers(rows: Collection[Any]) -> list[Timer]:
    return [Timer(row["due_at"], row["event_id"], row["kind"]) for row in rows]


def due(db: Connection, now: datetime, limit: int = 100) -> list[Timer]:
    """What the calendar has reached, the oldest first."""
    rows = db.execute(sa.select(timers).where(timers.c.state == "waiting", timers.c.due_at <= now).order_by(timers.c.due_at, timers.c.event_id).limit(limit))
    return _timers(rows.mappings().all())


def ahead(db: Connection) -> tuple[int, datetime | None]:
    """How many timers wait, and when the next is due; None when none waits."""
    row = db.execute(sa.select(sa.func.count(), sa.func.min(timers.c.due_at, type_=Instant())).where(timers.c.state == "waiting")).one()
    return row[0], cast("datetime | None", row[1])


def take(db: Connection, timer: Timer) -> bool:
    """Whether it still waits. Ask under the placement lock: then it is the asker's until the transaction ends."""
    return db.execute(sa.select(timers.c.kind).where(*_is(timer), timers.c.state == "waiting")).first() is not None


def end(db: Connection, timer: Timer, now: datetime, *, state: str = "done", why: str | None = None) -> None:
    """Ends a timer: done, or dropped with the reason."""
    db.execute(timers.update().where(*_is(timer), timers.c.state == "waiting").values(state=state, why=why, ended_at=now))


def _is(timer: Timer) -> tuple[sa.ColumnElement[bool], ...]:
    return timers.c.event_id == timer.event_id, timers.c.kind == timer.kind, timers.c.due_at == timer.due_at


def list_timers(db: Connection, event_id: str | None = None, *, waiting: bool = False, limit: int = 1000) -> list[Planned]:
    """The timers of one event, or of all; the soonest first."""
    query = sa.select(timers).order_by(timers.c.due_at, timers.c.event_id, timers.c.kind).limit(limit)
    if event_id is not None:
        query = query.where(timers.c.event_id == event_id)
    if waiting:
        query = query.where(timers.c.state == "waiting")
    rows = db.execute(query).mappings()
    return [Planned(Timer(row["due_at"], row["event_id"], row["kind"]), row["state"], row["why"], row["ended_at"]) for row in rows]
