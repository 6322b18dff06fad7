"""The journal: how attempts ended, many in one transaction, each fenced by the token of its lease.

A write by somebody whose lease was taken over changes nothing. Locks are taken in one order: deliveries, then destinations by id.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from services.store import notices
from services.store.accounts import DestinationKey, destinations
from services.store.delivery import attempts, deliveries
from services.store.engine import Instant, database_now
from services.store.health import Breaker, Health, health_after
from services.store.overtaken import drop_overtaken
from services.store.queue import Claimed
from services.store.rows import Given

OURS = frozenset({"bug", "disk", "interrupted", "store", "unreadable"})
"""Reasons that say nothing about the receiver."""


@dataclass(frozen=True, slots=True)
class Result:
    """How one attempt ended. `retry_in` None after a retry means that no attempt is left."""

    delivery: Claimed
    outcome: Literal["sent", "retry", "final"]
    reason: str
    status: int | None = None
    retry_in: timedelta | None = None
    pause: timedelta | None = None
    """The receiver asked to be left alone altogether for so long."""
    maybe_sent: bool = False
    disable: bool = False

    @property
    def again(self) -> bool:
        """Whether there will be another attempt."""
        return self.outcome == "retry" and self.retry_in is not None


def journal(db: Connection, results: Sequence[Result], now: datetime, breaker: Breaker, *, jitter: Callable[[], float] = lambda: 1.0) -> list[Result]:
    """Writes how attempts ended, many in one transaction. Returns those whose lease had been taken over: of them nothing is written."""
    if not results:
        return []
    now = database_now(db, now)
    held = _held(db, results)
    mine = [result for result in results if held.get(result.delivery.id) == result.delivery.token]
    if mine:
        dialect = db.dialect.name
        rows = _ENDED.rows(dialect, [_ended(result, now) for result in mine])
        db.execute(_settle(dialect), rows)
        db.execute(_note(dialect), {"now": now} | rows)
        unsent = [result.delivery for result in mine if result.outcome != "sent"]
        drop_overtaken(db, {one.destination for one in unsent}, {event_id for one in unsent for event_id in one.event_ids}, now)
        _note_health(db, mine, now, breaker, jitter)
    return [result for result in results if held.get(result.delivery.id) != result.delivery.token]


_IDS = Given(id=sa.Text())


@lru_cache
def _holders(dialect: str) -> sa.Select[Any]:
    given = _IDS.table(dialect)
    query = sa.select(deliveries.c.id, deliveries.c.lease_token).join(given, given.c.id == deliveries.c.id)
    return query.order_by(deliveries.c.id).with_for_update(of=deliveries) if dialect == "postgresql" else query


def _held(db: Connection, results: Iterable[Result]) -> dict[str, str]:
    """Who holds the leases, with the rows locked in id order."""
    dialect = db.dialect.name
    ids = [{"id": result.delivery.id} for result in results]
    return {row.id: row.lease_token for row in db.execute(_holders(dialect), _IDS.rows(dialect, ids))}


_ENDED = Given(
    id=sa.Text(), account_id=sa.Text(), number=sa.Integer(), started_at=Instant(), outcome=sa.Text(), reason=sa.Text(), status=sa.Integer(),
    retry_at=Instant(), state=sa.Text(), due_at=Instant(), ended_at=Instant(), maybe_sent=sa.Boolean(),
)  # fmt: skip


def _ended(result: Result, now: datetime) -> dict[str, Any]:
    delivery = result.delivery
    return {
        "id": delivery.id,
        "account_id": delivery.destination.account_id,
        "number": delivery.attempt,
        "started_at": delivery.started_at,
        "outcome": result.outcome,
        "reason": result.reason,
        "status": result.status,
        "retry_at": None if result.retry_in is None else now + result.retry_in,
        "state": "pending" if result.again else "sent" if result.outcome == "sent" else "failed",
        "due_at": now + (result.retry_in or timedelta()),
        "ended_at": None if result.again else now,
        "maybe_sent": result.maybe_sent,
    }


@lru_cache
def _settle(dialect: str) -> sa.Update:
    given = _ENDED.table(dialect)
    return (
        deliveries.update()
        .where(deliveries.c.id == given.c.id)
        .values(
            state=given.c.state,
            why=given.c.reason,
            late=sa.or_(deliveries.c.late, given.c.state == "pending"),
            due_at=given.c.due_at,
            ended_at=given.c.ended_at,
            maybe_sent=sa.or_(deliveries.c.maybe_sent, given.c.maybe_sent),
            lease_token=None,
            lease_until=None,
        )
    )


@lru_cache
def _note(dialect: str) -> sa.Insert:
    given = _ENDED.table(dialect)
    names = ("delivery_id", "number", "account_id", "started_at", "ended_at", "outcome", "reason", "status", "retry_at")
    own = {"delivery_id": given.c.id, "ended_at": sa.bindparam("now", type_=Instant())}
    return attempts.insert().from_select(names, sa.select(*(own[name] if name in own else given.c[name] for name in names)))


# ---- the health of destinations


_TRIED = Given(account_id=sa.Text(), id=sa.Text(), failed=sa.Integer())


@lru_cache
def _unwell(dialect: str) -> sa.Select[Any]:
    """Destinations that failed now or before, locked in id order. Those that are well and stay so are not touched."""
    table, given = destinations, _TRIED.table(dialect)
    query = (
        sa.select(table.c.account_id, table.c.id, table.c.failures, table.c.paused_until, table.c.failing_since)
        .join(given, sa.and_(given.c.account_id == table.c.account_id, given.c.id == table.c.id))
        .where(sa.or_(given.c.failed > 0, table.c.failures > 0, table.c.paused_until.is_not(None)))
    )
    return query.order_by(table.c.account_id, table.c.id).with_for_update(of=table) if dialect == "postgresql" else query


def _note_health(db: Connection, results: Iterable[Result], now: datetime, breaker: Breaker, jitter: Callable[[], float]) -> None:
    """Counts failures in a row and opens or closes the breaker."""
    by_destination: defaultdict[DestinationKey, list[Result]] = defaultdict(list)
    for result in results:
        by_destination[result.delivery.destination].append(result)
    dialect = db.dialect.name
    tried = [{"account_id": key.account_id, "id": key.id, "failed": sum(result.outcome != "sent" for result in ended)} for key, ended in by_destination.items()]
    for account_id, one, failures, paused_until, since in db.execute(_unwell(dialect), _TRIED.rows(dialect, tried)).all():
        key = DestinationKey(account_id, one)
        _note_one(db, key, Health(failures, paused_until), by_destination[key], now, breaker, jitter())
        _note_spell(db, key, since, by_destination[key], now)


def _note_one(db: Connection, key: DestinationKey, before: Health, results: Sequence[Result], now: datetime, breaker: Breaker, jitter: float) -> None:
    sent = sum(result.outcome == "sent" for result in results)
    asked = max((result.pause for result in results if result.pause is not None), default=None)
    after = health_after(before, sent=sent, failed=len(results) - sent, asked=asked, now=now, breaker=breaker, jitter=jitter)
    values: dict[str, Any] = {} if after == before else {"failures": after.failures, "paused_until": after.paused_until}
    if gone := next((result.reason for result in results if result.disable), None):
        values |= {"disabled": gone, "updated_at": now}
    if values:
        table = destinations
        db.execute(table.update().where(table.c.account_id == key.account_id, table.c.id == key.id).values(**values))
    if after.paused_until is not None and after.paused_until > now:
        _put_off(db, key, after.paused_until)


def _note_spell(db: Connection, key: DestinationKey, since: datetime | None, results: Sequence[Result], now: datetime) -> None:
    """When a spell of failures began, and what its account is told of it."""
    if gone := next((result.reason for result in results if result.disable), None):
        notices.raise_notice(db, key, notices.DISABLED, gone, now, since=now)
    failed = next((result.reason for result in results if result.outcome != "sent" and result.reason not in OURS), None)
    well = any(result.outcome == "sent" for result in results)
    if well or (failed and since is None):
        begun = None if well else now
        db.execute(destinations.update().where(destinations.c.account_id == key.account_id, destinations.c.id == key.id).values(failing_since=begun))
        if failed and begun and not gone:
            notices.raise_notice(db, key, notices.FAILING, failed, now, since=begun)


def _put_off(db: Connection, key: DestinationKey, until: datetime) -> None:
    """What waits for a destination that is left alone is not due before: it would stand in the way of all others."""
    own = (deliveries.c.account_id == key.account_id, deliveries.c.destination_id == key.id, deliveries.c.state == "pending")
    db.execute(deliveries.update().where(*own, deliveries.c.due_at < until).values(due_at=until, late=True))
