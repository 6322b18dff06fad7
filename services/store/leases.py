"""Turns at work that one process does at a time: taken for a while, in the database's time, and given back."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from services.store.engine import Instant, database_now, insert, metadata

leases = sa.Table(
    "leases",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("token", sa.Text, nullable=False),
    sa.Column("until", Instant, nullable=False),
)


def take(db: Connection, name: str, token: str, now: datetime, span: timedelta) -> bool:
    """Whether the holder of `token` has the lease from now on, for `span`; taking it again prolongs it."""
    at = database_now(db, now)
    statement = insert(db, leases).values(name=name, token=token, until=at + span)
    free = sa.or_(leases.c.token == token, leases.c.until <= at)
    taken = statement.on_conflict_do_update(index_elements=["name"], set_={"token": token, "until": at + span}, where=free)
    return db.execute(taken.returning(leases.c.token)).scalar_one_or_none() == token


def give_back(db: Connection, name: str, token: str) -> None:
    """Frees the lease, if it is still held."""
    db.execute(leases.delete().where(leases.c.name == name, leases.c.token == token))
