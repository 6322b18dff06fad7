"""Accounts, their destinations and subscriptions. Every row names its account, and so does every query made for one.

A destination's address, secret and headers are encrypted before they are kept. What is no longer wanted is switched off, never deleted: deliveries point at it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from schemas.config.subscriptions import When
from schemas.config.times import Times
from services.runtime.errors import Rejected
from services.store.engine import Instant, metadata
from services.store.secrets import Cipher
from services.store.signing import newest, rotated

accounts = sa.Table(
    "accounts",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("revision", sa.BigInteger, nullable=False, index=True, comment="rises over all accounts with every change to who hears what"),
)

destinations = sa.Table(
    "destinations",
    metadata,
    sa.Column("account_id", sa.Text, sa.ForeignKey("accounts.id"), primary_key=True),
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False, comment="such as webhook or email"),
    sa.Column("address", sa.LargeBinary, nullable=False, comment="encrypted"),
    sa.Column("secret", sa.LargeBinary, nullable=True, comment="encrypted"),
    sa.Column("headers", sa.LargeBinary, nullable=True, comment="of its own, a JSON object, encrypted; null for none"),
    sa.Column("verified", sa.Boolean, nullable=False, comment="its owner has shown that it is theirs, or an operator vouches for it"),
    sa.Column("active", sa.Boolean, nullable=False),
    sa.Column("disabled", sa.Text, nullable=True, comment="why it was switched off for its own behaviour, such as gone; null while in order"),
    sa.Column("epoch", sa.Integer, nullable=False),
    sa.Column("last_sequence", sa.BigInteger, nullable=False),
    sa.Column("failures", sa.Integer, nullable=False, comment="failed attempts since the last success"),
    sa.Column("failing_since", Instant, nullable=True, comment="the first failure after the last success"),
    sa.Column("paused_until", Instant, nullable=True, comment="the breaker is open until then"),
    sa.Column("times", sa.Text, nullable=False, comment="quiet hours, daily cap and digest times as JSON"),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("updated_at", Instant, nullable=False),
)

subscriptions = sa.Table(
    "subscriptions",
    metadata,
    sa.Column("account_id", sa.Text, sa.ForeignKey("accounts.id"), primary_key=True),
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("filter", sa.Text, nullable=False, comment="the `when` tree as JSON"),
    sa.Column("cadence", sa.Text, nullable=False),
    sa.Column("language", sa.Text, nullable=False),
    sa.Column("active", sa.Boolean, nullable=False),
    sa.Column("created_at", Instant, nullable=False, comment="alerts raised before are not told"),
    sa.Column("updated_at", Instant, nullable=False),
)

subscription_destinations = sa.Table(
    "subscription_destinations",
    metadata,
    sa.Column("account_id", sa.Text, primary_key=True),
    sa.Column("destination_id", sa.Text, primary_key=True),
    sa.Column("subscription_id", sa.Text, primary_key=True),
    sa.Column("created_at", Instant, nullable=False),
    sa.ForeignKeyConstraint(["account_id", "destination_id"], ["destinations.account_id", "destinations.id"], name="fk_subscription_destinations_destinations"),
    sa.ForeignKeyConstraint(
        ["account_id", "subscription_id"], ["subscriptions.account_id", "subscriptions.id"], name="fk_subscription_destinations_subscriptions"
    ),
)


ANY_TIME = Times()
"""No quiet hours, no cap."""


class DestinationKey(NamedTuple):
    """A destination by name: its id is its account's own."""

    account_id: str
    id: str


@dataclass(frozen=True)
class WantedDestination:
    """A destination as somebody wants it, its address, secret and headers in clear: never logged, never stored so."""

    id: str
    kind: str
    address: str
    secret: str | None = None
    times: Times = ANY_TIME
    headers: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"WantedDestination({self.id!r}, {self.kind!r})"


@dataclass(frozen=True)
class Opened:
    """What is needed to send to a destination, in clear. Its repr shows nothing of it."""

    address: str = field(repr=False)
    secret: str | None = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True)
class WantedSubscription:
    """A subscription as somebody wants it."""

    id: str
    to: tuple[str, ...]
    when: When
    cadence: str = "immediate"
    language: str = "en"


@dataclass(frozen=True)
class WantedAccount:
    """An account as somebody wants it."""

    id: str
    destinations: tuple[WantedDestination, ...]
    subscriptions: tuple[WantedSubscription, ...]


@dataclass(frozen=True)
class Change:
    """What `apply` did to one thing: created, updated, reactivated or deactivated."""

    account_id: str
    what: str
    id: str
    done: str


@dataclass(frozen=True)
class Subscription:
    """A subscription, as it points at one of its destinations."""

    id: str
    destination: DestinationKey
    when: When
    cadence: str
    language: str
    active: bool
    created_at: datetime
    since: datetime
    """Since when it points there: of alerts raised before it tells nothing."""


@dataclass(frozen=True)
class Destination:
    """A destination without its address: what may be shown."""

    key: DestinationKey
    kind: str
    verified: bool
    active: bool
    disabled: str | None
    epoch: int
    last_sequence: int
    failures: int
    paused_until: datetime | None
    times: Times


def apply(db: Connection, wanted: Sequence[WantedAccount], cipher: Cipher, now: datetime) -> list[Change]:
    """Makes the named accounts as they are wanted, and tells what changed. Repeating it changes nothing. Accounts not named are left alone."""
    _one_at_a_time(db)
    changes: list[Change] = []
    for account in wanted:
        if db.execute(sa.select(accounts.c.id).where(accounts.c.id == account.id)).first() is None:
            db.execute(accounts.insert().values(id=account.id, created_at=now, revision=0))
            changes.append(Change(account.id, "account", account.id, "created"))
        changes += _apply_destinations(db, account, cipher, now)
        changes += _apply_subscriptions(db, account, now)
    touch(db, sorted({change.account_id for change in changes}))
    return changes


def touch(db: Connection, account_ids: Sequence[str]) -> None:
    """Tells every process that looks that the destinations or subscriptions of these accounts are others now."""
    if account_ids:
        _one_at_a_time(db)
        newest = db.execute(sa.select(sa.func.coalesce(sa.func.max(accounts.c.revision), 0))).scalar_one()
        db.execute(accounts.update().where(accounts.c.id.in_(account_ids)).values(revision=newest + 1))


def _one_at_a_time(db: Connection) -> None:
    """Revisions must become visible in the order they are given: who has seen one never misses a smaller. SQLite's write lock sees to that already."""
    if db.dialect.name == "postgresql":
        db.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext('chipwire.accounts'))"))


def _apply_destinations(db: Connection, account: WantedAccount, cipher: Cipher, now: datetime) -> Iterator[Change]:
    table = destinations
    existing = _rows(db, table, account.id)
    for wanted in account.destinations:
        values, done = _destination_values(wanted, existing.get(wanted.id), cipher, now)
        if done == "created":
            fresh = {"epoch": 1, "last_sequence": 0, "failures": 0, "created_at": now}
            db.execute(table.insert().values(account_id=account.id, id=wanted.id, updated_at=now, **fresh, **values))
        elif done:
            db.execute(table.update().where(table.c.account_id == account.id, table.c.id == wanted.id).values(updated_at=now, **values))
        if done:
            yield Change(account.id, "destination", wanted.id, done)
    yield from _deactivate(db, table, "destination", account.id, existing, {wanted.id for wanted in account.destinations}, now)


def _destination_values(wanted: WantedDestination, row: RowMapping | None, cipher: Cipher, now: datetime) -> tuple[dict[str, Any], str | None]:
    """What to write for a destination, and what that is called; None when nothing is to be done."""
    sealed = {
        "kind": wanted.kind,
        "address": cipher.encrypt(wanted.address),
        "secret": None if wanted.secret is None else cipher.encrypt(wanted.secret),
        "headers": None if (headers := headers_json(wanted.headers)) is None else cipher.encrypt(headers),
        "verified": True,  # whoever may write the file vouches for it
        "active": True,
        "disabled": None,  # another address, secret or header is a new beginning
        "paused_until": None,
        "times": times_json(wanted.times),
    }
    if row is None:
        return sealed, "created"
    same_place = row["kind"] == wanted.kind and _hides(row["address"], wanted.address, cipher)
    kept = _opened(row["secret"], cipher)
    same_headers = _hides(row["headers"], headers_json(wanted.headers), cipher)
    if not same_place or not same_headers or (kept and newest(kept)) != wanted.secret:
        if same_place and kept and wanted.secret:  # the receiver may still know only the one before
            sealed["secret"] = cipher.encrypt(rotated(kept, wanted.secret, now=now))
        return sealed | {"failures": 0, "failing_since": None}, "updated"
    done = "reactivated" if not row["active"] else "updated" if row["times"] != sealed["times"] else None
    return {"active": True, "times": sealed["times"]}, done


def _hides(sealed: bytes | None, text: str | None, cipher: Cipher) -> bool:
    """Whether that is the text. What no key opens any more is another: so applying the file again mends what a lost key has cost."""
    return (sealed is None) == (text is None) and _opened(sealed, cipher) == text


def _opened(sealed: bytes | None, cipher: Cipher) -> str | None:
    """None also where no key opens it."""
    try:
        return None if sealed is None else cipher.decrypt(sealed)
    except Rejected:
        return None


def rotate(db: Connection, key: DestinationKey, secret: str, cipher: Cipher, *, grace: timedelta, now: datetime) -> bool:
    """Gives a webhook a new secret; the one before signs beside it for the grace. False when there is no such webhook. Raises Rejected."""
    mine = (destinations.c.account_id == key.account_id, destinations.c.id == key.id, destinations.c.secret.is_not(None))
    sealed = db.execute(sa.select(destinations.c.secret).where(*mine)).scalar_one_or_none()
    if sealed is None:
        return False
    kept = rotated(cipher.decrypt(sealed), secret, now=now, grace=grace)
    db.execute(destinations.update().where(*mine).values(secret=cipher.encrypt(kept), updated_at=now))
    return True


def begin_epoch(db: Connection, now: datetime) -> int:
    """Lets the numbers of every destination start again under a higher epoch, as a restored store must; how many that were.

    What has taken a number keeps it, with its epoch.
    """
    table = destinations
    return db.execute(table.update().values(epoch=table.c.epoch + 1, last_sequence=0, updated_at=now)).rowcount


def exists(db: Connection, key: DestinationKey) -> bool:
    """Whether there is such a destination, the switched off included."""
    mine = (destinations.c.account_id == key.account_id, destinations.c.id == key.id)
    return db.execute(sa.select(destinations.c.id).where(*mine)).first() is not None


def opened(db: Connection, key: DestinationKey, cipher: Cipher) -> Opened | None:
    """A destination in clear; None when there is no such destination. Raises Rejected."""
    mine = (destinations.c.account_id == key.account_id, destinations.c.id == key.id)
    row = db.execute(sa.select(destinations.c.address, destinations.c.secret, destinations.c.headers).where(*mine)).first()
    if row is None:
        return None
    secret, headers = (None if sealed is None else cipher.decrypt(sealed) for sealed in (row.secret, row.headers))
    return Opened(cipher.decrypt(row.address), secret, headers_of(headers))


def set_verified(db: Connection, key: DestinationKey, now: datetime, *, verified: bool) -> None:
    """Whether a destination has shown that it is its owner's. Only then it takes alerts. What was switched off for failing is on again: it answers."""
    mine = (destinations.c.account_id == key.account_id, destinations.c.id == key.id)
    well: dict[str, Any] = {"disabled": None, "failures": 0, "failing_since": None, "paused_until": None} if verified else {}
    db.execute(destinations.update().where(*mine).values(verified=verified, updated_at=now, **well))


def _apply_subscriptions(db: Connection, account: WantedAccount, now: datetime) -> Iterator[Change]:
    table = subscriptions
    existing = _rows(db, table, account.id)
    for wanted in account.subscriptions:
        row = existing.get(wanted.id)
        values = {"filter": when_json(wanted.when), "cadence": wanted.cadence, "language": wanted.language, "active": True}
        if row is None:
            done: str | None = "created"
            db.execute(table.insert().values(account_id=account.id, id=wanted.id, created_at=now, updated_at=now, **values))
        else:
            done = "reactivated" if not row["active"] else "updated" if any(row[name] != value for name, value in values.items()) else None
            since = {} if row["active"] else {"created_at": now}  # while it was off it heard nothing, and is not told afterwards
            if done:
                db.execute(table.update().where(table.c.account_id == account.id, table.c.id == wanted.id).values(updated_at=now, **values, **since))
        pointed = _apply_pointers(db, account.id, wanted, now)
        if done or pointed:
            yield Change(account.id, "subscription", wanted.id, done or "updated")
    yield from _deactivate(db, table, "subscription", account.id, existing, {wanted.id for wanted in account.subscriptions}, now)


def _apply_pointers(db: Connection, account_id: str, wanted: WantedSubscription, now: datetime) -> bool:
    table = subscription_destinations
    own = (table.c.account_id == account_id, table.c.subscription_id == wanted.id)
    have = set(db.execute(sa.select(table.c.destination_id).where(*own)).scalars())
    if new := sorted(set(wanted.to) - have):
        db.execute(table.insert(), [{"account_id": account_id, "subscription_id": wanted.id, "destination_id": one, "created_at": now} for one in new])
    if gone := sorted(have - set(wanted.to)):
        db.execute(table.delete().where(*own, table.c.destination_id.in_(gone)))
    return bool(new or gone)


def _deactivate(
    db: Connection, table: sa.Table, what: str, account_id: str, existing: dict[str, RowMapping], wanted: set[str], now: datetime
) -> Iterator[Change]:
    for gone in sorted(one for one, row in existing.items() if row["active"] and one not in wanted):
        db.execute(table.update().where(table.c.account_id == account_id, table.c.id == gone).values(active=False, updated_at=now))
        yield Change(account_id, what, gone, "deactivated")


def _rows(db: Connection, table: sa.Table, account_id: str) -> dict[str, RowMapping]:
    return {row["id"]: row for row in db.execute(sa.select(table).where(table.c.account_id == account_id)).mappings()}


def account_ids(db: Connection) -> list[str]:
    """Every account, by id."""
    return list(db.execute(sa.select(accounts.c.id).order_by(accounts.c.id)).scalars())


def list_destinations(db: Connection, account_id: str) -> list[Destination]:
    """An account's destinations, by id, the switched off included."""
    rows = db.execute(sa.select(destinations).where(destinations.c.account_id == account_id).order_by(destinations.c.id)).mappings()
    return [
        Destination(
            DestinationKey(account_id, row["id"]),
            times=_times(row["times"]),
            **{name: row[name] for name in ("kind", "verified", "active", "disabled", "epoch", "last_sequence", "failures", "paused_until")},
        )
        for row in rows
    ]


def list_subscriptions(db: Connection, account_id: str) -> list[Subscription]:
    """An account's subscriptions, once for each destination they point at, the switched off included."""
    return [_subscription(row) for row in db.execute(_pointing().where(subscriptions.c.account_id == account_id).order_by(*_ORDER)).mappings()]


def pairs(db: Connection, account_id: str) -> list[tuple[Subscription, Destination]]:
    """An account's subscriptions, each with every destination it points at."""
    destinations_by_key = {one.key: one for one in list_destinations(db, account_id)}
    return [(one, destinations_by_key[one.destination]) for one in list_subscriptions(db, account_id)]


def changed_since(db: Connection, revision: int) -> tuple[int, dict[str, list[Subscription]]]:
    """The newest revision, and the active subscriptions of every account that changed after the given one; none where all were switched off."""
    rows = db.execute(sa.select(accounts.c.id, accounts.c.revision).where(accounts.c.revision > revision)).all()
    if not rows:
        return revision, {}
    found: dict[str, list[Subscription]] = {row.id: [] for row in rows}
    query = _pointing().join(accounts, accounts.c.id == subscriptions.c.account_id).where(accounts.c.revision > revision, subscriptions.c.active)
    for row in db.execute(query).mappings():
        found[row["account_id"]].append(_subscription(row))
    return max(row.revision for row in rows), found


def reachable(db: Connection, keys: Collection[DestinationKey]) -> dict[DestinationKey, Times]:
    """Those of these destinations that take alerts and that an active subscription still points at, with the times at which they may be told."""
    if not keys:
        return {}
    at = subscription_destinations.c
    place = sa.tuple_(destinations.c.account_id, destinations.c.id)
    wanted = (
        sa.exists()
        .where(at.account_id == destinations.c.account_id, at.destination_id == destinations.c.id)
        .where(subscriptions.c.account_id == at.account_id, subscriptions.c.id == at.subscription_id, subscriptions.c.active)
    )
    query = sa.select(destinations.c.account_id, destinations.c.id, destinations.c.times)
    rows = db.execute(query.where(place.in_([tuple(key) for key in keys]), takes_alerts(), wanted))
    return {DestinationKey(account_id, one): _times(times) for account_id, one, times in rows}


def subscriptions_of(db: Connection, first: DestinationKey, last: DestinationKey, *, until: datetime) -> list[Subscription]:
    """The active subscriptions, not younger than `until`, that point at the destinations from `first` to `last`."""
    at = subscription_destinations.c
    key = sa.tuple_(at.account_id, at.destination_id)
    query = _pointing().where(
        key >= sa.tuple_(*(sa.literal(part) for part in first)),
        key <= sa.tuple_(*(sa.literal(part) for part in last)),
        subscriptions.c.active,
        subscriptions.c.created_at <= until,
        at.created_at <= until,
    )
    return [_subscription(row) for row in db.execute(query.order_by(*_ORDER)).mappings()]


def disable(db: Connection, key: DestinationKey, why: str, now: datetime) -> bool:
    """Switches a destination off until it is given another address. False when there is none, or it is off already."""
    mine = (destinations.c.account_id == key.account_id, destinations.c.id == key.id, destinations.c.disabled.is_(None))
    return db.execute(destinations.update().where(*mine).values(disabled=why, updated_at=now)).rowcount > 0


def takes_alerts() -> sa.ColumnElement[bool]:
    """Whether a destination may be sent to at all."""
    return sa.and_(destinations.c.active, destinations.c.verified, destinations.c.disabled.is_(None))


def headers_json(headers: Mapping[str, str]) -> str | None:
    """Headers as they are encrypted; None for none."""
    return json.dumps(dict(headers), sort_keys=True) if headers else None


def headers_of(written: str | None) -> dict[str, str]:
    """The headers that were kept."""
    found: dict[str, str] = json.loads(written) if written else {}
    return found


def when_json(when: When) -> str:
    """A filter as it is kept."""
    return when.model_dump_json(by_alias=True, exclude_defaults=True)


_ORDER = (subscription_destinations.c.account_id, subscription_destinations.c.destination_id, subscription_destinations.c.subscription_id)


def _pointing() -> sa.Select[Any]:
    at = subscription_destinations.c
    return sa.select(subscriptions, at.destination_id.label("destination_id"), at.created_at.label("pointing_since")).join(
        subscription_destinations, sa.and_(at.account_id == subscriptions.c.account_id, at.subscription_id == subscriptions.c.id)
    )


def _subscription(row: RowMapping) -> Subscription:
    return Subscription(
        row["id"],
        DestinationKey(row["account_id"], row["destination_id"]),
        _when(row["filter"]),
        row["cadence"],
        row["language"],
        row["active"],
        row["created_at"],
        max(row["created_at"], row["pointing_since"]),
    )


@lru_cache(maxsize=20_000)  # many are written alike
def _when(written: str) -> When:
    return When.model_validate_json(written)


def times_json(times: Times) -> str:
    """Times as they are kept."""
    return times.model_dump_json(by_alias=True, exclude_defaults=True)


@lru_cache(maxsize=1_000)
def _times(written: str) -> Times:
    return Times.model_validate_json(written)
