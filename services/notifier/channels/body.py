"""The machine-readable form of an alert: what webhooks carry, and files keep."""

from __future__ import annotations

from schemas.api.webhook import WebhookAlert
from services.notifier.channels.outcome import Message


def body_of(message: Message) -> bytes:
    """The JSON of a delivery: the same bytes at every attempt."""
    alert = WebhookAlert(
        timestamp=message.raised_at,
        delivery=message.id,
        alert=message.alert_id,
        kind=message.kind,
        headline=message.headline,
        text=message.text,
        language=message.language,
        reasons=message.reasons,
        sequence=message.sequence,
        previous=message.previous,
        epoch=message.epoch,
        event=message.event,
    )
    return alert.model_dump_json(by_alias=True).encode()
