import asyncio
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from schemas.events.news import NewsItem
from schemas.topics import NEWS_ITEMS
from services.ingester.samples import demo_items, demo_lines, demo_source
from services.ingester.service import build
from services.ingester.settings import IngesterSettings
from services.runtime.clock import SystemClock
from services.runtime.config_files import ConfigDir
from services.runtime.errors import Misconfigured
from services.runtime.http import HttpClient
from services.runtime.service import Service
from services.store.engine import Store, metadata
from tests.fakes import FakeBroker


def config(path: Path) -> ConfigDir:
    (path / "sources").mkdir(exist_ok=True)
    return ConfigDir(path)


async def test_the_demo_sample_flows_through_a_real_source_as_news(tmp_path: Path) -> None:
    clock, broker = SystemClock(), FakeBroker()
    (tmp_path / "sample.jsonl").write_text(demo_lines(clock.now()), "utf-8")
    sources = config(tmp_path)
    (tmp_path / "sources" / "sample.yaml").write_text(demo_source(tmp_path / "sample.jsonl").model_dump_json(), "utf-8")
    settings = IngesterSettings(only=("sample",), visit_deadline=timedelta(seconds=1))

    async with HttpClient(allow=[ip_network("127.0.0.0/8")]) as http, Store.open(f"sqlite:///{tmp_path / 'store.db'}") as store:
        await store.run(metadata.create_all)
        service = build(settings, broker, store, clock=clock, registry=CollectorRegistry(), http=http, config=sources)
        await run(service, broker, len(demo_items(clock.now())))

    items = [NewsItem.model_validate_json(value or b"") for value in broker.values(NEWS_ITEMS)]
    assert {"sample"} == {item.source for item in items}
    assert not any(item.backfill for item in items)
    assert all(item.published and item.published.at <= item.observed_at for item in items)


async def run(service: Service, broker: FakeBroker, items: int) -> None:
    stop = asyncio.Event()
    tasks = [asyncio.ensure_future(task(stop)) for task in service.tasks.values()]
    try:
        async with asyncio.timeout(10):
            while len(broker.values(NEWS_ITEMS)) < items:  # noqa: ASYNC110 the fake broker has no event for it
                await asyncio.sleep(0.01)
    finally:
        stop.set()
        await asyncio.gather(*tasks)


@pytest.fixture
def service_in(tmp_path: Path) -> Service:
    store = Store.open(f"sqlite:///{tmp_path / 'store.db'}")
    return build(IngesterSettings(), FakeBroker(), store, clock=SystemClock(), registry=CollectorRegistry(), http=HttpClient(), config=config(tmp_path))


async def test_a_reload_with_a_bad_file_keeps_the_last_good_set(service_in: Service, tmp_path: Path) -> None:
    assert service_in.read_again is not None
    await (await service_in.read_again())()
    (tmp_path / "sources" / "mine.yaml").write_text("id: mine\ntitle: Mine\ntier: 7\nreader: feed\nurl: https://news.example/rss\n", "utf-8")

    with pytest.raises(Misconfigured, match=r"mine\.yaml:3:7: tier: "):
        await (await service_in.read_again())()


def test_the_service_says_what_it_has(service_in: Service) -> None:
    assert {"ingester.poll", "ingester.push", "ingester.housekeeping"} == set(service_in.tasks)
    assert {"store"} == set(service_in.ready)
    assert [route.path for route in service_in.routes] == ["/v1/items"]  # type: ignore[attr-defined]  # they are plain routes


def test_without_polling_only_pushes_are_taken(tmp_path: Path) -> None:
    store = Store.open(f"sqlite:///{tmp_path / 'store.db'}")
    settings = IngesterSettings(poll=False)
    service = build(settings, FakeBroker(), store, clock=SystemClock(), registry=CollectorRegistry(), http=HttpClient(), config=config(tmp_path))

    assert {"ingester.push", "ingester.housekeeping"} == set(service.tasks)


def test_a_source_to_visit_that_is_not_there_is_told(tmp_path: Path) -> None:
    store = Store.open(f"sqlite:///{tmp_path / 'store.db'}")
    settings = IngesterSettings(only=("eu-trade", "eu-tarde"))

    with pytest.raises(Misconfigured, match="CHIPWIRE_INGESTER_ONLY names eu-tarde, for which there is no file"):
        build(settings, FakeBroker(), store, clock=SystemClock(), registry=CollectorRegistry(), http=HttpClient(), config=config(tmp_path))
