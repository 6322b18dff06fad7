"""The whole line as processes, from a push over HTTP to an accepted webhook: items a second, latency when idle, memory afterwards.

push -> ingester -> broker -> classifier -> broker -> notifier -> webhook, received in this process
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import sqlalchemy as sa
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from schemas.topics import NEWS_ITEMS
from services.runtime import codec
from services.runtime.broker import Record
from services.runtime.kafka import open_kafka
from services.store import migrate, secrets
from services.store.delivery import deliveries
from services.store.engine import Store
from services.store.threads import alerts
from tests.alerting import SECRET
from tests.bench.news import News, alerting
from tests.bench.processes import Running, running
from tests.bench.receiver import Arrivals, arriving
from tests.bench.report import Row, percentile, series
from tests.bench.setting import LeftOut, Setting
from tests.servers import kafka, postgres
from tests.servers.brokers import new_topic

TOKEN = "bench"
SINGLES = 220
BATCH = 500
PUSHERS = 4
PATIENCE = 2.0
"""Seconds within which a single item has to be told."""
LIMIT = 300.0
"""Seconds within which everything has to be through."""

SUBSCRIPTIONS = """
accounts:
  - id: bench
    destinations: [{{id: hook, webhook: {{url: "{url}", env: BENCH_HOOK_SECRET}}}}]
    subscriptions: [{{id: all, to: [hook], when: {{}}, cadence: immediate}}]
"""


@dataclass
class Line:
    """Services at work, by name, and where their webhooks arrive."""

    processes: Mapping[str, Running]
    store: Store
    arrivals: Arrivals
    http: aiohttp.ClientSession

    def each(self, look: Callable[[Running], float]) -> dict[str, float]:
        """A look at each process, by name."""
        return {process.name: look(process) for process in self.processes.values()}

    async def push(self, items: Sequence[Mapping[str, Any]]) -> None:
        """Returns when the ingester has them."""
        async with self.http.post(self.processes["ingester"].url("/v1/items"), data=orjson.dumps(items)) as answer:
            if answer.status not in (202, 207):
                raise RuntimeError(f"a push was answered {answer.status}: {await answer.text()}")

    async def drained(self, items: int) -> None:
        """Returns when so many items are judged, all their signals placed and all deliveries ended."""
        async with asyncio.timeout(LIMIT):
            while not await self._is_drained(items):  # noqa: ASYNC110 another process tells no event
                await asyncio.sleep(0.05)

    async def _is_drained(self, items: int) -> bool:
        classifier = await asyncio.to_thread(self.processes["classifier"].metrics)
        if classifier["chipwire_classifier_records_total:handled"] < items:
            return False
        notifier = await asyncio.to_thread(self.processes["notifier"].metrics)
        if notifier["chipwire_notifier_records_total:handled"] < classifier["chipwire_classifier_published_total"]:
            return False
        return not await self.store.read(in_hand)


def in_hand(db: sa.Connection) -> int:
    """Alerts and deliveries that are not done."""
    fresh = sa.select(sa.func.count()).select_from(alerts).where(alerts.c.fanned_out_at.is_(None))
    under_way = sa.select(sa.func.count()).select_from(deliveries).where(deliveries.c.ended_at.is_(None))
    return int(db.execute(fresh).scalar_one()) + int(db.execute(under_way).scalar_one())


@asynccontextmanager
async def at_work(directory: Path, groups: Sequence[Sequence[str]], *, broker: str, store: str) -> AsyncIterator[Line]:
    """One process for each group of services."""
    async with arriving() as arrivals:
        config = directory / "config"
        config.mkdir(parents=True)
        (config / "subscriptions.yaml").write_text(SUBSCRIPTIONS.format(url=arrivals.url))
        settings = {
            "CHIPWIRE_BROKER": broker,
            "CHIPWIRE_STORE": store,
            "CHIPWIRE_CONFIG": str(config),
            "CHIPWIRE_ALLOW_NETWORKS": "127.0.0.0/8",
            "CHIPWIRE_INGESTER_PUSH_TOKEN": TOKEN,
            "CHIPWIRE_NOTIFIER_KEYS_FILE": str(directory / "keys"),
            "BENCH_HOOK_SECRET": SECRET,
        }
        (directory / "keys").write_text(secrets.new_key())
        with ExitStack() as stack:
            started = [stack.enter_context(running(names, directory=directory / "-".join(["data", *names]), settings=settings)) for names in groups]
            processes = {name: process for names, process in zip(groups, started, strict=True) for name in (names or ("ingester", "classifier", "notifier"))}
            async with Store.open(store) as opened, aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN}"}) as http:
                yield Line(processes, opened, arrivals, http)


@dataclass(frozen=True)
class Figures:
    """Of one run."""

    rate: float
    told: int
    singles: Sequence[float]
    missed: int
    megabytes: Mapping[str, float]
    microseconds: Mapping[str, float]
    """CPU time an item by process: what others do on the machine changes it little."""


async def one_run(setting: Setting, line: Line) -> Figures:
    """Single items while the line is idle, then all the news at once, then a look at the memory."""
    pushes = alerting(setting.size(SINGLES))
    taken = [await told_after(line, item) for item in pushes]
    singles = [seconds for seconds in taken if seconds is not None]
    if not singles:
        raise RuntimeError("no alert arrived at the webhook")
    await line.drained(len(pushes))
    before, used = line.arrivals.count, line.each(Running.cpu_seconds)
    rate = await through(line, setting.news, len(pushes))
    microseconds = {name: (seconds - used[name]) / len(setting.news.pushes) * 1e6 for name, seconds in line.each(Running.cpu_seconds).items()}
    return Figures(rate, line.arrivals.count - before, singles, len(pushes) - len(singles), line.each(Running.megabytes), microseconds)


async def told_after(line: Line, item: Mapping[str, Any]) -> float | None:
    """Seconds from the push of one item, its own round trip included, until its webhook arrived; None when it did not."""
    before, began = line.arrivals.count, time.perf_counter()
    await line.push([item])
    return line.arrivals.last - began if await line.arrivals.more_than(before, seconds=PATIENCE) else None


async def through(line: Line, news: News, already: int) -> float:
    """Items a second, from the first push until the last webhook has come and nothing is in hand."""
    began = time.perf_counter()
    batches = news.batches(BATCH)

    async def pusher() -> None:
        for batch in batches:
            await line.push(batch)

    await asyncio.gather(*[pusher() for _ in range(PUSHERS)])
    await line.drained(already + len({item.get("id") for item in news.pushes}))
    return len(news.pushes) / (time.perf_counter() - began)


def rows(name: str, figures: Sequence[Figures], baseline: Row, parts: str, note: str, *, goal: float | None, soon: tuple[float, float] | None) -> list[Row]:
    """What the runs say. The target for memory is that of a single service; `soon` is what half and almost all single items should take, in ms."""
    rates = series([one.rate for one in figures], "items/s")
    missed = sum(one.missed for one in figures)
    taken = [[seconds * 1000 for seconds in one.singles] for one in figures]
    p50, p99 = (series([percentile(values, percent) for values in taken], "ms") for percent in (50, 99))
    cpu = ", ".join(f"{process} {series([one.microseconds[process] for one in figures], 'µs')}" for process in figures[0].microseconds)
    count = f"{len(taken[0])} single items a run on an idle line" + (f", {missed} NOT TOLD" if missed else "")
    memory = [
        Row(f"{name}: memory of {process} after the load", series([one.megabytes[process] for one in figures], "MB"), target=None if process == "all" else 150)
        for process in figures[0].megabytes
    ]
    return [
        Row(f"{name}: push → all told", rates, baseline.ours, baseline.what, goal, f"{parts}; {figures[0].told} webhooks; {note}; CPU an item: {cpu}"),
        Row(f"{name}: push → webhook accepted, p50", p50, target=soon and soon[0], note=count),
        Row(f"{name}: push → webhook accepted, p99", p99, target=soon and soon[1]),
        *memory,
    ]


async def measure_kafka(setting: Setting) -> Sequence[Row]:
    """Three services as processes on a real Kafka, with PostgreSQL where there is one."""
    figures, raw = [], []
    for run in range(setting.runs):
        with kafka_at(setting.directory / f"broker-{run}") as address, store_at(setting.directory / f"kafka-{run}.db") as (store, note):
            raw.append(await raw_kafka(address, setting.news))
            groups = [("ingester",), ("classifier",), ("notifier",)]
            async with at_work(setting.directory / f"kafka-{run}", groups, broker=f"kafka://{address}", store=store) as line:
                figures.append(await one_run(setting, line))
    baseline = Row("aiokafka alone, the same records sent and read once", series(raw, "items/s"))
    return rows("Kafka", figures, baseline, "three processes, the broker and the pusher on the same cores", note, goal=3_000, soon=(20, 200))


async def measure_embedded(setting: Setting) -> Sequence[Row]:
    """All services in one process, on files."""
    figures, raw = [], []
    for run in range(setting.runs):
        directory = setting.directory / f"embedded-{run}"
        raw.append(raw_sqlite(setting.directory / f"raw-{run}.db", setting.news))
        async with at_work(directory, [()], broker="embedded:", store=f"sqlite:///{directory / 'store.db'}") as line:
            figures.append(await one_run(setting, line))
    baseline = Row("sqlite3 alone, the same records inserted and read once", series(raw, "items/s"))
    return rows("embedded", figures, baseline, "one process, and the pusher", "SQLite", goal=None, soon=None)


@contextmanager
def kafka_at(directory: Path) -> Iterator[str]:
    """A new broker, or the one that CHIPWIRE_TEST_KAFKA names. Raises LeftOut."""
    if existing := os.environ.get("CHIPWIRE_TEST_KAFKA"):
        yield existing
        return
    directory.mkdir()
    try:
        server = kafka.KafkaServer(directory, kafka.jars())
        server.create()
    except kafka.NotAvailable as why:
        raise LeftOut(f"no real Kafka: {why}") from why
    try:
        yield server.address
    finally:
        server.stop()


@contextmanager
def store_at(file: Path) -> Iterator[tuple[str, str]]:
    """An empty PostgreSQL database where it can be had, else a file; with what to tell of it."""
    with ExitStack() as stack:
        try:
            server = stack.enter_context(postgres.running())
        except postgres.NotAvailable:
            yield f"sqlite:///{file}", "SQLite: there is no PostgreSQL here"
            return
        url = stack.enter_context(server.database())
        migrated(url)
        yield url, "PostgreSQL without fsync"


def migrated(url: str) -> None:
    """Makes the tables: PostgreSQL gets them only on demand."""
    store = Store.open(url)
    try:
        migrate.upgrade(store, by_hand=True)
    finally:
        store.close_sync()


def records_of(news: News) -> list[Record]:
    """The news as the ingester publishes it."""
    return [codec.encode(NEWS_ITEMS, item, key=item.id, id=item.id, source="/bench", time=item.observed_at) for item in news.items()]


async def raw_kafka(address: str, news: News) -> float:
    """Records a second through the library alone: all sent, then all read."""
    topic, records = new_topic(12), records_of(news)
    async with open_kafka(address) as broker:
        await broker.ensure([topic])
    settings = {"bootstrap_servers": address, "enable_idempotence": True, "acks": "all", "max_batch_size": 1_048_576, "compression_type": "lz4"}
    began = time.perf_counter()
    async with AIOKafkaProducer(**settings) as producer:
        for start in range(0, len(records), BATCH):
            await asyncio.gather(*[await producer.send(topic.name, one.value, one.key, headers=list(one.headers)) for one in records[start : start + BATCH]])
    async with AIOKafkaConsumer(topic.name, bootstrap_servers=address, auto_offset_reset="earliest") as consumer:
        seen = 0
        while seen < len(records):
            seen += sum(map(len, (await consumer.getmany(timeout_ms=1000, max_records=BATCH)).values()))
    return len(records) / (time.perf_counter() - began)


def raw_sqlite(file: Path, news: News) -> float:
    """Records a second through sqlite3 alone: all inserted, then all read."""
    rows = [(one.key, one.value) for one in records_of(news)]
    began = time.perf_counter()
    db = sqlite3.connect(file, isolation_level=None)
    db.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; CREATE TABLE records (id INTEGER PRIMARY KEY, key BLOB, value BLOB)")
    for start in range(0, len(rows), BATCH):
        db.execute("BEGIN")
        db.executemany("INSERT INTO records (key, value) VALUES (?, ?)", rows[start : start + BATCH])
        db.execute("COMMIT")
    for start in range(0, len(rows), BATCH):
        db.execute("SELECT key, value FROM records WHERE id > ? ORDER BY id LIMIT ?", (start, BATCH)).fetchall()
    db.close()
    return len(rows) / (time.perf_counter() - began)
