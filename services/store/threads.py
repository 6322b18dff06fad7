"""What the notifier keeps about the world: verdicts, events in versions, alerts to fan out, the outbox, and what is held back.

Plain functions of a Connection, run whole by `Store.run`. Everything a batch of placements writes goes in with one `write`.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from schemas.events.event import PolicyEvent
from schemas.events.signal import PolicySignal
from services.runtime.broker import Headers, Record
from services.store import timers
from services.store.engine import Instant, insert, metadata
from services.store.timers import Timer

verdicts = sa.Table(
    "verdicts",
    metadata,
    sa.Column("item_id", sa.Text, primary_key=True),
    sa.Column("verdict", sa.Text, nullable=False, comment="the PolicySignal as JSON"),
    sa.Column("verdict_class", sa.Text, nullable=False),
    sa.Column("observed_at", Instant, nullable=False),
    sa.Column("ruleset_activated_at", Instant, nullable=False),
    sa.Column("event_id", sa.Text, nullable=True, comment="null while it belongs to no event"),
)

events = sa.Table(
    "events",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("slug", sa.Text, nullable=False, index=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("merged_into", sa.Text, nullable=True, index=True, comment="the event that this one was merged into"),
    sa.Column("event", sa.Text, nullable=False, comment="the newest PolicyEvent as JSON"),
    sa.Column("first_at", Instant, nullable=False, comment="start of the time its sources tell it in"),
    sa.Column("last_at", Instant, nullable=False, index=True, comment="end of that time, or the last date it names"),
    sa.Column("updated_at", Instant, nullable=False, index=True),
)

event_versions = sa.Table(
    "event_versions",
    metadata,
    sa.Column("event_id", sa.Text, sa.ForeignKey("events.id"), primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("event", sa.Text, nullable=False),
    sa.Column("changes", sa.Text, nullable=False, comment="a JSON list; empty when only the source list changed"),
    sa.Column("created_at", Instant, nullable=False),
)

event_keys = sa.Table(
    "event_keys",
    metadata,
    sa.Column("key", sa.Text, primary_key=True, comment="such as product:H20: the index candidates are found by"),
    sa.Column("event_id", sa.Text, sa.ForeignKey("events.id"), primary_key=True, index=True),
    sa.Column("last_at", Instant, nullable=False, comment="of the event, so that its old namesakes are not even looked at"),
    sa.Index("ix_event_keys_key_last_at", "key", "last_at"),
)

event_items = sa.Table(
    "event_items",
    metadata,
    sa.Column("event_id", sa.Text, sa.ForeignKey("events.id"), primary_key=True),
    sa.Column("item_id", sa.Text, primary_key=True, index=True),
)

alerts = sa.Table(
    "alerts",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, comment="event id and version"),
    sa.Column("event_id", sa.Text, sa.ForeignKey("events.id"), nullable=False, index=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("kind", sa.Text, nullable=False, comment="new, update, reversal, correction, withdrawal or reminder"),
    sa.Column("rank", sa.Integer, nullable=False, comment="1 to 5, taxonomy 5.3"),
    sa.Column("fresh", sa.Boolean, nullable=False, comment="false: shown, never pushed"),
    sa.Column("event", sa.Text, nullable=False, comment="the PolicyEvent as told"),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("fanned_out_at", Instant, nullable=True),
    sa.Column("fanout_cursor", sa.Text, nullable=True),
    sa.Index("ix_alerts_unfanned", "fanned_out_at", "created_at"),
)

outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("topic", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("value", sa.LargeBinary, nullable=False),
    sa.Column("headers", sa.Text, nullable=False, comment="a JSON list of name and value"),
    sa.Column("created_at", Instant, nullable=False),
    sqlite_autoincrement=True,
)

held = sa.Table(
    "held",
    metadata,
    sa.Column("item_id", sa.Text, sa.ForeignKey("verdicts.item_id"), primary_key=True),
    sa.Column("until", Instant, nullable=False, index=True),
    sa.Column("reason", sa.Text, nullable=False),
)

held_keys = sa.Table(
    "held_keys",
    metadata,
    sa.Column("key", sa.Text, primary_key=True, comment="what a held item waits for"),
    sa.Column("item_id", sa.Text, sa.ForeignKey("held.item_id", ondelete="CASCADE"), primary_key=True, index=True),
)


@dataclass(frozen=True)
class Alert:
    """One material version of one event, as told."""

    id: str
    event: PolicyEvent
    kind: str
    rank: int
    created_at: datetime


def unfanned_alerts(db: Connection, limit: int) -> list[Alert]:
    """The oldest alerts whose deliveries are not all made yet."""
    rows = db.execute(sa.select(alerts).where(alerts.c.fanned_out_at.is_(None)).order_by(alerts.c.created_at, alerts.c.id).limit(limit))
    return [_alert(row) for row in rows.mappings()]


def alert(db: Connection, alert_id: str) -> Alert | None:
    """One alert, whether fanned out or not."""
    row = db.execute(sa.select(alerts).where(alerts.c.id == alert_id)).mappings().first()
    return _alert(row) if row else None


def fanout_cursor(db: Connection, alert_id: str) -> str | None:
    """How far the fan-out of an alert has come; None at its beginning."""
    return db.execute(sa.select(alerts.c.fanout_cursor).where(alerts.c.id == alert_id)).scalar_one_or_none()


def set_fanout_cursor(db: Connection, alert_id: str, cursor: str | None, done: bool, now: datetime) -> None:
    """Remembers how far the fan-out of an alert has come; `done` ends it."""
    db.execute(alerts.update().where(alerts.c.id == alert_id).values(fanout_cursor=cursor, fanned_out_at=now if done else None))


def _alert(row: RowMapping) -> Alert:
    return Alert(row["id"], PolicyEvent.model_validate_json(row["event"]), row["kind"], row["rank"], row["created_at"])


@dataclass(frozen=True)
class Standing:
    """The verdict that stands on an item, as far as ordering needs it."""

    observed_at: datetime
    ruleset_activated_at: datetime
    event_id: str | None


@dataclass(frozen=True)
class NewVersion:
    """A version of an event to write, and the record that carries it. `keys` find it as a candidate, from `first_at` to `last_at`. What is material has a kind.

    `timers` are all those that the event has as of this version.
    """

    event: PolicyEvent
    first_at: datetime
    last_at: datetime
    keys: frozenset[str]
    record: Record
    kind: str | None = None
    rank: int = 1
    fresh: bool = False
    timers: tuple[Timer, ...] = ()


@dataclass(frozen=True)
class NewVerdict:
    """A verdict to write, the event it belongs to, and until when, why and for which keys it is held back."""

    signal: PolicySignal
    event_id: str | None = None
    held_until: datetime | None = None
    held_reason: str | None = None
    held_keys: frozenset[str] = frozenset()


def standing(db: Connection, items: Iterable[str]) -> dict[str, Standing]:
    """The verdicts that stand on these items."""
    columns = (verdicts.c.item_id, verdicts.c.observed_at, verdicts.c.ruleset_activated_at, verdicts.c.event_id)
    rows = db.execute(sa.select(*columns).where(verdicts.c.item_id.in_(list(items))))
    return {item: Standing(observed, activated, event_id) for item, observed, activated, event_id in rows}


def candidates(db: Connection, lasting: Iterable[str], timely: Iterable[tuple[Iterable[str], datetime, datetime]]) -> dict[str, int]:
    """Open events found by any of the `lasting` keys, or by any of the others and told between the two times that come with them: their ids and versions."""
    found = sa.select(events.c.id, events.c.version).join(event_keys).where(events.c.status == "open")
    queries = [found.where(event_keys.c.key.in_(list(lasting)))]
    for found_by, since, until in timely:
        queries.append(found.where(event_keys.c.key.in_(list(found_by)), event_keys.c.last_at >= since, events.c.first_at <= until))
    return {row.id: row.version for row in db.execute(sa.union(*queries))}


def standing_versions(db: Connection, ids: Iterable[str]) -> dict[str, int]:
    """The newest versions' numbers of these events."""
    wanted = list(ids)
    rows = db.execute(sa.select(events.c.id, events.c.version).where(events.c.id.in_(wanted))) if wanted else ()
    return {row.id: row.version for row in rows}


def events_by_id(db: Connection, ids: Iterable[str]) -> list[PolicyEvent]:
    """The newest versions of these events."""
    return [PolicyEvent.model_validate_json(text) for text in db.execute(sa.select(events.c.event).where(events.c.id.in_(list(ids)))).scalars()]


def signals_of(db: Connection, items: Iterable[str]) -> list[PolicySignal]:
    """The verdicts that stand on these items."""
    wanted = list(items)
    rows = db.execute(sa.select(verdicts.c.verdict).where(verdicts.c.item_id.in_(wanted))) if wanted else ()
    return [PolicySignal.model_validate_json(text) for (text,) in rows]


def held_signals(db: Connection, keys: Iterable[str]) -> list[PolicySignal]:
    """Signals that are held back and wait for any of these keys."""
    waiting = sa.select(held_keys.c.item_id).where(held_keys.c.key.in_(list(keys)))
    return [PolicySignal.model_validate_json(text) for text in db.execute(sa.select(verdicts.c.verdict).where(verdicts.c.item_id.in_(waiting))).scalars()]


def due_signals(db: Connection, now: datetime, limit: int = 500) -> list[PolicySignal]:
    """Signals that were held back until now, those first that wait longest."""
    query = sa.select(verdicts.c.verdict).join(held).where(held.c.until <= now).order_by(held.c.until, held.c.item_id).limit(limit)
    return [PolicySignal.model_validate_json(text) for text in db.execute(query).scalars()]


def write(db: Connection, told: Sequence[NewVersion], judged: Sequence[NewVerdict], now: datetime) -> None:
    """Everything that one batch of placements brings: event versions, their alerts and outbox rows, verdicts and what is held."""
    if told:
        texts = [(new.record.value or b"").decode() for new in told]  # the event, serialised once
        _write_events(db, told, texts)
        _insert_all(db, event_versions, [_version_row(new, text, now) for new, text in zip(told, texts, strict=True)])
        _write_index(db, told)
        _insert_all(db, alerts, [_alert_row(new, text, now) for new, text in zip(told, texts, strict=True) if new.kind])
        _insert_all(db, outbox, [_outbox_row(new.record, now) for new in told])
        timers.plan(db, {new.event.id: new.timers for new in told}, now)
    if judged:
        _write_verdicts(db, judged)


def _write_events(db: Connection, told: Sequence[NewVersion], texts: Sequence[str]) -> None:
    newest = {new.event.id: (new, text) for new, text in zip(told, texts, strict=True)}
    rows = [
        {
            "id": new.event.id,
            "slug": new.event.slug,
            "version": new.event.version,
            "status": new.event.status,
            "merged_into": new.event.merged_into,
            "event": text,
            "first_at": new.first_at,
            "last_at": new.last_at,
            "updated_at": new.event.updated_at,
        }
        for new, text in newest.values()
    ]
    _upsert_all(db, events, rows, "id")


def _write_index(db: Connection, told: Sequence[NewVersion]) -> None:
    keys = {(key, new.event.id): new.last_at for new in told for key in new.keys}
    items = {(new.event.id, source.item) for new in told for source in new.event.sources}
    _upsert_all(
        db, event_keys, [{"key": key, "event_id": event_id, "last_at": last_at} for (key, event_id), last_at in sorted(keys.items())], "key", "event_id"
    )
    _insert_new(db, event_items, [{"event_id": event_id, "item_id": item} for event_id, item in sorted(items)])


def _write_verdicts(db: Connection, judged: Sequence[NewVerdict]) -> None:
    rows = [
        {
            "item_id": new.signal.item.id,
            "verdict": new.signal.model_dump_json(by_alias=True),
            "verdict_class": new.signal.verdict,
            "observed_at": new.signal.item.observed_at,
            "ruleset_activated_at": new.signal.ruleset_activated_at,
            "event_id": new.event_id,
        }
        for new in judged
    ]
    _upsert_all(db, verdicts, rows, "item_id")
    released = [new.signal.item.id for new in judged if new.held_until is None]
    db.execute(held.delete().where(held.c.item_id.in_(released)))
    waiting = [{"item_id": new.signal.item.id, "until": new.held_until, "reason": new.held_reason} for new in judged if new.held_until]
    _insert_new(db, held, waiting)  # a revision of a held item does not prolong its time
    _insert_new(db, held_keys, [{"key": key, "item_id": new.signal.item.id} for new in judged if new.held_until for key in sorted(new.held_keys)])


def _version_row(new: NewVersion, text: str, now: datetime) -> dict[str, Any]:
    return {"event_id": new.event.id, "version": new.event.version, "event": text, "changes": json.dumps(new.event.changes), "created_at": now}


def _alert_row(new: NewVersion, text: str, now: datetime) -> dict[str, Any]:
    return {
        "id": f"{new.event.id}.{new.event.version}",
        "event_id": new.event.id,
        "version": new.event.version,
        "kind": new.kind,
        "rank": new.rank,
        "fresh": new.fresh,
        "event": text,
        "created_at": now,
        "fanned_out_at": None if new.fresh else now,
    }


def _outbox_row(record: Record, now: datetime) -> dict[str, Any]:
    headers = json.dumps([(name, value.decode()) for name, value in record.headers])
    return {"topic": record.topic, "key": (record.key or b"").decode(), "value": record.value, "headers": headers, "created_at": now}


def _insert_all(db: Connection, table: sa.Table, rows: list[dict[str, Any]]) -> None:
    if rows:
        db.execute(table.insert(), rows)


def _insert_new(db: Connection, table: sa.Table, rows: list[dict[str, Any]]) -> None:
    if rows:
        db.execute(insert(db, table).on_conflict_do_nothing(), rows)


def _upsert_all(db: Connection, table: sa.Table, rows: list[dict[str, Any]], *keys: str) -> None:
    if rows:
        statement = insert(db, table)
        changed = {column.name: statement.excluded[column.name] for column in table.columns if column.name not in keys}
        db.execute(statement.on_conflict_do_update(index_elements=keys, set_=changed), rows)


def waiting_records(db: Connection, limit: int) -> list[tuple[int, Record]]:
    """The oldest outbox rows with their numbers, ascending."""
    rows = db.execute(sa.select(outbox).order_by(outbox.c.seq).limit(limit)).mappings()
    return [(row["seq"], Record(row["topic"], bytes(row["value"]), row["key"].encode(), _headers(row["headers"]))) for row in rows]


def forget_records(db: Connection, seqs: Iterable[int]) -> None:
    """Removes outbox rows that are published."""
    db.execute(outbox.delete().where(outbox.c.seq.in_(list(seqs))))


def _headers(text: str) -> Headers:
    return tuple((name, value.encode()) for name, value in json.loads(text))


def event(db: Connection, event_id: str) -> PolicyEvent | None:
    """The newest version of an event, by its id or, of those alike, the latest with this slug."""
    query = sa.select(events.c.event).where(sa.or_(events.c.id == event_id, events.c.slug == event_id)).order_by(events.c.updated_at.desc()).limit(1)
    text = db.execute(query).scalar_one_or_none()
    return PolicyEvent.model_validate_json(text) if text else None


def events_named(db: Connection, name: str) -> list[PolicyEvent]:
    """The newest versions of the event with this id, or of those with this slug."""
    query = sa.select(events.c.event).where(sa.or_(events.c.id == name, events.c.slug == name)).order_by(events.c.updated_at, events.c.id)
    return [PolicyEvent.model_validate_json(text) for text in db.execute(query).scalars()]


def free_slug(db: Connection, slug: str, taken: Collection[str] = ()) -> str:
    """The slug, or, where an event has it or it is taken otherwise, the same with a number: us-2025-h20-shelve-2. Looks few times, as numbers are given in turn."""

    def named(number: int) -> str:
        return slug if number == 1 else f"{slug}-{number}"

    def is_used(number: int) -> bool:
        return named(number) in taken or db.execute(sa.select(events.c.id).where(events.c.slug == named(number)).limit(1)).first() is not None

    used, free = 0, 1
    while is_used(free):
        used, free = free, 2 * free
    while free - used > 1:
        middle = (used + free) // 2
        used, free = (middle, free) if is_used(middle) else (used, middle)
    return named(free)


def move_items(db: Connection, items: Iterable[str], from_id: str, to_id: str) -> None:
    """Lets items tell another event. Its version that names them is written besides."""
    moved = list(items)
    db.execute(verdicts.update().where(verdicts.c.item_id.in_(moved), verdicts.c.event_id == from_id).values(event_id=to_id))
    db.execute(event_items.delete().where(event_items.c.event_id == from_id, event_items.c.item_id.in_(moved)))


def events_of_items(db: Connection, items: Iterable[str]) -> dict[str, str]:
    """The ids of the events that these items tell, by item."""
    rows = db.execute(sa.select(event_items.c.item_id, event_items.c.event_id).where(event_items.c.item_id.in_(list(items))))
    return {row.item_id: row.event_id for row in rows}


def list_events(db: Connection, *, since: datetime | None = None, limit: int = 50) -> list[PolicyEvent]:
    """Events told, or with a date, since then; the latest first."""
    query = sa.select(events.c.event).order_by(events.c.last_at.desc(), events.c.id).limit(limit)
    rows = db.execute(query.where(events.c.last_at >= since) if since else query)
    return [PolicyEvent.model_validate_json(text) for text in rows.scalars()]


def versions(db: Connection, event_id: str) -> list[PolicyEvent]:
    """Every version of an event, ascending."""
    rows = db.execute(sa.select(event_versions.c.event).where(event_versions.c.event_id == event_id).order_by(event_versions.c.version))
    return [PolicyEvent.model_validate_json(text) for text in rows.scalars()]


def related(db: Connection, event_id: str) -> list[PolicyEvent]:
    """Events that this one names among its relations, and those that name this one."""
    text = db.execute(sa.select(events.c.event).where(events.c.id == event_id)).scalar_one_or_none()
    named = [relation.event for relation in PolicyEvent.model_validate_json(text).relations] if text else []
    naming = sa.select(event_keys.c.event_id).where(event_keys.c.key == f"relates:{event_id}")
    rows = db.execute(sa.select(events.c.event).where(sa.or_(events.c.id.in_(named), events.c.id.in_(naming))).order_by(events.c.first_at))
    return [PolicyEvent.model_validate_json(each) for each in rows.scalars()]


def naming(db: Connection, event_ids: Iterable[str]) -> list[PolicyEvent]:
    """Events that name one of these among their relations."""
    ids = db.execute(sa.select(event_keys.c.event_id).where(event_keys.c.key.in_([f"relates:{each}" for each in event_ids]))).scalars()
    return events_by_id(db, ids)


def alerts_of(db: Connection, event_id: str) -> list[tuple[Alert, bool]]:
    """The alerts of an event, ascending, and whether each was fresh."""
    rows = db.execute(sa.select(alerts).where(alerts.c.event_id == event_id).order_by(alerts.c.version)).mappings()
    return [(_alert(row), row["fresh"]) for row in rows]
