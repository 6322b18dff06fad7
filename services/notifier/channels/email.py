"""Alerts by mail: text and the same as HTML, one thread for each event, a Message-ID that stays the same however often a mail is tried.

    Message -> suppressed? -> compose -> post -> a mail server, or files in the outbox directory while no server is set

What was lost between the end of DATA and the 250 is sent again under the same Message-ID, by which mailboxes can tell. An address that its server says does
not exist is suppressed: nothing is sent there again, whoever asks for it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import format_datetime, formataddr, parseaddr
from functools import lru_cache
from pathlib import Path
from typing import Protocol, Self

from services.notifier.channels.harmless import harmless
from services.notifier.channels.html import html_of
from services.notifier.channels.mime import alone, alternatives
from services.notifier.channels.mime import subject as subject_of
from services.notifier.channels.outcome import Final, Message, Outcome, Reason, Retry, Sent
from services.notifier.channels.smtp import MailServer
from services.notifier.channels.tools import Tools
from services.notifier.render import one_line
from services.runtime.clock import Clock
from services.runtime.errors import Unavailable

_FROM_A_MACHINE = (("Auto-Submitted", "auto-generated"), ("X-Auto-Response-Suppress", "All"))
"""So that nothing answers by itself: RFC 3834, and the same for Exchange, which reads none."""

_UNSUBSCRIBE = {
    "ar": "إلغاء الاشتراك", "de": "Abbestellen", "es": "Cancelar la suscripción", "fr": "Se désabonner", "ja": "配信停止", "ko": "수신 거부", "nl": "Afmelden",
    "ru": "Отписаться", "zh-Hans": "退订", "zh-Hant": "取消訂閱",
}  # fmt: skip
"""The word of the link, in the languages of the templates."""


class Post(Protocol):
    """Where mails go."""

    async def submit(self, mail: bytes, *, sender: str, recipient: str, name: str) -> Outcome:
        """Hands one mail over. `name` is the id of the delivery; `sender` the address alone."""
        ...

    async def close(self) -> None:
        """Lets go of what is held open."""
        ...


class Suppression(Protocol):
    """The addresses that are never sent to again."""

    async def why(self, address: str) -> str | None:
        """Why an address is among them; None when it is not."""
        ...

    async def add(self, address: str, why: str) -> None: ...


@dataclass(frozen=True)
class Letterhead:
    """What all mails have in common. `leave` makes the address at which a reader unsubscribes, where the process can be reached from outside."""

    sender: str
    domain: str
    banner: str = ""
    leave: Callable[[Message], str] | None = None


class EmailChannel:
    """Composes mails and posts them."""

    def __init__(self, post: Post, clock: Clock, head: Letterhead, *, suppression: Suppression, deadline: timedelta) -> None:
        self._post = post
        self._clock = clock
        self._head = head
        self._suppression = suppression
        self.deadline = deadline

    @classmethod
    def build(cls, tools: Tools) -> Self:
        settings = tools.settings
        post = MailServer.named(settings) if settings.smtp else Outbox(tools.outbox)
        domain = settings.message_id_domain or settings.mail_from.rpartition("@")[2].rstrip(">")
        leave = (lambda message: tools.leaving.url(message.account_id, message.destination_id)) if settings.public_url else None
        head = Letterhead(settings.mail_from, domain, settings.mail_banner, leave)
        return cls(post, tools.clock, head, suppression=tools.suppressed, deadline=settings.smtp_deadline)

    async def send(self, message: Message) -> Outcome:
        try:
            if await self._suppression.why(message.address) is not None:
                return Final(Reason.SUPPRESSED, disable=True)
            return await self._post_one(message)
        except Unavailable:
            return Retry(Reason.STORE)  # nobody knows whether the reader still wants it

    async def _post_one(self, message: Message) -> Outcome:
        return await self._submit(compose(message, self._head, now=self._clock.now()), message.address, message.id)

    async def post_plain(self, *, address: str, name: str, subject: str, text: str) -> Outcome:
        """Posts a mail that is no alert, such as one about the reader's own destinations. `name` makes its Message-ID."""
        try:
            if await self._suppression.why(address) is not None:
                return Final(Reason.SUPPRESSED, disable=True)
        except Unavailable:
            return Retry(Reason.STORE)
        return await self._submit(compose_plain(self._head, to=address, name=name, subject=subject, text=text, now=self._clock.now()), address, name)

    async def _submit(self, mail: bytes, address: str, name: str) -> Outcome:
        try:
            async with asyncio.timeout(self.deadline.total_seconds()):
                outcome = await self._post.submit(mail, sender=_mailbox(self._head.sender), recipient=address, name=name)
        except TimeoutError:
            return Retry(Reason.DEADLINE, maybe_sent=True)
        if isinstance(outcome, Final) and outcome.reason is Reason.SMTP_NO_MAILBOX:
            with suppress(Unavailable):  # the destination is switched off either way
                await self._suppression.add(address, outcome.reason)
        return outcome

    async def close(self) -> None:
        await self._post.close()


def compose(message: Message, head: Letterhead, *, now: datetime) -> bytes:
    """The mail. All mails about one event refer to the same id, so that mailboxes show them as one conversation (RFC 5322, 3.6.4); a digest stands alone."""
    leave = head.leave(message) if head.leave else ""
    banner = f"[{head.banner}]\n\n" if head.banner else ""
    bye = _UNSUBSCRIBE.get(message.language) or _UNSUBSCRIBE.get(message.language.partition("-")[0], "Unsubscribe")
    farewell = f"\n{bye}: {leave}\n" if leave else ""
    texts = {
        "plain": banner + harmless(message.text) + farewell,
        "html": html_of(message, footer=[(bye, leave)] if leave else [], banner=head.banner),
    }
    return alternatives(
        [
            ("Subject", _subject(head, message.subject)),
            ("From", _sender(head.sender)),
            ("To", message.address),
            ("Date", format_datetime(now)),
            *_ids(message, head.domain),
            *_FROM_A_MACHINE,
            *_list(head, leave),
            ("Content-Language", message.language),
        ],
        texts,
        boundary=f"=_{message.id}",
    )


def compose_plain(head: Letterhead, *, to: str, name: str, subject: str, text: str, now: datetime) -> bytes:
    """A mail of text alone, which belongs to no event."""
    words = f"[{head.banner}]\n\n{harmless(text)}" if head.banner else harmless(text)
    return alone(
        [
            ("Subject", _subject(head, subject)),
            ("From", _sender(head.sender)),
            ("To", to),
            ("Date", format_datetime(now)),
            ("Message-ID", f"<{name}@{head.domain}>"),
            *_FROM_A_MACHINE,
        ],
        words,
    )


def _subject(head: Letterhead, line: str) -> str:
    line = one_line(line)
    return subject_of(f"[{one_line(head.banner)}] {line}" if head.banner else line)


def _ids(message: Message, domain: str) -> Iterator[tuple[str, str]]:
    first = f"<{message.id}@{domain}>"
    yield "Message-ID", f"<{message.id}.{message.replays}@{domain}>" if message.replays else first  # else mailboxes would drop what was asked for again
    thread = [] if message.digest else [f"<event.{message.event.id}@{domain}>"]
    if thread:
        yield "In-Reply-To", thread[0]
    if references := [*thread, first] if message.replays else thread:
        yield "References", " ".join(references)


def _list(head: Letterhead, leave: str) -> Iterator[tuple[str, str]]:
    """Which list it is, and how to leave it with one click (RFC 2369, 2919, 8058)."""
    yield "List-Id", f"<alerts.{head.domain}>"
    if leave:
        yield "List-Unsubscribe", f"<{leave}>"
        yield "List-Unsubscribe-Post", "List-Unsubscribe=One-Click"


@lru_cache(maxsize=8)
def _sender(written: str) -> str:
    return formataddr(parseaddr(written))


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

    async def close(self) -> None:
        """Nothing is held open."""

    def _write(self, mail: bytes, name: str) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        draft = self._directory / f".{name}.{os.getpid()}"
        draft.write_bytes(mail)
        draft.replace(self._directory / f"{name}.eml")


def _mailbox(sender: str) -> str:
    """`Chipwire <alerts@example.com>` as the envelope has it."""
    return sender.rpartition("<")[2].rstrip(">").strip()
