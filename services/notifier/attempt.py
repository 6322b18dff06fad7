"""One attempt at a delivery: the message for the channel, and what its outcome means for the delivery.

claimed -> words, address and secret in clear -> Message       channel.send       Outcome -> Result
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from schemas.events.event import PolicyEvent
from services.notifier.channels.outcome import Final, Message, Outcome, Reason, Sent
from services.notifier.recent import Recent
from services.notifier.schedule import retry_in
from services.store.accounts import headers_of
from services.store.journal import Result
from services.store.queue import Claimed
from services.store.secrets import Cipher

_OPENED = 10_000
"""Addresses and secrets in clear, of as many destinations at most: opening one costs as much as sending it."""


@dataclass(frozen=True, slots=True)
class Words:
    """An alert in words, and in which language they are."""

    headline: str
    subject: str
    text: str
    language: str


Render = Callable[[Claimed], Words]


class Messages:
    """Makes the message of a delivery."""

    def __init__(self, cipher: Cipher, render: Render) -> None:
        self._cipher = cipher
        self._render = render
        self._opened: Recent[bytes, str] = Recent(_OPENED)

    def of(self, claimed: Claimed) -> Message:
        """The delivery in words, with its address. Raises Rejected when no key opens the address, the secret or the headers."""
        words = self._render(claimed)
        return Message(
            id=claimed.id,
            account_id=claimed.destination.account_id,
            destination_id=claimed.destination.id,
            address=self._open(claimed.address),
            secret=None if claimed.secret is None else self._open(claimed.secret),
            headers={} if claimed.headers is None else headers_of(self._open(claimed.headers)),
            alert_id=claimed.alert_id,
            kind=claimed.kind,
            event=claimed.event,
            event_json=claimed.event_json,
            headline=words.headline,
            subject=words.subject,
            text=words.text,
            language=words.language,
            reasons=claimed.reasons,
            raised_at=claimed.raised_at,
            sequence=claimed.sequence,
            previous=claimed.previous,
            epoch=claimed.epoch,
            replays=claimed.replays,
            digest=claimed.digest,
        )

    def _open(self, sealed: bytes) -> str:
        """The same text is never sealed the same way twice: what is new here is another address or secret."""
        return self._opened.get(sealed, lambda: self._cipher.decrypt(sealed))


def result_of(claimed: Claimed, outcome: Outcome, jitter: float) -> Result:
    """What an outcome means for the delivery, and when it is tried again."""
    if isinstance(outcome, Sent):
        return Result(claimed, "sent", Reason.ACCEPTED, outcome.status)
    if isinstance(outcome, Final):
        return Result(claimed, "final", outcome.reason, outcome.status, disable=outcome.disable)
    wait = timedelta() if outcome.reason is Reason.INTERRUPTED else retry_in(claimed.attempt - claimed.spent, outcome.after, jitter)
    pause = wait if outcome.reason is Reason.THROTTLED and outcome.after else None
    return Result(claimed, "retry", outcome.reason, outcome.status, wait, pause=pause, maybe_sent=outcome.maybe_sent)


def told(result: Result) -> str:
    """The word of the metric for how an attempt ended."""
    if result.outcome == "sent":
        return "sent"
    return "retry" if result.again else "failed"


def published_at(event: PolicyEvent) -> datetime | None:
    """When the newest source of the event published it, where it said so to the second."""
    newest = max(event.sources, key=lambda source: source.first_seen_at, default=None)
    if newest is None or newest.published is None or newest.published.precision != "second":
        return None
    return newest.published.at
