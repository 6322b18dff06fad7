"""Webhooks after Standard Webhooks v1: a signed POST; 2xx means that the receiver has it (https://www.standardwebhooks.com).

The body's bytes and the id stay the same over all attempts; timestamp and signature are of the attempt. Redirects are failures: they would carry a signed
alert to whoever the endpoint names.
"""

from __future__ import annotations

import base64
import hmac
import math
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Self

from services.notifier.channels.body import body_of
from services.notifier.channels.outcome import Final, Message, Outcome, Reason, Retry, Sent
from services.notifier.channels.tools import Tools
from services.runtime.clock import Clock
from services.runtime.errors import Rejected
from services.runtime.http import HttpClient, HttpFailure
from services.store.signing import in_force

READ = 16 * 1024
"""Bytes of an answer that are read at most: the status is what counts."""


class WebhookChannel:
    """Signed POSTs over the guarded client."""

    def __init__(self, http: HttpClient, clock: Clock, deadline: timedelta) -> None:
        self._http = http
        self._clock = clock
        self.deadline = deadline

    @classmethod
    def build(cls, tools: Tools) -> Self:
        return cls(tools.http, tools.clock, tools.settings.webhook_deadline)

    async def send(self, message: Message) -> Outcome:
        body = body_of(message)
        try:
            headers = self._headers(message, body)
        except ValueError:
            return Retry(Reason.UNREADABLE)  # the stored secret is no secret: for the operator to mend
        try:
            answer = await self._http.request("POST", message.address, headers=headers, content=body, deadline=self.deadline, max_body=READ, whole=False)
        except HttpFailure as exc:
            return Retry(Reason(exc.reason.value), maybe_sent=exc.sent == "maybe")
        except Rejected:
            return Final(Reason.BAD_URL)
        return outcome_of(answer.status, answer.headers.get("retry-after"), self._clock.now())

    async def close(self) -> None:
        """Nothing is held open."""

    def _headers(self, message: Message, body: bytes) -> dict[str, str]:
        replayed = {"chipwire-replay": str(message.replays)} if message.replays else {}
        return {
            **message.headers,
            **signed_headers(message.id, body, message.secret or "", self._clock.now()),
            "chipwire-sequence": str(message.sequence),
            "chipwire-previous": str(message.previous),
            "chipwire-epoch": str(message.epoch),
            **replayed,
        }


def signed_headers(name: str, body: bytes, kept: str, now: datetime) -> dict[str, str]:
    """The headers of Standard Webhooks, with a signature for each secret in force. Raises ValueError for what is no secret."""
    timestamp = str(math.floor(now.timestamp()))
    signed = b".".join((name.encode(), timestamp.encode(), body))
    return {
        "content-type": "application/json",
        "webhook-id": name,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(_signature(secret, signed) for secret in in_force(kept, now)),
    }


def _signature(secret: str, signed: bytes) -> str:
    """`v1`: HMAC-SHA256 over id, timestamp and body."""
    return "v1," + base64.b64encode(hmac.digest(_key(secret), signed, "sha256")).decode()


@lru_cache(maxsize=10_000)  # one for each destination
def _key(secret: str) -> bytes:
    key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    if not key:
        raise ValueError("an empty secret signs nothing")
    return key


def outcome_of(status: int, retry_after: str | None, now: datetime) -> Outcome:
    """What a status means. Other refusals than 410 are tried again too: they are mended by people, within hours."""
    if 200 <= status < 300:
        return Sent(status)
    if status == 410:
        return Final(Reason.GONE, status, disable=True)
    if status == 429:
        return Retry(Reason.THROTTLED, seconds_to(retry_after, now), status)
    if status >= 500:
        return Retry(Reason.SERVER_ERROR, seconds_to(retry_after, now), status)
    return Retry(Reason.REDIRECT if 300 <= status < 400 else Reason.CLIENT_ERROR, None, status)


def seconds_to(retry_after: str | None, now: datetime) -> timedelta | None:
    """Retry-After (RFC 9110, 10.2.3) as a wait: seconds or a date. None for what is missing, past or garbage."""
    if retry_after is None:
        return None
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return timedelta(seconds=min(int(text[:9]), 10**7)) or None
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    wait = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now
    return wait if wait > timedelta() else None
