"""Items a second of one core through the push route in batches of 500, with a real SQLite store and a broker in memory: `python -m tests.bench.push`.

The baseline in the same run is what the JSON alone costs: parsed and written again.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
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
from tests.fakes import FakeBroker

BATCH = 500
BATCHES = 40
TEXT = "The commerce department eased the rule on exports of advanced chips, two people said. " * 4


def batch(number: int) -> bytes:
    items = [{"id": f"{number}-{each}", "title": f"Story {each}", "text": TEXT, "language": "en", "published": "2026-03-01"} for each in range(BATCH)]
    return json.dumps(items).encode()


async def measured(folder: Path) -> float:
    settings, clock = IngesterSettings(push_token=SecretStr("t")), SystemClock()
    async with Store.open(f"sqlite:///{folder / 'store.db'}") as store:
        await store.run(metadata.create_all)
        metrics = IngesterMetrics(CollectorRegistry())
        route = PushRoute(Intake(FakeBroker(), store, clock, metrics), dict, clock=clock, metrics=metrics, settings=settings)
        transport = httpx.ASGITransport(Starlette(routes=[route.route]))
        async with httpx.AsyncClient(transport=transport, base_url="http://bench.example", headers={"Authorization": "Bearer t"}) as client:
            bodies = [batch(number) for number in range(BATCHES)]
            started = process_time()
            for body in bodies:
                answer = await client.post("/v1/items", content=body)
                assert answer.status_code == 202, answer.text
            return BATCH * BATCHES / (process_time() - started)


def baseline() -> float:
    bodies = [batch(number) for number in range(BATCHES)]
    started = process_time()
    for body in bodies:
        for item in orjson.loads(body):
            orjson.dumps(item)
    return BATCH * BATCHES / (process_time() - started)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        print(f"push: {asyncio.run(measured(Path(folder))):,.0f} items/s of one core; JSON alone: {baseline():,.0f} items/s")
