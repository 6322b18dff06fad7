"""What the ingester remembers: the state of each source, and which revision of each item it has published.

Visits are claimed by lease in database time, so that any number of ingesters share the sources; what a claim writes at its end is fenced by its token.
Correctness does not rest on the remembered items: a forgotten one is published again, with the same id.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from services.store.engine import Instant, database_now, insert, metadata

SOURCES = sa.Table(
    "source_states",
    metadata,
    sa.Column("source", sa.String(64), primary_key=True),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("etag", sa.Text),
    sa.Column("last_modified", sa.Text),
    sa.Column("unmodified", sa.Integer, nullable=False, server_default="0"),
    sa.Column("outcome", sa.String(32)),
    sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
    sa.Column("first_success_at", Instant),
    sa.Column("last_success_at", Instant),
    sa.Column("last_new_at", Instant),
    sa.Column("next_visit_at", Instant, nullable=False, index=True),
    sa.Column("lease", sa.String(64)),
    sa.Column("leased_until", Instant),
)

ITEMS = sa.Table(
    "seen_items",
    metadata,
    sa.Column("item", sa.String(64), primary_key=True),
    sa.Column("revision", sa.String(64), nullable=False),
    sa.Column("source", sa.String(64), nullable=False),
    sa.Column("first_seen_at", Instant, nullable=False),
    sa.Column("last_seen_at", Instant, nullable=False, index=True),
)

TOUCHED_EVERY = timedelta(days=1)
"""An item that stays in its feed is marked as seen so often: enough to keep it, seldom enough to write little."""

_FEW = 500  # values in one IN list


@dataclass(frozen=True, slots=True)
class SourceState:
    """What is remembered of one source. `failures` counts failed visits in a row, `unmodified` the visits in a row that were answered "not modified"."""

    source: str
    url: str
    etag: str | None = None
    last_modified: str | None = None
    unmodified: int = 0
    outcome: str | None = None
    failures: int = 0
    first_success_at: datetime | None = None
    last_success_at: datetime | None = None
    last_new_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SeenItem:
    """One revision of an item that was published."""

    item: str
    revision: str
    source: str


_STATE = tuple(SOURCES.c[name] for name in SourceState.__slots__)


def enrol(db: Connection, addresses: Mapping[str, str], now: datetime) -> None:
    """Makes a row for each source (id -> URL) that has none, due at once. A source whose URL has changed is asked afresh, without the old validators."""
    if not addresses:
        return
    rows = [{"source": source, "url": url, "next_visit_at": now} for source, url in addresses.items()]
    row = insert(db, SOURCES)
    moved = SOURCES.c.url != row.excluded.url
    fresh = {"url": row.excluded.url, "etag": None, "last_modified": None, "unmodified": 0, "next_visit_at": row.excluded.next_visit_at}
    db.execute(row.on_conflict_do_update(index_elements=["source"], set_=fresh, where=moved), rows)


def claim(db: Connection, sources: Collection[str], *, limit: int, lease: timedelta, token: str, now: datetime) -> list[SourceState]:
    """Up to `limit` of the sources whose visit is due and that nobody holds, longest overdue first; they are ours until the lease ends."""
    at = database_now(db, now)
    free = sa.or_(SOURCES.c.leased_until.is_(None), SOURCES.c.leased_until <= at)
    due = (
        sa.select(*_STATE)
        .where(SOURCES.c.source.in_(sorted(sources)), SOURCES.c.next_visit_at <= at, free)
        .order_by(SOURCES.c.next_visit_at, SOURCES.c.source)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    states = [SourceState(*row) for row in db.execute(due)]
    if states:
        ours = SOURCES.c.source.in_([state.source for state in states])
        db.execute(sa.update(SOURCES).where(ours).values(lease=token, leased_until=at + lease))
    return states


def release(db: Connection, state: SourceState, *, token: str, next_visit_in: timedelta, now: datetime) -> bool:
    """Ends a visit: writes what is known now and when to come again. False, and nothing written, if the lease was lost to somebody else."""
    at = database_now(db, now)
    known = {column.name: getattr(state, column.name) for column in _STATE if column.name != "source"}
    ours = sa.and_(SOURCES.c.source == state.source, SOURCES.c.lease == token)
    written = db.execute(sa.update(SOURCES).where(ours).values(**known, next_visit_at=at + next_visit_in, lease=None, leased_until=None))
    return written.rowcount == 1


def states(db: Connection, sources: Collection[str]) -> list[SourceState]:
    """What is remembered of these sources."""
    return [SourceState(*row) for row in db.execute(sa.select(*_STATE).where(SOURCES.c.source.in_(sorted(sources))).order_by(SOURCES.c.source))]


def next_due(db: Connection, sources: Collection[str], now: datetime) -> timedelta | None:
    """How long until the next of these visits is due, leases included; None if there is no source."""
    at = database_now(db, now)
    free_at = sa.case((SOURCES.c.leased_until > SOURCES.c.next_visit_at, SOURCES.c.leased_until), else_=SOURCES.c.next_visit_at)
    due = db.execute(sa.select(sa.func.min(free_at, type_=Instant())).where(SOURCES.c.source.in_(sorted(sources)))).scalar_one()
    return None if due is None else max(timedelta(0), cast("datetime", due) - at)


def revisions(db: Connection, items: Sequence[str]) -> dict[str, str]:
    """The revision last published of each item that was published."""
    found: dict[str, str] = {}
    for start in range(0, len(items), _FEW):
        some = items[start : start + _FEW]
        found |= dict(db.execute(sa.select(ITEMS.c.item, ITEMS.c.revision).where(ITEMS.c.item.in_(some))).all())
    return found


def remember(db: Connection, items: Sequence[SeenItem], now: datetime) -> None:
    """These revisions were published, or are still there. A row that says so already is written again only once a day."""
    if not items:
        return
    row = insert(db, ITEMS)
    stale = sa.or_(ITEMS.c.revision != row.excluded.revision, ITEMS.c.last_seen_at < now - TOUCHED_EVERY)
    news = {"revision": row.excluded.revision, "last_seen_at": row.excluded.last_seen_at}
    in_order = sorted(items, key=lambda each: each.item)  # two ingesters that lock rows in one order never wait for each other in a circle
    rows = [{"item": each.item, "revision": each.revision, "source": each.source, "first_seen_at": now, "last_seen_at": now} for each in in_order]
    db.execute(row.on_conflict_do_update(index_elements=["item"], set_=news, where=stale), rows)


def forget(db: Connection, *, unseen_since: datetime, limit: int = 10_000) -> int:
    """Removes up to `limit` items not seen since then; returns how many went."""
    old = sa.select(ITEMS.c.item).where(ITEMS.c.last_seen_at < unseen_since).limit(limit)
    return db.execute(sa.delete(ITEMS).where(ITEMS.c.item.in_(old))).rowcount
