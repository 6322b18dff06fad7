"""What was overtaken while it was in hand: a delivery that comes back into the queue unsent, when a newer version of its event has been made meanwhile."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from services.store import digests
from services.store.accounts import DestinationKey
from services.store.delivery import CORRECTING, among, deliveries, was_told
from services.store.threads import events


def drop_overtaken(db: Connection, places: Collection[DestinationKey], event_ids: Collection[str], now: datetime) -> None:
    """Ends what waits of these events at these destinations and is not the newest there; and a correction of what nobody was told goes with it.

    To be called by everybody who puts deliveries back: the fan-out of the newer version could not end what was in hand.
    """
    if not places:
        return
    digests.strip(db, event_ids, now)
    waiting = (deliveries.c.state == "pending", deliveries.c.event_id.in_(sorted(event_ids)), among(places))
    db.execute(deliveries.update().where(*waiting, _is_overtaken()).values(state="superseded", why="newer_version", ended_at=now))
    before = deliveries.alias("before")
    known = sa.exists().where(*_same_place(before), before.c.version < deliveries.c.version, was_told(before))
    under_another_id = sa.exists().where(events.c.merged_into == deliveries.c.event_id)  # who was told of what was merged into it knows of it
    pointless = (deliveries.c.kind.in_(CORRECTING), sa.not_(known), sa.not_(digests.told_inside(deliveries)), sa.not_(under_another_id))
    db.execute(deliveries.update().where(*waiting, *pointless).values(state="superseded", why="never_told", ended_at=now))


def _is_overtaken() -> sa.ColumnElement[bool]:
    """Whether there is something newer, in the queue or waiting for its time."""
    newer, later = deliveries.alias("newer"), digests.waiting.alias("later")
    queued = sa.exists().where(*_same_place(newer), newer.c.version > deliveries.c.version)
    put_off = sa.exists().where(*_same_place(later), later.c.version > deliveries.c.version, later.c.state != "dropped")
    return sa.or_(queued, put_off)


def _same_place(other: sa.FromClause) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        other.c.event_id == deliveries.c.event_id,
        other.c.account_id == deliveries.c.account_id,
        other.c.destination_id == deliveries.c.destination_id,
    )
