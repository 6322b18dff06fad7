"""What is not kept for ever, deleted in portions, so that no transaction holds the others up for long."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from services.store import notices
from services.store.delivery import attempts, deliveries
from services.store.digests import waiting

PORTION = 500
"""Rows that one transaction deletes at most."""


@dataclass(frozen=True)
class Forgotten:
    """What one portion has deleted."""

    attempts: int
    deliveries: int
    waiting: int

    @property
    def goes_on(self) -> bool:
        """Whether there may be more."""
        return max(self.attempts, self.deliveries, self.waiting) >= PORTION


def forget(db: Connection, *, attempts_before: datetime, deliveries_before: datetime) -> Forgotten:
    """Deletes one portion: attempts that ended before the one time, and deliveries, with their attempts, that ended before the other; with them what had
    waited for a digest or for the end of quiet hours, and was told or dropped before."""
    notices.forget(db, deliveries_before)
    old = sa.select(deliveries.c.id).where(deliveries.c.ended_at < deliveries_before).limit(PORTION)
    gone = list(db.execute(old).scalars())
    if gone:
        db.execute(attempts.delete().where(attempts.c.delivery_id.in_(gone)))
        db.execute(deliveries.delete().where(deliveries.c.id.in_(gone)))
    stale = sa.select(attempts.c.delivery_id, attempts.c.number).where(attempts.c.ended_at < attempts_before).limit(PORTION)
    keys = [tuple(row) for row in db.execute(stale)]
    if keys:
        db.execute(attempts.delete().where(sa.tuple_(attempts.c.delivery_id, attempts.c.number).in_(keys)))
    past = sa.select(waiting.c.account_id, waiting.c.destination_id, waiting.c.alert_id).where(waiting.c.ended_at < deliveries_before).limit(PORTION)
    places = [tuple(row) for row in db.execute(past)]
    if places:
        db.execute(waiting.delete().where(sa.tuple_(waiting.c.account_id, waiting.c.destination_id, waiting.c.alert_id).in_(places)))
    return Forgotten(len(keys), len(gone), len(places))
