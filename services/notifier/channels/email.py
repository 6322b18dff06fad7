"""Alerts by mail: plain text, one thread for each event, a Message-ID that stays the same however often a mail is tried.

    Message -> compose -> post -> a mail server, or files in the outbox directory while no server is set

4xx and lost connections are tried again, 5xx are final (RFC 5321, 4.2.1). A connection that is lost between the end of DATA and the 250 leaves open whether
the server took the mail: it is sent again under the same Message-ID, by which mailboxes can tell.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from email.header import Header
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self
from urllib.parse import unquote, urlsplit

from services.notifier.channels.harmless import harmless
from services.notifier.channels.outcome import Final, Message, Outcome, Reason, Retry, Sent
from services.notifier.channels.tools import Tools
from services.notifier.render import one_line
from services.runtime.clock import Clock
from services.runtime.errors import Misconfigured

if TYPE_CHECKING:
    import aiosmtplib

    from services.notifier.settings import NotifierSettings

_POLICY = SMTP_POLICY.clone(cte_type="7bit")  # every server takes it, and no relay re-encodes it and breaks a signature


class Post(Protocol):
    """Where mails go."""

    async def submit(self, mail: bytes, *, sender: str, recipient: str, name: str) -> Outcome:
        """Hands one mail over. `name` is the id of the delivery."""
        ...


class EmailChannel:
    """Composes mails and posts them."""

    def __init__(self, post: Post, clock: Clock, *, sender: str, domain: str, deadline: timedelta) -> None:
        self._post = post
        self._clock = clock
        self._sender = sender
        self._domain = domain
        self.deadline = deadline

    @classmethod
    def build(cls, tools: Tools) -> Self:
        settings = tools.settings
        post = MailServer.named(settings) if settings.smtp else Outbox(tools.outbox)
        domain = settings.message_id_domain or settings.mail_from.rpartition("@")[2].rstrip(">")
        return cls(post, tools.clock, sender=settings.mail_from, domain=domain, deadline=settings.smtp_deadline)

    async def send(self, message: Message) -> Outcome:
        mail = compose(message, sender=self._sender, domain=self._domain, now=self._clock.now())
        try:
            async with asyncio.timeout(self.deadline.total_seconds()):
                return await self._post.submit(mail, sender=self._sender, recipient=message.address, name=message.id)
        except TimeoutError:
            return Retry(Reason.DEADLINE, maybe_sent=True)


def compose(message: Message, *, sender: str, domain: str, now: datetime) -> bytes:
    """The mail. All mails about one event refer to the same id, so that mailboxes show them as one conversation (RFC 5322, 3.6.4); a digest stands alone."""
    mail = EmailMessage(policy=_POLICY)
    mail["From"] = sender
    mail["To"] = message.address
    mail["Date"] = format_datetime(now)
    first = f"<{message.id}@{domain}>"
    mail["Message-ID"] = f"<{message.id}.{message.replays}@{domain}>" if message.replays else first  # else mailboxes would drop what was asked for once more
    thread = [] if message.digest else [f"<event.{message.event.id}@{domain}>"]
    for name, ids in (("In-Reply-To", thread), ("References", [*thread, first] if message.replays else thread)):
        if ids:
            mail[name] = " ".join(ids)
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: nothing shall answer by itself
    mail.set_content(harmless(message.text), subtype="plain", charset="utf-8")
    mail["Content-Language"] = message.language
    return _subject(one_line(message.subject)) + mail.as_bytes()


def _subject(line: str) -> bytes:
    """The header, folded by the library's older hand: the newer one loses spaces between encoded words (seen with Python 3.11, Arabic and Korean)."""
    encoded = Header(line, "us-ascii" if line.isascii() else "utf-8", header_name="Subject").encode(linesep="\r\n")
    return f"Subject: {encoded}\r\n".encode("ascii")


class Outbox:
    """A directory that stands in for a mail server: one `.eml` file a mail, whole or not there."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    async def submit(self, mail: bytes, *, sender: str, recipient: str, name: str) -> Outcome:  # noqa: ARG002 they stand in the mail
        try:
            await asyncio.to_thread(self._write, mail, name)
        except OSError:
            return Retry(Reason.DISK)
        return Sent()

    def _write(self, mail: bytes, name: str) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        draft = self._directory / f".{name}.{os.getpid()}"
        draft.write_bytes(mail)
        draft.replace(self._directory / f"{name}.eml")


class MailServer:
    """A mail server, spoken to once a mail."""

    def __init__(self, host: str, port: int, *, tls: str, username: str | None, password: str | None, ca: Path | None, deadline: timedelta) -> None:
        self._host = host
        self._port = port
        self._tls = tls
        self._username = username
        self._password = password
        self._ca = ca
        self._deadline = deadline

    @classmethod
    def named(cls, settings: NotifierSettings) -> Self:
        """The server of the settings. Raises Misconfigured."""
        url = urlsplit(settings.smtp if "://" in settings.smtp else f"smtp://{settings.smtp}")
        if url.scheme not in ("smtp", "smtps") or not url.hostname or url.password:
            raise Misconfigured(
                "CHIPWIRE_NOTIFIER_SMTP is no mail server; expected smtp://[user@]host:port, smtps://[user@]host:port, or nothing for the outbox directory; "
                "the password goes into CHIPWIRE_NOTIFIER_SMTP_PASSWORD"
            )
        password = settings.smtp_password.get_secret_value() or None
        username = unquote(url.username) if url.username else None
        tls = "implicit" if url.scheme == "smtps" else settings.smtp_starttls
        if username and tls == "never":
            raise Misconfigured("CHIPWIRE_NOTIFIER_SMTP_STARTTLS is 'never', but CHIPWIRE_NOTIFIER_SMTP has a user; a password is never sent in clear")
        port = url.port or (465 if tls == "implicit" else 587 if username else 25)
        return cls(url.hostname, port, tls=tls, username=username, password=password, ca=settings.smtp_ca_file, deadline=settings.smtp_deadline)

    async def submit(self, mail: bytes, *, sender: str, recipient: str, name: str) -> Outcome:  # noqa: ARG002 it stands in the mail
        dialogue = _Dialogue()
        with dialogue.translated():
            async with self._client() as client:
                dialogue.mail_may_be_sent = True
                await client.sendmail(_mailbox(sender), [recipient], mail)
                dialogue.outcome = Sent(250)
        return dialogue.outcome

    def _client(self) -> aiosmtplib.SMTP:
        import aiosmtplib  # only where a server is set

        return aiosmtplib.SMTP(
            hostname=self._host,
            port=self._port,
            username=self._username,
            password=self._password,
            timeout=self._deadline.total_seconds(),
            cert_bundle=str(self._ca) if self._ca else None,
            use_tls=self._tls == "implicit",
            start_tls=_STARTTLS[self._tls] if self._username is None else self._tls != "implicit",
        )


_STARTTLS = {"auto": None, "require": True, "never": False, "implicit": False}
"""aiosmtplib's word for each way: None takes TLS where the server offers it."""


class _Dialogue:
    """One dialogue with a server, and what came of it."""

    def __init__(self) -> None:
        self.mail_may_be_sent = False
        self.outcome: Outcome = Retry(Reason.PROTOCOL)

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turns the library's errors into an outcome, unless the mail was accepted before."""
        import aiosmtplib

        try:
            yield
        except (aiosmtplib.SMTPException, OSError, ssl.SSLError) as exc:
            if not isinstance(self.outcome, Sent):  # after its 250 a clumsy goodbye changes nothing
                self.outcome = _outcome(exc, maybe_sent=self.mail_may_be_sent)


def _outcome(exc: Exception, *, maybe_sent: bool) -> Outcome:
    """What an error means. The server's words are left out: they like to repeat the address."""
    import aiosmtplib

    if isinstance(exc, aiosmtplib.SMTPRecipientsRefused):
        return _answer(exc.recipients[0].code)
    if isinstance(exc, aiosmtplib.SMTPAuthenticationError):
        return Retry(Reason.SMTP_AUTH, status=exc.code)  # ours to mend, not the reader's fault
    if isinstance(exc, aiosmtplib.SMTPResponseException):
        return _answer(exc.code)
    if isinstance(exc, TimeoutError):
        return Retry(Reason.DEADLINE, maybe_sent=maybe_sent)
    if isinstance(exc, aiosmtplib.SMTPServerDisconnected):
        return Retry(Reason.DROPPED, maybe_sent=maybe_sent)
    if isinstance(exc, ssl.SSLError) or isinstance(exc.__cause__, ssl.SSLError):
        return Retry(Reason.TLS)
    if "STARTTLS" in str(exc):  # required and not offered, for which the library has no class
        return Retry(Reason.TLS)
    return Retry(Reason.REFUSED if isinstance(exc, OSError) and not maybe_sent else Reason.PROTOCOL, maybe_sent=maybe_sent)


def _answer(code: int) -> Outcome:
    """RFC 5321, 4.2.1: 4yz may work later, 5yz never will."""
    if 500 <= code < 600:
        return Final(Reason.SMTP_REFUSED, code)
    if code < 0:  # the library's word for an answer that is none
        return Retry(Reason.PROTOCOL)
    return Retry(Reason.SMTP_BUSY, status=code)


def _mailbox(sender: str) -> str:
    """`Chipwire <alerts@example.com>` as the envelope has it."""
    return sender.rpartition("<")[2].rstrip(">").strip()
