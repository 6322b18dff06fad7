"""What a channel gets and what it answers. A channel tries once: it never retries, counts or writes; the queue does.

Message -> channel.send -> Sent | Retry | Final
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from schemas.events.event import PolicyEvent
from services.store.digests import Digest


class Reason(StrEnum):
    """Why an attempt ended as it did: the whole list, fit for the journal and for a metric's label."""

    ACCEPTED = "accepted"
    # the receiver answered
    CLIENT_ERROR = "client_error"
    GONE = "gone"
    REDIRECT = "redirect"
    SERVER_ERROR = "server_error"
    SMTP_AUTH = "smtp_auth"
    SMTP_BUSY = "smtp_busy"
    SMTP_FULL = "smtp_full"
    SMTP_NO_MAILBOX = "smtp_no_mailbox"
    SMTP_POLICY = "smtp_policy"
    SMTP_REFUSED = "smtp_refused"
    THROTTLED = "throttled"
    # no answer was had
    BAD_URL = "bad_url"
    BLOCKED_ADDRESS = "blocked_address"
    CONNECT_TIMEOUT = "connect_timeout"
    DEADLINE = "deadline"
    DNS = "dns"
    DROPPED = "dropped"
    PROTOCOL = "protocol"
    REFUSED = "refused"
    TLS = "tls"
    TOO_LARGE = "too_large"
    # it was ours
    BUG = "bug"
    DISK = "disk"
    INTERRUPTED = "interrupted"
    STORE = "store"
    SUPPRESSED = "suppressed"
    UNREADABLE = "unreadable"


@dataclass(frozen=True)
class Sent:
    """The receiver has it."""

    status: int | None = None


@dataclass(frozen=True)
class Retry:
    """Try again later, not before `after` where the receiver said so. `maybe_sent`: the receiver may have it already."""

    reason: Reason
    after: timedelta | None = None
    status: int | None = None
    maybe_sent: bool = False


@dataclass(frozen=True)
class Final:
    """It will never be taken. `disable`: nor will anything else at this destination."""

    reason: Reason
    status: int | None = None
    disable: bool = False


Outcome = Sent | Retry | Final


@dataclass(frozen=True)
class Message:
    """One delivery, in words, with the address in clear. Its repr shows neither address, secret nor headers."""

    id: str
    account_id: str
    destination_id: str
    address: str = field(repr=False)
    secret: str | None = field(repr=False)
    alert_id: str
    kind: str
    event: PolicyEvent = field(repr=False)
    headline: str
    subject: str
    text: str = field(repr=False)
    language: str
    reasons: tuple[str, ...]
    raised_at: datetime
    sequence: int
    previous: int
    epoch: int
    event_json: str | None = field(default=None, repr=False)
    """The event as JSON, where it is known: made once for everybody who is told."""
    replays: int = 0
    """How often somebody asked for it once more."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Of the destination's own, their names in lower case."""
    digest: Digest | None = field(default=None, repr=False)
    """What is told, where it is a digest; then the event is that of its leading alert."""


class Channel(Protocol):
    """A way to reach people. `deadline` is the longest time one `send` takes."""

    @property
    def deadline(self) -> timedelta: ...

    async def send(self, message: Message) -> Outcome:
        """One attempt. Whatever happens outside is an outcome; an exception is a bug."""
        ...

    async def close(self) -> None:
        """Lets go of what is held open between sends. Nothing is sent afterwards."""
        ...
