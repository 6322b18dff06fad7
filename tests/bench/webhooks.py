"""Webhooks a second: claimed, rendered, signed, sent and journaled, beside the raw client that posts the same bytes to the same receiver."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

import aiohttp
from prometheus_client import CollectorRegistry

from schemas.api.webhook import WebhookAlert
from services.notifier.channels.outcome import Channel
from services.notifier.channels.webhook import WebhookChannel
from services.notifier.deliver import Deliverer
from services.notifier.metrics import NotifierMetrics
from services.notifier.settings import NotifierSettings
from services.notifier.wording import InWords, load_templates
from services.runtime import logs
from services.runtime.clock import SystemClock
from services.runtime.config_files import ConfigDir
from services.runtime.http import HttpClient
from services.store import migrate
from services.store.accounts import WantedDestination
from services.store.engine import Connection, Store
from services.store.wake import Waker
from tests import make
from tests.alerting import CIPHER, account, fan_out_all, hook, raise_alert, subscribe
from tests.bench.line import in_hand
from tests.bench.receiver import elsewhere
from tests.bench.report import Row, series
from tests.bench.setting import Setting
from tests.bench.stores import on_each_store

DELIVERIES = 4_000
DESTINATIONS = 40
AT_ONCE = 64
LOOPBACK = (ip_network("127.0.0.0/8"),)
CLOCK = SystemClock()


async def measure(setting: Setting) -> Sequence[Row]:
    """A row for each store."""
    return await on_each_store(setting, "webhooks", _row)


async def _row(setting: Setting, name: str, urls: Sequence[str]) -> Row:
    count = setting.size(DELIVERIES)
    ours, raw = [], []
    with elsewhere() as url, log_to(setting.directory / "webhooks.log"):
        for database in urls:
            async with Store.open(database) as store:
                migrate.upgrade(store, by_hand=True)
                await store.run(lambda db: fill(db, [hook(f"hook{number}", url) for number in range(DESTINATIONS)], count))
                ours.append(await _sent(store, url, count))
            raw.append(await _posted(url, count))
    note = f"{count:,} deliveries to {DESTINATIONS} destinations, 64 at once; from the queue to the journal"
    return Row(f"webhooks signed and journaled, {name}", series(ours, "webhooks/s"), series(raw, "POST/s"), "raw aiohttp, same bytes", note=note)


@contextmanager
def log_to(file: Path) -> Iterator[None]:
    """Lines of the log are part of the work, and go where they are in nobody's way."""
    with file.open("a") as sink:
        logs.configure(style="json", stream=sink)
        yield
        logs.configure(level="error")


def fill(db: Connection, destinations: Sequence[WantedDestination], count: int) -> None:
    """So many deliveries to these destinations, due at once."""
    subscribe(db, account(*destinations), now=CLOCK.now() - timedelta(days=1))
    for number in range(count // len(destinations)):
        raise_alert(db, make.event(id=f"E{number:05}"), now=CLOCK.now())
    fan_out_all(db, CLOCK.now())


async def _sent(store: Store, url: str, count: int) -> float:
    """Webhooks a second. The client's libraries are loaded before, as the raw client's are."""
    settings = NotifierSettings()
    async with HttpClient(allow=LOOPBACK) as http:
        await http.request("POST", url, content=b"{}", deadline=settings.webhook_deadline, max_body=100)
        return await delivered(store, count, {"webhook": WebhookChannel(http, CLOCK, settings.webhook_deadline)}, settings)


async def delivered(store: Store, count: int, channels: Mapping[str, Channel], settings: NotifierSettings) -> float:
    """Deliveries a second, until every one has its end in the journal."""
    metrics, waker, stop = Counting(CollectorRegistry()), Waker(store), asyncio.Event()
    render = InWords(load_templates(ConfigDir()))
    deliverer = Deliverer(store, CIPHER, channels, render, settings=settings, waker=waker, clock=CLOCK, metrics=metrics)
    began = time.perf_counter()
    task = asyncio.create_task(deliverer.run(stop), name="bench.deliver")
    while metrics.told < count:  # noqa: ASYNC110 a counter tells nobody
        await asyncio.sleep(0.02)
    seconds = time.perf_counter() - began
    stop.set()
    await task
    if left := await store.read(in_hand):
        raise RuntimeError(f"{left} deliveries are not done")
    return count / seconds


class Counting(NotifierMetrics):
    """Metrics that can be asked how many deliveries were sent and are safe in the journal, at no cost."""

    told = 0

    def ended(self, channel: str, outcome: str) -> None:
        super().ended(channel, outcome)
        self.told += outcome == "sent"


async def _posted(url: str, count: int) -> float:
    """POSTs a second, of an alert's bytes with a signature's headers."""
    body, headers = _alert(), {"content-type": "application/json", "webhook-id": "msg_1", "webhook-timestamp": "1", "webhook-signature": "v1,abc"}
    turns = iter(range(count))
    async with aiohttp.ClientSession() as session:

        async def work() -> None:
            for _ in turns:
                async with session.post(url, data=body, headers=headers) as answer:
                    await answer.read()

        began = time.perf_counter()
        await asyncio.gather(*[work() for _ in range(AT_ONCE)])
        return count / (time.perf_counter() - began)


def _alert() -> bytes:
    event = make.event()
    told = WebhookAlert(
        timestamp=make.NOW, delivery="msg_1", alert=f"{event.id}.1", kind="new", headline=event.headline, text=event.headline * 5, language="en",
        reasons=("all",), sequence=1, previous=0, epoch=1, event=event,
    )  # fmt: skip
    return told.model_dump_json(by_alias=True).encode()
