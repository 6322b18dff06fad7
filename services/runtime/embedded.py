"""The broker on one machine: one SQLite file in this process, durable, with partitions and groups like its big brother.

    publish -> writer thread (everything that waits is one transaction) -> file -> wakes the members -> reader thread -> batch

One process runs on the file (a lock beside it); others may open it for reading. What a known group has not read is never deleted.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import itertools
import os
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar

import structlog

from schemas.topics import Topic
from services.runtime import embedded_log as log
from services.runtime.broker import Batch, Partition, Record
from services.runtime.broker_options import EmbeddedOptions
from services.runtime.clock import Clock, SystemClock
from services.runtime.embedded_groups import Group, Hold, Member
from services.runtime.embedded_log import Lane, Limit
from services.runtime.embedded_writer import Writer, translated
from services.runtime.errors import Lost, Misconfigured, Rejected, Unavailable
from services.runtime.limits import check

T = TypeVar("T")

logger = structlog.get_logger(__name__)

_BREATH = timedelta(milliseconds=200)
"""Between two rounds of housekeeping, however full the file is."""

_POLL = timedelta(milliseconds=500)
"""How often a reader looks at a file that another process writes."""


@asynccontextmanager
async def open_embedded(path: Path, *, options: EmbeddedOptions | None = None, clock: Clock | None = None) -> AsyncIterator[EmbeddedBroker]:
    """The broker that runs on this file, alone. Raises Misconfigured when another process does, or the file is not ours."""
    options = options or EmbeddedOptions()
    with _alone(path), _connected(path, options) as db, _Reader.opened(path) as reader:
        broker = EmbeddedBroker(Writer(db), reader, options, clock or SystemClock())
        tidying = asyncio.create_task(broker.keep_tidy(), name="broker-housekeeping")
        try:
            yield broker
        finally:
            tidying.cancel()
            await asyncio.wait([tidying])
            await broker.close()


@asynccontextmanager
async def read_embedded(path: Path) -> AsyncIterator[EmbeddedFile]:
    """The file, for reading only, whoever runs on it. Raises Misconfigured when there is none."""
    _must_be_there(path)
    with _Reader.opened(path) as reader:
        yield EmbeddedFile(reader)


class EmbeddedFile:
    """What can be done with the file of a broker that another process runs: read."""

    def __init__(self, reader: _Reader) -> None:
        self._reader = reader

    def read(self, topic: Topic, *, since: datetime | None = None, follow: bool = False) -> AsyncIterator[Record]:
        return _read(self._reader, topic, since, self._tick if follow else None)

    async def ping(self) -> None:
        await self._reader.run(log.ends)

    def full(self, topic: Topic) -> bool:  # noqa: ARG002 the Protocol's signature
        return False

    async def publish(self, records: Sequence[Record]) -> None:  # noqa: ARG002 the Protocol's signature
        raise _only_reading()

    async def ensure(self, topics: Sequence[Topic]) -> None:  # noqa: ARG002 the Protocol's signature
        raise _only_reading()

    def subscribe(self, group: str, topics: Sequence[Topic]) -> contextlib.AbstractAsyncContextManager[EmbeddedSubscription]:  # noqa: ARG002 the Protocol's signature
        raise _only_reading()

    async def _tick(self) -> None:
        await asyncio.sleep(_POLL.total_seconds())


class EmbeddedBroker:
    """Made by `open_embedded`."""

    def __init__(self, writer: Writer, reader: _Reader, options: EmbeddedOptions, clock: Clock) -> None:
        self._writer, self._reader, self._options, self._clock = writer, reader, options, clock
        self._lanes = reader.now(log.lanes)
        self._ends = reader.now(log.ends)
        self._used = reader.now(log.used_bytes)
        self._groups = _known_groups(reader.now(log.groups), self._lanes)
        self._turn = itertools.count()
        self._grown: set[asyncio.Event] = set()
        self._tidy_now = asyncio.Event()
        self._freed = asyncio.Event()
        self._trouble: str | None = None
        self._told_full = False

    # publishing

    async def publish(self, records: Sequence[Record]) -> None:
        """Waits while the file is full and readers of these topics are behind. Cancelled half-way, the records are all there or none is."""
        placed = [self._placed(record) for record in records]
        if not placed:
            return
        await self._room({record.topic for record in records})
        await self._writer.run(partial(_append, records=placed, now=self._clock.now()), self._appended)

    def full(self, topic: Topic) -> bool:
        return self._blocked(topic.name)

    def _placed(self, record: Record) -> tuple[Lane, Record]:
        check(record)
        lanes = self._lanes.get(record.topic)
        if not lanes:
            raise Rejected(f"the broker has no topic {record.topic}; `chipwire topics ensure` creates it")
        return log.lane_for(record.key, lanes, next(self._turn)), record

    async def _room(self, topics: Iterable[str]) -> None:
        while any(map(self._blocked, topics)):
            self._freed.clear()
            await self._freed.wait()

    def _blocked(self, topic: str) -> bool:
        """Full, and the topic's readers are behind. The last topics of the line have no readers, so the line always drains, and cannot block itself."""
        return self._used >= self._options.max_bytes and any(group.behind(topic, self._ends) for group in self._groups.values())

    def _appended(self, written: tuple[Mapping[int, int], int]) -> None:
        ends, self._used = written
        self._ends |= ends
        if self._used >= self._options.max_bytes:
            self._tidy_now.set()
        for event in self._grown:
            event.set()

    # reading

    @asynccontextmanager
    async def subscribe(self, group: str, topics: Sequence[Topic]) -> AsyncIterator[EmbeddedSubscription]:
        member = Member(frozenset(topic.name for topic in topics))
        joined = await self._join(group, member)
        self._grown.add(member.wake)
        try:
            yield EmbeddedSubscription(self, group, member)
        finally:
            self._grown.discard(member.wake)
            member.holds = {}
            joined.members.remove(member)
            joined.divide(self._lanes)

    async def _join(self, name: str, member: Member) -> Group:
        missing = member.topics - self._lanes.keys()
        if missing:
            raise _no_topic(*missing)
        wanted = [lane for topic in member.topics for lane in self._lanes[topic]]
        stands = await self._writer.run(partial(log.join, group=name, among=wanted))
        group = self._groups.setdefault(name, Group())
        group.stands = stands | group.stands
        group.members.append(member)
        group.divide(self._lanes)
        return group

    def read(self, topic: Topic, *, since: datetime | None = None, follow: bool = False) -> AsyncIterator[Record]:
        return self._follow(topic, since) if follow else _read(self._reader, topic, since, None)

    async def _follow(self, topic: Topic, since: datetime | None) -> AsyncIterator[Record]:
        grown = asyncio.Event()
        self._grown.add(grown)

        async def more() -> None:
            await grown.wait()
            grown.clear()

        try:
            async for record in _read(self._reader, topic, since, more):
                yield record
        finally:
            self._grown.discard(grown)

    async def fetch(self, holds: Sequence[Hold], max_records: int) -> list[Record]:
        """Records for these holds, in their order. For subscriptions."""
        wanted = [(hold.lane, hold.position) for hold in holds if hold.position < self._ends[hold.lane.id]]
        return await self._reader.run(partial(log.fetch, wanted=wanted, limit=Limit(max_records))) if wanted else []

    async def commit(self, group: str, positions: Mapping[Lane, int]) -> None:
        """Stores how far the group has read. In memory first: what a rebalance hands on meanwhile starts behind it. For subscriptions."""
        stands = self._groups[group].stands
        stands.update({lane: max(offset, stands[lane]) for lane, offset in positions.items()})
        await self._writer.run(partial(log.commit, group=group, positions=positions))
        if self._used >= self._options.max_bytes:
            self._freed.set()
            self._tidy_now.set()

    def behind(self, group: str, lane: Lane) -> int:
        """Records of the lane that the group has not committed. For subscriptions."""
        return self._ends[lane.id] - self._groups[group].stands[lane]

    # keeping house

    async def ensure(self, topics: Sequence[Topic]) -> None:
        await self._writer.run(partial(log.ensure, topics=topics))
        self._lanes = await self._reader.run(log.lanes)
        self._ends = await self._reader.run(log.ends) | self._ends
        for name, group in self._groups.items():
            if group.members:
                wanted = [lane for member in group.members for topic in member.topics for lane in self._lanes[topic]]
                group.stands = await self._writer.run(partial(log.join, group=name, among=wanted)) | group.stands
                group.divide(self._lanes)

    async def ping(self) -> None:
        if self._trouble:
            raise Unavailable(self._trouble)
        await self._reader.run(log.ends)

    async def keep_tidy(self) -> None:
        """Retention, compaction and vacuum, now and then, and at once when the file is full. Runs until it is cancelled."""
        while True:
            await _set_within(self._tidy_now, self._options.tidy_every)
            self._tidy_now.clear()
            try:
                await self.tidy()
                self._trouble = None
            except Unavailable as exc:
                self._trouble = str(exc)
                logger.warning("broker_housekeeping_failed", reason=str(exc))
            await asyncio.sleep(_BREATH.total_seconds())

    async def tidy(self) -> None:
        """One round, in short transactions, so that publishers can come between."""
        lanes = [lane for of_topic in self._lanes.values() for lane in of_topic]
        for lane in lanes:
            while await self._writer.run(partial(log.expire, lane=lane, now=self._clock.now())):
                pass
            await self._writer.run(partial(log.compact, lane=lane, now=self._clock.now(), keep_tombstones=self._options.keep_tombstones))
        await self._make_room(lanes)
        await self._writer.aside(log.shrink)

    async def _make_room(self, lanes: Sequence[Lane]) -> None:
        """When full: the oldest that everyone has read goes early, down to nine tenths."""
        self._used = await self._reader.run(log.used_bytes)
        if self._used < self._options.max_bytes:
            self._told_full = False
            self._freed.set()
            return
        gone = 0
        while self._used >= self._options.max_bytes * 9 // 10:
            step = sum([await self._writer.run(partial(log.expire, lane=lane, now=self._clock.now(), early=True)) for lane in lanes])
            if not step:
                break
            gone += step
            self._used = await self._reader.run(log.used_bytes)
        if not self._told_full:  # once, until there was room again
            logger.warning("broker_file_full", bytes=self._used, limit=self._options.max_bytes, deleted_early=gone, behind=sorted(self._slow_groups()))
        self._told_full = True
        self._freed.set()

    def _slow_groups(self) -> Iterator[str]:
        """The groups that hold records back, for people."""
        for name, group in self._groups.items():
            unread = sum(self._ends[lane.id] - offset for lane, offset in group.stands.items())
            if unread:
                yield f"{name}: {unread} records to read"

    async def close(self) -> None:
        with suppress(sqlite3.Error):  # the file is whole without it
            await self._writer.aside(log.checkpoint)
        await self._writer.close()


class EmbeddedSubscription:
    """One member of a group in this process."""

    def __init__(self, broker: EmbeddedBroker, group: str, member: Member) -> None:
        self._broker, self._group, self._member = broker, group, member
        self._given: dict[Partition, Hold] = {}
        self._paused = False
        self._turn = 0

    async def batch(self, *, max_records: int, max_wait: timedelta) -> Batch:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + max_wait.total_seconds()
        while True:
            self._member.wake.clear()  # before looking: what comes later sets it again
            batch = await self._take(max_records)
            left = deadline - loop.time()
            if batch or not await _set_within(self._member.wake, timedelta(seconds=max(0, left))):
                return batch

    async def commit(self, batch: Batch) -> None:
        mine = {partition: offset for partition, offset in batch.positions.items() if self._holds(partition)}
        await self._broker.commit(self._group, {self._given[partition].lane: offset for partition, offset in mine.items()})
        lost = batch.positions.keys() - mine.keys()
        if lost:
            raise Lost(lost)

    async def rewind(self, batch: Batch) -> None:
        for record in reversed(batch.records):
            partition = Partition(record.topic, record.partition or 0)
            if self._holds(partition):
                self._given[partition].position = record.offset or 0
        self._member.wake.set()

    def pause(self) -> None:
        self._paused = True

    def resume(self) -> None:
        self._paused = False
        self._member.wake.set()

    async def lag(self) -> Mapping[Partition, int]:
        return {partition: self._broker.behind(self._group, hold.lane) for partition, hold in self._member.holds.items()}

    def _holds(self, partition: Partition) -> bool:
        """Whether the partition is still held as it was when its records were given."""
        hold = self._given.get(partition)
        return hold is not None and self._member.holds.get(partition) is hold

    async def _take(self, max_records: int) -> Batch:
        if self._paused:
            return Batch(())
        asked = {hold.lane.partition: (hold, hold.position) for hold in self._in_turn()}
        found = await self._broker.fetch([hold for hold, _ in asked.values()], max_records)
        records = [record for record in found if self._unchanged(*asked[_partition(record)])]
        positions = {_partition(record): (record.offset or 0) + 1 for record in records}
        for partition, position in positions.items():
            self._given[partition] = self._member.holds[partition]
            self._given[partition].position = position
        return Batch(records, positions)

    def _in_turn(self) -> list[Hold]:
        """Each time another lane comes first, so that a full one starves nobody."""
        holds = list(self._member.holds.values())
        self._turn += 1
        first = self._turn % len(holds) if holds else 0
        return holds[first:] + holds[:first]

    def _unchanged(self, hold: Hold, position: int) -> bool:
        """Nobody took the lane or moved in it while it was read."""
        return self._member.holds.get(hold.lane.partition) is hold and hold.position == position


class _Reader:
    """One thread with a connection that only reads: it waits for no writer."""

    def __init__(self, db: sqlite3.Connection, thread: ThreadPoolExecutor) -> None:
        self._db, self._thread = db, thread

    @classmethod
    @contextmanager
    def opened(cls, path: Path) -> Iterator[_Reader]:
        with _connected(path, EmbeddedOptions()) as db, ThreadPoolExecutor(1, thread_name_prefix="broker-reader") as thread:
            db.execute("PRAGMA query_only = ON")
            yield cls(db, thread)

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work, self._db)
        except sqlite3.Error as exc:
            raise translated(exc) from exc
        except RuntimeError as exc:  # the executor has been shut down
            raise Unavailable("the broker is closed") from exc

    def now(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Before anything runs: without a thread."""
        return work(self._db)


async def _read(reader: _Reader, topic: Topic, since: datetime | None, more: Callable[[], Awaitable[None]] | None) -> AsyncIterator[Record]:
    lanes = (await reader.run(log.lanes)).get(topic.name)
    if not lanes:
        raise _no_topic(topic.name)
    positions = dict.fromkeys(lanes, 0)
    while True:
        ends = await reader.run(log.ends)
        for lane in lanes:
            async for record in _sweep(reader, lane, positions[lane], ends[lane.id], since):
                yield record
            positions[lane] = ends[lane.id]
        if more is None:
            return
        await more()


async def _sweep(reader: _Reader, lane: Lane, position: int, end: int, since: datetime | None) -> AsyncIterator[Record]:
    while position < end:
        found = await reader.run(partial(log.fetch, wanted=[(lane, position)], limit=Limit(min(500, end - position)), since=since))
        for record in found:
            if (record.offset or 0) < end:
                yield record
        position = (found[-1].offset or 0) + 1 if found else end


def _append(db: sqlite3.Connection, records: Sequence[tuple[Lane, Record]], now: datetime) -> tuple[Mapping[int, int], int]:
    return log.append(db, records, now), log.used_bytes(db)


def _partition(record: Record) -> Partition:
    return Partition(record.topic, record.partition or 0)


def _known_groups(offsets: Mapping[str, Mapping[int, int]], lanes: Mapping[str, Sequence[Lane]]) -> dict[str, Group]:
    by_id = {lane.id: lane for of_topic in lanes.values() for lane in of_topic}
    return {name: Group({by_id[id_]: offset for id_, offset in stands.items()}) for name, stands in offsets.items()}


def _no_topic(*names: str) -> Misconfigured:
    return Misconfigured(f"the broker has no topic {', '.join(sorted(names))}; `chipwire topics ensure` creates it")


def _only_reading() -> Misconfigured:
    return Misconfigured("the broker's file was opened for reading only")


async def _set_within(event: asyncio.Event, time: timedelta) -> bool:
    """Whether the event was set in time."""
    try:
        async with asyncio.timeout(time.total_seconds()):
            await event.wait()
    except TimeoutError:
        return False
    return True


def _must_be_there(path: Path) -> None:
    if not path.exists():
        raise Misconfigured(f"there is no broker file {path} yet; `chipwire run` makes it")


@contextmanager
def _connected(path: Path, options: EmbeddedOptions) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(log.connect(path, power_safe=options.power_safe)) as db:
        yield db


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Holds the lock on the file. The system lets go of it when the process dies, however it dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with Path(f"{path}.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            lock.seek(0)
            raise Misconfigured(
                f"another chipwire runs on {path} (process {lock.read().strip() or 'unknown'}); stop it, or give this one its own CHIPWIRE_BROKER"
            ) from exc
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield
