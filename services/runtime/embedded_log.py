"""The file of the embedded broker: tables, and plain functions of a connection. It knows SQL, and no groups' members, threads or events.

topics    what each topic promises
lanes     one row for each partition: `start` is its oldest offset that is kept, `next` the one that comes
records   in one tree, keyed by lane and offset together, so that a lane is read in one sweep
offsets   for each group and lane the next offset to read
"""

from __future__ import annotations

import sqlite3
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson

from schemas.topics import Topic
from services.runtime.broker import Headers, Partition, Record
from services.runtime.errors import Misconfigured

LAYOUT = 1
"""The version of the tables, kept in `user_version`."""

MARK = 0x63687770
"""`chwp`: says in `application_id` that the file is ours."""

_LANE = 1 << 40
"""A record's id is lane * 2^40 + offset: room for a million million records in each lane."""

_TABLES = """
CREATE TABLE topics (name TEXT PRIMARY KEY, partitions INTEGER NOT NULL, cleanup TEXT NOT NULL, retention INTEGER) WITHOUT ROWID;
CREATE TABLE lanes (id INTEGER PRIMARY KEY, topic TEXT NOT NULL, number INTEGER NOT NULL, start INTEGER NOT NULL DEFAULT 0, next INTEGER NOT NULL DEFAULT 0, UNIQUE (topic, number));
CREATE TABLE records (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, key BLOB, headers BLOB, value BLOB);
CREATE TABLE offsets (member_group TEXT NOT NULL, lane INTEGER NOT NULL, next INTEGER NOT NULL, PRIMARY KEY (member_group, lane)) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Lane:
    """A partition as the file keeps it."""

    id: int
    partition: Partition

    def row(self, offset: int) -> int:
        return self.id * _LANE + offset


@dataclass(frozen=True, slots=True)
class Limit:
    """How much to read at once: records, and bytes after which no further record is added."""

    records: int
    size: int = 32 * 1024**2


def connect(path: Path, *, power_safe: bool = False) -> sqlite3.Connection:
    """A connection that any thread may use, one at a time. The file and its tables are made where missing. Raises Misconfigured."""
    path.parent.mkdir(parents=True, exist_ok=True)
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
    try:
        db.execute("PRAGMA auto_vacuum = INCREMENTAL")  # takes effect only before the first table
        db.execute("PRAGMA journal_mode = WAL")
        db.execute(f"PRAGMA synchronous = {'FULL' if power_safe else 'NORMAL'}")
        db.execute("PRAGMA wal_autocheckpoint = 4000")
        db.execute(f"PRAGMA journal_size_limit = {64 * 1024**2}")
        _prepare(db, path)
    except sqlite3.DatabaseError as exc:
        db.close()
        raise Misconfigured(f"{path} cannot be used as the broker's file: {exc}") from exc
    return db


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    mark, layout = _pragma(db, "application_id"), _pragma(db, "user_version")
    if mark == 0 and layout == 0 and not db.execute("SELECT 1 FROM sqlite_master").fetchone():
        db.executescript(f"BEGIN IMMEDIATE; {_TABLES} PRAGMA application_id = {MARK}; PRAGMA user_version = {LAYOUT}; COMMIT;")
    elif mark != MARK:
        db.close()
        raise Misconfigured(f"{path} is a database of another program; name another file in CHIPWIRE_BROKER")
    elif layout != LAYOUT:
        db.close()
        raise Misconfigured(f"{path} was written by another version of chipwire (layout {layout}, this one reads {LAYOUT})")


def _pragma(db: sqlite3.Connection, name: str) -> int:
    return int(db.execute(f"PRAGMA {name}").fetchone()[0])


# topics


def ensure(db: sqlite3.Connection, topics: Iterable[Topic]) -> None:
    """Writes what the topics promise and adds the lanes that are missing. Never removes."""
    for topic in topics:
        retention = None if topic.retention is None else _milliseconds(topic.retention)
        db.execute(
            "INSERT INTO topics VALUES (?1, ?2, ?3, ?4) ON CONFLICT (name) DO UPDATE SET partitions = max(partitions, ?2), cleanup = ?3, retention = ?4",
            (topic.name, topic.partitions, topic.cleanup, retention),
        )
        db.executemany("INSERT OR IGNORE INTO lanes (topic, number) VALUES (?, ?)", [(topic.name, number) for number in range(topic.partitions)])


def lanes(db: sqlite3.Connection) -> dict[str, list[Lane]]:
    """The lanes of each topic, by number."""
    found = defaultdict(list)
    for id_, topic, number in db.execute("SELECT id, topic, number FROM lanes ORDER BY topic, number"):
        found[topic].append(Lane(id_, Partition(topic, number)))
    return dict(found)


def ends(db: sqlite3.Connection) -> dict[int, int]:
    """The next offset of each lane."""
    return dict(db.execute("SELECT id, next FROM lanes"))


def lane_for(key: bytes | None, among: Sequence[Lane], turn: int) -> Lane:
    """The lane of a key, always the same; a record without a key goes where its turn is."""
    return among[(turn if key is None else zlib.crc32(key)) % len(among)]


# records


def append(db: sqlite3.Connection, records: Sequence[tuple[Lane, Record]], now: datetime) -> dict[int, int]:
    """Writes the records behind what their lanes have. Returns the new end of each lane touched."""
    at, next_ = _milliseconds_since_1970(now), _Ends(db)
    rows = [(lane.row(next_.take(lane)), at, record.key, _pack(record.headers), record.value) for lane, record in records]
    db.executemany("INSERT INTO records VALUES (?, ?, ?, ?, ?)", rows)
    db.executemany("UPDATE lanes SET next = ?2 WHERE id = ?1", next_.items())
    return dict(next_)


class _Ends(dict[int, int]):
    """The next offset of each lane, looked up once."""

    def __init__(self, db: sqlite3.Connection) -> None:
        super().__init__()
        self._db = db

    def __missing__(self, lane: int) -> int:
        return int(self._db.execute("SELECT next FROM lanes WHERE id = ?", (lane,)).fetchone()[0])

    def take(self, lane: Lane) -> int:
        offset = self[lane.id]
        self[lane.id] = offset + 1
        return offset


def fetch(db: sqlite3.Connection, wanted: Iterable[tuple[Lane, int]], limit: Limit, *, since: datetime | None = None) -> list[Record]:
    """Records of these lanes from these offsets on, lane by lane, up to the limit."""
    found: list[Record] = []
    left, size = limit.records, 0
    for lane, offset in wanted:
        for record in _sweep(db, lane, offset, left, since):
            found.append(record)
            left -= 1
            size += len(record.value or b"")
            if size >= limit.size:
                return found
        if left <= 0:
            break
    return found


def _sweep(db: sqlite3.Connection, lane: Lane, offset: int, count: int, since: datetime | None) -> Iterator[Record]:
    sql = "SELECT id, at, key, headers, value FROM records WHERE id >= ? AND id < ? AND at >= ? ORDER BY id LIMIT ?"
    oldest = 0 if since is None else _milliseconds_since_1970(since)
    topic, number = lane.partition
    for row, at, key, headers, value in db.execute(sql, (lane.row(offset), lane.row(_LANE), oldest, count)):
        yield Record(topic, value, key, _unpack(headers), number, row % _LANE, datetime.fromtimestamp(at / 1000, UTC))


def _pack(headers: Headers) -> bytes | None:
    """JSON; bytes as Latin-1, where every byte is one character."""
    return orjson.dumps([(name, value.decode("latin-1")) for name, value in headers]) if headers else None


def _unpack(headers: bytes | None) -> Headers:
    return tuple((name, value.encode("latin-1")) for name, value in orjson.loads(headers)) if headers else ()


# groups


def join(db: sqlite3.Connection, group: str, among: Sequence[Lane]) -> dict[Lane, int]:
    """Where the group stands in each lane. A group that is new to a lane begins at its oldest record, and from now on nothing unread is deleted."""
    db.executemany("INSERT OR IGNORE INTO offsets SELECT ?, id, start FROM lanes WHERE id = ?", [(group, lane.id) for lane in among])
    stands = dict(db.execute("SELECT lane, next FROM offsets WHERE member_group = ?", (group,)))
    return {lane: stands[lane.id] for lane in among}


def commit(db: sqlite3.Connection, group: str, positions: Mapping[Lane, int]) -> None:
    db.executemany(
        "INSERT INTO offsets VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET next = max(next, ?3)",
        [(group, lane.id, offset) for lane, offset in positions.items()],
    )


def groups(db: sqlite3.Connection) -> dict[str, dict[int, int]]:
    """For each known group and lane the next offset to read."""
    found: dict[str, dict[int, int]] = defaultdict(dict)
    for group, lane, offset in db.execute("SELECT member_group, lane, next FROM offsets"):
        found[group][lane] = offset
    return dict(found)


# housekeeping: each step is short, so that publishers can come between


_STEP = 2000
"""Records looked at in one step."""


def used_bytes(db: sqlite3.Connection) -> int:
    """What the records take; pages that are free to be used again do not count."""
    return (_pragma(db, "page_count") - _pragma(db, "freelist_count")) * _pragma(db, "page_size")


def expire(db: sqlite3.Connection, lane: Lane, now: datetime, *, early: bool = False) -> int:
    """Deletes a step of the oldest records that are older than the topic keeps and that every known group has read. Returns how many.

    With `early` age does not matter where a group has read them: the file is full.
    """
    start, read, known, cleanup, retention = _state(db, lane)
    if cleanup == "compact" or (retention is None and not early):
        return 0
    stop = min(read, start + _STEP)
    if not (early and known):
        stop = _first_younger(db, lane, start, stop, _milliseconds_since_1970(now) - retention) if retention is not None else start
    return _cut(db, lane, start, stop)


def _state(db: sqlite3.Connection, lane: Lane) -> tuple[int, int, bool, str, int | None]:
    """Start; the first offset that some known group has not read; whether any group is known; what the topic promises."""
    sql = """
        SELECT lanes.start, ifnull(min(offsets.next), lanes.next), count(offsets.next) > 0, topics.cleanup, topics.retention
        FROM lanes JOIN topics ON topics.name = lanes.topic LEFT JOIN offsets ON offsets.lane = lanes.id WHERE lanes.id = ?"""
    start, read, known, cleanup, retention = db.execute(sql, (lane.id,)).fetchone()
    return start, read, bool(known), cleanup, retention


def _first_younger(db: sqlite3.Connection, lane: Lane, start: int, stop: int, cutoff: int) -> int:
    row = db.execute("SELECT min(id) FROM records WHERE id >= ? AND id < ? AND at >= ?", (lane.row(start), lane.row(stop), cutoff)).fetchone()[0]
    return stop if row is None else int(row) % _LANE


def _cut(db: sqlite3.Connection, lane: Lane, start: int, stop: int) -> int:
    if stop <= start:
        return 0
    db.execute("UPDATE lanes SET start = ? WHERE id = ?", (stop, lane.id))
    return db.execute("DELETE FROM records WHERE id >= ? AND id < ?", (lane.row(start), lane.row(stop))).rowcount


def compact(db: sqlite3.Connection, lane: Lane, now: datetime, keep_tombstones: timedelta) -> int:
    """In a compacted topic: keeps the newest record of each key, and drops old tombstones. Never what a known group has not read. Returns how many went."""
    start, read, _, cleanup, _ = _state(db, lane)
    if cleanup != "compact":
        return 0
    bounds = {"from": lane.row(start), "to": lane.row(read), "end": lane.row(_LANE), "cutoff": _milliseconds_since_1970(now - keep_tombstones)}
    newest = "SELECT max(id) FROM records WHERE id >= :from AND id < :end AND key IS NOT NULL GROUP BY key"
    old = db.execute(f"DELETE FROM records WHERE id >= :from AND id < :to AND key IS NOT NULL AND id NOT IN ({newest})", bounds).rowcount
    dead = db.execute("DELETE FROM records WHERE id >= :from AND id < :to AND value IS NULL AND at < :cutoff", bounds).rowcount
    return old + dead


def shrink(db: sqlite3.Connection) -> None:
    """Gives free pages back to the disk, a few megabytes at a time, and moves the write-ahead log into the file."""
    db.executescript("PRAGMA incremental_vacuum(2000)")  # `execute` would stop after the first page
    db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()


def checkpoint(db: sqlite3.Connection) -> None:
    """Moves all of the write-ahead log into the file and empties it."""
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _milliseconds(duration: timedelta) -> int:
    return duration // timedelta(milliseconds=1)


def _milliseconds_since_1970(at: datetime) -> int:
    return _milliseconds(at - datetime(1970, 1, 1, tzinfo=UTC))
