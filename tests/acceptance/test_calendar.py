"""The calendar, as its readers and operators see it: from an import to an alert, on a moved clock and through kill -9."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from typer.testing import CliRunner

from schemas.topics import TOPICS
from services import app
from services.cli import command
from services.notifier.service import build
from services.notifier.settings import NotifierSettings
from services.runtime.clock import SystemClock
from services.runtime.config_files import ConfigDir
from services.runtime.http import HttpClient
from services.store import delivery, timers
from services.store.engine import Store
from tests.acceptance import told
from tests.acceptance.line import Home
from tests.fakes import FakeBroker
from tests.servers.webhooks import Receiver

pytestmark = pytest.mark.timeout(180)

_SUBSCRIPTIONS = """\
accounts:
  - id: desk
    destinations:
      - {{id: log, file: {{directory: "{directory}"}}}}
      - {{id: ana, email: ana@example.com}}
    subscriptions:
      - {{id: everything, to: [log, ana], when: {{}}, cadence: immediate}}
"""


class MovedClock(SystemClock):
    """The machine's clock, and so much."""

    def __init__(self, now: datetime) -> None:
        self._ahead = now - datetime.now(UTC)

    def now(self) -> datetime:
        return super().now() + self._ahead


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def imported(directory: Path, now: datetime, monkeypatch: pytest.MonkeyPatch) -> str:
    """`chipwire events import`, on that day."""
    moved = MovedClock(now)
    with monkeypatch.context() as at_that_time:
        at_that_time.setenv("CHIPWIRE_STORE", f"sqlite:///{directory}/store.db")
        at_that_time.setattr(app, "SERVICES", {})
        at_that_time.setattr("services.runtime.clock.SystemClock", lambda: moved)
        return CliRunner().invoke(command(), ["events", "import"], catch_exceptions=False).output


async def on(now: datetime, directory: Path) -> list[dict[str, Any]]:
    """Starts the notifier on that day, lets it do all that is due, and stops it. Returns every alert in the file by then."""
    clock, broker, stop = MovedClock(now), FakeBroker(), asyncio.Event()
    await broker.ensure(TOPICS)
    async with Store.open(f"sqlite:///{directory}/store.db") as store, HttpClient() as http:
        service = build(NotifierSettings(), broker, store, clock=clock, registry=CollectorRegistry(), http=http, config=ConfigDir(directory))
        tasks = [asyncio.create_task(task(stop), name=name) for name, task in service.tasks.items()]
        async with asyncio.timeout(20):
            while await store.read(lambda db: timers.due(db, clock.now())) or await store.read(_unsent):  # noqa: ASYNC110 the database tells nobody
                await asyncio.sleep(0.01)
        stop.set()
        await asyncio.gather(*tasks)
    log = directory / "alerts/log.jsonl"
    return [json.loads(line) for line in log.read_text("utf-8").splitlines()] if log.exists() else []


def _unsent(db: Any) -> bool:
    from services.store import threads

    return bool(threads.unfanned_alerts(db, 1)) or any(one.state in ("pending", "sending") for one in delivery.list_deliveries(db))


async def test_the_history_raises_the_lapses_of_november_2026_by_itself_each_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "subscriptions.yaml").write_text(_SUBSCRIPTIONS.format(directory=tmp_path / "alerts"))
    assert await asyncio.to_thread(imported, tmp_path, utc("2026-10-20T08:00"), monkeypatch) == "171 measures imported, 0 known already\n"

    assert await on(utc("2026-11-01T12:00"), tmp_path) == []
    reminded = await on(utc("2026-11-03T12:00"), tmp_path)
    assert [alert["kind"] for alert in reminded] == ["reminder", "reminder"]
    for day in ("2026-11-09T06:00", "2026-11-09T06:30", "2026-11-10T12:00", "2026-11-20T12:00", "2026-11-28T12:00"):
        alerts = await on(utc(day), tmp_path)

    lapsed = [alert for alert in alerts if alert["kind"] == "reversal"]
    assert [alert["headline"] for alert in lapsed] == [
        "IN FORCE: US reinstates export curbs on dual-use items and semiconductors to China and Russia",
        "IN FORCE: China reinstates export curbs on rare earths, superhard materials and lithium batteries",
        "IN FORCE: China reinstates export curbs on gallium, germanium, antimony and 2 more to the US",
    ]
    assert len(alerts) == len({alert["alert"] for alert in alerts})
    assert all("By calendar; no notice read" in alert["text"] for alert in alerts)
    mails = [mail.read_bytes() for mail in (tmp_path / "outbox").glob("*.eml")]
    assert len(mails) == len(alerts)


def test_kill_9_around_the_day_loses_no_timer_and_tells_none_twice(home: Home, receiver: Receiver) -> None:
    home.subscribe(hook=receiver.url)
    child = home.start("run").ready()
    days = [datetime.now(UTC) + timedelta(seconds=6 + number) for number in range(4)]
    known = home.write("known.jsonl", "\n".join(json.dumps(measure(product, at)) for product, at in zip(("H20", "H200", "B200", "MI308"), days, strict=True)))
    assert home.chipwire("events", "import", str(known)).returncode == 0
    for number in range(3):
        child.until(lambda done=days[number]: datetime.now(UTC) > done)
        child.kill()
        child = home.start("run").ready()

    assert receiver.wait_for(lambda requests: len(told.contents(requests)) >= 4, seconds=120)
    child.until(lambda: "0 waiting" in f"{child.metric('chipwire_notifier_timers_waiting'):.0f} waiting")
    assert child.stopped() == 0

    contents = told.contents(receiver.requests)
    assert len(contents) == 4
    assert set(contents.values()) == {1}
    assert {headline.partition(":")[0] for _, headline, _ in contents} == {"IN FORCE"}
    told.check_gapless(receiver.requests)


def measure(product: str, effective: datetime) -> dict[str, Any]:
    """A measure that takes effect at that second."""
    return {
        "id": f"us-{product}",
        "date": "2026-01-05",
        "title": f"The US announces curbs on the {product}",
        "action": "tighten",
        "direction": "tighten",
        "stage": "announced",
        "imposer": "US",
        "targets": ["CN"],
        "products": [product],
        "effective": effective.isoformat(timespec="seconds"),
    }
