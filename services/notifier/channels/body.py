"""The machine-readable form of an alert: what webhooks carry, and files keep."""

from __future__ import annotations

import orjson

from schemas.api.webhook import TYPE
from services.notifier.channels.outcome import Message


def body_of(message: Message) -> bytes:
    """The JSON of a delivery, a `schemas.api.webhook.WebhookAlert`: the same bytes at every attempt. The event's is not made anew for each receiver."""
    return orjson.dumps(
        {
            "type": TYPE,
            "timestamp": message.raised_at,
            "delivery": message.id,
            "alert": message.alert_id,
            "kind": message.kind,
            "headline": message.headline,
            "text": message.text,
            "language": message.language,
            "reasons": message.reasons,
            "sequence": message.sequence,
            "previous": message.previous,
            "epoch": message.epoch,
            "event": orjson.Fragment(message.event_json or message.event.model_dump_json()),
        },
        option=orjson.OPT_UTC_Z,
    )
