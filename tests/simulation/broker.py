"""A log in memory with groups of several members, whose partitions move when one joins, leaves, dies or is frozen for longer than its session.

It keeps the promise of `services.runtime.broker` and no more: order within a partition, at least once, `Lost` for partitions that have moved.
"""

from __future__ import annotations

import asyncio
import zlib
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta

from schemas.topics import Topic
from services.runtime.broker import Batch, Partition, Record
from services.runtime.errors import Lost
from tests.simulation.loop import OWNER, Owner

PARTITIONS = 3
SESSION = 10.0
"""Seconds after which a member that is dead or frozen is put out of its group."""


class Trouble:
    """The faults of a log. This one has none."""

    async def call(self, what: str) -> None:
        """Before anything is done: waits, or raises Unavailable."""

    async def answer(self, what: str) -> None:
        """After it is done: waits, or raises Unavailable although it is done."""

    def kept(self, records: int) -> int:
        """Of so many records to publish, how many arrive before it fails; all of them when it does not."""
        return records


class SimulatedBroker:
    """Topics, partitions, groups and offsets."""

    def __init__(self, now: Callable[[], datetime], trouble: Trouble | None = None) -> None:
        self._now = now
        self._trouble = trouble or Trouble()
        self.logs: dict[Partition, list[Record]] = defaultdict(list)
        self.committed: dict[tuple[str, Partition], int] = defaultdict(int)
        self._members: dict[str, list[SimulatedSubscription]] = defaultdict(list)
        self._news = asyncio.Event()

    def records(self, topic: Topic | str) -> list[Record]:
        """Everything in a topic, partition by partition."""
        name = topic if isinstance(topic, str) else topic.name
        return [record for partition in sorted(self.logs) if partition.topic == name for record in self.logs[partition]]

    def behind(self, group: str, topic: Topic) -> int:
        """How many records the group has not committed."""
        return sum(len(log) - self.committed[group, partition] for partition, log in self.logs.items() if partition.topic == topic.name)

    async def publish(self, records: Sequence[Record]) -> None:
        await self._trouble.call("publish")
        self.append(records[: self._trouble.kept(len(records))])
        await self._trouble.answer("publish")

    def append(self, records: Sequence[Record]) -> None:
        """Publishes without any trouble."""
        for record in records:
            partition = Partition(record.topic, zlib.crc32(record.key or b"") % PARTITIONS)
            log = self.logs[partition]
            log.append(replace(record, partition=partition.number, offset=len(log), timestamp=self._now()))
        self._news.set()

    @asynccontextmanager
    async def subscribe(self, group: str, topics: Sequence[Topic]) -> AsyncIterator[SimulatedSubscription]:
        await self._trouble.call("join")
        member = SimulatedSubscription(self, group, [topic.name for topic in topics], OWNER.get())
        self.join(member)
        try:
            yield member
        finally:
            self.leave(member)

    async def read(self, topic: Topic, *, since: datetime | None = None, follow: bool = False) -> AsyncIterator[Record]:
        for record in self.records(topic):
            if since is None or (record.timestamp is not None and record.timestamp >= since):
                yield record
        if follow:
            raise NotImplementedError("nobody follows a topic in the simulation")

    async def ensure(self, topics: Sequence[Topic]) -> None: ...

    async def ping(self) -> None: ...

    def full(self, topic: Topic) -> bool:
        return False

    # ---- the group

    def join(self, member: SimulatedSubscription) -> None:
        self._members[member.group].append(member)
        self._deal(member.group)

    def leave(self, member: SimulatedSubscription) -> None:
        if member in self._members[member.group]:
            self._members[member.group].remove(member)
            self._deal(member.group)

    def is_in(self, member: SimulatedSubscription) -> bool:
        return member in self._members[member.group]

    def put_out(self, owner: Owner) -> None:
        """The session of a process ended."""
        for members in list(self._members.values()):
            for member in [member for member in members if member.owner is owner]:
                self.leave(member)

    def _deal(self, group: str) -> None:
        members = self._members[group]
        for number, member in enumerate(members):
            owned = {Partition(topic, part) for topic in member.topics for part in range(PARTITIONS) if part % len(members) == number}
            member.deal(owned)
        self._news.set()

    async def news(self, within: timedelta) -> None:
        """Returns when something was published or has moved, or after a while."""
        self._news.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(within.total_seconds()):
                await self._news.wait()


class SimulatedSubscription:
    """One member of a group."""

    def __init__(self, broker: SimulatedBroker, group: str, topics: Sequence[str], owner: Owner | None) -> None:
        self._broker = broker
        self.group = group
        self.topics = topics
        self.owner = owner
        self._next: dict[Partition, int] = {}

    def deal(self, owned: set[Partition]) -> None:
        """Positions of what it keeps stay; what is new begins where the group is."""
        self._next = {partition: self._next.get(partition, self._broker.committed[self.group, partition]) for partition in owned}

    async def batch(self, *, max_records: int, max_wait: timedelta) -> Batch:
        await self._broker._trouble.call("batch")
        if not self._broker.is_in(self):
            self._next = {}
            self._broker.join(self)
        batch = self._take(max_records)
        if not batch:
            await self._broker.news(max_wait)
            batch = self._take(max_records)
        return batch

    async def commit(self, batch: Batch) -> None:
        await self._broker._trouble.call("commit")
        mine = self._next if self._broker.is_in(self) else {}
        for partition, offset in batch.positions.items():
            if partition in mine:
                self._broker.committed[self.group, partition] = offset
        await self._broker._trouble.answer("commit")
        if lost := batch.positions.keys() - mine.keys():
            raise Lost(frozenset(lost))

    async def rewind(self, batch: Batch) -> None:
        await self._broker._trouble.call("rewind")
        for record in reversed(batch.records):
            partition = Partition(record.topic, record.partition or 0)
            if partition in self._next:
                self._next[partition] = record.offset or 0

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    async def lag(self) -> Mapping[Partition, int]:
        return {partition: len(self._broker.logs[partition]) - self._broker.committed[self.group, partition] for partition in self._next}

    def _take(self, most: int) -> Batch:
        taken: list[Record] = []
        positions: dict[Partition, int] = {}
        for partition in sorted(self._next):
            start = self._next[partition]
            records = self._broker.logs[partition][start : start + most - len(taken)]
            if records:
                taken += records
                positions[partition] = self._next[partition] = start + len(records)
        return Batch(tuple(taken), positions)
