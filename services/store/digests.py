"""Alerts that a destination is told later: held back in its quiet hours, or gathered for a digest. And the digests made of them.

    put -> waiting -> take: looked at again -> told, by a delivery of its own or in a digest | dropped, with the reason

A digest is one delivery: its row in `deliveries` has the kind `digest`, the digest's id in place of an event's, and the leading alert's. What stands in it are
the rows here that name it. Taking, composing and queueing are one transaction, so nothing is told twice and nothing is left out.
"""

from __future__ import annotations

import base64
import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from schemas.events.event import PolicyEvent
from services.store.accounts import DestinationKey
from services.store.delivery import CORRECTING, deliveries, was_told
from services.store.engine import Instant, insert, metadata
from services.store.threads import alerts

DIGEST = "digest"
"""The kind of a delivery that is a digest."""
_ANY_VERSION = 2**31 - 1
HELD = "held"
"""What waits for quiet hours to end; everything else waits for a digest, and is called after its cadence."""

waiting = sa.Table(
    "waiting_alerts",
    metadata,
    sa.Column("account_id", sa.Text, primary_key=True),
    sa.Column("destination_id", sa.Text, primary_key=True),
    sa.Column("alert_id", sa.Text, sa.ForeignKey("alerts.id"), primary_key=True),
    sa.Column("event_id", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("kind", sa.Text, nullable=False, comment="of the alert"),
    sa.Column("rank", sa.Integer, nullable=False),
    sa.Column("language", sa.Text, nullable=False),
    sa.Column("cadence", sa.Text, nullable=False, comment="held, hourly, daily or weekly"),
    sa.Column("due_at", Instant, nullable=False),
    sa.Column("state", sa.Text, nullable=False, comment="waiting, told or dropped"),
    sa.Column("why", sa.Text, nullable=True, comment="of what was dropped"),
    sa.Column("digest_id", sa.Text, nullable=True, comment="the digest it is told in"),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("ended_at", Instant, nullable=True),
    sa.ForeignKeyConstraint(["account_id", "destination_id"], ["destinations.account_id", "destinations.id"], name="fk_waiting_alerts_destinations"),
    sa.Index("ix_waiting_alerts_due", "state", "due_at"),
    sa.Index("ix_waiting_alerts_event", "event_id", "state"),
    sa.Index("ix_waiting_alerts_digest", "digest_id"),
)


@dataclass(frozen=True)
class Waiting:
    """One alert that one destination is told later."""

    destination: DestinationKey
    alert_id: str
    event_id: str
    version: int
    kind: str
    rank: int
    language: str
    cadence: str
    due_at: datetime
    created_at: datetime


@dataclass(frozen=True)
class DigestAlert:
    """One alert as a digest tells it."""

    alert_id: str
    kind: str
    event: PolicyEvent


@dataclass(frozen=True)
class Digest:
    """A digest as it is told: its alerts, the weightiest first."""

    id: str
    alerts: tuple[DigestAlert, ...]


@dataclass(frozen=True)
class Told:
    """How a destination was told of an event before."""

    language: str
    at: tuple[datetime, ...]


def digest_id(destination: DestinationKey, slot: datetime) -> str:
    """One destination has one digest at a time: `dig_` and 32 letters."""
    hashed = hashlib.sha256("\x1f".join((*destination, slot.isoformat())).encode()).digest()[:20]
    return "dig_" + base64.b32encode(hashed).decode().lower()


# ---- in


def put(db: Connection, new: Sequence[Waiting]) -> int:
    """Adds what is not there yet. Returns how many were added."""
    if not new:
        return 0
    statement = insert(db, waiting).on_conflict_do_nothing().returning(waiting.c.alert_id)
    return len(db.execute(statement, [_row(one) for one in new]).all())


def _row(new: Waiting) -> dict[str, Any]:
    names = ("alert_id", "event_id", "version", "kind", "rank", "language", "cadence", "due_at", "created_at")
    return {"account_id": new.destination.account_id, "destination_id": new.destination.id, "state": "waiting"} | {name: getattr(new, name) for name in names}


def supersede(db: Connection, event_id: str, version: int, now: datetime, *, only: Collection[DestinationKey] | None = None) -> int:
    """Drops what waits of older versions of the event, at all destinations or `only` these. Returns how many."""
    if version == 1 or (only is not None and not only):
        return 0
    old = sa.and_(waiting.c.event_id == event_id, waiting.c.version < version, waiting.c.state == "waiting")
    if only is not None:
        old = sa.and_(old, _among(only))
    return db.execute(waiting.update().where(old).values(state="dropped", why="newer_version", ended_at=now)).rowcount


def strip(db: Connection, event_ids: Iterable[str], now: datetime) -> int:
    """Takes out of digests that nobody has seen yet what was corrected since; a digest with nothing left is not sent. Returns how many those are."""
    newer = sa.exists().where(alerts.c.event_id == waiting.c.event_id, alerts.c.version > waiting.c.version, alerts.c.kind.in_(CORRECTING))
    unseen = sa.select(deliveries.c.event_id).where(deliveries.c.kind == DIGEST, deliveries.c.state == "pending", sa.not_(deliveries.c.maybe_sent))
    wrong = (waiting.c.event_id.in_(sorted(event_ids)), waiting.c.state == "told", waiting.c.digest_id.in_(unseen), newer)
    touched = sorted(set(db.execute(sa.select(waiting.c.digest_id).where(*wrong)).scalars()))
    if not touched:
        return 0
    db.execute(waiting.update().where(*wrong).values(state="dropped", why="corrected", ended_at=now))
    left = sa.exists().where(waiting.c.digest_id == deliveries.c.event_id, waiting.c.state == "told")
    empty = (deliveries.c.kind == DIGEST, deliveries.c.event_id.in_(touched), deliveries.c.state == "pending", sa.not_(deliveries.c.maybe_sent), sa.not_(left))
    return db.execute(deliveries.update().where(*empty).values(state="superseded", why="newer_version", ended_at=now)).rowcount


# ---- out


def due(db: Connection, now: datetime, limit: int) -> list[DestinationKey]:
    """Destinations for which something is due, those first that have waited longest."""
    query = sa.select(waiting.c.account_id, waiting.c.destination_id).where(waiting.c.state == "waiting", waiting.c.due_at <= now)
    query = query.group_by(waiting.c.account_id, waiting.c.destination_id).order_by(
        sa.func.min(waiting.c.due_at), waiting.c.account_id, waiting.c.destination_id
    )
    return [DestinationKey(*row) for row in db.execute(query.limit(limit))]


def next_due(db: Connection) -> datetime | None:
    """When the next alert is due; None when none waits."""
    return cast("datetime | None", db.execute(sa.select(sa.func.min(waiting.c.due_at, type_=Instant())).where(waiting.c.state == "waiting")).scalar_one())


def take(db: Connection, key: DestinationKey, now: datetime) -> list[Waiting]:
    """What is due for a destination, the oldest first, locked until the transaction ends. What somebody else has in hand is left out."""
    query = sa.select(waiting).where(*_own(key), waiting.c.state == "waiting", waiting.c.due_at <= now).order_by(waiting.c.created_at, waiting.c.alert_id)
    if db.dialect.name == "postgresql":
        query = query.with_for_update(skip_locked=True)
    names = ("alert_id", "event_id", "version", "kind", "rank", "language", "cadence", "due_at", "created_at")
    return [Waiting(destination=key, **{name: row[name] for name in names}) for row in db.execute(query).mappings()]


def tell(db: Connection, key: DestinationKey, alert_ids: Collection[str], now: datetime, *, digest: str | None = None) -> None:
    """Marks what goes out, in a digest or alone."""
    _end(db, key, alert_ids, state="told", digest_id=digest, ended_at=now)


def drop(db: Connection, key: DestinationKey, why: Mapping[str, str], now: datetime) -> None:
    """Marks what is not told any more: the reason of each alert."""
    for reason in sorted(set(why.values())):
        _end(db, key, [alert for alert, given in why.items() if given == reason], state="dropped", why=reason, ended_at=now)


def postpone(db: Connection, key: DestinationKey, alert_ids: Collection[str], due_at: datetime, *, cadence: str | None = None) -> None:
    """Lets alerts wait longer."""
    _end(db, key, alert_ids, due_at=due_at, **({"cadence": cadence} if cadence else {}))


def waits(db: Connection, keys: Collection[DestinationKey]) -> list[Waiting]:
    """Everything that waits for these destinations."""
    names = ("alert_id", "event_id", "version", "kind", "rank", "language", "cadence", "due_at", "created_at")
    rows = db.execute(sa.select(waiting).where(waiting.c.state == "waiting", _among(keys))).mappings()
    return [Waiting(destination=DestinationKey(row["account_id"], row["destination_id"]), **{name: row[name] for name in names}) for row in rows]


def _end(db: Connection, key: DestinationKey, alert_ids: Collection[str], **values: Any) -> None:
    if alert_ids:
        db.execute(waiting.update().where(*_own(key), waiting.c.state == "waiting", waiting.c.alert_id.in_(sorted(alert_ids))).values(**values))


def _own(key: DestinationKey) -> tuple[sa.ColumnElement[bool], ...]:
    return waiting.c.account_id == key.account_id, waiting.c.destination_id == key.id


def _among(keys: Iterable[DestinationKey]) -> sa.ColumnElement[bool]:
    return sa.tuple_(waiting.c.account_id, waiting.c.destination_id).in_([tuple(key) for key in keys])


# ---- looking


def contents(db: Connection, digest_ids: Collection[str]) -> dict[str, Digest]:
    """What stands in each of these digests, the weightiest first."""
    if not digest_ids:
        return {}
    query = (
        sa.select(waiting.c.digest_id, waiting.c.alert_id, waiting.c.kind, alerts.c.event)
        .join(alerts, alerts.c.id == waiting.c.alert_id)
        .where(waiting.c.digest_id.in_(sorted(digest_ids)), waiting.c.state == "told")
        .order_by(waiting.c.rank.desc(), waiting.c.created_at, waiting.c.alert_id)
    )
    found: defaultdict[str, list[DigestAlert]] = defaultdict(list)
    for digest, alert_id, kind, event in db.execute(query):
        found[digest].append(DigestAlert(alert_id, kind, PolicyEvent.model_validate_json(event)))
    return {digest: Digest(digest, tuple(inside)) for digest, inside in found.items()}


def told(
    db: Connection, event_id: str, version: int, *, merged: Iterable[str] = (), between: tuple[DestinationKey, DestinationKey] | None = None
) -> dict[DestinationKey, Told]:
    """The destinations that were told of the event in a version before this, or may have been: alone or in a digest, how and when.

    Those told of an event that was `merged` into it are among them. `between` looks at the destinations from the first to the last of the two only.
    """
    found = _told(db, event_id, version, between)
    for other in merged:
        for key, how in _told(db, other, _ANY_VERSION, between).items():
            known = found.get(key)
            found[key] = how if known is None else Told(known.language, (*how.at, *known.at))
    return found


def _told(db: Connection, event_id: str, version: int, between: tuple[DestinationKey, DestinationKey] | None) -> dict[DestinationKey, Told]:
    alone = _telling(deliveries).where(deliveries.c.event_id == event_id, deliveries.c.version < version)
    inside = _telling(deliveries).where(deliveries.c.kind == DIGEST, deliveries.c.event_id.in_(_digests_with(event_id, version)))
    found: dict[DestinationKey, Told] = {}
    for query in (alone, inside):
        if between is not None:
            place, (first, last) = sa.tuple_(deliveries.c.account_id, deliveries.c.destination_id), between
            query = query.where(place >= sa.tuple_(*map(sa.literal, first)), place <= sa.tuple_(*map(sa.literal, last)))
        for account_id, one, language, at in db.execute(query.order_by(deliveries.c.created_at)):
            key = DestinationKey(account_id, one)
            found[key] = Told(language, (*found[key].at, at) if key in found else (at,))
    return found


def _telling(table: sa.FromClause) -> sa.Select[Any]:
    at = sa.func.coalesce(table.c.ended_at, table.c.started_at, table.c.created_at, type_=Instant())
    return sa.select(table.c.account_id, table.c.destination_id, table.c.language, at).where(was_told(table))


def _digests_with(event_id: str, version: int) -> sa.Select[Any]:
    return sa.select(waiting.c.digest_id).where(
        waiting.c.event_id == event_id, waiting.c.version < version, waiting.c.state == "told", waiting.c.digest_id.is_not(None)
    )


def told_inside(correction: sa.FromClause) -> sa.ColumnElement[bool]:
    """Whether a digest has told, or may have told, the same destination of an older version than the delivery in `correction`."""
    digest = deliveries.alias("digest")
    inside = (waiting.c.event_id == correction.c.event_id, waiting.c.version < correction.c.version, waiting.c.state == "told")
    place = (waiting.c.account_id == correction.c.account_id, waiting.c.destination_id == correction.c.destination_id)
    return sa.exists().where(*inside, *place, digest.c.event_id == waiting.c.digest_id, digest.c.kind == DIGEST, was_told(digest))


def told_at_once(db: Connection, since: Mapping[DestinationKey, datetime]) -> dict[DestinationKey, int]:
    """How many alerts each of these destinations was given since then: those of today, for its daily cap. Digests and corrections do not count."""
    if not since:
        return {}
    place = sa.tuple_(deliveries.c.account_id, deliveries.c.destination_id)
    counted = (deliveries.c.kind.not_in((DIGEST, *CORRECTING)), deliveries.c.state.not_in(("superseded", "withheld")))
    query = sa.select(deliveries.c.account_id, deliveries.c.destination_id, deliveries.c.created_at)
    rows = db.execute(query.where(place.in_([tuple(key) for key in since]), deliveries.c.created_at >= min(since.values()), *counted))
    count: dict[DestinationKey, int] = dict.fromkeys(since, 0)
    for account_id, one, created_at in rows:
        key = DestinationKey(account_id, one)
        count[key] += created_at >= since[key]
    return count
