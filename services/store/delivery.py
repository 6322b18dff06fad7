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
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, cast

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from schemas.events.event import PolicyEvent
from services.store.accounts import DestinationKey, destinations, subscription_destinations, subscriptions, takes_alerts
from services.store.engine import Instant, database_now, insert, metadata
from services.store.threads import alerts, events, set_fanout_cursor

STATES = ("pending", "sending", "sent", "failed", "superseded", "withheld")

deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("account_id", sa.Text, nullable=False),
    sa.Column("destination_id", sa.Text, nullable=False),
    sa.Column("alert_id", sa.Text, sa.ForeignKey("alerts.id"), nullable=False),
    sa.Column("event_id", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("kind", sa.Text, nullable=False, comment="of the alert: new, update, reversal, correction or withdrawal"),
    sa.Column("reasons", sa.Text, nullable=False, comment="a JSON list of sentences: which subscriptions matched, and why"),
    sa.Column("language", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False, comment=f"one of {', '.join(STATES)}"),
    sa.Column("why", sa.Text, nullable=True, comment="the reason of the last attempt, or of the end"),
    sa.Column("due_at", Instant, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("maybe_sent", sa.Boolean, nullable=False, comment="an attempt broke off when the receiver may have had it already"),
    sa.Column("lease_token", sa.Text, nullable=True),
    sa.Column("lease_until", Instant, nullable=True),
    sa.Column("sequence", sa.BigInteger, nullable=True, comment="taken at the first release, kept ever after"),
    sa.Column("previous", sa.BigInteger, nullable=True),
    sa.Column("epoch", sa.Integer, nullable=True),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("ended_at", Instant, nullable=True),
    sa.ForeignKeyConstraint(["account_id", "destination_id"], ["destinations.account_id", "destinations.id"], name="fk_deliveries_destinations"),
    sa.Index("ix_deliveries_due", "state", "due_at"),
    sa.Index("ix_deliveries_leases", "state", "lease_until"),
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
    sa.Column("ended_at", Instant, nullable=True, comment="null: under way, or whoever made it died"),
    sa.Column("outcome", sa.Text, nullable=True, comment="sent, retry, final or abandoned"),
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


@dataclass(frozen=True)
class Claimed:
    """A delivery in hand, with all that is needed to send it. Address and secret are still encrypted."""

    id: str
    destination: DestinationKey
    channel: str
    address: bytes
    secret: bytes | None
    alert_id: str
    kind: str
    event: PolicyEvent
    related: tuple[PolicyEvent, ...]
    reasons: tuple[str, ...]
    language: str
    raised_at: datetime
    attempt: int
    sequence: int
    previous: int
    epoch: int
    token: str


@dataclass(frozen=True)
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


@dataclass(frozen=True)
class Queue:
    """How much waits, and since when the oldest of it is due."""

    depth: int
    oldest_due_at: datetime | None


@dataclass(frozen=True)
class Breaker:
    """When a destination that keeps failing is left alone: after `failures` in a row, for `pause`, doubled with each further failure up to `longest`."""

    failures: int = 5
    pause: timedelta = timedelta(seconds=10)
    longest: timedelta = timedelta(minutes=15)

    def is_open(self, failures: int) -> bool:
        """Whether so many failures in a row are too many: then one attempt at a time is made, after each pause."""
        return failures >= self.failures

    def after(self, health: Health, failed: int, now: datetime) -> Health:
        """The state after `failed` more failures. Those that were under way when it opened do not lengthen the pause: only probes do."""
        if health.paused_until is not None and health.paused_until > now:
            return health
        failures = health.failures + 1 if self.is_open(health.failures) else min(health.failures + failed, self.failures)
        if not self.is_open(failures):
            return Health(failures, None)
        return Health(failures, now + min(self.pause * 2 ** min(failures - self.failures, 16), self.longest))


@dataclass(frozen=True)
class Health:
    """How a destination has been doing: failures in a row, and until when it is left alone."""

    failures: int = 0
    paused_until: datetime | None = None


def delivery_id(alert_id: str, destination: DestinationKey) -> str:
    """The same alert to the same destination is the same delivery for ever: `msg_` and 32 letters."""
    digest = hashlib.sha256("\x1f".join((alert_id, *destination)).encode()).digest()[:20]
    return "msg_" + base64.b32encode(digest).decode().lower()


# ---- into the queue


def enqueue(db: Connection, new: Sequence[NewDelivery], now: datetime) -> int:
    """Adds what is not there yet, due at once. Returns how many were added."""
    if not new:
        return 0
    statement = insert(db, deliveries).on_conflict_do_nothing(index_elements=["id"]).returning(deliveries.c.id)
    return len(db.execute(statement, [_row(one, now) for one in new]).all())


def _row(new: NewDelivery, now: datetime) -> dict[str, Any]:
    return {
        "id": delivery_id(new.alert_id, new.destination),
        "account_id": new.destination.account_id,
        "destination_id": new.destination.id,
        "alert_id": new.alert_id,
        "event_id": new.event_id,
        "version": new.version,
        "kind": new.kind,
        "reasons": json.dumps(new.reasons, ensure_ascii=False),
        "language": new.language,
        "state": "pending",
        "due_at": now,
        "attempts": 0,
        "maybe_sent": False,
        "created_at": now,
    }


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
        old = sa.and_(old, _among(only))
    return db.execute(deliveries.update().where(old).values(state="superseded", why="newer_version", ended_at=now)).rowcount


def told(db: Connection, event_id: str, version: int) -> dict[DestinationKey, str]:
    """The destinations that were told of the event in a version before this, or may have been, with the language they were told in."""
    rows = db.execute(
        sa.select(deliveries.c.account_id, deliveries.c.destination_id, deliveries.c.language)
        .where(deliveries.c.event_id == event_id, deliveries.c.version < version, _was_told(deliveries))
        .order_by(deliveries.c.version)
    )
    return {DestinationKey(account_id, destination_id): language for account_id, destination_id, language in rows}


def _was_told(table: sa.FromClause) -> sa.ColumnElement[bool]:
    return sa.or_(table.c.state.in_(("sent", "sending")), table.c.maybe_sent)


def _among(keys: Iterable[DestinationKey]) -> sa.ColumnElement[bool]:
    return sa.tuple_(deliveries.c.account_id, deliveries.c.destination_id).in_([tuple(key) for key in keys])


# ---- out of the queue


def claim(
    db: Connection,
    *,
    token: str,
    limit: int,
    per_destination: int,
    in_hand: Mapping[DestinationKey, int],
    lease: timedelta,
    now: datetime,
    breaker: Breaker,
) -> list[Claimed]:
    """Takes up to `limit` due deliveries under a lease, at most `per_destination` for each destination counting those `in_hand`.

    A destination whose breaker is half open gets a single one. Each delivery takes its sequence here, the first time.
    """
    now = database_now(db, now)
    picked = _pick(_due(db, limit, per_destination, in_hand, now, breaker), limit, per_destination, in_hand, breaker)
    if not picked:
        return []
    numbered = _number(db, picked)
    lines = [{"b_id": row["id"], "token": token, "until": now + lease, **numbered[row["id"]]} for row in picked]
    db.execute(_TAKE, lines)
    db.execute(attempts.insert(), [_attempt(row, now) for row in picked])
    written = {row["alert_id"]: row["event"] for row in picked}
    told = {alert_id: PolicyEvent.model_validate_json(event) for alert_id, event in written.items()}
    related = _related(db, told.values())
    return [_claimed(row, numbered[row["id"]], told[row["alert_id"]], related, token) for row in picked]


_TAKE = (
    deliveries.update()
    .where(deliveries.c.id == sa.bindparam("b_id"))
    .values(
        state="sending",
        attempts=deliveries.c.attempts + 1,
        lease_token=sa.bindparam("token"),
        lease_until=sa.bindparam("until"),
        sequence=sa.bindparam("sequence"),
        previous=sa.bindparam("previous"),
        epoch=sa.bindparam("epoch"),
    )
)


def _due(db: Connection, limit: int, per_destination: int, in_hand: Mapping[DestinationKey, int], now: datetime, breaker: Breaker) -> list[RowMapping]:
    """Candidates, oldest first. Destinations that have their share already are left out, so a crowd for one of them cannot hide the others for long."""
    query = (
        sa.select(
            deliveries,
            *(destinations.c[name] for name in ("address", "secret", "failures")),
            destinations.c.kind.label("channel"),
            alerts.c.event,
            alerts.c.created_at.label("raised_at"),
        )
        .join(destinations, sa.and_(destinations.c.account_id == deliveries.c.account_id, destinations.c.id == deliveries.c.destination_id))
        .join(alerts, alerts.c.id == deliveries.c.alert_id)
        .where(deliveries.c.state == "pending", deliveries.c.due_at <= now, takes_alerts())
        .where(sa.or_(destinations.c.paused_until.is_(None), destinations.c.paused_until <= now))
        .order_by(deliveries.c.due_at, deliveries.c.alert_id, deliveries.c.id)  # what was placed first is told first
        .limit(limit)
    )
    if full := [key for key, count in in_hand.items() if count >= per_destination]:
        query = query.where(sa.not_(_among(full)))
    if in_hand:
        query = query.where(sa.not_(sa.and_(destinations.c.failures >= breaker.failures, _among(in_hand))))  # its probe is under way
    if db.dialect.name == "postgresql":
        query = query.with_for_update(of=deliveries, skip_locked=True)
    return list(db.execute(query).mappings())


def _pick(due: Iterable[RowMapping], limit: int, per_destination: int, in_hand: Mapping[DestinationKey, int], breaker: Breaker) -> list[RowMapping]:
    """As many as each destination may have."""
    taken = Counter(in_hand)
    picked: list[RowMapping] = []
    for row in due:
        key = _key(row)
        share = 1 if breaker.is_open(row["failures"]) else per_destination
        if taken[key] < share and len(picked) < limit:
            taken[key] += 1
            picked.append(row)
    return picked


def _number(db: Connection, picked: Iterable[RowMapping]) -> dict[str, dict[str, int]]:
    """Sequence, previous and epoch of each delivery: those it has, or the next of its destination, taken under the lock of the destination's row."""
    numbers: dict[str, dict[str, int]] = {}
    without: dict[DestinationKey, list[str]] = defaultdict(list)
    for row in picked:
        if row["sequence"] is None:
            without[_key(row)].append(row["id"])
        else:
            numbers[row["id"]] = {name: row[name] for name in ("sequence", "previous", "epoch")}
    table = destinations
    for key in sorted(without):
        ids = without[key]
        last, epoch = db.execute(
            table.update()
            .where(table.c.account_id == key.account_id, table.c.id == key.id)
            .values(last_sequence=table.c.last_sequence + len(ids))
            .returning(table.c.last_sequence, table.c.epoch)
        ).one()
        for sequence, one in enumerate(ids, last - len(ids) + 1):
            numbers[one] = {"sequence": sequence, "previous": sequence - 1, "epoch": epoch}
    return numbers


def _attempt(row: RowMapping, now: datetime) -> dict[str, Any]:
    return {"delivery_id": row["id"], "number": row["attempts"] + 1, "account_id": row["account_id"], "started_at": now}


def _related(db: Connection, told: Iterable[PolicyEvent]) -> dict[str, PolicyEvent]:
    """The events that these refer to, as they stand now."""
    ids = sorted({relation.event for event in told for relation in event.relations})
    if not ids:
        return {}
    return {row.id: PolicyEvent.model_validate_json(row.event) for row in db.execute(sa.select(events.c.id, events.c.event).where(events.c.id.in_(ids)))}


def _claimed(row: RowMapping, numbers: Mapping[str, int], event: PolicyEvent, related: Mapping[str, PolicyEvent], token: str) -> Claimed:
    return Claimed(
        id=row["id"],
        destination=_key(row),
        channel=row["channel"],
        address=row["address"],
        secret=row["secret"],
        alert_id=row["alert_id"],
        kind=row["kind"],
        event=event,
        related=tuple(related[relation.event] for relation in event.relations if relation.event in related),
        reasons=tuple(json.loads(row["reasons"])),
        language=row["language"],
        raised_at=row["raised_at"],
        attempt=row["attempts"] + 1,
        token=token,
        **numbers,
    )


def _key(row: RowMapping) -> DestinationKey:
    return DestinationKey(row["account_id"], row["destination_id"])


# ---- the journal


def journal(db: Connection, results: Sequence[Result], now: datetime, breaker: Breaker) -> list[Result]:
    """Writes how attempts ended, many in one transaction. Returns those whose lease had been taken over: of them nothing is written."""
    now = database_now(db, now)
    held = _held(db, results)
    mine = [result for result in results if held.get(result.delivery.id) == result.delivery.token]
    if mine:
        db.execute(_CLOSE, [_closed(result, now) for result in mine])
        db.execute(_SETTLE, [_settled(result, now) for result in mine])
        _drop_overtaken(db, [result.delivery for result in mine if result.outcome != "sent"], now)
        _note_health(db, mine, now, breaker)
    return [result for result in results if held.get(result.delivery.id) != result.delivery.token]


def _held(db: Connection, results: Iterable[Result]) -> dict[str, str]:
    """Who holds the leases, with the rows locked in id order."""
    ids = sorted(result.delivery.id for result in results)
    query = sa.select(deliveries.c.id, deliveries.c.lease_token).where(deliveries.c.id.in_(ids), deliveries.c.state == "sending").order_by(deliveries.c.id)
    if db.dialect.name == "postgresql":
        query = query.with_for_update()
    return {row.id: row.lease_token for row in db.execute(query)}


_CLOSE = (
    attempts.update()
    .where(attempts.c.delivery_id == sa.bindparam("b_id"), attempts.c.number == sa.bindparam("b_number"))
    .values(**{name: sa.bindparam(name) for name in ("ended_at", "outcome", "reason", "status", "retry_at")})
)

_SETTLE = (
    deliveries.update()
    .where(deliveries.c.id == sa.bindparam("b_id"))
    .values(
        lease_token=None,
        lease_until=None,
        maybe_sent=sa.or_(deliveries.c.maybe_sent, sa.bindparam("b_maybe", type_=sa.Boolean)),
        **{name: sa.bindparam(name) for name in ("state", "why", "due_at", "ended_at")},
    )
)


def _closed(result: Result, now: datetime) -> dict[str, Any]:
    retry_at = None if result.retry_in is None else now + result.retry_in
    return {
        "b_id": result.delivery.id,
        "b_number": result.delivery.attempt,
        "ended_at": now,
        "outcome": result.outcome,
        "reason": result.reason,
        "status": result.status,
        "retry_at": retry_at,
    }


def _settled(result: Result, now: datetime) -> dict[str, Any]:
    again = result.outcome == "retry" and result.retry_in is not None
    return {
        "b_id": result.delivery.id,
        "b_maybe": result.maybe_sent,
        "state": "pending" if again else "sent" if result.outcome == "sent" else "failed",
        "why": result.reason,
        "due_at": now + (result.retry_in or timedelta()),
        "ended_at": None if again else now,
    }


def _note_health(db: Connection, results: Iterable[Result], now: datetime, breaker: Breaker) -> None:
    """Counts failures in a row and opens or closes the breaker, one destination after the other in id order."""
    by_destination: dict[DestinationKey, list[Result]] = defaultdict(list)
    for result in results:
        by_destination[result.delivery.destination].append(result)
    for key in sorted(by_destination):
        _note_one(db, key, by_destination[key], now, breaker)


def _note_one(db: Connection, key: DestinationKey, results: Sequence[Result], now: datetime, breaker: Breaker) -> None:
    table = destinations
    own = (table.c.account_id == key.account_id, table.c.id == key.id)
    before = Health(*db.execute(sa.select(table.c.failures, table.c.paused_until).where(*own)).one())
    after = health_after(before, results, now, breaker)
    values: dict[str, Any] = {} if after == before else {"failures": after.failures, "paused_until": after.paused_until}
    if gone := next((result.reason for result in results if result.disable), None):
        values |= {"disabled": gone, "updated_at": now}
    if values:
        db.execute(table.update().where(*own).values(**values))


def health_after(before: Health, results: Sequence[Result], now: datetime, breaker: Breaker) -> Health:
    """A success makes all well; a receiver that asks for a pause gets it; the rest is the breaker's."""
    if any(result.outcome == "sent" for result in results):
        return Health()
    health = breaker.after(before, len(results), now)
    asked = max((now + result.pause for result in results if result.pause is not None), default=None)
    return health if asked is None else Health(health.failures, max(asked, health.paused_until or asked))


def _drop_overtaken(db: Connection, unsent: Sequence[Claimed], now: datetime) -> None:
    """What failed while a newer version came in is superseded; and a correction of what nobody was told goes with it."""
    if not unsent:
        return
    newer, before = deliveries.alias("newer"), deliveries.alias("before")
    touched = sorted({delivery.event.id for delivery in unsent})
    waiting = (deliveries.c.state == "pending", deliveries.c.event_id.in_(touched), _among({delivery.destination for delivery in unsent}))
    overtaken = sa.exists().where(*_same_place(newer), newer.c.version > deliveries.c.version)
    db.execute(deliveries.update().where(*waiting, overtaken).values(state="superseded", why="newer_version", ended_at=now))
    known = sa.exists().where(*_same_place(before), before.c.version < deliveries.c.version, _was_told(before))
    pointless = (deliveries.c.kind.in_(CORRECTING), sa.not_(known))
    db.execute(deliveries.update().where(*waiting, *pointless).values(state="superseded", why="never_told", ended_at=now))


CORRECTING = ("correction", "withdrawal")
"""Kinds of alert that go to those who were told before, whatever their filters say."""


def _same_place(other: sa.FromClause) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        other.c.event_id == deliveries.c.event_id,
        other.c.account_id == deliveries.c.account_id,
        other.c.destination_id == deliveries.c.destination_id,
    )


def release(db: Connection, claimed: Sequence[Claimed], now: datetime) -> None:
    """Gives back what was claimed and never begun: due at once, the attempt not counted."""
    now = database_now(db, now)
    for delivery in sorted(claimed, key=lambda one: one.id):
        own = (deliveries.c.id == delivery.id, deliveries.c.lease_token == delivery.token)
        values = {"state": "pending", "lease_token": None, "lease_until": None, "attempts": deliveries.c.attempts - 1, "due_at": now}
        if db.execute(deliveries.update().where(*own).values(**values)).rowcount:
            db.execute(attempts.delete().where(attempts.c.delivery_id == delivery.id, attempts.c.number == delivery.attempt))


@dataclass(frozen=True)
class Tidied:
    """What the housekeeping found."""

    expired: int
    withheld: int


def tidy(db: Connection, now: datetime) -> Tidied:
    """Takes back leases that ran out (the receiver may have had those deliveries), and withholds what may not be sent any more."""
    now = database_now(db, now)
    lost = list(
        db.execute(
            deliveries.update()
            .where(deliveries.c.id.in_(_expired(db, now)))
            .values(state="pending", lease_token=None, lease_until=None, maybe_sent=True, why="abandoned", due_at=now)
            .returning(deliveries.c.id, deliveries.c.attempts)
        )
    )
    abandoned = attempts.update().where(attempts.c.delivery_id == sa.bindparam("b_id"), attempts.c.number == sa.bindparam("b_number"))
    if lost:
        db.execute(abandoned.values(ended_at=now, outcome="abandoned", reason="abandoned"), [{"b_id": one, "b_number": number} for one, number in lost])
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
    """When the next delivery is due that a claim would take; None when nothing waits."""
    table = destinations
    when = sa.case((table.c.paused_until > deliveries.c.due_at, table.c.paused_until), else_=deliveries.c.due_at)
    query = (
        sa.select(sa.func.min(when, type_=Instant()))
        .select_from(deliveries)
        .join(table, sa.and_(table.c.account_id == deliveries.c.account_id, table.c.id == deliveries.c.destination_id))
        .where(deliveries.c.state == "pending", takes_alerts())
    )
    return cast("datetime | None", db.execute(query).scalar_one())


def queue(db: Connection) -> Queue:
    """How full the queue is."""
    depth, oldest = db.execute(sa.select(sa.func.count(), sa.func.min(deliveries.c.due_at, type_=Instant())).where(deliveries.c.state == "pending")).one()
    return Queue(depth, oldest)


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
    sequence: int | None
    created_at: datetime
    due_at: datetime
    ended_at: datetime | None


def list_deliveries(db: Connection, account_id: str, *, event_id: str | None = None, limit: int = 1000) -> list[Delivery]:
    """An account's deliveries, the newest first."""
    query = sa.select(deliveries).where(deliveries.c.account_id == account_id)
    if event_id is not None:
        query = query.where(deliveries.c.event_id == event_id)
    rows = db.execute(query.order_by(deliveries.c.created_at.desc(), deliveries.c.id).limit(limit)).mappings()
    return [_delivery(row) for row in rows]


def _delivery(row: RowMapping) -> Delivery:
    names = ("alert_id", "kind", "language", "state", "why", "attempts", "sequence", "created_at", "due_at", "ended_at")
    return Delivery(id=row["id"], destination=_key(row), reasons=tuple(json.loads(row["reasons"])), **{name: row[name] for name in names})
