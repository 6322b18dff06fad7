"""Out of the queue: deliveries claimed under a lease, given back, or taken back from who froze or died.

    pending -> claim: sending, under a lease -> (journal) -> sent | pending again, later | failed
                                             -> release: pending, the attempt not counted
                                             -> tidy, after the lease: pending, abandoned

Whoever claims holds a token; every later write names it. Times are the database's. Locks are taken in one order: deliveries, then destinations by id.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from schemas.events.event import PolicyEvent
from services.store.accounts import DestinationKey, destinations, subscription_destinations, subscriptions, takes_alerts
from services.store.brakes import ALL, is_on, list_brakes
from services.store.delivery import attempts, deliveries
from services.store.digests import DIGEST, Digest, contents
from services.store.engine import Instant, database_now
from services.store.health import Breaker
from services.store.overtaken import drop_overtaken
from services.store.rows import Given
from services.store.threads import alerts, events


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery in hand, with all that is needed to send it. Address, secret and headers are still encrypted."""

    id: str
    destination: DestinationKey
    channel: str
    address: bytes
    secret: bytes | None
    headers: bytes | None
    alert_id: str
    kind: str
    event: PolicyEvent
    event_json: str
    related: tuple[PolicyEvent, ...]
    reasons: tuple[str, ...]
    language: str
    raised_at: datetime
    attempt: int
    spent: int
    replays: int
    sequence: int
    previous: int
    epoch: int
    token: str
    started_at: datetime
    late: bool
    probe: bool
    """Its destination failed too often: this one shows whether it is back."""
    digest: Digest | None = None
    """What is told, where it is a digest; then the event is that of its leading alert."""

    @property
    def event_ids(self) -> tuple[str, ...]:
        """The events it tells of."""
        return (self.event.id,) if self.digest is None else tuple(alert.event.id for alert in self.digest.alerts)


@dataclass(frozen=True)
class Queue:
    """How much waits, and since when the oldest of it is due."""

    depth: int
    oldest_due_at: datetime | None


@dataclass(frozen=True)
class Tidied:
    """What the housekeeping found."""

    expired: int
    withheld: int


# ---- claiming


class Offer(Protocol):
    """What a claim may take. It counts what is taken of it."""

    def full(self) -> Collection[DestinationKey]:
        """Destinations that may have no more: they need not be looked at, so that a crowd for one of them does not hide the others."""
        ...

    def take(self, key: DestinationKey, *, probe: bool) -> bool:
        """Whether one more may be claimed; of a destination that is to be probed, only one."""
        ...


def claim(db: Connection, *, token: str, limit: int, late: int, offer: Offer, lease: timedelta, now: datetime, breaker: Breaker) -> list[Claimed]:
    """Takes up to `limit` due deliveries under a lease, as far as the `offer` goes; of those that are sent late, up to `late`.

    Each delivery takes its sequence here, the first time.
    """
    now = database_now(db, now)
    braked = {brake.scope for brake in list_brakes(db)}
    if ALL in braked:
        return []
    due = _candidates(db.dialect.name, braked=bool(braked))
    picked = _picked(db, due, limit, offer, now, breaker, late=False)
    if (rest := min(limit - len(picked), late)) > 0:
        picked += _picked(db, due, rest, offer, now, breaker, late=True)
    if not picked:
        return []
    numbers = _number(db, picked)
    dialect = db.dialect.name
    lines = [{"id": row.id, "sequence": sequence, "previous": previous, "epoch": epoch} for row in picked for sequence, previous, epoch in (numbers[row.id],)]
    db.execute(_take(dialect), {"token": token, "until": now + lease, "now": now} | _NUMBERED.rows(dialect, lines))
    told = _told(db, sorted({row.alert_id for row in picked}))
    inside = contents(db, {row.event_id for row in picked if row.kind == DIGEST})
    return [_claimed(row, numbers[row.id], told[row.alert_id], inside.get(row.event_id), token, now, breaker) for row in picked]


def _picked(db: Connection, candidates: sa.Select[Any], limit: int, offer: Offer, now: datetime, breaker: Breaker, *, late: bool) -> list[Row[Any]]:
    """The oldest that are due and may be taken."""
    full = [{"account_id": key.account_id, "id": key.id} for key in offer.full()]
    given = {"now": now, "limit": limit, "late": late} | _FULL.rows(db.dialect.name, full)
    due = db.execute(candidates, given)
    return [row for row in due if offer.take(DestinationKey(row.account_id, row.destination_id), probe=breaker.is_open(row.failures))]


_FULL = Given(account_id=sa.Text(), id=sa.Text())


@lru_cache
def _candidates(dialect: str, *, braked: bool) -> sa.Select[Any]:
    full = _FULL.table(dialect)
    now = sa.bindparam("now", type_=Instant())
    names = (
        "id",
        "account_id",
        "destination_id",
        "alert_id",
        "event_id",
        "created_at",
        "kind",
        "reasons",
        "language",
        "attempts",
        "spent",
        "replays",
        "late",
        "sequence",
        "previous",
        "epoch",
    )
    query = (
        sa.select(
            *(deliveries.c[name] for name in names),
            *(destinations.c[name] for name in ("address", "secret", "headers", "failures")),
            destinations.c.kind.label("channel"),
        )
        .join(destinations, sa.and_(destinations.c.account_id == deliveries.c.account_id, destinations.c.id == deliveries.c.destination_id))
        .where(deliveries.c.state == "pending", deliveries.c.late == sa.bindparam("late", type_=sa.Boolean), deliveries.c.due_at <= now, takes_alerts())
        .where(sa.or_(destinations.c.paused_until.is_(None), destinations.c.paused_until <= now))
        .where(sa.tuple_(deliveries.c.account_id, deliveries.c.destination_id).not_in(sa.select(full.c.account_id, full.c.id)))
        .order_by(deliveries.c.due_at, deliveries.c.alert_id, deliveries.c.id)  # what was placed first is told first
        .limit(sa.bindparam("limit", type_=sa.Integer))
    )
    if braked:
        query = query.where(sa.not_(is_on()))
    return query.with_for_update(of=deliveries, skip_locked=True) if dialect == "postgresql" else query


_COUNTED = Given(account_id=sa.Text(), id=sa.Text(), count=sa.Integer())


@lru_cache
def _advance(dialect: str) -> sa.Update:
    table, given = destinations, _COUNTED.table(dialect)
    return (
        table.update()
        .where(table.c.account_id == given.c.account_id, table.c.id == given.c.id)
        .values(last_sequence=table.c.last_sequence + given.c["count"])
        .returning(table.c.account_id, table.c.id, table.c.last_sequence, table.c.epoch)
    )


@lru_cache
def _lock(dialect: str) -> sa.Select[Any]:
    table, given = destinations, _COUNTED.table(dialect)
    own = sa.and_(table.c.account_id == given.c.account_id, table.c.id == given.c.id)
    return sa.select(table.c.id).join(given, own).order_by(table.c.account_id, table.c.id).with_for_update(of=table)


def _number(db: Connection, picked: Iterable[Row[Any]]) -> dict[str, tuple[int, int, int]]:
    """Sequence, previous and epoch of each delivery: those it has, or the next of its destination, taken under the lock of the destination's row."""
    numbers: dict[str, tuple[int, int, int]] = {}
    without: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for row in picked:
        if row.sequence is None:
            without[row.account_id, row.destination_id].append(row.id)
        else:
            numbers[row.id] = (row.sequence, row.previous, row.epoch)
    if not without:
        return numbers
    dialect = db.dialect.name
    counted = _COUNTED.rows(dialect, [{"account_id": account, "id": one, "count": len(ids)} for (account, one), ids in without.items()])
    if dialect == "postgresql":
        db.execute(_lock(dialect), counted).all()  # in one order: two notifiers never wait for each other
    for account_id, destination_id, last, epoch in db.execute(_advance(dialect), counted):
        ids = without[account_id, destination_id]
        numbers |= {one: (sequence, sequence - 1, epoch) for sequence, one in enumerate(ids, last - len(ids) + 1)}
    return numbers


_NUMBERED = Given(id=sa.Text(), sequence=sa.BigInteger(), previous=sa.BigInteger(), epoch=sa.Integer())


@lru_cache
def _take(dialect: str) -> sa.Update:
    given = _NUMBERED.table(dialect)
    return (
        deliveries.update()
        .where(deliveries.c.id == given.c.id)
        .values(
            state="sending",
            attempts=deliveries.c.attempts + 1,
            lease_token=sa.bindparam("token", type_=sa.Text),
            lease_until=sa.bindparam("until", type_=Instant()),
            started_at=sa.bindparam("now", type_=Instant()),
            **{name: given.c[name] for name in ("sequence", "previous", "epoch")},
        )
    )


@dataclass(frozen=True, slots=True)
class _Told:
    """What an alert tells, and the events that it refers to, as they stand now."""

    event: PolicyEvent
    event_json: str
    raised_at: datetime
    related: tuple[PolicyEvent, ...]


def _told(db: Connection, alert_ids: Sequence[str]) -> dict[str, _Told]:
    rows = db.execute(sa.select(alerts.c.id, alerts.c.event, alerts.c.created_at).where(alerts.c.id.in_(alert_ids))).all()
    parsed = {row.id: _event(row.event) for row in rows}
    related = _related(db, parsed.values())
    return {
        row.id: _Told(event, row.event, row.created_at, tuple(related[one.event] for one in event.relations if one.event in related))
        for row in rows
        for event in (parsed[row.id],)
    }


def _related(db: Connection, told: Iterable[PolicyEvent]) -> dict[str, PolicyEvent]:
    ids = sorted({relation.event for event in told for relation in event.relations})
    if not ids:
        return {}
    return {row.id: _event(row.event) for row in db.execute(sa.select(events.c.id, events.c.event).where(events.c.id.in_(ids)))}


@lru_cache(maxsize=512)  # one alert goes to many
def _event(written: str) -> PolicyEvent:
    return PolicyEvent.model_validate_json(written)


@lru_cache(maxsize=4096)
def _reasons(written: str) -> tuple[str, ...]:
    return tuple(json.loads(written))


def _claimed(row: Row[Any], numbers: tuple[int, int, int], told: _Told, digest: Digest | None, token: str, now: datetime, breaker: Breaker) -> Claimed:
    sequence, previous, epoch = numbers
    return Claimed(
        id=row.id,
        destination=DestinationKey(row.account_id, row.destination_id),
        channel=row.channel,
        address=row.address,
        secret=row.secret,
        headers=row.headers,
        alert_id=row.alert_id,
        kind=row.kind,
        event=told.event,
        event_json=told.event_json,
        related=told.related,
        reasons=_reasons(row.reasons),
        language=row.language,
        raised_at=told.raised_at if digest is None else row.created_at,
        attempt=row.attempts + 1,
        spent=row.spent,
        replays=row.replays,
        sequence=sequence,
        previous=previous,
        epoch=epoch,
        token=token,
        started_at=now,
        late=row.late,
        probe=breaker.is_open(row.failures),
        digest=digest,
    )


# ---- back into the queue


_HELD = Given(id=sa.Text(), token=sa.Text())


@lru_cache
def _give_back(dialect: str) -> sa.Update:
    given = _HELD.table(dialect)
    return (
        deliveries.update()
        .where(deliveries.c.id == given.c.id, deliveries.c.lease_token == given.c.token)
        .values(state="pending", lease_token=None, lease_until=None, attempts=deliveries.c.attempts - 1, due_at=sa.bindparam("now", type_=Instant()))
    )


def release(db: Connection, claimed: Sequence[Claimed], now: datetime) -> None:
    """Gives back what was claimed and never begun: due at once, the attempt not counted."""
    if not claimed:
        return
    now = database_now(db, now)
    dialect = db.dialect.name
    lines = [{"id": delivery.id, "token": delivery.token} for delivery in claimed]
    db.execute(_give_back(dialect), {"now": now} | _HELD.rows(dialect, lines))
    drop_overtaken(db, {delivery.destination for delivery in claimed}, {event_id for delivery in claimed for event_id in delivery.event_ids}, now)


def tidy(db: Connection, now: datetime) -> Tidied:
    """Takes back leases that ran out (the receiver may have had those deliveries), and withholds what may not be sent any more."""
    now = database_now(db, now)
    names = ("id", "attempts", "account_id", "started_at", "destination_id", "event_id")
    lost = db.execute(
        deliveries.update()
        .where(deliveries.c.id.in_(_expired(db, now)))
        .values(state="pending", lease_token=None, lease_until=None, maybe_sent=True, why="abandoned", due_at=now)
        .returning(*(deliveries.c[name] for name in names))
    ).all()
    if lost:
        abandoned = {"ended_at": now, "outcome": "abandoned", "reason": "abandoned"}
        db.execute(
            attempts.insert(),
            [{"delivery_id": row.id, "number": row.attempts, "account_id": row.account_id, "started_at": row.started_at} | abandoned for row in lost],
        )
        drop_overtaken(db, {DestinationKey(row.account_id, row.destination_id) for row in lost}, {row.event_id for row in lost}, now)
    return Tidied(len(lost), _withhold(db, now))


def _expired(db: Connection, now: datetime) -> sa.Select[Any]:
    query = sa.select(deliveries.c.id).where(deliveries.c.state == "sending", deliveries.c.lease_until < now)
    return query.with_for_update(skip_locked=True) if db.dialect.name == "postgresql" else query


def _withhold(db: Connection, now: datetime) -> int:
    at = subscription_destinations.c
    wanted = (
        sa.exists()
        .where(destinations.c.account_id == deliveries.c.account_id, destinations.c.id == deliveries.c.destination_id, takes_alerts())
        .where(at.account_id == deliveries.c.account_id, at.destination_id == deliveries.c.destination_id)
        .where(subscriptions.c.account_id == at.account_id, subscriptions.c.id == at.subscription_id, subscriptions.c.active)
    )
    unwanted = deliveries.update().where(deliveries.c.state == "pending", sa.not_(wanted))
    return db.execute(unwanted.values(state="withheld", why="not_wanted", ended_at=now)).rowcount


# ---- looking


def next_due(db: Connection) -> datetime | None:
    """When the next delivery is due; None when nothing waits. One whose destination takes no alerts may be among them, until it is withheld."""
    return min((due for late in (False, True) if (due := db.execute(_NEXT, {"late": late}).scalar_one()) is not None), default=None)


_NEXT = sa.select(sa.func.min(deliveries.c.due_at, type_=Instant())).where(
    deliveries.c.state == "pending", deliveries.c.late == sa.bindparam("late", type_=sa.Boolean)
)


def queue(db: Connection) -> Queue:
    """How full the queue is."""
    depth, oldest = db.execute(sa.select(sa.func.count(), sa.func.min(deliveries.c.due_at, type_=Instant())).where(deliveries.c.state == "pending")).one()
    return Queue(depth, oldest)
