"""A deliverer, to be run as a process, that ends itself with SIGKILL at a chosen boundary of its journal.

Every statement, commit and return of a connection is a boundary; at the one with the given number the process is gone, before it happens. The number 0 is
never: then it delivers until nothing is left.
"""

from __future__ import annotations

import asyncio
import os
import signal
from datetime import timedelta
from ipaddress import ip_network
from itertools import count
from pathlib import Path

import sqlalchemy as sa
from prometheus_client import CollectorRegistry
from sqlalchemy import event

from services.notifier.channels.webhook import WebhookChannel
from services.notifier.deliver import Deliverer
from services.notifier.metrics import NotifierMetrics
from services.notifier.settings import NotifierSettings
from services.notifier.wording import InWords, load_templates
from services.runtime import logs
from services.runtime.clock import SystemClock
from services.runtime.config_files import ConfigDir
from services.runtime.http import HttpClient
from services.store import secrets
from services.store.delivery import deliveries
from services.store.engine import Connection, Store
from services.store.wake import Waker

DEADLINE = timedelta(milliseconds=500)
LEASE = timedelta(seconds=7)
"""A little more than the deadline and the margin beyond it."""

PER_DESTINATION = 3


SETTINGS = NotifierSettings().model_copy(
    update={"lease": LEASE, "per_destination": PER_DESTINATION, "housekeeping": timedelta(milliseconds=500), "drain": timedelta(seconds=5)}
)


def end_at(store: Store, at: int) -> None:
    """Ends this process at the boundary with this number."""
    boundaries = count(1)

    def boundary(*_: object, **__: object) -> None:
        if next(boundaries) == at:
            os.kill(os.getpid(), signal.SIGKILL)

    for name in ("before_cursor_execute", "after_cursor_execute", "commit"):
        event.listen(store.engine, name, boundary)
    event.listen(store.engine.pool, "checkin", boundary)


def left(db: Connection) -> int:
    """Deliveries that are not done."""
    return int(db.execute(sa.select(sa.func.count()).select_from(deliveries).where(deliveries.c.ended_at.is_(None))).scalar_one())


def deliver(url: str, key: str, at: int, log: Path) -> None:
    """The process."""
    with log.open("a") as sink:
        logs.configure(style="json", stream=sink)
        asyncio.run(_deliver(url, key, at))


async def _deliver(url: str, key: str, at: int) -> None:
    clock, stop = SystemClock(), asyncio.Event()
    async with Store.open(url) as store, Store.open(url, threads=1) as beside, HttpClient(allow=[ip_network("127.0.0.0/8")]) as http:
        end_at(store, at)
        waker, metrics = Waker(store), NotifierMetrics(CollectorRegistry())
        channels = {"webhook": WebhookChannel(http, clock, DEADLINE)}
        words = InWords(load_templates(ConfigDir(), "en"))
        deliverer = Deliverer(store, secrets.cipher([key]), channels, words, settings=SETTINGS, clock=clock, metrics=metrics, waker=waker)
        task = asyncio.create_task(deliverer.run(stop))
        while await beside.read(left):  # noqa: ASYNC110 the database tells nobody
            await asyncio.sleep(0.02)
        stop.set()
        await task
