"""A person leaves, and nothing of theirs stays: rows of the destination, its deliveries and attempts. What is kept is a keyed hash of the address."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from services.store import brakes, notices, suppression
from services.store.accounts import DestinationKey, destinations, subscription_destinations, subscriptions, touch
from services.store.delivery import attempts, deliveries
from services.store.digests import waiting
from services.store.secrets import Cipher


@dataclass(frozen=True)
class Erased:
    """What was there of one destination and is not any more: the proof, which names no address."""

    destination: DestinationKey
    kind: str
    digest: str
    delivery_ids: tuple[str, ...]
    """For the files that are named after them."""
    attempts: int
    subscriptions: tuple[str, ...]
    """Those that pointed only there, deleted too."""
    erased_at: datetime


def erase(db: Connection, key: DestinationKey, cipher: Cipher, *, suppression_key: bytes, now: datetime) -> Erased | None:
    """Deletes everything of a destination, and suppresses its address. None when there is no such destination. Raises Rejected when no key opens it."""
    table = destinations
    own = (table.c.account_id == key.account_id, table.c.id == key.id)
    row = db.execute(sa.select(table.c.kind, table.c.address).where(*own)).first()
    if row is None:
        return None
    digest = suppression.digest_of(cipher.decrypt(row.address), suppression_key)
    suppression.suppress(db, digest, "erased", now)
    ids, tried = _deliveries_of(db, key)
    ids += notices.forget_destination(db, key)
    left = _subscriptions_of(db, key)
    touch(db, [key.account_id])
    brakes.resume(db, brakes.destination(key))
    db.execute(table.delete().where(*own))
    return Erased(key, row.kind, digest, ids, tried, left, now)


def _deliveries_of(db: Connection, key: DestinationKey) -> tuple[tuple[str, ...], int]:
    mine = (deliveries.c.account_id == key.account_id, deliveries.c.destination_id == key.id)
    ids = tuple(db.execute(sa.select(deliveries.c.id).where(*mine).order_by(deliveries.c.id)).scalars())
    tried = db.execute(attempts.delete().where(attempts.c.delivery_id.in_(sa.select(deliveries.c.id).where(*mine)))).rowcount
    db.execute(deliveries.delete().where(*mine))
    db.execute(waiting.delete().where(waiting.c.account_id == key.account_id, waiting.c.destination_id == key.id))
    return ids, tried


def _subscriptions_of(db: Connection, key: DestinationKey) -> tuple[str, ...]:
    """Lets go of the destination's subscriptions, and deletes those that are left with nowhere to go."""
    at = subscription_destinations
    own = sa.and_(at.c.account_id == key.account_id, at.c.destination_id == key.id)
    pointing = sorted(db.execute(sa.select(at.c.subscription_id).where(own)).scalars())
    db.execute(at.delete().where(own))
    elsewhere = set(db.execute(sa.select(at.c.subscription_id).where(at.c.account_id == key.account_id, at.c.subscription_id.in_(pointing))).scalars())
    left = tuple(one for one in pointing if one not in elsewhere)
    if left:
        db.execute(subscriptions.delete().where(subscriptions.c.account_id == key.account_id, subscriptions.c.id.in_(left)))
    return left
