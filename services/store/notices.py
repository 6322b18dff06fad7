"""What an account is to be told about its own destinations: one fails, will be switched off, is switched off. At most three mails a day.

    raise_notice -> waiting | dropped: enough was told today
    claim: sending, under a lease -> end -> sent | waiting again | failed | dropped: the account has no other mailbox

It is written in the transaction that finds it out, and its id is a function of what happened, so a restart tells nothing twice. A mail goes to another mailbox
of the same account, never to the destination it is about. Times are the database's.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from services.store.accounts import DestinationKey, destinations, takes_alerts
from services.store.engine import Instant, database_now, insert, metadata

FAILING, ENDING, DISABLED = "failing", "ending", "disabled"
KINDS = (FAILING, ENDING, DISABLED)
"""A first failure; about to be switched off; switched off."""
MOST_A_DAY = 3
_DAY = timedelta(days=1)
_MAIL = "email"

notices = sa.Table(
    "notices",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("account_id", sa.Text, nullable=False),
    sa.Column("destination_id", sa.Text, nullable=False, comment="what it is about"),
    sa.Column("kind", sa.Text, nullable=False, comment=f"one of {', '.join(KINDS)}"),
    sa.Column("reason", sa.Text, nullable=False, comment="of the failure, such as gone"),
    sa.Column("at", Instant, nullable=False),
    sa.Column("state", sa.Text, nullable=False, comment="waiting, sending, sent, failed or dropped"),
    sa.Column("why", sa.Text, nullable=True, comment="the reason of the last attempt, or of the end"),
    sa.Column("mailed_to", sa.Text, nullable=True, comment="the destination whose mailbox got it"),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("due_at", Instant, nullable=False),
    sa.Column("ended_at", Instant, nullable=True),
    sa.ForeignKeyConstraint(["account_id", "destination_id"], ["destinations.account_id", "destinations.id"], name="fk_notices_destinations"),
    sa.Index("ix_notices_due", "state", "due_at"),
    sa.Index("ix_notices_account", "account_id", "at"),
)


@dataclass(frozen=True)
class Notice:
    """One notice in hand, and the mailbox it goes to. The address is still encrypted."""

    id: str
    about: DestinationKey
    channel: str
    kind: str
    reason: str
    at: datetime
    to: DestinationKey
    address: bytes
    attempt: int


def raise_notice(db: Connection, about: DestinationKey, kind: str, reason: str, now: datetime, *, since: datetime) -> bool:
    """Notes that the account is to be told. `since` names the spell of failures, which is told of once. False when that was done, or is enough for today."""
    state, why = ("dropped", "enough_today") if _enough(db, about, kind, now) else ("waiting", None)
    row = {"id": _id(about, kind, since), "account_id": about.account_id, "destination_id": about.id, "kind": kind, "reason": reason, "at": now}
    row |= {"state": state, "why": why, "attempts": 0, "due_at": now, "ended_at": None if why is None else now}
    added = db.execute(insert(db, notices).values(**row).on_conflict_do_nothing(index_elements=["id"]).returning(notices.c.id)).first()
    return added is not None and why is None


def _id(about: DestinationKey, kind: str, since: datetime) -> str:
    digest = hashlib.sha256("\x1f".join((*about, kind, since.isoformat())).encode()).digest()[:20]
    return "ntc_" + base64.b32encode(digest).decode().lower()


def _enough(db: Connection, about: DestinationKey, kind: str, now: datetime) -> bool:
    """Three a day for an account; and of one that fails, recovers and fails again, once a day."""
    today = db.execute(
        sa.select(notices.c.destination_id, notices.c.kind).where(
            notices.c.account_id == about.account_id, notices.c.at > now - _DAY, notices.c.state != "dropped"
        )
    ).all()
    return len(today) >= MOST_A_DAY or (about.id, kind) in {tuple(row) for row in today}


def claim(db: Connection, now: datetime, lease: timedelta) -> Notice | None:
    """Takes the oldest that is due; None when none is. What nobody can be told is dropped on the way. What was in hand longer than the lease is due again."""
    now = database_now(db, now)
    query = sa.select(notices).where(notices.c.state.in_(("waiting", "sending")), notices.c.due_at <= now).order_by(notices.c.due_at, notices.c.id).limit(1)
    if db.dialect.name == "postgresql":
        query = query.with_for_update(skip_locked=True)
    while (row := db.execute(query).mappings().first()) is not None:
        about = DestinationKey(row["account_id"], row["destination_id"])
        mailbox = _mailbox(db, about)
        if mailbox is None:
            _set(db, row["id"], state="dropped", why="no_mailbox", ended_at=now)
            continue
        _set(db, row["id"], state="sending", mailed_to=mailbox.id, attempts=row["attempts"] + 1, due_at=now + lease)
        channel = db.execute(sa.select(destinations.c.kind).where(*_is(about))).scalar_one()
        to = DestinationKey(about.account_id, mailbox.id)
        return Notice(row["id"], about, channel, row["kind"], row["reason"], row["at"], to, mailbox.address, row["attempts"] + 1)
    return None


def _mailbox(db: Connection, about: DestinationKey) -> sa.Row[Any, Any] | None:
    """A mailbox of the account that is not the one it is about: the one that fails least."""
    others = (destinations.c.account_id == about.account_id, destinations.c.id != about.id, destinations.c.kind == _MAIL, takes_alerts())
    return db.execute(sa.select(destinations.c.id, destinations.c.address).where(*others).order_by(destinations.c.failures, destinations.c.id).limit(1)).first()


def end(db: Connection, notice: Notice, now: datetime, *, state: str, why: str) -> None:
    """Writes down how an attempt ended: sent, failed or dropped."""
    _set(db, notice.id, state=state, why=why, ended_at=database_now(db, now))


def again(db: Connection, notice: Notice, now: datetime, wait: timedelta, why: str) -> None:
    """Lets it wait for another attempt."""
    _set(db, notice.id, state="waiting", why=why, due_at=database_now(db, now) + wait)


def _set(db: Connection, notice_id: str, **values: Any) -> None:
    db.execute(notices.update().where(notices.c.id == notice_id).values(**values))


def _is(key: DestinationKey) -> tuple[sa.ColumnElement[bool], ...]:
    return destinations.c.account_id == key.account_id, destinations.c.id == key.id


def list_notices(db: Connection, account_id: str) -> list[dict[str, Any]]:
    """Every notice of an account as it stands, the newest first."""
    rows = db.execute(sa.select(notices).where(notices.c.account_id == account_id).order_by(notices.c.at.desc(), notices.c.id)).mappings()
    return [dict(row) for row in rows]


def forget_destination(db: Connection, key: DestinationKey) -> tuple[str, ...]:
    """Deletes what was told about a destination or mailed to it. Returns the ids of what was mailed to it, for the files that are named after them."""
    mine = (notices.c.account_id == key.account_id, sa.or_(notices.c.destination_id == key.id, notices.c.mailed_to == key.id))
    mailed = tuple(db.execute(sa.select(notices.c.id).where(*mine, notices.c.mailed_to == key.id).order_by(notices.c.id)).scalars())
    db.execute(notices.delete().where(*mine))
    return mailed


def forget(db: Connection, before: datetime) -> None:
    """Deletes what ended before."""
    db.execute(notices.delete().where(notices.c.ended_at < before))


# ---- those that fail for too long


def give_up(db: Connection, now: datetime, *, after: timedelta, warned: timedelta, failures: int) -> list[DestinationKey]:
    """Switches off what has failed for so long and so often without one success, and tells of it `warned` before. Returns what was switched off."""
    now = database_now(db, now)
    failing = (takes_alerts(), destinations.c.failures >= failures, destinations.c.failing_since <= now - (after - warned))
    query = sa.select(destinations.c.account_id, destinations.c.id, destinations.c.failing_since).where(*failing)
    given_up = []
    for account_id, one, since in db.execute(query.order_by(destinations.c.account_id, destinations.c.id)).all():
        key = DestinationKey(account_id, one)
        if since > now - after:
            raise_notice(db, key, ENDING, FAILING, now, since=since)
            continue
        db.execute(destinations.update().where(*_is(key)).values(disabled=FAILING, updated_at=now))
        raise_notice(db, key, DISABLED, FAILING, now, since=since)
        given_up.append(key)
    return given_up
