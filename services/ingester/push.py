"""`POST /v1/items`: news pushed in by others.

    bearer token -> room? -> body (bounded) -> JSON object, array or NDJSON -> items -> intake -> answer

    202 all taken · 207 some refused, the others taken · 400 none can be read · 401 no or wrong token · 413 too large · 429 busy · 503 off, or broker away

Answers 202 and 207 mean that the items are safe. Whatever else comes back, push again: the same id is the same item, however often it comes.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

import orjson
from pydantic import ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from schemas.api.push import PushAnswer, PushedItem, PushProblem, Refused
from schemas.config.source import Source
from schemas.events.news import NewsItem
from services.ingester.entry import of_pushed
from services.ingester.intake import Intake
from services.ingester.metrics import PUSH, IngesterMetrics
from services.ingester.normalize import to_item
from services.ingester.readers.jsonl import problem_of
from services.ingester.settings import IngesterSettings
from services.runtime.clock import Clock
from services.runtime.errors import Malformed, Unavailable

DEFAULT_TIER = 1
_MOST_TOLD = 100
"""Refused items that are listed when nothing was taken."""


@dataclass(frozen=True, slots=True)
class NotTaken(Exception):  # noqa: N818 an answer rather than an error
    """Nothing of the push was taken: status, metric label and a sentence."""

    status: int
    outcome: str
    problem: str
    refused: tuple[Refused, ...] = ()
    retry_after: int | None = None


class PushRoute:
    """The route and its limits. `sources` gives the configured sources of the moment: a push that names one takes its tier, outlet and language."""

    def __init__(
        self, intake: Intake, sources: Callable[[], Mapping[str, Source]], *, clock: Clock, metrics: IngesterMetrics, settings: IngesterSettings
    ) -> None:
        self._intake = intake
        self._sources = sources
        self._clock = clock
        self._metrics = metrics
        self._settings = settings
        self._token = settings.push_token.get_secret_value().encode()
        self._in_flight = 0

    @property
    def route(self) -> Route:
        """For the process's HTTP port."""
        return Route("/v1/items", self._answer, methods=["POST"])

    async def _answer(self, request: Request) -> Response:
        started = self._clock.monotonic()
        try:
            answer = await self._take(request)
            response = _json(207 if answer.refused else 202, answer)
            outcome = "partly_taken" if answer.refused else "taken"
        except NotTaken as exc:
            response = _json(exc.status, PushProblem(problem=exc.problem, refused=exc.refused), exc.retry_after)
            outcome = exc.outcome
        self._metrics.pushes.labels(outcome).inc()
        self._metrics.push_seconds.observe(self._clock.monotonic() - started)
        return response

    async def _take(self, request: Request) -> PushAnswer:
        self._check_token(request.headers.get("authorization", ""))
        async with self._room(self._announced(request)) as room:
            body = await _body(request, self._settings.push_max_body, room)
            values = parse(body, self._settings.push_max_items)
            items, refused = to_items(values, self._sources(), self._clock.now())
            if not items:
                raise NotTaken(400, "invalid", "no item can be taken", refused[:_MOST_TOLD])
            taken = await self._publish(items)
        return PushAnswer(accepted=len(values) - len(refused), known=taken, refused=refused)
