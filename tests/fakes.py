"""Small working fakes: a broker in memory that keeps the promise of `services.runtime.broker`, and a clock whose sleep moves the time."""

from __future__ import annotations

import asyncio
import zlib
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Self

from schemas.topics import Topic
from services.runtime.broker import Batch, Partition, Record
from services.runtime.errors import Lost, Rejected
from tests import make

PARTITIONS = 3
"""Of a topic that was published to before anybody ensured it."""


class FakeClock:
    """Time stands still until somebody sleeps or a test calls `advance`."""

    def __init__(self, now: datetime = make.NOW) -> None:
        self._now = now
        self._monotonic = 1000.0
        self.slept: list[timedelta] = []

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    async def sleep(self, duration: timedelta) -> None:
        self.slept.append(duration)
        self.advance(duration)
        await asyncio.sleep(0)

    def advance(self, duration: timedelta) -> None:
        self._now += duration
        self._monotonic += duration.total_seconds()


@dataclass
class _Failure:
    error: Exception
    when: Callable[..., bool]
    times: int


class FakeBroker:
    """Topics, partitions, groups and offsets in memory.

    Failures on demand: `fail("publish", Unavailable("away"), times=2)`; for "commit" a `Lost` drops the named partitions as a rebalance would.
    One member per group.
    """

    def __init__(self, clock: FakeClock | None = None) -> None:
        self.clock = clock or FakeClock()
        self.logs: dict[Partition, list[Record]] = defaultdict(list)
        self.committed: dict[tuple[str, Partition], int] = defaultdict(int)
        self.topics: dict[str, Topic] = {}
        self.calls: list[str] = []
        self._failures: dict[str, list[_Failure]] = defaultdict(list)
        self._changed = asyncio.Event()
        self._spread = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        return None

    def fail(self, call: str, error: Exception, *, times: int = 1, when: Callable[..., bool] = lambda *_: True) -> None:
        """The next `times` calls of publish, batch, commit, rewind, lag, ensure or ping raise `error`; `when` gets the call's argument."""
        self._failures[call].append(_Failure(error, when, times))

    def values(self, topic: Topic | str) -> list[bytes | None]:
        """The values in a topic, partition by partition."""
        return [record.value for record in self.records(topic)]

    def records(self, topic: Topic | str) -> list[Record]:
        """The records in a topic, partition by partition."""
        name = topic if isinstance(topic, str) else topic.name
        return [record for partition in sorted(self.logs) if partition.topic == name for record in self.logs[partition]]

    async def publish(self, records: Sequence[Record]) -> None:
        self._call("publish", records)
        for record in records:
            if len(record.value or b"") > 1_000_000:
                raise Rejected(f"a record of {len(record.value or b'')} bytes; expected at most 1,000,000")
        for record in records:
            partition = self._partition(record)
            log = self.logs[partition]
            log.append(replace(record, partition=partition.number, offset=len(log), timestamp=self.clock.now()))
        self._changed.set()
        await asyncio.sleep(0)

    @asynccontextmanager
    async def subscribe(self, group: str, topics: Sequence[Topic]) -> AsyncIterator[FakeSubscription]:
        yield FakeSubscription(self, group, [topic.name for topic in topics])

    async def read(self, topic: Topic, *, since: datetime | None = None, follow: bool = False) -> AsyncIterator[Record]:
        seen: dict[Partition, int] = defaultdict(int)
        while True:
            self._changed.clear()
            for partition in [partition for partition in sorted(self.logs) if partition.topic == topic.name]:
                for record in self.logs[partition][seen[partition] :]:
                    seen[partition] += 1
                    if since is None or (record.timestamp is not None and record.timestamp >= since):
                        yield record
            if not follow:
                return
            await self._changed.wait()

    async def ensure(self, topics: Sequence[Topic]) -> None:
        self._call("ensure", topics)
        self.topics |= {topic.name: topic for topic in topics}

    async def ping(self) -> None:
        self._call("ping", None)

    async def wait_for_change(self, timeout: timedelta) -> None:
        """Until something is published, or `timeout` has passed by the fake clock at once."""
        self._changed.clear()
        try:
            await asyncio.wait_for(self._changed.wait(), 0.01)
        except TimeoutError:
            self.clock.advance(timeout)

    def _call(self, name: str, argument: Any) -> None:
        self.calls.append(name)
        for failure in self._failures[name]:
            if failure.times > 0 and failure.when(argument):
                failure.times -= 1
                raise failure.error

    def _partition(self, record: Record) -> Partition:
        known = self.topics.get(record.topic)
        count = known.partitions if known else PARTITIONS
        if record.key is None:
            self._spread += 1
        number = zlib.crc32(record.key) % count if record.key is not None else self._spread % count
        return Partition(record.topic, number)


class FakeSubscription:
    """The one member of a group."""

    def __init__(self, broker: FakeBroker, group: str, topics: Sequence[str]) -> None:
        self._broker = broker
        self._group = group
        self._topics = topics
        self._next: dict[Partition, int] = {}
        self.paused = False

    async def batch(self, *, max_records: int, max_wait: timedelta) -> Batch:
        self._broker._call("batch", max_records)
        batch = self._take(max_records)
        if not batch:
            await self._broker.wait_for_change(max_wait)
            batch = self._take(max_records)
        return batch

    async def commit(self, batch: Batch) -> None:
        try:
            self._broker._call("commit", batch)
        except Lost as lost:
            self._store({partition: offset for partition, offset in batch.positions.items() if partition not in lost.partitions})
            for partition in lost.partitions:
                self._next.pop(partition, None)
            raise
        self._store(batch.positions)
        await asyncio.sleep(0)

    async def rewind(self, batch: Batch) -> None:
        self._broker._call("rewind", batch)
        for partition in batch.positions:
            self._next.pop(partition, None)

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False

    async def lag(self) -> Mapping[Partition, int]:
        self._broker._call("lag", None)
        return {partition: len(self._broker.logs[partition]) - self._broker.committed[self._group, partition] for partition in self._owned()}

    def _owned(self) -> list[Partition]:
        return [partition for partition in sorted(self._broker.logs) if partition.topic in self._topics]

    def _take(self, max_records: int) -> Batch:
        taken: list[Record] = []
        positions: dict[Partition, int] = {}
        if self.paused:
            return Batch(())
        for partition in self._owned():
            start = self._next.get(partition, self._broker.committed[self._group, partition])
            records = self._broker.logs[partition][start : start + max_records - len(taken)]
            if records:
                taken += records
                positions[partition] = self._next[partition] = start + len(records)
        return Batch(tuple(taken), positions)

    def _store(self, positions: Mapping[Partition, int]) -> None:
        for partition, offset in positions.items():
            self._broker.committed[self._group, partition] = offset
