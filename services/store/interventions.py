"""What operators have done to events by hand: who, when and why. Only ever added to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from services.store.engine import Instant, metadata

VERBS = ("retract", "correct", "merge", "split", "import")

interventions = sa.Table(
    "interventions",
    metadata,
    sa.Column("number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("at", Instant, nullable=False),
    sa.Column("operator", sa.Text, nullable=False),
    sa.Column("verb", sa.Text, nullable=False, comment=f"one of {', '.join(VERBS)}"),
    sa.Column("event_id", sa.Text, nullable=True, index=True, comment="null for an import, which is about many"),
    sa.Column("other_id", sa.Text, nullable=True, index=True, comment="the event that it was merged into, or that was split off"),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("what", sa.Text, nullable=False, comment="the particulars as a JSON object"),
    sqlite_autoincrement=True,
)


@dataclass(frozen=True)
class Intervention:
    """One thing that an operator did."""

    at: datetime
    operator: str
    verb: str
    reason: str
    event_id: str | None = None
    other_id: str | None = None
    what: Mapping[str, object] = field(default_factory=dict)


def note(db: Connection, done: Intervention) -> None:
    """Writes down what was done, in the transaction that does it."""
    fields = {name: getattr(done, name) for name in ("at", "operator", "verb", "reason", "event_id", "other_id")}
    db.execute(interventions.insert().values(what=json.dumps(done.what, ensure_ascii=False, default=str), **fields))


def list_interventions(db: Connection, event_id: str) -> list[Intervention]:
    """What was done to an event, or made it; the first first."""
    mine = sa.or_(interventions.c.event_id == event_id, interventions.c.other_id == event_id)
    rows = db.execute(sa.select(interventions).where(mine).order_by(interventions.c.number))
    return [Intervention(row.at, row.operator, row.verb, row.reason, row.event_id, row.other_id, json.loads(row.what)) for row in rows]
