"""Deliveries once more: the same id and number, so that a receiver can tell; a schedule of its own.

What was sent or has failed can be sent again. What was superseded or withheld was never to be sent, and stays so.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from services.store.accounts import DestinationKey
from services.store.delivery import deliveries

ENDED = ("sent", "failed")
"""States from which a delivery can be replayed."""


def replay(
    db: Connection,
    now: datetime,
    *,
    ids: Sequence[str] | None = None,
    since: datetime | None = None,
    destination: DestinationKey | None = None,
    failed_only: bool = False,
    most: int = 10_000,
) -> list[str]:
    """Puts deliveries back into the queue, the oldest first: those with these ids, or those that ended at or after `since`. Returns their ids.

    They are sent on the budget of late ones, so that a great many do not hold up what is new.
    """
    chosen = sa.select(deliveries.c.id).where(deliveries.c.state.in_(ENDED[1:] if failed_only else ENDED))
    if ids is not None:
        chosen = chosen.where(deliveries.c.id.in_(ids))
    if since is not None:
        chosen = chosen.where(deliveries.c.ended_at >= since)
    if destination is not None:
        chosen = chosen.where(deliveries.c.account_id == destination.account_id, deliveries.c.destination_id == destination.id)
    chosen = chosen.order_by(deliveries.c.ended_at, deliveries.c.id).limit(most)
    again = {
        "state": "pending",
        "why": "replayed",
        "due_at": now,
        "late": True,
        "ended_at": None,
        "replays": deliveries.c.replays + 1,
        "spent": deliveries.c.attempts,
        "maybe_sent": sa.or_(deliveries.c.maybe_sent, deliveries.c.state == "sent"),  # whatever becomes of it, its receiver hears of corrections
    }
    found = list(db.execute(chosen).scalars())
    for start in range(0, len(found), 500):
        db.execute(deliveries.update().where(deliveries.c.id.in_(found[start : start + 500])).values(**again))
    return found
