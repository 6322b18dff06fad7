"""What the others notice of receivers in trouble: one that never answers and one that takes ten seconds among a thousand; a thousand that are away and come back.

Times are the journal's: from the alert to the accepted attempt.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa
from prometheus_client import CollectorRegistry

from services.notifier.channels.webhook import WebhookChannel
from services.notifier.deliver import DELIVERIES, Deliverer
from services.notifier.metrics import NotifierMetrics
from services.notifier.settings import NotifierSettings
from services.notifier.wording import InWords, load_templates
from services.runtime.config_files import ConfigDir
from services.runtime.http import HttpClient
from services.store import migrate
from services.store.delivery import attempts, deliveries
from services.store.engine import Connection, Store
from services.store.wake import Waker
from tests import make
from tests.alerting import CIPHER, account, fan_out_all, hook, raise_alert, subscribe
from tests.bench.receiver import ANSWER, AWAY, Endpoint, elsewhere
from tests.bench.report import Row, percentile, series
from tests.bench.setting import Setting
from tests.bench.webhooks import CLOCK, LOOPBACK

DESTINATIONS = 1_000
ROUNDS = 12
EVERY = 2.0
"""Seconds between two alerts, each for all destinations."""
AWAY_ROUNDS = 4
"""Alerts that are raised while everybody is away."""


async def measure(setting: Setting) -> Sequence[Row]:
    """On SQLite: what is measured is who waits for whom."""
    count = setting.size(DESTINATIONS)
    good, with_bad, back = [], [], []
    for run in range(setting.runs):
        with elsewhere() as url:
            good.append(percentile(await _latencies(setting.directory / f"good{run}.db", [url] * count), 99))
            slow, dead = url.replace("/hook", "/slow"), url.replace("/hook", "/dead")
            with_bad.append(percentile(await _latencies(setting.directory / f"bad{run}.db", [dead, slow, *[url] * (count - 2)]), 99))
        back.append(await _comeback(setting.directory / f"back{run}.db", count))
    well, normal = series(good, "ms"), series([one[0] for one in back], "attempts")
    seconds = max(one[2] for one in back)
    crowd = f"an alert every {EVERY:.0f} s for {count:,} endpoints"
    return [
        Row("1 dead and 1 slow (10 s) among them: the others, p99", series(with_bad, "ms"), well, "all well", well.median * 1.1, crowd),
        Row(
            "all away, and back: most attempts in a second",
            series([one[1] for one in back], "attempts"),
            normal,
            "before",
            2 * normal.median,
            f"{crowd}; {AWAY_ROUNDS} of them while all were away; all told {seconds:.0f} s after they were back",
        ),
    ]


@asynccontextmanager
async def _delivering(file: Path, urls: Sequence[str]) -> AsyncIterator[tuple[Store, Callable[[int], asyncio.Future[None]]]]:
    """A deliverer at work. Gives the store, and what raises the alert with a number."""
    async with Store.open(f"sqlite:///{file}") as store, HttpClient(allow=LOOPBACK) as http:
        migrate.upgrade(store)
        wanted = account(*(hook(f"hook{number:04}", url) for number, url in enumerate(urls)))
        await store.run(lambda db: subscribe(db, wanted, now=CLOCK.now() - timedelta(days=1)))
        settings, waker, stop = NotifierSettings(), Waker(store), asyncio.Event()
        channels = {"webhook": WebhookChannel(http, CLOCK, settings.webhook_deadline)}
        words, metrics = InWords(load_templates(ConfigDir(), "en")), NotifierMetrics(CollectorRegistry())
        deliverer = Deliverer(store, CIPHER, channels, words, settings=settings, clock=CLOCK, metrics=metrics, waker=waker)
        task = asyncio.create_task(deliverer.run(stop), name="bench.deliver")

        async def tell(number: int) -> None:
            await store.run(lambda db: (raise_alert(db, make.event(id=f"E{number:05}"), now=CLOCK.now()), fan_out_all(db, CLOCK.now())))
            waker.wake(DELIVERIES)

        yield store, lambda number: asyncio.ensure_future(tell(number))
        stop.set()
        await task


async def _latencies(file: Path, urls: Sequence[str]) -> list[float]:
    """Milliseconds from each alert to each endpoint at `/hook`."""
    async with _delivering(file, urls) as (store, tell):
        for number in range(ROUNDS):
            await tell(number)
            await asyncio.sleep(EVERY)
        await _until(store, lambda db: _waiting(db) <= ROUNDS * sum("/hook" not in url for url in urls), seconds=60)
        bad = [f"hook{number:04}" for number, url in enumerate(urls) if "/hook" not in url]
        rows = await store.read(lambda db: _told(db, bad))
    if len(rows) < ROUNDS * (len(urls) - len(bad)):
        raise RuntimeError("an endpoint that is well was not told")
    return rows


async def _comeback(file: Path, count: int) -> tuple[float, float, float]:
    """The most attempts in a second while all is well, the most once everybody is back, and how long it took until all were told."""
    answer = [ANSWER]
    server = await asyncio.get_running_loop().create_server(lambda: Endpoint(answer=lambda: answer[0]), "127.0.0.1", 0, backlog=1024)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    async with _delivering(file, [url] * count) as (store, tell):
        await _rounds(tell, 0, ROUNDS // 2)
        answer[0] = AWAY
        await _rounds(tell, 100, AWAY_ROUNDS)
        answer[0], back, began = ANSWER, CLOCK.now(), time.perf_counter()
        await _rounds(tell, 200, 2)
        await _until(store, lambda db: _waiting(db) == 0, seconds=240)
        seconds = time.perf_counter() - began
        ended = await store.read(lambda db: list(db.execute(sa.select(attempts.c.ended_at, attempts.c.outcome)).all()))
    server.close()
    first_failure = min(at for at, outcome in ended if outcome != "sent")
    normal = Counter(int(at.timestamp()) for at, _ in ended if at < first_failure)
    after = Counter(int(at.timestamp()) for at, _ in ended if at >= back)
    return float(max(normal.values())), float(max(after.values())), seconds


async def _rounds(tell: Callable[[int], asyncio.Future[None]], first: int, count: int) -> None:
    for number in range(first, first + count):
        await tell(number)
        await asyncio.sleep(EVERY)


async def _until(store: Store, condition: Callable[[Connection], bool], *, seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while not await store.read(condition):  # noqa: ASYNC110 the database tells nobody
            await asyncio.sleep(0.2)


def _waiting(db: Connection) -> int:
    return int(db.execute(sa.select(sa.func.count()).select_from(deliveries).where(deliveries.c.ended_at.is_(None))).scalar_one())


def _told(db: Connection, bad: Sequence[str]) -> list[float]:
    good = deliveries.c.destination_id.not_in(bad)
    rows = db.execute(sa.select(deliveries.c.created_at, deliveries.c.ended_at).where(good, deliveries.c.state == "sent"))
    return [(ended - made) / timedelta(milliseconds=1) for made, ended in rows]
