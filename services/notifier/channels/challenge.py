"""Whether an endpoint is its owner's: it is asked to say a word back, in a request that only who holds the secret can check.

POST {"type": "endpoint.challenge", "challenge": WORD}, signed as every webhook -> 2xx {"challenge": WORD}
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import timedelta

import orjson

from services.notifier.channels.webhook import READ, signed_headers
from services.runtime.clock import Clock
from services.runtime.errors import Unavailable
from services.runtime.http import HttpClient

TYPE = "endpoint.challenge"
_NO_HEADERS: Mapping[str, str] = {}


async def challenge(http: HttpClient, clock: Clock, *, address: str, secret: str, deadline: timedelta, headers: Mapping[str, str] = _NO_HEADERS) -> str | None:
    """None when the endpoint said the word back, else a sentence that says what it did; it names no address."""
    word = secrets.token_urlsafe(24)
    body = orjson.dumps({"type": TYPE, "challenge": word})
    signed = signed_headers(f"chk_{secrets.token_hex(8)}", body, secret, clock.now())
    try:
        answer = await http.request("POST", address, headers={**headers, **signed}, content=body, deadline=deadline, max_body=READ)
    except Unavailable as exc:
        return f"the endpoint was not reached: {getattr(exc, 'reason', 'unavailable')}"
    if not 200 <= answer.status < 300:
        return f"the endpoint answered {answer.status}; expected 2xx"
    return None if _said(answer.body) == word else 'the endpoint took it and did not say the word back; expected {"challenge": "…"}'


def _said(body: bytes) -> object:
    try:
        told = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return told.get("challenge") if isinstance(told, dict) else None
