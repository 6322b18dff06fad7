"""Mails a second: claimed, rendered, composed, handed over and journaled, beside raw aiosmtplib that hands a mail of ours to the same server over as many connections."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import aiosmtplib

from services.notifier.channels.email import EmailChannel, Letterhead, compose
from services.notifier.channels.outcome import Message
from services.notifier.channels.smtp import MailServer
from services.notifier.render import draft
from services.notifier.settings import NotifierSettings
from services.notifier.suppressed import Suppressed
from services.notifier.wording import load_templates
from services.runtime.config_files import ConfigDir
from services.store import migrate
from services.store.accounts import WantedDestination
from services.store.engine import Store
from tests import make
from tests.bench.mailserver import elsewhere
from tests.bench.report import Row, series
from tests.bench.setting import Setting
from tests.bench.stores import on_each_store
from tests.bench.webhooks import CLOCK, delivered, fill, log_to

MAILS = 2_000
DESTINATIONS = 40
AT_ONCE = 16
HEAD = Letterhead("Chipwire <alerts@bench.test>", "bench.test")


async def measure(setting: Setting) -> Sequence[Row]:
    """A row for each store."""
    return await on_each_store(setting, "mails", _row)


async def _row(setting: Setting, name: str, urls: Sequence[str]) -> Row:
    count = setting.size(MAILS)
    boxes = [WantedDestination(f"box{number}", "email", f"ana@box{number}.test") for number in range(DESTINATIONS)]
    ours, raw = [], []
    with elsewhere() as port, log_to(setting.directory / "mails.log"):
        for database in urls:
            async with Store.open(database) as store:
                migrate.upgrade(store, by_hand=True)
                await store.run(lambda db: fill(db, boxes, count))
                ours.append(await _sent(store, port, count))
            raw.append(await _handed_over(port, count))
    note = f"{count:,} mails, text and HTML, to {DESTINATIONS} destinations, {AT_ONCE} at once; from the queue to the journal; no TLS"
    return Row(f"mails composed and journaled, {name}", series(ours, "mails/s"), series(raw, "mails/s"), "raw aiosmtplib, the same mail", note=note)


async def _sent(store: Store, port: int, count: int) -> float:
    settings = NotifierSettings(concurrency=AT_ONCE, smtp=f"smtp://127.0.0.1:{port}", mail_from=HEAD.sender)
    channel = EmailChannel(MailServer.named(settings), CLOCK, HEAD, suppression=Suppressed(store, b"bench", CLOCK), deadline=settings.smtp_deadline)
    return await delivered(store, count, {"email": channel}, settings)


async def _handed_over(port: int, count: int) -> float:
    """Mails a second, each worker over one connection."""
    mail = compose(_message(), HEAD, now=CLOCK.now())
    turns = iter(range(count))

    async def work() -> None:
        async with aiosmtplib.SMTP(hostname="127.0.0.1", port=port) as client:
            for _ in turns:
                await client.sendmail("alerts@bench.test", ["ana@box1.test"], mail)

    began = time.perf_counter()
    await asyncio.gather(*[work() for _ in range(AT_ONCE)])
    return count / (time.perf_counter() - began)


def _message() -> Message:
    """One like those of ours."""
    event = make.event()
    text = draft(event, kind="new", language="en", templates=load_templates(ConfigDir(), "en"), related=()).to(("all",))
    return Message(
        id="msg_1", account_id="desk", destination_id="box1", address="ana@box1.test", secret=None, alert_id=f"{event.id}.1", kind="new", event=event,
        headline=text.headline, subject=text.subject, text=text.text, language="en", reasons=("all",), raised_at=make.NOW, sequence=1, previous=0, epoch=1,
    )  # fmt: skip
