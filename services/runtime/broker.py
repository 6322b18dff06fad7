"""What a broker is to us: two adapters keep this promise, `embedded` and `kafka`, and pass one contract suite.

    publish      returns when all records are safe
    subscribe    a member of a group: batch -> (handle) -> commit | rewind
    read         every record of a topic, without a group; commits nothing

Order holds within a partition, and so within a key. Delivery is at least once.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from schemas.topics import Topic

Headers = tuple[tuple[str, bytes], ...]


class Partition(NamedTuple):
    """One ordered lane of a topic."""

    topic: str
    number: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.number}"


@dataclass(frozen=True, slots=True)
class Record:
    """One record. `partition`, `offset` and `timestamp` are set on records that were read, and ignored when publishing.

    A `value` of None is a tombstone. Without a `key` the broker picks a partition.
    """

    topic: str
    value: bytes | None
    key: bytes | None = None
    headers: Headers = ()
    partition: int | None = None
    offset: int | None = None
    timestamp: datetime | None = None

    def header(self, name: str) -> str | None:
        """The last header of that name as text, or None."""
        for key, value in reversed(self.headers):
            if key == name:
                return value.decode("utf-8", "replace")
        return None


@dataclass(frozen=True, slots=True)
class Batch:
    """Records in hand, in order within each partition, and for each partition the offset that a commit stores (the next to read)."""

    records: Sequence[Record]
    positions: Mapping[Partition, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.records)


class Subscription(Protocol):
    """A live membership of a consumer group. One batch is in hand at a time: from `batch` until `commit`, `rewind` or the next `batch`."""

    async def batch(self, *, max_records: int, max_wait: timedelta) -> Batch:
        """The next records, or an empty batch after `max_wait`. Raises Unavailable when the broker is away for good reasons to tell."""
        ...

    async def commit(self, batch: Batch) -> None:
        """Stores exactly what this batch covers. Raises Lost(partitions): their work will be repeated elsewhere; the rest is committed."""
        ...

    async def rewind(self, batch: Batch) -> None:
        """Redelivers the batch in place, to this member, without a rebalance."""
        ...

    def pause(self) -> None:
        """Fetch nothing more until `resume`; the membership stays alive."""
        ...

    def resume(self) -> None: ...

    async def lag(self) -> Mapping[Partition, int]:
        """Records not yet committed, for each partition this member owns."""
        ...


class Broker(Protocol):
    """A durable, partitioned log of records with consumer groups. An async context manager opens and closes it."""

    async def publish(self, records: Sequence[Record]) -> None:
        """Returns when all records are safe. Raises Unavailable (try again) or Rejected (too large, unknown topic)."""
        ...

    def subscribe(self, group: str, topics: Sequence[Topic]) -> AbstractAsyncContextManager[Subscription]:
        """Joins the group; a new group starts at the oldest record. Leaves when the context ends."""
        ...

    def read(self, topic: Topic, *, since: datetime | None = None, follow: bool = False) -> AsyncIterator[Record]:
        """Every record now in the topic from `since` on, oldest first within a partition; with `follow`, goes on for ever."""
        ...

    async def ensure(self, topics: Sequence[Topic]) -> None:
        """Creates what is missing and brings partitions, cleanup and retention to what the topics say. Never removes."""
        ...

    async def ping(self) -> None:
        """Returns if the broker answers. Raises Unavailable."""
        ...

    def full(self, topic: Topic) -> bool:
        """Whether `publish` to this topic would have to wait for space: readers are too far behind. Tell pushers to come back later."""
        ...


class Hooks(Protocol):
    """What a broker tells whoever counts: things that are logged as well, and should never happen often."""

    def on_gap(self, partition: Partition, wanted: int, found: int) -> None:
        """Records from `wanted` up to `found` were deleted before they were read."""
        ...

    def on_rebuild(self, what: str) -> None:
        """A `consumer` or `producer` was broken beyond use and has been made anew."""
        ...


class NoHooks:
    """Counts nothing."""

    def on_gap(self, partition: Partition, wanted: int, found: int) -> None: ...

    def on_rebuild(self, what: str) -> None: ...
