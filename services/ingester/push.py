"""`POST /v1/items`: news pushed in by others.

    bearer token -> room? -> body (bounded) -> JSON object, array or NDJSON -> items -> intake -> answer

    202 all taken · 207 some refused, the others taken · 400 none can be read · 401 no or wrong token · 413 too large · 429 busy · 503 off, or broker away

Answers 202 and 207 mean that the items are safe. Whatever else comes back, push again: the same id is the same item, however often it comes.

What is being published cannot be called back. So a push that has waited too long is answered, and yet goes on and counts as in hand until it is over; the same
items again wait for it (`Intake`) and are then known.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

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
_COME_AGAIN = 2
"""Seconds, told as Retry-After."""


class NotTaken(Exception):
    """Nothing of the push was taken: status, label of the metric, and a sentence."""

    def __init__(self, status: int, outcome: str, problem: str, refused: Sequence[Refused] = ()) -> None:
        super().__init__(problem)
        self.status = status
        self.outcome = outcome
        self.refused = tuple(refused[:_MOST_TOLD])


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
        self._in_flight = 0
        self._works = set[asyncio.Task[PushAnswer]]()

    @property
    def route(self) -> Route:
        """For the process's HTTP port."""
        return Route("/v1/items", self._answer, methods=["POST"])

    async def _answer(self, request: Request) -> Response:
        started = self._clock.monotonic()
        try:
            answer = await self._take(request)
            outcome, response = ("partly_taken", _json(207, answer)) if answer.refused else ("taken", _json(202, answer))
        except NotTaken as exc:
            outcome, response = exc.outcome, _json(exc.status, PushProblem(problem=str(exc), refused=exc.refused))
        self._metrics.pushes.labels(outcome).inc()
        self._metrics.push_seconds.observe(self._clock.monotonic() - started)
        return response

    async def run(self, stop: asyncio.Event) -> None:
        """Owns the pushes in hand: when the process stops, those that go on behind their answer may end."""
        await stop.wait()
        await asyncio.gather(*self._works, return_exceptions=True)

    async def _take(self, request: Request) -> PushAnswer:
        self._check_token(request.headers.get("authorization", ""))
        work = asyncio.create_task(self._work(await self._read(request)), name="ingester.push")
        self._works.add(work)
        work.add_done_callback(self._over)
        try:
            async with asyncio.timeout(self._settings.push_deadline.total_seconds()):
                return await asyncio.shield(work)
        except TimeoutError:
            raise NotTaken(429, "busy", "the line is full; push again later") from None

    async def _work(self, body: bytes) -> PushAnswer:
        """Everything behind the reading. The body counts as in flight until all is published."""
        try:
            items, refused = await asyncio.to_thread(read, body, self._sources(), self._clock.now(), most=self._settings.push_max_items)
            taken = await self._intake.take(list({item.id: item for item in items}.values()))
        except Unavailable as exc:
            raise NotTaken(503, "unavailable", f"{exc}; push again later") from exc
        finally:
            self._hold(-len(body))
        self._metrics.count_items(PUSH, new=taken.new, changed=taken.changed, unchanged=taken.unchanged)
        return PushAnswer(accepted=len(items), known=taken.unchanged, refused=refused)

    def _over(self, work: asyncio.Task[PushAnswer]) -> None:
        self._works.discard(work)
        if not work.cancelled():
            work.exception()  # whoever still waits gets it; nobody else needs to

    def _check_token(self, header: str) -> None:
        token = self._settings.push_token.get_secret_value()
        if not token:
            raise NotTaken(503, "off", "pushing is off; set CHIPWIRE_INGESTER_PUSH_TOKEN or CHIPWIRE_INGESTER_PUSH_TOKEN_FILE")
        scheme, _, given = header.partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), token.encode()):
            raise NotTaken(401, "unauthorised", "expected the header Authorization: Bearer with the push token")

    async def _read(self, request: Request) -> bytes:
        """The body, counted as in flight from its first byte. What is too much is refused before it is read, as far as it is announced."""
        announced = request.headers.get("content-length", "")
        self._check_room(0, int(announced) if announced.isascii() and announced.isdigit() else 0)
        body = bytearray()
        try:
            async for chunk in request.stream():
                self._check_room(len(body), len(chunk))
                body += chunk
                self._hold(len(chunk))
        except BaseException as exc:
            self._hold(-len(body))
            if isinstance(exc, ClientDisconnect):
                raise NotTaken(400, "invalid", "the request ended before its body") from None
            raise
        return bytes(body)

    def _check_room(self, read_already: int, more: int) -> None:
        if read_already + more > self._settings.push_max_body:
            raise NotTaken(413, "too_large", f"more than {self._settings.push_max_body} bytes; push fewer items at once")
        others = self._in_flight - read_already
        if others and self._in_flight + more > self._settings.push_in_flight:
            raise NotTaken(429, "busy", "too much is in hand; push again later")

    def _hold(self, size: int) -> None:
        self._in_flight += size
        self._metrics.push_bytes.set(self._in_flight)


def read(body: bytes, sources: Mapping[str, Source], now: datetime, *, most: int) -> tuple[list[NewsItem], tuple[Refused, ...]]:
    """The items of a push, and those that cannot be taken. Raises NotTaken when there is none to take, or too many."""
    values = _values(body)
    if len(values) > most:
        raise NotTaken(413, "too_large", f"{len(values)} items; push at most {most} at once")
    items: list[NewsItem] = []
    refused: list[Refused] = []
    for index, value in enumerate(values):
        try:
            items.append(_item(value, sources, now))
        except ValidationError as exc:
            refused.append(Refused(index=index, problem=problem_of(exc)))
        except Malformed as exc:
            refused.append(Refused(index=index, problem=str(exc)))
    if not items:
        raise NotTaken(400, "invalid", "no item can be taken" if refused else "no item was pushed", refused)
    return items, tuple(refused)


def _values(body: bytes) -> list[Any]:
    """A JSON object, an array, or one object a line. A line that is no JSON is a Malformed in its place."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return [_line(line) for line in body.splitlines() if line.strip()]
    return value if isinstance(value, list) else [value]


def _line(line: bytes) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError as exc:
        return Malformed(f"no JSON: {exc.msg}")


def _item(value: Any, sources: Mapping[str, Source], now: datetime) -> NewsItem:
    if isinstance(value, Malformed):
        raise value
    pushed = PushedItem.model_validate(value)
    return to_item(of_pushed(pushed), _source(pushed.source, sources), now)


def _source(name: str, sources: Mapping[str, Source]) -> Source:
    """The configured source of that name, or a plain one. Either way the pusher's id makes the item's."""
    known = sources.get(name)
    return _unknown(name) if known is None else known.model_copy(update={"identity": "guid"})


@lru_cache(maxsize=1_000)
def _unknown(name: str) -> Source:
    return Source(id=name, title=name, tier=DEFAULT_TIER, reader="push", identity="guid")


def _json(status: int, answer: PushAnswer | PushProblem) -> Response:
    headers = {"Retry-After": str(_COME_AGAIN)} if status in (429, 503) else {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    return Response(answer.model_dump_json(), status, headers, media_type="application/json")
