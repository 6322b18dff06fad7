"""What the notifier keeps about the world: verdicts, events in versions, alerts to fan out, the outbox, and what is held back.

Plain functions of a Connection, run whole by `Store.run`. Everything a batch of placements writes goes in with one `write`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from schemas.events.event import PolicyEvent
from services.store.engine import Instant, metadata

verdicts = sa.Table(
    "verdicts",
    metadata,
    sa.Column("item_id", sa.Text, primary_key=True),
    sa.Column("verdict", sa.Text, nullable=False, comment="the PolicySignal as JSON"),
    sa.Column("verdict_class", sa.Text, nullable=False),
    sa.Column("observed_at", Instant, nullable=False),
    sa.Column("ruleset_activated_at", Instant, nullable=False),
    sa.Column("event_id", sa.Text, nullable=True, comment="null while it belongs to no event"),
)

events = sa.Table(
    "events",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("slug", sa.Text, nullable=False, index=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("event", sa.Text, nullable=False, comment="the newest PolicyEvent as JSON"),
    sa.Column("first_at", Instant, nullable=False, comment="start of the time its sources tell it in"),
    sa.Column("last_at", Instant, nullable=False, index=True, comment="end of that time, or the last date it names"),
    sa.Column("updated_at", Instant, nullable=False, index=True),
)

event_versions = sa.Table(
    "event_versions",
    metadata,
    sa.Column("event_id", sa.Text, sa.ForeignKey("events.id"), primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("event", sa.Text, nullable=False),
    sa.Column("changes", sa.Text, nullable=False, comment="a JSON list; empty when only the source list changed"),
    sa.Column("created_at", Instant, nullable=False),
)

event_keys = sa.Table(
    "event_keys",
    metadata,
    sa.Column("key", sa.Text, primary_key=True, comment="such as product:H20: the index candidates are found by"),
    sa.Column("event_id", sa.Text, sa.ForeignKey("events.id"), primary_key=True, index=True),
)

event_items = sa.Table(
    "event_items",
    metadata,
    sa.Column("event_id", sa.Text, sa.ForeignKey("events.id"), primary_key=True),
    sa.Column("item_id", sa.Text, primary_key=True, index=True),
)

alerts = sa.Table(
    "alerts",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, comment="event id and version"),
    sa.Column("event_id", sa.Text, sa.ForeignKey("events.id"), nullable=False, index=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("kind", sa.Text, nullable=False, comment="new, update, reversal, correction or withdrawal"),
    sa.Column("rank", sa.Integer, nullable=False, comment="1 to 5, taxonomy 5.3"),
    sa.Column("fresh", sa.Boolean, nullable=False, comment="false: shown, never pushed"),
    sa.Column("event", sa.Text, nullable=False, comment="the PolicyEvent as told"),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("fanned_out_at", Instant, nullable=True),
    sa.Column("fanout_cursor", sa.Text, nullable=True),
    sa.Index("ix_alerts_unfanned", "created_at", sqlite_where=sa.text("fanned_out_at IS NULL"), postgresql_where=sa.text("fanned_out_at IS NULL")),
)

outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("topic", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("value", sa.LargeBinary, nullable=False),
    sa.Column("headers", sa.Text, nullable=False, comment="a JSON list of name and value"),
    sa.Column("created_at", Instant, nullable=False),
    sqlite_autoincrement=True,
)

held = sa.Table(
    "held",
    metadata,
    sa.Column("item_id", sa.Text, sa.ForeignKey("verdicts.item_id"), primary_key=True),
    sa.Column("until", Instant, nullable=False, index=True),
    sa.Column("reason", sa.Text, nullable=False),
)


@dataclass(frozen=True)
class Alert:
    """One material version of one event, as told."""

    id: str
    event: PolicyEvent
    kind: str
    rank: int
    created_at: datetime


def unfanned_alerts(db: Connection, limit: int) -> list[Alert]:
    """The oldest alerts whose deliveries are not all made yet."""
    rows = db.execute(sa.select(alerts).where(alerts.c.fanned_out_at.is_(None)).order_by(alerts.c.created_at, alerts.c.id).limit(limit))
    return [_alert(row) for row in rows.mappings()]


def alert(db: Connection, alert_id: str) -> Alert | None:
    """One alert, whether fanned out or not."""
    row = db.execute(sa.select(alerts).where(alerts.c.id == alert_id)).mappings().first()
    return _alert(row) if row else None


def fanout_cursor(db: Connection, alert_id: str) -> str | None:
    """How far the fan-out of an alert has come; None at its beginning."""
    return db.execute(sa.select(alerts.c.fanout_cursor).where(alerts.c.id == alert_id)).scalar_one_or_none()


def set_fanout_cursor(db: Connection, alert_id: str, cursor: str | None, done: bool, now: datetime) -> None:
    """Remembers how far the fan-out of an alert has come; `done` ends it."""
    db.execute(alerts.update().where(alerts.c.id == alert_id).values(fanout_cursor=cursor, fanned_out_at=now if done else None))


def _alert(row: RowMapping) -> Alert:
    return Alert(row["id"], PolicyEvent.model_validate_json(row["event"]), row["kind"], row["rank"], row["created_at"])
