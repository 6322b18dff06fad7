"""A store with accounts and alerts in it, for tests of what comes after placing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from schemas.config.subscriptions import When
from schemas.events.event import PolicyEvent
from services.notifier.fanout import Audience, fan_out
from services.notifier.names import load_names
from services.notifier.pace import Pace
from services.runtime.config_files import ConfigDir
from services.store import accounts, delivery, journal, queue, secrets, threads
from services.store.accounts import DestinationKey, WantedAccount, WantedDestination, WantedSubscription
from services.store.delivery import Delivery
from services.store.engine import Connection, insert
from services.store.health import Breaker
from services.store.journal import Result
from services.store.queue import Claimed
from tests import make

CIPHER = secrets.cipher([secrets.new_key()])
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
LONG_AGO = make.NOW - timedelta(days=100)
NAMES = load_names(ConfigDir())
LEASE = timedelta(seconds=90)
DESK = "desk"


def key(destination: str) -> DestinationKey:
    """A destination of the account `desk`."""
    return DestinationKey(DESK, destination)


def hook(name: str = "hook", url: str = "https://example.com/hook", **fields: Any) -> WantedDestination:
    return WantedDestination(name, "webhook", url, **({"secret": SECRET} | fields))


def account(*destinations: WantedDestination, subscriptions: Sequence[WantedSubscription] | None = None) -> WantedAccount:
    """The account `desk`; unless said otherwise one subscription sends everything to every destination."""
    everything = (WantedSubscription("all", tuple(one.id for one in destinations), When()),)
    return WantedAccount(DESK, destinations, everything if subscriptions is None else tuple(subscriptions))


def subscribe(db: Connection, *wanted: WantedAccount, now: datetime = LONG_AGO) -> list[accounts.Change]:
    return accounts.apply(db, wanted or (account(hook()),), CIPHER, now)


def raise_alert(db: Connection, event: PolicyEvent | None = None, *, kind: str = "new", now: datetime = make.NOW) -> str:
    """Puts an alert where placing leaves it. Returns its id."""
    event = event or make.event()
    row = {"id": event.id, "slug": event.slug, "version": event.version, "status": event.status, "event": event.model_dump_json()}
    db.execute(insert(db, threads.events).values(**row, first_at=now, last_at=now, updated_at=now).on_conflict_do_nothing(index_elements=["id"]))
    alert_id = f"{event.id}.{event.version}"
    told = {"id": alert_id, "event_id": event.id, "version": event.version, "kind": kind, "rank": 4, "fresh": True, "event": event.model_dump_json()}
    db.execute(threads.alerts.insert().values(**told, created_at=now))
    return alert_id


def fan_out_all(db: Connection, now: datetime = make.NOW, *, chunk: int = 1000) -> int:
    """Fans out whatever waits. Returns how many deliveries were made."""
    made = 0
    audience = Audience(NAMES)
    while (fanned := fan_out(db, now, audience, chunk=chunk)).goes_on:
        made += fanned.deliveries
    return made


def claim(db: Connection, *, now: datetime, per_destination: int = 100, pace: Pace | None = None, **fields: Any) -> list[Claimed]:
    offer = (pace or Pace(places=1000, per_destination=per_destination)).offer(0)
    defaults: dict[str, Any] = {"token": "mine", "limit": 100, "late": 100, "offer": offer, "lease": LEASE, "breaker": Breaker()}
    return queue.claim(db, now=now, **(defaults | fields))


def write(db: Connection, *results: Result, now: datetime) -> list[Result]:
    return journal.journal(db, results, now, Breaker())


def sent(claimed: Claimed) -> Result:
    return Result(claimed, "sent", "accepted", 204)


def retried(claimed: Claimed, wait: timedelta | None = timedelta(seconds=5), **fields: Any) -> Result:
    return Result(claimed, "retry", "server_error", 503, wait, **fields)


def deliveries(db: Connection, **fields: Any) -> list[Delivery]:
    """The deliveries of `desk`, in the order they were numbered."""
    return sorted(delivery.list_deliveries(db, DESK, **fields), key=lambda one: (one.sequence or 0, one.id))


def states(db: Connection) -> dict[tuple[str, str], str]:
    """Every delivery's state, by destination and alert."""
    return {(one.destination.id, one.alert_id): one.state for one in deliveries(db)}


def attempts(db: Connection, delivery_id: str) -> list[tuple[int, str | None, str | None]]:
    """Number, outcome and reason of every attempt of a delivery that ended."""
    table = delivery.attempts
    rows = db.execute(sa.select(table.c.number, table.c.outcome, table.c.reason).where(table.c.delivery_id == delivery_id).order_by(table.c.number))
    return [tuple(row) for row in rows]
