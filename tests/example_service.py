"""A service for tests of the process: it copies records on, and can be told to misbehave."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from schemas.config.base import Config
from schemas.topics import NEWS_ITEMS, POLICY_SIGNALS
from services.app import Part
from services.runtime.broker import Record
from services.runtime.errors import Malformed, Misconfigured, StopLoss, Unavailable
from services.runtime.metrics import WorkerMetrics
from services.runtime.service import PutIntoUse, Service
from services.runtime.settings import ConsumerSettings
from services.runtime.worker import Worker


class ExampleRule(Config):
    id: str


class ExampleSettings(ConsumerSettings, env_prefix="CHIPWIRE_EXAMPLE_"):
    behaviour: str = "copy"
    """What the service does."""


PARTS = {"example": Part("tests.example_service", "tests.example_service:ExampleSettings", store=False)}


def build(settings: ExampleSettings, broker: Any, *, clock: Any, registry: Any, http: Any, config: Any) -> Service:
    if settings.behaviour == "misconfigured":
        raise Misconfigured("rules/a.yaml:3:1: idd: unknown key", "rules/b.yaml:1:1: id: missing")

    async def copy(records: Sequence[Record]) -> Sequence[Record]:
        if settings.behaviour == "hang" and any(record.value == b"hang" for record in records):
            structlog.get_logger().info("hanging")
            await asyncio.Event().wait()
        if settings.behaviour != "mended" and any((record.value or b"").startswith(b"malformed") for record in records):
            raise Malformed("no JSON")
        return [Record(POLICY_SIGNALS.name, record.value, record.key) for record in records]

    worker = Worker(
        name="example",
        topics=[NEWS_ITEMS],
        group="example",
        handle=copy,
        broker=broker,
        clock=clock,
        metrics=WorkerMetrics(registry, "example"),
        settings=settings.worker,
    )

    async def misbehave(stop: asyncio.Event) -> None:
        if settings.behaviour == "end":
            return
        if settings.behaviour == "die":
            raise ZeroDivisionError("a bug")
        if settings.behaviour == "stop-loss":
            raise StopLoss("100 records in a row could not be handled")
        if settings.behaviour == "away":
            raise Unavailable("the mail server stayed away")
        await stop.wait()
        if settings.behaviour == "never-ends":
            await asyncio.Event().wait()

    async def read_again() -> PutIntoUse:
        config.load_all("rules", ExampleRule)

        async def put_into_use() -> None:
            """There is nothing to put."""

        return put_into_use

    async def hello(_: Request) -> JSONResponse:
        return JSONResponse({"hello": True})

    return Service(
        "example",
        {"example.copy": worker.run, "example.misbehave": misbehave},
        ready={"copy": worker.ready},
        live={"copy": worker.live},
        routes=[Route("/hello", hello, methods=["GET", "POST"])],
        read_again=read_again,
    )
