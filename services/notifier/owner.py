"""Mails to an account about its own destinations, in plain words: one fails, will be switched off, is switched off.

    notice, raised where it was found out -> claim, under a lease -> mail -> sent | once more | failed

They are English and short, and no alerts: they have no number, and no subscription asks for them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

import structlog

from services.notifier.channels.outcome import Final, Outcome, Reason, Retry, Sent
from services.notifier.settings import NotifierSettings
from services.notifier.waiting import woken
from services.runtime.clock import Clock
from services.runtime.errors import Rejected, Unavailable
from services.store import notices
from services.store.engine import Connection, Store
from services.store.notices import DISABLED, ENDING, FAILING, Notice
from services.store.secrets import Cipher

log = structlog.get_logger()

TRIES = 10
_AGAIN = timedelta(minutes=15)
WARNED = timedelta(days=1)
"""So long before it is switched off, its account is told."""

_WHY = {
    Reason.GONE: "it answered 410: there is nothing there any more",
    Reason.CLIENT_ERROR: "it refused the request",
    Reason.SERVER_ERROR: "it answered with an error of its own",
    Reason.REDIRECT: "it answered with a redirect, which is not followed",
    Reason.THROTTLED: "it asks for fewer requests",
    Reason.DNS: "its name was not found",
    Reason.TLS: "its certificate was not accepted",
    Reason.REFUSED: "nothing listens there",
    Reason.CONNECT_TIMEOUT: "no connection came about in time",
    Reason.DEADLINE: "it did not answer in time",
    Reason.DROPPED: "the connection broke off",
    Reason.BLOCKED_ADDRESS: "its address is not one that may be reached from here",
    Reason.BAD_URL: "its address is no valid URL",
    Reason.SMTP_NO_MAILBOX: "its mail server says that there is no such mailbox",
    Reason.SMTP_FULL: "the mailbox is full",
    Reason.SMTP_BUSY: "its mail server cannot take mails now",
    Reason.SMTP_POLICY: "its mail server refuses our mails",
    Reason.SMTP_REFUSED: "its mail server refused the mail",
    Reason.SUPPRESSED: "its address is on the list of those never to be sent to",
}


_FAILS = """\
Since {at} the {name} does not take alerts. They are kept and tried again for about three days; when it takes one again, all is well and you need do nothing."""
_ENDS = """\
The {name} has not taken one alert for {days} days. If it takes none until tomorrow, it is switched off and gets no more alerts."""
_OFF = """\
The {name} is switched off: it gets no more alerts. What was missed can be sent once more when it is back (`chipwire deliveries replay`).

To switch it on, mend it, then run `chipwire destinations verify` for a webhook, or give the destination its new address."""
_WORDS = {
    FAILING: ("delivery to {id} fails", _FAILS),
    ENDING: ("{id} will be switched off tomorrow", _ENDS),
    DISABLED: ("{id} is switched off", _OFF),
}


@dataclass(frozen=True)
class Letter:
    """A notice in words."""

    subject: str
    text: str


def letter(notice: Notice, *, disable_after: timedelta) -> Letter:
    """What the account reads. Names the destination by its own id, never by its address."""
    name = f"{notice.channel} destination {notice.about.id!r} of account {notice.about.account_id!r}"
    days = max(1, round(disable_after / timedelta(days=1)))
    because = f"Reason: {_WHY.get(Reason(notice.reason), notice.reason)}." if notice.reason in list(Reason) else ""
    see = f"chipwire deliveries list --destination {notice.about.account_id}/{notice.about.id}"
    subject, text = _WORDS[notice.kind]
    text = text.format(name=name, at=f"{notice.at:%Y-%m-%d %H:%M} UTC", days=days - 1)
    return Letter(f"chipwire: {subject.format(id=notice.about.id)}", "\n\n".join(filter(None, (text, because, f"How it went: {see}"))) + "\n")


class Mail(Protocol):
    """What posts it."""

    async def post_plain(self, *, address: str, name: str, subject: str, text: str) -> Outcome: ...


class OwnerMails:
    """The task that mails notices."""

    def __init__(self, store: Store, cipher: Cipher, mail: Mail, *, settings: NotifierSettings, clock: Clock, count: Callable[[str, str], None]) -> None:
        self._store = store
        self._cipher = cipher
        self._mail = mail
        self._settings = settings
        self._clock = clock
        self._count = count

    async def run(self, stop: asyncio.Event) -> None:
        """Mails what is due until stopped. While the database is away it waits."""
        while not stop.is_set():
            try:
                if await self.mail_one():
                    continue
            except Unavailable as exc:
                log.warning("notices_wait", reason=str(exc))
            await woken(stop, within=self._settings.housekeeping, clock=self._clock)

    async def mail_one(self) -> bool:
        """Mails the oldest notice that is due. False when none is. Raises Unavailable."""
        notice = await self._store.run(lambda db: notices.claim(db, self._clock.now(), self._settings.lease))
        if notice is None:
            return False
        outcome = await self._post(notice)
        await self._store.run(lambda db: self._end(db, notice, outcome))
        return True

    async def _post(self, notice: Notice) -> Outcome:
        words = letter(notice, disable_after=self._settings.disable_after)
        try:
            address = self._cipher.decrypt(notice.address)
        except Rejected:
            return Final(Reason.UNREADABLE)
        return await self._mail.post_plain(address=address, name=notice.id, subject=words.subject, text=words.text)

    def _end(self, db: Connection, notice: Notice, outcome: Outcome) -> None:
        now = self._clock.now()
        if isinstance(outcome, Retry) and notice.attempt < TRIES:
            notices.again(db, notice, now, outcome.after or _AGAIN * notice.attempt, outcome.reason)
            return
        sent = isinstance(outcome, Sent)
        notices.end(db, notice, now, state="sent" if sent else "failed", why=Reason.ACCEPTED if isinstance(outcome, Sent) else outcome.reason)
        self._count(notice.kind, "sent" if sent else "failed")
        log.info("owner_told", notice=notice.id, kind=notice.kind, account=notice.about.account_id, destination=notice.about.id, sent=sent)
