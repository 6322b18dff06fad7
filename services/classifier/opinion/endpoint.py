"""One question to the endpoint, over HTTP. What went wrong is said as what it may have cost, and whether asking again may help."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import orjson

from services.classifier.opinion.answer import Reply, read_reply
from services.classifier.opinion.question import Question
from services.runtime.errors import ChipwireError, Malformed, Rejected
from services.runtime.http import HttpClient, HttpFailure, Response

MOST_BODY = 262_144
_BUSY = (408, 409, 425, 429)


class NoAnswer(ChipwireError):
    """The endpoint gave no answer to this question. `cost` is the most tokens that it may charge for it all the same."""

    def __init__(self, message: str, *, cost: int = 0, again: bool = True, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.cost = cost
        self.again = again
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where questions go. `url` is the base of the API, such as https://llm.example/v1."""

    http: HttpClient
    url: str
    key: str
    model: str
    timeout: timedelta

    async def ask(self, question: Question, *, reasons: Collection[str]) -> Reply:
        """The reply, within the timeout. Raises NoAnswer."""
        try:
            response = await self.http.request(
                "POST", f"{self.url.rstrip('/')}/chat/completions", headers=self._headers(), content=question.body, deadline=self.timeout, max_body=MOST_BODY
            )
        except HttpFailure as exc:
            raise NoAnswer(f"the endpoint gives no answer: {exc}", cost=question.most if exc.sent == "maybe" else 0) from exc
        except Rejected as exc:
            raise NoAnswer(f"the question cannot be sent: {exc}", again=False) from exc
        if response.status != 200:
            raise _refused(response)
        try:
            return read_reply(response.body, question, model=self.model, reasons=reasons)
        except Malformed as exc:
            raise NoAnswer(f"the endpoint answers with status 200, but {exc}", cost=question.most) from exc

    def _headers(self) -> dict[str, str]:
        headers = {"content-type": "application/json", "accept": "application/json"}
        return headers | {"authorization": f"Bearer {self.key}"} if self.key else headers


def _refused(response: Response) -> NoAnswer:
    """Nothing is charged for an error. What is wrong with the request itself stays wrong."""
    again = response.status >= 500 or response.status in _BUSY
    return NoAnswer(f"the endpoint answers with status {response.status}{_told(response.body)}", again=again, retry_after=_retry_after(response))


def _told(body: bytes) -> str:
    """The code or type of the error, and never its message: that may quote the key."""
    try:
        error: Any = orjson.loads(body)["error"]
        told = error.get("code") or error.get("type")
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return ""
    return f" ({told})" if isinstance(told, str) and len(told) <= 60 and told.replace("_", "").isalnum() else ""


def _retry_after(response: Response) -> timedelta | None:
    """Seconds only: a date is as good as no word."""
    asked = response.headers.get("retry-after", "")
    return timedelta(seconds=min(int(asked), 86_400)) if asked.isascii() and asked.isdigit() and len(asked) < 9 else None
