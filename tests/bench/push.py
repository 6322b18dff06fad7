"""Items a second of one core through the push route, with a real SQLite store and a broker in memory, beside what the JSON alone costs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from time import process_time

import httpx
import orjson
from prometheus_client import CollectorRegistry
from pydantic import SecretStr
from starlette.applications import Starlette

from services.ingester.intake import Intake
from services.ingester.metrics import IngesterMetrics
from services.ingester.push import PushRoute
from services.ingester.settings import IngesterSettings
from services.runtime.clock import SystemClock
from services.store.engine import Store, metadata
from tests.bench.news import News
from tests.bench.report import Row, series
from tests.bench.setting import Setting
from tests.fakes import FakeBroker


async def measure(setting: Setting) -> Sequence[Row]:
    """The ingester's way in, without HTTP's own work."""
    ours = series([await _pushed(setting.directory / f"push-{run}.db", setting.news) for run in range(setting.runs)], "items/s")
    raw = series([_parsed(setting.news) for _ in range(setting.runs)], "items/s")
    return [Row("push route, one core", ours, raw, "JSON parsed and written alone", note="with a SQLite store, and a broker in memory")]


async def _pushed(file: Path, news: News) -> float:
    settings, clock = IngesterSettings(push_token=SecretStr("t")), SystemClock()
    async with Store.open(f"sqlite:///{file}") as store:
        await store.run(metadata.create_all)
        metrics = IngesterMetrics(CollectorRegistry())
        route = PushRoute(Intake(FakeBroker(), store, clock, metrics), dict, clock=clock, metrics=metrics, settings=settings)
        transport = httpx.ASGITransport(Starlette(routes=[route.route]))
        async with httpx.AsyncClient(transport=transport, base_url="http://bench.example", headers={"Authorization": "Bearer t"}) as client:
            bodies = [orjson.dumps(batch) for batch in news.batches()]
            started = process_time()
            for body in bodies:
                answer = await client.post("/v1/items", content=body)
                assert answer.status_code in (202, 207), answer.text
            return len(news.pushes) / (process_time() - started)


def _parsed(news: News) -> float:
    bodies = [orjson.dumps(batch) for batch in news.batches()]
    started = process_time()
    for body in bodies:
        for item in orjson.loads(body):
            orjson.dumps(item)
    return len(news.pushes) / (process_time() - started)
