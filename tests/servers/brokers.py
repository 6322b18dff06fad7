"""What the contract suite needs to know about each broker beyond the promise: how to open it, name things apart, and restart it."""

from __future__ import annotations

import sqlite3
import uuid
from contextlib import AbstractAsyncContextManager, closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, Protocol

from schemas.topics import NEWS_ITEMS, Topic
from services.runtime.broker import Batch, Broker, Record, Subscription
from services.runtime.broker_options import EmbeddedOptions, KafkaOptions
from services.runtime.embedded import open_embedded
from services.runtime.kafka import open_kafka
from tests.servers.kafka import ExistingKafka, KafkaServer, must_be_ours


class Kind(Protocol):
    """A kind of broker under test."""

    def open(self) -> AbstractAsyncContextManager[Broker]: ...

    async def settings(self, broker: Broker, topic: Topic) -> dict[str, Any]:
        """What the broker really has: partitions, cleanup, retention in ms (None for ever)."""
        ...

    def restart(self) -> None:
        """While nothing is open."""
        ...

    def may_restart(self) -> None:
        """Skips the test where we must not."""
        ...


class Embedded:
    """Files in a directory."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "broker.db"

    def open(self, options: EmbeddedOptions | None = None) -> AbstractAsyncContextManager[Broker]:
        return open_embedded(self.path, options=options)

    async def settings(self, broker: Broker, topic: Topic) -> dict[str, Any]:
        with closing(sqlite3.connect(self.path)) as db:
            return dict(
                zip(
                    ("partitions", "cleanup", "retention"),
                    db.execute("SELECT partitions, cleanup, retention FROM topics WHERE name = ?", (topic.name,)).fetchone(),
                    strict=True,
                )
            )

    def restart(self) -> None:
        """Closing it was the stop."""

    def may_restart(self) -> None: ...


class Kafka:
    """The real one."""

    OPTIONS = KafkaOptions(session_timeout=timedelta(seconds=6), revoke_grace=timedelta(seconds=1), publish_timeout=timedelta(seconds=15))

    def __init__(self, server: KafkaServer | ExistingKafka) -> None:
        self.server = server

    def open(self, **changes: Any) -> AbstractAsyncContextManager[Broker]:
        return open_kafka(self.server.address, options=replace(self.OPTIONS, **changes))

    async def settings(self, broker: Any, topic: Topic) -> dict[str, Any]:
        config = (await broker._settings([topic]))[topic.name]
        retention = int(config["retention.ms"])
        return {
            "partitions": (await broker._partitions())[topic.name],
            "cleanup": config["cleanup.policy"],
            "retention": None if retention == -1 else retention,
        }

    def restart(self) -> None:
        server = must_be_ours(self.server)
        server.stop()
        server.start()

    def may_restart(self) -> None:
        must_be_ours(self.server)


def new_topic(partitions: int = 1, *, cleanup: Literal["delete", "compact"] = "delete", retention: timedelta | None = timedelta(days=7)) -> Topic:
    """A topic of a name that nobody had before: the Kafka is shared."""
    return replace(NEWS_ITEMS, name=f"test.{uuid.uuid4().hex[:12]}", partitions=partitions, cleanup=cleanup, retention=retention)


def new_group() -> str:
    return f"group-{uuid.uuid4().hex[:12]}"


def numbered(topic: Topic, numbers: range, *, keys: int = 1) -> list[Record]:
    """Records with their number as value, dealt out among so many keys."""
    return [Record(topic.name, str(number).encode(), f"key-{number % keys}".encode()) for number in numbers]


def numbers(records: list[Record] | Any) -> list[int]:
    return [int(record.value) for record in records]


async def take(subscription: Subscription, count: int, *, commit: bool = True, max_records: int = 100) -> list[Record]:
    """Batches until there are at least so many records."""
    found: list[Record] = []
    while len(found) < count:
        batch = await next_batch(subscription, max_records=max_records)
        found.extend(batch.records)
        if commit:
            await subscription.commit(batch)
    return found


async def next_batch(subscription: Subscription, *, max_records: int = 100) -> Batch:
    """The next batch that is not empty. The test's own time limit ends the wait."""
    while True:
        batch = await subscription.batch(max_records=max_records, max_wait=timedelta(seconds=1))
        if batch:
            return batch


async def read_all(broker: Broker, topic: Topic) -> list[Record]:
    """By partition and offset."""
    return sorted([record async for record in broker.read(topic)], key=lambda record: (record.partition, record.offset))
