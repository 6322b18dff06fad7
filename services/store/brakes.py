"""The send brake: while it is on, nothing is claimed that it is on for. What waits stays in the queue and loses no time of its schedule.

scope    all | channel:webhook | destination:desk/hook
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from services.store.accounts import DestinationKey, destinations
from services.store.engine import Instant, insert, metadata

ALL = "all"

brakes = sa.Table(
    "brakes",
    metadata,
    sa.Column("scope", sa.Text, primary_key=True, comment="all, channel:KIND or destination:ACCOUNT/ID"),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("since", Instant, nullable=False),
)


@dataclass(frozen=True)
class Brake:
    """One brake that is on."""

    scope: str
    why: str
    since: datetime


def channel(kind: str) -> str:
    """The scope of everything that goes this way."""
    return f"channel:{kind}"


def destination(key: DestinationKey) -> str:
    """The scope of one destination."""
    return f"destination:{key.account_id}/{key.id}"


def pause(db: Connection, scope: str, why: str, now: datetime) -> bool:
    """Puts a brake on. False when it was on already; then it stays as it was."""
    statement = insert(db, brakes).values(scope=scope, why=why, since=now).on_conflict_do_nothing(index_elements=["scope"])
    return db.execute(statement.returning(brakes.c.scope)).first() is not None


def resume(db: Connection, scope: str) -> bool:
    """Takes a brake off. False when it was not on."""
    return db.execute(brakes.delete().where(brakes.c.scope == scope)).rowcount > 0


def list_brakes(db: Connection) -> list[Brake]:
    """Those that are on, by scope."""
    return [Brake(row.scope, row.why, row.since) for row in db.execute(sa.select(brakes).order_by(brakes.c.scope))]


def is_on() -> sa.ColumnElement[bool]:
    """Whether a brake is on for a destination or its channel."""
    own = sa.literal("destination:") + destinations.c.account_id + "/" + destinations.c.id
    return sa.exists().where(brakes.c.scope.in_([own, sa.literal("channel:") + destinations.c.kind]))
