"""The notifier as it is built: verdicts on a topic in, alerts at receivers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from schemas.events.base import Moment
from schemas.topics import POLICY_EVENTS, POLICY_SIGNALS, TOPICS
from services.notifier.service import build
from services.notifier.settings import NotifierSettings
from services.runtime.clock import SystemClock
from services.runtime.config_files import ConfigDir
from services.runtime.errors import Misconfigured
from services.runtime.http import HttpClient
from services.runtime.service import Service
from services.store.engine import Store, metadata
from tests import make
from tests.alerting import SECRET, deliveries
from tests.fakes import FakeBroker
from tests.servers import hook as hooks

SUBSCRIPTIONS = """\
accounts:
  - id: desk
    destinations:
      - {{id: hook, webhook: {{url: "{url}", secret_file: hook.secret}}}}
      - {{id: ana, email: ana@example.com}}
      - {{id: screen, terminal: {{}}}}
      - {{id: log, file: {{directory: "{directory}"}}}}
    subscriptions:
      - {{id: us, to: [hook, screen, log], when: {{imposers: US}}, cadence: immediate}}
      - {{id: chips, to: [ana], when: {{products: [H20]}}, language: ar, cadence: immediate}}
      - {{id: dutch, to: [hook, ana], when: {{imposers: NL}}, cadence: immediate}}
"""


@asynccontextmanager
async def running(service: Service) -> AsyncIterator[None]:
    stop = asyncio.Event()
    tasks = [asyncio.create_task(task(stop), name=name) for name, task in service.tasks.items()]
    try:
        yield
    finally:
        stop.set()
        await asyncio.gather(*tasks)


@pytest.fixture
async def sqlite(tmp_path: Path) -> AsyncIterator[Store]:
    async with Store.open(f"sqlite:///{tmp_path}/store.db") as opened:
        metadata.create_all(opened.engine)
        yield opened


@pytest.fixture
async def receiver() -> AsyncIterator[hooks.Hook]:
    async with hooks.hook() as at_work:
        yield at_work


def write_subscriptions(directory: Path, url: str) -> None:
    (directory / "hook.secret").write_text(SECRET)
    (directory / "subscriptions.yaml").write_text(SUBSCRIPTIONS.format(url=url, directory=directory / "alerts"))


async def broker_with_topics() -> FakeBroker:
    broker = FakeBroker()
    await broker.ensure(TOPICS)
    return broker


async def signal() -> Any:
    now = SystemClock().now()
    item = make.item_header(observed_at=now, published=Moment.of(now), title="US drops plan to curb exports of the H20 chip to China")
    return make.record(make.signal(item, judged_at=now, severity=4), topic=POLICY_SIGNALS, key=item.id)


async def until_sent(store: Store, count: int) -> None:
    async with asyncio.timeout(20):
        while [one.state for one in await store.read(deliveries)] != ["sent"] * count:  # noqa: ASYNC110 the database tells nobody
            await asyncio.sleep(0.01)


async def test_a_verdict_becomes_an_alert_in_every_channel_that_subscribed(
    sqlite: Store, receiver: hooks.Hook, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_subscriptions(tmp_path, receiver.url)
    broker, registry = await broker_with_topics(), CollectorRegistry()

    async with HttpClient(allow=[ip_network("127.0.0.0/8")]) as http:
        service = build(NotifierSettings(), broker, sqlite, clock=SystemClock(), registry=registry, http=http, config=ConfigDir(tmp_path))
        async with running(service):
            await broker.publish([await signal()])
            await until_sent(sqlite, 4)
            for check in (*service.ready.values(), *service.live.values()):
                await check()

    body = json.loads(receiver.calls[0].body)
    assert "H20" in body["headline"]
    assert body["reasons"] == ["us: imposers is US (US)"]
    assert "H20" in capsys.readouterr().out
    assert [body["alert"]] == [json.loads(line)["alert"] for line in (tmp_path / "alerts/log.jsonl").read_text("utf-8").splitlines()]
    (mail,) = (tmp_path / "outbox").glob("*.eml")
    assert "Content-Language: ar" in mail.read_text()
    events = [record async for record in broker.read(POLICY_EVENTS)]
    assert [body["event"]["id"]] == [(record.key or b"").decode() for record in events]


async def test_applying_other_subscriptions_while_it_runs_changes_who_is_told(sqlite: Store, receiver: hooks.Hook, tmp_path: Path) -> None:
    write_subscriptions(tmp_path, receiver.url)
    broker = await broker_with_topics()

    async with HttpClient(allow=[ip_network("127.0.0.0/8")]) as http:
        service = build(NotifierSettings(), broker, sqlite, clock=SystemClock(), registry=CollectorRegistry(), http=http, config=ConfigDir(tmp_path))
        assert service.read_again is not None
        (tmp_path / "subscriptions.yaml").write_text("accounts: [{id: desk, destinations: 3}]")
        with pytest.raises(Misconfigured, match=r"subscriptions\.yaml:1:"):
            await (await service.read_again())()
        text = SUBSCRIPTIONS.format(url=receiver.url, directory=tmp_path).replace("to: [hook, screen, log]", "to: [hook]").replace("[H20]", "[EUV]")
        (tmp_path / "subscriptions.yaml").write_text(text)
        await (await service.read_again())()
        async with running(service):
            await broker.publish([await signal()])
            await until_sent(sqlite, 1)

    assert [one.destination.id for one in await sqlite.read(deliveries)] == ["hook"]


async def test_subscriptions_that_cannot_be_used_stop_the_start(sqlite: Store, tmp_path: Path) -> None:
    (tmp_path / "subscriptions.yaml").write_text("accounts:\n  - id: desk\n    destinations:\n      - {id: a, email: nobody}\n")

    async with HttpClient() as http:
        with pytest.raises(Misconfigured, match=r"subscriptions.yaml:4:\d+: .*no e-mail address; expected name@domain"):
            build(
                NotifierSettings(),
                await broker_with_topics(),
                sqlite,
                clock=SystemClock(),
                registry=CollectorRegistry(),
                http=http,
                config=ConfigDir(tmp_path),
            )


def test_a_lease_shorter_than_an_attempt_is_refused() -> None:
    with pytest.raises(ValueError, match="CHIPWIRE_NOTIFIER_LEASE is too short"):
        NotifierSettings(lease="60s")
