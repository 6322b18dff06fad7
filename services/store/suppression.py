"""Addresses that are never sent to again: kept as a keyed hash (HMAC-SHA256), by which an address can be recognised and not be read."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from services.store.engine import Instant, insert, metadata

suppressions = sa.Table(
    "suppressions",
    metadata,
    sa.Column("digest", sa.Text, primary_key=True, comment="HMAC of the address"),
    sa.Column("why", sa.Text, nullable=False, comment="such as erased"),
    sa.Column("created_at", Instant, nullable=False),
)


def digest_of(address: str, key: bytes) -> str:
    """The same address in whatever case gives the same digest, under the same key."""
    return hmac.new(key, address.strip().casefold().encode(), hashlib.sha256).hexdigest()


def suppress(db: Connection, digest: str, why: str, now: datetime) -> None:
    """From now on the address is never sent to again. Repeating it changes nothing."""
    db.execute(insert(db, suppressions).values(digest=digest, why=why, created_at=now).on_conflict_do_nothing(index_elements=["digest"]))


def why_suppressed(db: Connection, digests: Collection[str]) -> dict[str, str]:
    """Those of these addresses that are suppressed, and why."""
    found = db.execute(sa.select(suppressions.c.digest, suppressions.c.why).where(suppressions.c.digest.in_(digests)))
    return {row.digest: row.why for row in found}
