"""Records per second through each broker, beside the raw library in the same run.

1 kB values with six headers, in batches of 500, published and then consumed by one member with a commit after every batch.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from schemas.topics import Topic
from services.runtime.broker import Broker, Record
from services.runtime.embedded import open_embedded
from services.runtime.kafka import open_kafka
from tests.bench.line import kafka_at
from tests.bench.report import Row, percentile, series
from tests.bench.setting import Setting
from tests.servers.brokers import new_group, new_topic

COUNT = 20_000
SINGLES = 200
BATCH = 500
HEADERS = tuple((f"ce_name_{number}", b"a value of some length") for number in range(6))

Rates = tuple[float, float]
"""Published and consumed, records a second."""


async def measure_embedded(setting: Setting) -> Sequence[Row]:
    """One file."""
    count = setting.size(COUNT)
    raw = [raw_sqlite(setting.directory / f"raw-{run}.db", count) for run in range(setting.runs)]
    async with open_embedded(setting.directory / "broker.db") as broker:
        ours = [await both_ways(broker, count) for _ in range(setting.runs)]
        waits = [await singles(broker, setting.size(SINGLES)) for _ in range(setting.runs)]
    return _rows("embedded broker", ours, raw, "sqlite3", waits)


async def measure_kafka(setting: Setting) -> Sequence[Row]:
    """A real one, on the same cores."""
    count = setting.size(COUNT)
    with kafka_at(setting.directory / "kafka") as address:
        raw = [await raw_kafka(address, count) for _ in range(setting.runs)]
        async with open_kafka(address) as broker:
            ours = [await both_ways(broker, count) for _ in range(setting.runs)]
            waits = [await singles(broker, setting.size(SINGLES)) for _ in range(setting.runs)]
    return _rows("Kafka broker", ours, raw, "aiokafka", waits)


def _rows(name: str, ours: Sequence[Rates], raw: Sequence[Rates], library: str, waits: Sequence[Sequence[float]]) -> list[Row]:
    (published, consumed), (sent, received) = zip(*ours, strict=True), zip(*raw, strict=True)
    return [
        Row(f"{name}: publish", series(published, "records/s"), series(sent, "records/s"), f"{library} alone"),
        Row(f"{name}: consume and commit", series(consumed, "records/s"), series(received, "records/s"), f"{library} alone, no commit"),
        Row(f"{name}: publish → batch, p99", series([percentile(one, 99) * 1000 for one in waits], "ms"), note=f"{len(waits[0])} single records a run"),
    ]


def records(topic: Topic) -> list[Record]:
    """One batch, the same every time."""
    return [Record(topic.name, os.urandom(500) + b"x" * 500, f"item-{number:08}-{number * 7919 % 100_003:x}".encode(), HEADERS) for number in range(BATCH)]


async def both_ways(broker: Broker, count: int) -> Rates:
    """Through our broker."""
    topic = new_topic(6)
    await broker.ensure([topic])
    batch = records(topic)
    await broker.publish(batch)
    began = time.perf_counter()
    for _ in range(0, count, BATCH):
        await broker.publish(batch)
    published = time.perf_counter()
    async with broker.subscribe(new_group(), [topic]) as subscription:
        await subscription.commit(await subscription.batch(max_records=1, max_wait=timedelta(seconds=5)))  # joining the group is not what is measured
        joined, seen = time.perf_counter(), 0
        while seen < count:
            got = await subscription.batch(max_records=BATCH, max_wait=timedelta(seconds=5))
            await subscription.commit(got)
            seen += len(got.records)
        return count / (published - began), count / (time.perf_counter() - joined)


async def singles(broker: Broker, count: int) -> list[float]:
    """Seconds from publishing one record until a waiting member has it."""
    topic = new_topic(1)
    await broker.ensure([topic])
    taken = []
    async with broker.subscribe(new_group(), [topic]) as subscription:
        for _ in range(count):
            waiting = asyncio.create_task(subscription.batch(max_records=1, max_wait=timedelta(seconds=5)))
            await asyncio.sleep(0.005)  # until it waits
            began = time.perf_counter()
            await broker.publish([Record(topic.name, b"x" * 1000, b"key", HEADERS)])
            got = await waiting
            taken.append(time.perf_counter() - began)
            await subscription.commit(got)
    return taken


def raw_sqlite(file: Path, count: int) -> Rates:
    """Through sqlite3."""
    rows = [(record.key, record.value) for record in records(new_topic())]
    db = sqlite3.connect(file, isolation_level=None)
    db.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; CREATE TABLE records (id INTEGER PRIMARY KEY, key BLOB, value BLOB)")
    began = time.perf_counter()
    for _ in range(0, count, BATCH):
        db.execute("BEGIN")
        db.executemany("INSERT INTO records (key, value) VALUES (?, ?)", rows)
        db.execute("COMMIT")
    inserted = time.perf_counter()
    for start in range(0, count, BATCH):
        db.execute("SELECT * FROM records WHERE id > ? ORDER BY id LIMIT ?", (start, BATCH)).fetchall()
    ended = time.perf_counter()
    db.close()
    return count / (inserted - began), count / (ended - inserted)


async def raw_kafka(address: str, count: int) -> Rates:
    """Through aiokafka."""
    topic = new_topic(6)
    async with open_kafka(address) as broker:
        await broker.ensure([topic])
    batch = records(topic)
    raw = AIOKafkaProducer(bootstrap_servers=address, enable_idempotence=True, acks="all", max_batch_size=1_048_576, compression_type="lz4")
    async with raw as producer:
        began = time.perf_counter()
        for _ in range(0, count, BATCH):
            await asyncio.gather(*[await producer.send(r.topic, r.value, r.key, headers=list(r.headers)) for r in batch])
        sent = time.perf_counter() - began
    async with AIOKafkaConsumer(topic.name, bootstrap_servers=address, auto_offset_reset="earliest") as consumer:
        began, seen = time.perf_counter(), 0
        while seen < count:
            seen += sum(map(len, (await consumer.getmany(timeout_ms=1000, max_records=BATCH)).values()))
        return count / sent, count / (time.perf_counter() - began)
