"""Deliveries and their attempts: the queue between an alert and a mailbox or endpoint, and its journal.

    enqueue -> pending -> claim: sending, under a lease -> journal: sent | pending again, later | failed
               pending -> superseded by a newer version of the event | withheld because nobody may be sent to any more

A delivery's id is a function of alert and destination, so making it twice is harmless. Whoever claims holds a token; every later write names it, and a
write by somebody whose lease was taken over changes nothing. Times are the database's. Locks are taken in one order: deliveries, then destinations by id.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from services.store.accounts import DestinationKey, destinations
from services.store.engine import Instant, insert, metadata
from services.store.threads import alerts, set_fanout_cursor

STATES = ("pending", "sending", "sent", "failed", "superseded", "withheld")

deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("account_id", sa.Text, nullable=False),
    sa.Column("destination_id", sa.Text, nullable=False),
    sa.Column("alert_id", sa.Text, sa.ForeignKey("alerts.id"), nullable=False, comment="of a digest: its leading one"),
    sa.Column("event_id", sa.Text, nullable=False, comment="of a digest: its own id"),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("kind", sa.Text, nullable=False, comment="of the alert: new, update, reversal, correction, withdrawal or reminder; or digest"),
    sa.Column("reasons", sa.Text, nullable=False, comment="a JSON list of sentences: which subscriptions matched, and why"),
    sa.Column("language", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False, comment=f"one of {', '.join(STATES)}"),
    sa.Column("why", sa.Text, nullable=True, comment="the reason of the last attempt, or of the end"),
    sa.Column("due_at", Instant, nullable=False),
    sa.Column("late", sa.Boolean, nullable=False, comment="it failed, or its destination was away: it goes out on the budget of such"),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("spent", sa.Integer, nullable=False, comment="attempts before the last replay: the schedule begins anew after them"),
    sa.Column("replays", sa.Integer, nullable=False, comment="how often it was asked for once more"),
    sa.Column("maybe_sent", sa.Boolean, nullable=False, comment="an attempt broke off when the receiver may have had it already"),
    sa.Column("lease_token", sa.Text, nullable=True),
    sa.Column("lease_until", Instant, nullable=True),
    sa.Column("started_at", Instant, nullable=True, comment="of the attempt under way, or of the last"),
    sa.Column("sequence", sa.BigInteger, nullable=True, comment="taken at the first release, kept ever after"),
    sa.Column("previous", sa.BigInteger, nullable=True),
    sa.Column("epoch", sa.Integer, nullable=True),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("ended_at", Instant, nullable=True),
    sa.ForeignKeyConstraint(["account_id", "destination_id"], ["destinations.account_id", "destinations.id"], name="fk_deliveries_destinations"),
    sa.Index("ix_deliveries_due", "state", "late", "due_at", "alert_id", "id"),
    sa.Index("ix_deliveries_place", "account_id", "destination_id", "state"),
    sa.Index("ix_deliveries_event", "event_id", "account_id", "destination_id"),
    sa.Index("ix_deliveries_sequence", "account_id", "destination_id", "sequence"),
)

attempts = sa.Table(
    "attempts",
    metadata,
    sa.Column("delivery_id", sa.Text, sa.ForeignKey("deliveries.id"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("account_id", sa.Text, nullable=False),
    sa.Column("started_at", Instant, nullable=False),
    sa.Column("ended_at", Instant, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False, comment="sent, retry, final or abandoned"),
    sa.Column("reason", sa.Text, nullable=True),
    sa.Column("status", sa.Integer, nullable=True, comment="of HTTP or SMTP"),
    sa.Column("retry_at", Instant, nullable=True),
)


@dataclass(frozen=True)
class NewDelivery:
    """One alert for one destination, not in the queue yet."""

    destination: DestinationKey
    alert_id: str
    event_id: str
    version: int
    kind: str
    reasons: tuple[str, ...]
    language: str
    digest: str | None = None
    """The id of the digest, where it is one: then `alert_id` names the leading alert, and `event_id` is the digest's."""

    @property
    def id(self) -> str:
        return delivery_id(self.digest or self.alert_id, self.destination)


def delivery_id(alert_id: str, destination: DestinationKey) -> str:
    """The same alert to the same destination is the same delivery for ever: `msg_` and 32 letters."""
    digest = hashlib.sha256("\x1f".join((alert_id, *destination)).encode()).digest()[:20]
    return "msg_" + base64.b32encode(digest).decode().lower()


# ---- into the queue


def enqueue(db: Connection, new: Sequence[NewDelivery], now: datetime) -> int:
    """Adds what is not there yet, due at once; late, where the destination is being left alone. Returns how many were added."""
    if not new:
        return 0
    paused = _paused(db, min(one.destination for one in new), max(one.destination for one in new), now)
    statement = insert(db, deliveries).on_conflict_do_nothing(index_elements=["id"]).returning(deliveries.c.id)
    return len(db.execute(statement, [_row(one, now, paused.get(one.destination)) for one in new]).all())


def _paused(db: Connection, first: DestinationKey, last: DestinationKey, now: datetime) -> dict[DestinationKey, datetime]:
    """Destinations from the first to the last that are being left alone, and until when."""
    table = destinations
    key = sa.tuple_(table.c.account_id, table.c.id)
    between = (key >= sa.tuple_(*map(sa.literal, first)), key <= sa.tuple_(*map(sa.literal, last)))
    rows = db.execute(sa.select(table.c.account_id, table.c.id, table.c.paused_until).where(*between, table.c.paused_until > now))
    return {DestinationKey(account_id, one): until for account_id, one, until in rows}


def _row(new: NewDelivery, now: datetime, paused_until: datetime | None) -> dict[str, Any]:
    return {
        "id": new.id,
        "account_id": new.destination.account_id,
        "destination_id": new.destination.id,
        "alert_id": new.alert_id,
        "event_id": new.event_id,
        "version": new.version,
        "kind": new.kind,
        "reasons": json.dumps(new.reasons, ensure_ascii=False),
        "language": new.language,
        "state": "pending",
        "due_at": paused_until or now,
        "late": paused_until is not None,
        "attempts": 0,
        "spent": 0,
        "replays": 0,
        "maybe_sent": False,
        "created_at": now,
    }


CORRECTING = ("correction", "withdrawal")
"""Kinds of alert that go to those who were told before, whatever their filters say."""


@dataclass(frozen=True)
class Turn:
    """The right to fan an alert out until the transaction ends. `after` is the last destination of the chunk before; None at the beginning."""

    after: DestinationKey | None


def take_fanout(db: Connection, alert_id: str) -> Turn | None:
    """Locks an alert for one chunk of its fan-out. None when somebody else is at it, it is done, or an older version of its event is not."""
    older = alerts.alias("older")
    unfinished = sa.exists().where(older.c.event_id == alerts.c.event_id, older.c.version < alerts.c.version, older.c.fanned_out_at.is_(None))
    query = sa.select(alerts.c.fanout_cursor).where(alerts.c.id == alert_id, alerts.c.fanned_out_at.is_(None), sa.not_(unfinished))
    if db.dialect.name == "postgresql":
        query = query.with_for_update(skip_locked=True)
    row = db.execute(query).first()
    if row is None:
        return None
    return Turn(DestinationKey(*row.fanout_cursor.split("/", 1)) if row.fanout_cursor else None)


def leave_fanout(db: Connection, alert_id: str, last: DestinationKey | None, *, done: bool, now: datetime) -> None:
    """Remembers the last destination of the chunk; `done` ends the fan-out of this alert."""
    set_fanout_cursor(db, alert_id, "/".join(last) if last else None, done, now)  # ids hold no slash


def supersede(db: Connection, event_id: str, version: int, now: datetime, *, only: Collection[DestinationKey] | None = None) -> int:
    """Ends what waits of older versions of the event, at all destinations or `only` these. Returns how many."""
    if version == 1 or (only is not None and not only):
        return 0
    old = sa.and_(deliveries.c.event_id == event_id, deliveries.c.version < version, deliveries.c.state == "pending")
    if only is not None:
        old = sa.and_(old, among(only))
    return db.execute(deliveries.update().where(old).values(state="superseded", why="newer_version", ended_at=now)).rowcount


def was_told(table: sa.FromClause) -> sa.ColumnElement[bool]:
    """Whether the receiver knows of a delivery, or may."""
    return sa.or_(table.c.state.in_(("sent", "sending")), table.c.maybe_sent)


def among(keys: Iterable[DestinationKey]) -> sa.ColumnElement[bool]:
    """Whether a delivery goes to one of these."""
    return sa.tuple_(deliveries.c.account_id, deliveries.c.destination_id).in_([tuple(key) for key in keys])


# ---- looking


@dataclass(frozen=True)
class Delivery:
    """A delivery as it stands, for those who look."""

    id: str
    destination: DestinationKey
    alert_id: str
    kind: str
    reasons: tuple[str, ...]
    language: str
    state: str
    why: str | None
    attempts: int
    replays: int
    sequence: int | None
    created_at: datetime
    due_at: datetime
    ended_at: datetime | None


def list_deliveries(
    db: Connection,
    account_id: str | None = None,
    *,
    event_id: str | None = None,
    destination_id: str | None = None,
    state: str | None = None,
    since: datetime | None = None,
    limit: int = 1000,
) -> list[Delivery]:
    """Deliveries, the newest first: of one account, or of all for an operator."""
    wanted = {"account_id": account_id, "event_id": event_id, "destination_id": destination_id, "state": state}
    query = sa.select(deliveries).where(*(deliveries.c[name] == value for name, value in wanted.items() if value is not None))
    if since is not None:
        query = query.where(deliveries.c.created_at >= since)
    rows = db.execute(query.order_by(deliveries.c.created_at.desc(), deliveries.c.id).limit(limit)).mappings()
    return [_delivery(row) for row in rows]


@dataclass(frozen=True)
class Attempt:
    """One try, as it ended."""

    number: int
    started_at: datetime
    ended_at: datetime
    outcome: str
    reason: str | None
    status: int | None
    retry_at: datetime | None


def find(db: Connection, delivery_id: str) -> tuple[Delivery, list[Attempt]] | None:
    """One delivery with its attempts, the first first."""
    row = db.execute(sa.select(deliveries).where(deliveries.c.id == delivery_id)).mappings().first()
    if row is None:
        return None
    names = ("number", "started_at", "ended_at", "outcome", "reason", "status", "retry_at")
    tried = db.execute(sa.select(*(attempts.c[name] for name in names)).where(attempts.c.delivery_id == delivery_id).order_by(attempts.c.number))
    return _delivery(row), [Attempt(*one) for one in tried]


def _delivery(row: RowMapping) -> Delivery:
    names = ("alert_id", "kind", "language", "state", "why", "attempts", "replays", "sequence", "created_at", "due_at", "ended_at")
    return Delivery(
        id=row["id"],
        destination=DestinationKey(row["account_id"], row["destination_id"]),
        reasons=tuple(json.loads(row["reasons"])),
        **{name: row[name] for name in names},
    )
