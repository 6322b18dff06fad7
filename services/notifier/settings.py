"""The notifier's settings."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator

from schemas.config.duration import Duration
from services.runtime.settings import ConsumerSettings


class NotifierSettings(ConsumerSettings, env_prefix="CHIPWIRE_NOTIFIER_"):
    """How alerts are delivered."""

    keys_file: Path | None = None
    """Keys that encrypt addresses and secrets at rest. Default: `keys` beside the SQLite file, made at the first start; with PostgreSQL it must be set."""
    poll: Duration = timedelta(seconds=1)
    """How often to look for work that nobody announced: retries, and what another process left."""
    housekeeping: Duration = timedelta(seconds=5)
    """How often to take back leases that ran out and to measure the queue."""
    concurrency: int = Field(default=64, ge=1, le=1000)
    """Most deliveries being sent at once."""
    per_destination: int = Field(default=16, ge=1, le=1000)
    """Most deliveries being sent to one destination at once."""
    per_destination_rate: float = Field(default=0, ge=0)
    """Most deliveries begun to one destination in a second; 0 for as many as it takes."""
    late_rate: float = Field(default=100, gt=0)
    """How many deliveries a second may be sent late, because a destination had failed or was away; as many as come in anew, if that is more."""
    lease: Duration = timedelta(seconds=90)
    """How long a delivery in hand belongs to this process; at least 30 s more than the longest deadline."""
    drain: Duration = timedelta(seconds=20)
    """How long stopping waits for deliveries that are being sent."""
    breaker_failures: int = Field(default=5, ge=1)
    """So many failures in a row, and a destination is left alone for a while."""
    breaker_pause: Duration = timedelta(seconds=10)
    """The first such while; it doubles with every further failure."""
    breaker_longest: Duration = timedelta(minutes=15)
    """The longest such while."""
    brake_at: int = Field(default=0, ge=0)
    """So many deliveries sent within `brake_within`, and the send brake goes on by itself, for `chipwire deliveries resume` to take off; 0 for never."""
    brake_within: Duration = timedelta(minutes=5)
    """The time over which `brake_at` counts."""
    disable_after: Duration = timedelta(days=5)
    """A destination that took nothing for so long is switched off; its account is told a day before. 0 for never."""
    keep_attempts: Duration = timedelta(days=90)
    """How long it is kept how each attempt ended."""
    keep_deliveries: Duration = timedelta(days=730)
    """How long ended deliveries are kept; corrections go to those who were told within this time."""
    suppression_key_file: Path | None = None
    """Key of the hashes by which erased addresses are recognised; never change it. Default: `suppression-key` beside the keys, made when it is needed."""
    webhook_deadline: Duration = timedelta(seconds=20)
    """Longest time of one POST, from name lookup to the end of the answer."""
    smtp: str = ""
    """Mail server: `smtp://[user@]host:port` or `smtps://[user@]host:port`. Empty: mails are kept as files in the outbox."""
    smtp_password: SecretStr = SecretStr("")
    """Password of the user in `smtp`."""
    smtp_starttls: Literal["auto", "require", "never"] = "auto"
    """Whether to encrypt on an `smtp://` server: where it is offered, always, or never. With a user it is always required."""
    smtp_deadline: Duration = timedelta(seconds=50)
    """Longest time of one mail, from connecting to the server's 250."""
    outbox: Path | None = None
    """Directory of the mails while no server is set. Default: `outbox` beside the SQLite file, or `var/outbox`."""
    mail_from: str = "Chipwire <alerts@localhost>"
    """The sender of the mails, as `Name <address>`."""
    smtp_ca_file: Path | None = None
    """Certificates to trust for the mail server, instead of the system's."""
    smtp_per_domain: int = Field(default=8, ge=1)
    """Most mails being sent at once to mailboxes of one domain."""
    smtp_policy_pause: timedelta = Field(default=timedelta(minutes=15), gt=timedelta())
    """How long nothing is sent to a domain that refuses us by policy (554, 5.7.x); then one mail after another is tried again."""
    smtp_signs: bool = False
    """Whether the mail server signs what it sends (DKIM). Until somebody has made sure, a warning at the start says that large providers want it."""
    mail_banner: str = ""
    """Words on top of every mail and before its subject, such as STAGING: for every system that is not the real one."""
    public_url: str = ""
    """Where this process's port is reached from outside, such as `https://alerts.example.com`: then every mail can be unsubscribed from by one click."""
    unsubscribe_key_file: Path | None = None
    """Key of the links by which readers unsubscribe; never change it. Default: `unsubscribe-key` beside the keys, made at the first start."""
    bounce_token: SecretStr = SecretStr("")
    """Bearer token of `POST /v1/bounces`, which takes delivery reports (RFC 3464). Empty: it takes none."""
    message_id_domain: str = ""
    """What stands behind the @ of a Message-ID. Default: the domain of `mail_from`. Changing it breaks conversations in mailboxes apart."""

    @model_validator(mode="after")
    def _public_url_is_one(self) -> Self:
        if self.public_url and not self.public_url.startswith(("https://", "http://")):
            raise ValueError("CHIPWIRE_NOTIFIER_PUBLIC_URL is no address; expected https://host")
        return self

    @model_validator(mode="after")
    def _lease_outlasts_an_attempt(self) -> Self:
        """A lease that ends while its holder still sends means that somebody else sends too."""
        longest = max(self.webhook_deadline, self.smtp_deadline)
        if self.lease < longest + timedelta(seconds=30):
            raise ValueError("CHIPWIRE_NOTIFIER_LEASE is too short; expected at least 30 s more than the longest of the deadlines")
        return self
