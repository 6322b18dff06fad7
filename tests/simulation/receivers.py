"""The endpoints, in place of the HTTP client: each reads what comes, or not, and answers in the mood it is in. What they saw is the evidence."""

from __future__ import annotations

import asyncio
import contextvars
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from services.runtime.http import HttpFailure, Reason, Response
from tests.simulation.loop import OWNER, Owner, SimulatedLoop
from tests.simulation.plan import Mood

HOST = "https://reader.example/"


@dataclass
class Request:
    """One attempt, as both sides saw it."""

    owner: Owner | None
    reader: str
    headers: Mapping[str, str]
    body: bytes
    begun_at: float
    read_at: float | None = None
    status: int | None = None
    """What was answered."""
    ended_at: float | None = None
    """When its sender had the answer, or gave up; None when it did not live to."""
    taken: bool = False
    """Its sender had a 2xx."""

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


class Receivers:
    """What `HttpClient` is to the notifier."""

    def __init__(self, loop: SimulatedLoop, moods: Mapping[str, tuple[Mood, ...]], calm_at: float, chance: random.Random) -> None:
        self._loop = loop
        self._moods = moods
        self._calm_at = calm_at
        self._chance = chance
        self._world = contextvars.Context()
        self.requests: list[Request] = []
        self.notice: Callable[[Owner | None, str], None] = lambda _owner, _where: None
        """Told what a sender has just come to: begin, read or answered."""

    async def request(
        self, method: str, url: str, *, headers: Mapping[str, str], content: bytes, deadline: timedelta, max_body: int, whole: bool
    ) -> Response:  # fmt: skip
        request = Request(OWNER.get(), url.removeprefix(HOST), headers, content, self._loop.time())
        self.requests.append(request)
        answer: asyncio.Future[Response] = self._loop.create_future()
        self._loop.call_later(self._chance.uniform(0, 0.05), self._arrive, request, answer, context=self._world)
        self.notice(request.owner, "begin")
        try:
            async with asyncio.timeout(deadline.total_seconds()):
                response = await answer
        except TimeoutError:
            request.ended_at = self._loop.time()
            raise HttpFailure(Reason.DEADLINE, sent="maybe") from None
        except HttpFailure:
            request.ended_at = self._loop.time()
            raise
        request.ended_at, request.taken = self._loop.time(), 200 <= response.status < 300
        self.notice(request.owner, "answered")
        return response

    def _arrive(self, request: Request, answer: asyncio.Future[Response]) -> None:
        now = self._loop.time()
        mood = next((mood for mood in self._moods.get(request.reader, ()) if mood.since <= now < mood.until and now < self._calm_at), None)
        manner = mood.manner if mood else "well"
        if manner == "refuse":
            self._later(0.01, _fail, answer, HttpFailure(Reason.REFUSED, sent="never"))
            return
        if manner == "drop_before":
            self._later(0.01, _fail, answer, HttpFailure(Reason.DROPPED, sent="maybe"))
            return
        request.read_at = now
        self.notice(request.owner, "read")
        if manner == "drop_after":
            self._later(0.01, _fail, answer, HttpFailure(Reason.DROPPED, sent="maybe"))
            return
        seconds = round(mood.seconds) if mood else 0
        status, headers = {
            "error": (500, {}), "busy": (503, {"retry-after": str(seconds)}), "throttled": (429, {"retry-after": str(seconds)}), "gone": (410, {}), "redirect": (302, {}),
        }.get(manner, (200, {}))  # fmt: skip
        request.status = status
        wait = {"slow": min(mood.seconds, 18.0) if mood else 0.0, "too_slow": 60.0}.get(manner, self._chance.uniform(0, 0.05))
        self._later(wait, _answer, answer, Response(status, headers, b"", False, HOST, timedelta(0)))

    def _later(self, wait: float, what: Callable[..., None], *args: object) -> None:
        self._loop.call_later(wait, what, *args, context=self._world)

    async def close(self) -> None: ...


def _answer(answer: asyncio.Future[Response], response: Response) -> None:
    if not answer.done():
        answer.set_result(response)


def _fail(answer: asyncio.Future[Response], failure: HttpFailure) -> None:
    if not answer.done():
        answer.set_exception(failure)
