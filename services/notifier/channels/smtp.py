"""A mail server, over connections that are used again.

    submit -> an idle connection, or a new one -> MAIL, RCPT, DATA -> 250 -> idle again

4xx and lost connections are tried again, 5xx are final (RFC 5321, 4.2.1), but for a refusal by policy (554, 5.7.x), which is about the sender and not about
the mailbox: then nothing is sent to that domain for a while, and the mail is tried again. A connection that is lost between the end of DATA and the 250 leaves open whether
the server took the mail. An idle one that the server has closed meanwhile costs nothing: the mail goes over a new one.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import unquote, urlsplit

import structlog

from services.notifier import bounce
from services.notifier.channels.outcome import Final, Outcome, Reason, Retry, Sent
from services.runtime.errors import Misconfigured

if TYPE_CHECKING:
    import aiosmtplib

    from services.notifier.settings import NotifierSettings

log = structlog.get_logger()

MAILS = 50
"""Over one connection at most: servers like to end longer ones."""

IDLE = 8.0
"""Seconds after which an idle connection is closed: servers give up on them after some more."""

_STARTTLS = {"auto": None, "require": True, "never": False, "implicit": False}
"""aiosmtplib's word for each way: None takes TLS where the server offers it."""


@dataclass
class _Line:
    """A connection, and how many mails went over it."""

    client: aiosmtplib.SMTP
    mails: int = 0
    closing: asyncio.TimerHandle | None = field(default=None, repr=False)


class MailServer:
    """The server of the settings. `close` ends what is idle."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        tls: str,
        username: str | None,
        password: str | None,
        ca: Path | None,
        deadline: timedelta,
        per_domain: int,
        policy_pause: timedelta,
    ) -> None:
        self._host = host
        self._port = port
        self._tls = tls
        self._username = username
        self._password = password
        self._ca = ca
        self._deadline = deadline
        self._idle: list[_Line] = []
        self._policy_pause = policy_pause.total_seconds()
        self._paused: dict[str, float] = {}
        self._domains: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(per_domain))

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
        return cls(
            url.hostname,
            port,
            tls=tls,
            username=username,
            password=password,
            ca=settings.smtp_ca_file,
            deadline=settings.smtp_deadline,
            per_domain=settings.smtp_per_domain,
            policy_pause=settings.smtp_policy_pause,
        )

    async def submit(self, mail: bytes, *, sender: str, recipient: str, name: str) -> Outcome:  # noqa: ARG002 it stands in the mail
        domain = recipient.rpartition("@")[2].lower()
        async with self._domains[domain]:
            if (left := self._left_alone(domain)) > 0:
                return Retry(Reason.SMTP_POLICY, after=timedelta(seconds=left))
            outcome = await self._deliver(mail, sender, recipient)
            if isinstance(outcome, Retry) and outcome.reason is Reason.SMTP_POLICY:
                return self._leave_alone(domain, outcome)
            return outcome

    async def close(self) -> None:
        """Ends idle connections politely, and at once where the server does not answer."""
        lines, self._idle = self._idle, []
        for line in lines:
            self._forget_timer(line)
            with suppress(Exception):  # it is over either way
                async with asyncio.timeout(1):
                    await line.client.quit()
            line.client.close()

    async def _deliver(self, mail: bytes, sender: str, recipient: str) -> Outcome:
        while (line := self._used()) is not None:
            outcome = await self._over(line, mail, sender, recipient)
            if not _line_was_dead(outcome):
                return outcome
        return await self._over(_Line(self._client()), mail, sender, recipient)

    # ---- domains that refuse us by policy

    def _left_alone(self, domain: str) -> float:
        """For how many more seconds nothing is sent there."""
        return self._paused.get(domain, 0.0) - asyncio.get_running_loop().time()

    def _leave_alone(self, domain: str, refused: Retry) -> Retry:
        now = asyncio.get_running_loop().time()
        self._paused = {one: until for one, until in self._paused.items() if until > now} | {domain: now + self._policy_pause}
        log.warning("mail_domain_paused", domain=domain, status=refused.status, seconds=self._policy_pause)
        return replace(refused, after=timedelta(seconds=self._policy_pause))

    # ---- connections

    def _used(self) -> _Line | None:
        while self._idle:
            line = self._idle.pop()
            self._forget_timer(line)
            if line.client.is_connected:
                return line
            line.client.close()
        return None

    def _put_back(self, line: _Line) -> None:
        line.mails += 1
        if line.mails >= MAILS or not line.client.is_connected:
            line.client.close()
            return
        line.closing = asyncio.get_running_loop().call_later(IDLE, self._expire, line)
        self._idle.append(line)

    def _expire(self, line: _Line) -> None:
        self._idle.remove(line)
        line.client.close()

    @staticmethod
    def _forget_timer(line: _Line) -> None:
        if line.closing is not None:
            line.closing.cancel()
            line.closing = None

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

    # ---- the dialogue

    async def _over(self, line: _Line, mail: bytes, sender: str, recipient: str) -> Outcome:
        """One mail over this connection. Only one that took the mail is used again: after anything else nobody knows where the dialogue stands."""
        import aiosmtplib

        client, maybe_sent, done = line.client, False, False
        try:
            if not client.is_connected:
                await client.connect()
            if client.is_ehlo_or_helo_needed:
                await client.ehlo()
            await client.mail(sender)
            await client.rcpt(recipient)
            maybe_sent = True
            await client.data(mail)
            done = True
        except (aiosmtplib.SMTPException, OSError, ssl.SSLError) as exc:
            return outcome_of(exc, maybe_sent=maybe_sent)
        finally:
            if done:
                self._put_back(line)
            else:
                client.close()
        return Sent(250)


def _line_was_dead(outcome: Outcome) -> bool:
    """Whether a connection only turned out to be closed, with nothing sent over it."""
    return isinstance(outcome, Retry) and not outcome.maybe_sent and (outcome.reason is Reason.DROPPED or outcome.status == 421)


def outcome_of(exc: Exception, *, maybe_sent: bool) -> Outcome:
    """What an error means. The server's words are left out: they like to repeat the address."""
    import aiosmtplib

    if isinstance(exc, aiosmtplib.SMTPAuthenticationError):
        return Retry(Reason.SMTP_AUTH, status=exc.code)  # ours to mend, not the reader's fault
    if isinstance(exc, aiosmtplib.SMTPResponseException):
        return _answer(exc.code, exc.message)
    if isinstance(exc, TimeoutError):
        return Retry(Reason.DEADLINE, maybe_sent=maybe_sent)
    if isinstance(exc, aiosmtplib.SMTPServerDisconnected):
        return Retry(Reason.DROPPED, maybe_sent=maybe_sent)
    if isinstance(exc, ssl.SSLError) or isinstance(exc.__cause__, ssl.SSLError):
        return Retry(Reason.TLS)
    if "STARTTLS" in str(exc):  # required and not offered, for which the library has no class
        return Retry(Reason.TLS)
    return Retry(Reason.REFUSED if isinstance(exc, OSError) and not maybe_sent else Reason.PROTOCOL, maybe_sent=maybe_sent)


def _answer(code: int, words: str) -> Outcome:
    """RFC 5321, 4.2.1: 4yz may work later, 5yz never will, but for a mailbox that is full today and for a policy that may be mended."""
    if code < 0:  # the library's word for an answer that is none
        return Retry(Reason.PROTOCOL)
    found = bounce.classify(code, bounce.enhanced_status(words))
    if found is bounce.Bounce.FULL:
        return Retry(Reason.SMTP_FULL, status=code)
    if not 500 <= code < 600:
        return Retry(Reason.SMTP_BUSY, status=code)
    if found is bounce.Bounce.NO_MAILBOX:
        return Final(Reason.SMTP_NO_MAILBOX, code, disable=True)
    if found is bounce.Bounce.POLICY:
        return Retry(Reason.SMTP_POLICY, status=code)
    return Final(Reason.SMTP_REFUSED, code)
