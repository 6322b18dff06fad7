"""A story of the past at high speed, through the real line: `chipwire demo --replay h20`.

    each item -> the clock moves to when it was published -> broker -> classifier -> notifier -> what the reader was told

The process is `chipwire run` with this player in the ingester's place and with a clock that can be moved. One item is let through after the other, and what
is shown of it is what arrived at a destination (a file of alerts), or what became of it where nobody was told anything.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

from prometheus_client import CollectorRegistry

from schemas.api.push import PushedItem
from schemas.api.webhook import WebhookAlert
from schemas.config.source import Source
from schemas.events.base import Moment
from schemas.events.news import NewsItem
from services.app import SERVICES, Part
from services.cli.replay_view import Became, View
from services.ingester.entry import of_pushed
from services.ingester.intake import Intake
from services.ingester.metrics import IngesterMetrics
from services.ingester.normalize import to_item
from services.ingester.samples import replay_items
from services.notifier.wording import load_templates
from services.runtime.broker import Broker
from services.runtime.clock import Clock, SystemClock
from services.runtime.config_files import ConfigDir
from services.runtime.errors import Misconfigured, Unavailable
from services.runtime.http import HttpClient
from services.runtime.server import RunFile
from services.runtime.service import Service
from services.runtime.settings import Settings
from services.store import threads
from services.store.engine import Connection, Store

T = TypeVar("T")

NAMES = ("classifier", "notifier", "replay")
PARTS = {**SERVICES, "replay": Part("services.cli.replay", "services.runtime.settings:Settings")}
"""What there is; the ingester does not run, for the player brings the news."""

STORY = "h20"
DIRECTORY = Path("var/replay")
_TOLD = DIRECTORY / "told"
_SEEN_AFTER = timedelta(minutes=1)
_LOOK = timedelta(milliseconds=10)
_PATIENCE = 60.0  # seconds that an item may take through the line
_JUDGED = "chipwire_classifier_verdicts_total"
_SUBSCRIPTIONS = """\
accounts:
  - id: demo
    destinations:
      - {id: reader, file: {directory: DIRECTORY}}
    subscriptions:
      - {id: everything, to: [reader], when: {}, cadence: immediate, language: en}
"""


class StoryClock(SystemClock):
    """The clock of the machine, but for the date: that is where the story is."""

    def __init__(self, start: datetime) -> None:
        self.move(start)

    def now(self) -> datetime:
        return super().now() + self._shift

    def move(self, at: datetime) -> None:
        """Time goes on from here."""
        self._shift = at - super().now()


def lay_out() -> None:
    """An empty store, and a reader of everything. Raises Misconfigured while another replay runs here."""
    other = RunFile.find(DIRECTORY)
    if other is not None:
        raise Misconfigured(f"another replay (process {other.pid}) runs on {DIRECTORY}; stop it first")
    for left in DIRECTORY.glob("*"):
        if left.name != "cache":  # of parsed files, good for any store
            shutil.rmtree(left) if left.is_dir() else left.unlink()
    config = DIRECTORY / "config"
    config.mkdir(parents=True)
    (config / "subscriptions.yaml").write_text(_SUBSCRIPTIONS.replace("DIRECTORY", json.dumps(str(_TOLD.resolve()))), "utf-8")


def clock_of(story: str) -> StoryClock:
    """A clock that stands where the story begins."""
    return StoryClock(min(map(_published, replay_items(story))))


def build(
    settings: Settings,  # noqa: ARG001 every service is built alike
    broker: Broker,
    store: Store,
    *,
    clock: Clock,
    registry: CollectorRegistry,
    http: HttpClient,  # noqa: ARG001 likewise
    config: ConfigDir,
) -> Service:
    """The player. The process's clock must be a StoryClock, and its configuration that of `lay_out`."""
    assert isinstance(clock, StoryClock)  # noqa: S101 for the type checker: the verb gives it
    line = Line(broker, store, clock, registry, _TOLD / "reader.jsonl")
    player = Player(STORY, line, View(sys.stdout, load_templates(config, "en")))
    return Service("replay", tasks={"replay.play": player.play})


class Line:
    """The line as the player sees it: an item goes in, and what becomes of it is waited for."""

    def __init__(self, broker: Broker, store: Store, clock: StoryClock, registry: CollectorRegistry, told: Path) -> None:
        self._intake = Intake(broker, store, clock, IngesterMetrics(registry))
        self._store = store
        self._clock = clock
        self._registry = registry
        self._told = told

    async def let_through(self, item: NewsItem) -> Became:
        """What becomes of the item: its alert as it arrived, where it makes one. Raises Unavailable when the line stands still."""
        self._clock.move(item.observed_at)
        judged = self._seen("no")
        await self._intake.take([item])

        async def placed() -> bool:
            return self._seen("no") > judged or bool(await self._store.read(lambda db: threads.standing(db, [item.id])))

        await _until(placed)
        became, alert = await self._store.read(lambda db: _became(db, item.id))
        if alert is None:
            return became

        async def arrived() -> WebhookAlert | None:
            return await asyncio.to_thread(_arrival, self._told, alert)

        return replace(became, alert=await _until(arrived))

    def _seen(self, verdict: str) -> float:
        return self._registry.get_sample_value(_JUDGED, {"verdict": verdict}) or 0.0


class Player:
    """The task that plays a story to its end, and then asks the process to stop, as Ctrl-C would."""

    def __init__(self, story: str, line: Line, view: View) -> None:
        self._items = [as_item(pushed) for pushed in replay_items(story)]
        self._line = line
        self._view = view

    async def play(self, stop: asyncio.Event) -> None:
        """To the end of the story, or until somebody has seen enough."""
        playing, stopped = asyncio.create_task(self._play(), name="replay.items"), asyncio.create_task(stop.wait(), name="replay.stop")
        await asyncio.wait({playing, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if playing.done():
            playing.result()
            signal.raise_signal(signal.SIGTERM)
        playing.cancel()
        await asyncio.wait({playing, stopped})

    async def _play(self) -> None:
        self._view.begin()
        for item in self._items:
            self._view.show(item, await self._line.let_through(item))
        self._view.end()


def as_item(pushed: PushedItem) -> NewsItem:
    """The item, seen a minute after it was published."""
    source = Source(id="story", title="A story of the past", tier=2, reader="push", identity="guid")
    return to_item(of_pushed(pushed), source, _published(pushed) + _SEEN_AFTER)


def _published(pushed: PushedItem) -> datetime:
    return Moment.parse(pushed.published or "").at


def _became(db: Connection, item: str) -> tuple[Became, str | None]:
    """What became of an item in the store, and the id of the alert on the version of the event that it brought."""
    standing = threads.standing(db, [item]).get(item)
    event = threads.event(db, standing.event_id) if standing and standing.event_id else None
    if event is None:
        return Became(), None
    alerts = (alert for alert, fresh in threads.alerts_of(db, event.id) if fresh and alert.event.version == event.version)
    related = {other.id: other for other in threads.related(db, event.id)}
    return Became(event, related=related), next((alert.id for alert in alerts), None)


def _arrival(file: Path, alert: str) -> WebhookAlert | None:
    lines = file.read_text("utf-8").splitlines() if file.exists() else []
    return next((told for line in reversed(lines) if (told := WebhookAlert.model_validate_json(line)).alert == alert), None)


async def _until(look: Callable[[], Awaitable[T]]) -> T:
    """What `look` finds, as soon as it finds something. Raises Unavailable."""
    try:
        async with asyncio.timeout(_PATIENCE):
            while not (found := await look()):  # noqa: ASYNC110 nobody is told when an item has gone through
                await asyncio.sleep(_LOOK.total_seconds())
            return found
    except TimeoutError:
        raise Unavailable(f"the line has stood still for {_PATIENCE:.0f} s") from None
