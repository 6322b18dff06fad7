"""The machine-readable form of an alert: what webhooks carry, and files keep."""

from __future__ import annotations

from typing import Any

import orjson

from schemas.api import digest, webhook
from services.notifier.channels.outcome import Message
from services.store.digests import Digest


def body_of(message: Message) -> bytes:
    """The JSON of a delivery: the same bytes at every attempt, unless a digest has lost what was corrected before anybody had seen it."""
    return orjson.dumps(_alert(message) if message.digest is None else _digest(message, message.digest), option=orjson.OPT_UTC_Z)


def _alert(message: Message) -> dict[str, Any]:
    """A `schemas.api.webhook.WebhookAlert`. The event's JSON is not made anew for each receiver."""
    event = orjson.Fragment(message.event_json or message.event.model_dump_json())
    return {"type": webhook.TYPE, "alert": message.alert_id, "kind": message.kind, "event": event} | _told(message)


def _digest(message: Message, told: Digest) -> dict[str, Any]:
    """A `schemas.api.digest.WebhookDigest`."""
    alerts = [{"alert": one.alert_id, "kind": one.kind, "event": orjson.Fragment(one.event.model_dump_json())} for one in told.alerts]
    return {"type": digest.TYPE, "digest": told.id, "alerts": alerts} | _told(message)


def _told(message: Message) -> dict[str, Any]:
    names = ("headline", "text", "language", "reasons", "sequence", "previous", "epoch")
    return {"timestamp": message.raised_at, "delivery": message.id} | {name: getattr(message, name) for name in names}
