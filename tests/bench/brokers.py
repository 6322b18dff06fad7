"""Records per second through each broker, beside the raw library in the same run: `python -m tests.bench.brokers [records]`.

1 kB values with six headers, in batches of 500, published and then consumed by one member with a commit after every batch.
"""

from __future__ import annotations

import asyncio
import os
import resource
import sqlite3
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from schemas.topics import Topic
from services.runtime.broker import Broker, Record
from services.runtime.embedded import open_embedded
from services.runtime.kafka import open_kafka
from tests.servers.brokers import new_group, new_topic
from tests.servers.kafka import KafkaServer, NotAvailable, jars

BATCH = 500
HEADERS = tuple((f"ce_name_{number}", b"a value of some length") for number in range(6))


def records(topic: Topic) -> list[Record]:
    return [Record(topic.name, os.urandom(500) + b"x" * 500, f"item-{number:08}-{number * 7919 % 100_003:x}".encode(), HEADERS) for number in range(BATCH)]


def tell(what: str, count: int, seconds: float, cpu: float) -> None:
    print(f"{what:<42} {count / seconds:>9,.0f} records/s {cpu / count * 1e6:>8.1f} µs CPU a record", flush=True)


@asynccontextmanager
async def timed(what: str, count: int) -> AsyncIterator[None]:
    wall, cpu = time.perf_counter(), cpu_seconds()
    yield
    tell(what, count, time.perf_counter() - wall, cpu_seconds() - cpu)


def cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def ours(name: str, broker: Broker, count: int) -> None:
    topic = new_topic(6)
    await broker.ensure([topic])
    batch = records(topic)
    await broker.publish(batch)
    async with timed(f"{name}: publish", count):
        for _ in range(0, count, BATCH):
            await broker.publish(batch)
    async with broker.subscribe(new_group(), [topic]) as subscription, timed(f"{name}: consume and commit", count):
        seen = 0
        while seen < count:
            got = await subscription.batch(max_records=BATCH, max_wait=timedelta(seconds=5))
            await subscription.commit(got)
            seen += len(got.records)
    await latency(name, broker)


async def latency(name: str, broker: Broker, count: int = 200) -> None:
    topic = new_topic(1)
    await broker.ensure([topic])
    taken = []
    async with broker.subscribe(new_group(), [topic]) as subscription:
        for _ in range(count):
            waiting = asyncio.create_task(subscription.batch(max_records=1, max_wait=timedelta(seconds=5)))
            await asyncio.sleep(0.005)
            start = time.perf_counter()
            await broker.publish([Record(topic.name, b"x" * 1000, b"key", HEADERS)])
            got = await waiting
            taken.append(time.perf_counter() - start)
            await subscription.commit(got)
    taken.sort()
    print(f"{name + ': publish -> batch':<42} p50 {taken[count // 2] * 1000:.2f} ms, p99 {taken[count * 99 // 100] * 1000:.2f} ms", flush=True)


async def raw_sqlite(directory: Path, count: int) -> None:
    rows = [(record.key, record.value) for record in records(new_topic())]
    db = sqlite3.connect(directory / "raw.db", isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = NORMAL")
    db.execute("CREATE TABLE records (id INTEGER PRIMARY KEY, key BLOB, value BLOB)")
    async with timed("baseline: sqlite3 insert, 500 a commit", count):
        for _ in range(0, count, BATCH):
            db.execute("BEGIN")
            db.executemany("INSERT INTO records (key, value) VALUES (?, ?)", rows)
            db.execute("COMMIT")
    async with timed("baseline: sqlite3 select, 500 at once", count):
        for start in range(0, count, BATCH):
            db.execute("SELECT * FROM records WHERE id > ? ORDER BY id LIMIT ?", (start, BATCH)).fetchall()
    db.close()


async def raw_kafka(address: str, count: int) -> None:
    topic = new_topic(6)
    async with open_kafka(address) as broker:
        await broker.ensure([topic])
    batch = records(topic)
    raw = AIOKafkaProducer(bootstrap_servers=address, enable_idempotence=True, acks="all", max_batch_size=1_048_576, compression_type="lz4")
    async with raw as producer, timed("baseline: aiokafka send, 500 a gather", count):
        for _ in range(0, count, BATCH):
            await asyncio.gather(*[await producer.send(r.topic, r.value, r.key, headers=list(r.headers)) for r in batch])
    async with AIOKafkaConsumer(topic.name, bootstrap_servers=address, auto_offset_reset="earliest") as consumer, timed("baseline: aiokafka getmany", count):
        seen = 0
        while seen < count:
            seen += sum(map(len, (await consumer.getmany(timeout_ms=1000, max_records=BATCH)).values()))


async def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        await raw_sqlite(directory, count)
        async with open_embedded(directory / "broker.db") as broker:
            await ours("embedded", broker, count)
        try:
            server = KafkaServer(directory, jars())
            server.create()
        except NotAvailable as exc:
            print(f"real Kafka not available: {exc}")
            return
        try:
            await raw_kafka(server.address, count)
            async with open_kafka(server.address) as broker:
                await ours("kafka", broker, count)
        finally:
            server.stop()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 50_000))
