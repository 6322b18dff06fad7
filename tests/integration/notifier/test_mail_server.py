"""Alerts through a real mail server into a mailbox."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from services.notifier.channels.email import Letterhead, compose
from services.notifier.channels.outcome import Final, Message, Reason, Retry, Sent
from services.notifier.channels.smtp import MailServer
from services.notifier.render import render_text
from services.notifier.settings import NotifierSettings
from services.notifier.wording import load_templates
from services.runtime.config_files import ConfigDir
from tests import make
from tests.servers.exim import Exim, exim

HEAD = Letterhead("Chipwire <alerts@chipwire.example>", "chipwire.example")
TEMPLATES = load_templates(ConfigDir(None), "ar", "en", "zh-Hans")


@pytest.fixture
async def server(tmp_path: Path) -> Any:
    async with exim(tmp_path / "exim") as at_work:
        yield at_work


def mail(number: int, language: str) -> bytes:
    told = render_text(event := make.event(id="E1"), kind="new", reasons=("all",), language=language, templates=TEMPLATES)
    place = {"account_id": "desk", "destination_id": "ana", "address": "ana@example.com", "secret": None, "alert_id": "E1.1"}
    words = {"headline": told.headline, "subject": told.subject, "text": told.text, "language": told.language}
    rest = {"kind": "new", "event": event, "reasons": (), "raised_at": make.NOW, "sequence": 1, "previous": 0, "epoch": 1}
    return compose(Message(id=f"msg_{number}", **words, **place, **rest), HEAD, now=make.NOW)


async def test_alerts_in_three_scripts_reach_a_mailbox_as_they_were_written(server: Exim) -> None:
    post = MailServer.named(NotifierSettings(smtp=f"smtp://127.0.0.1:{server.port}", smtp_deadline=timedelta(seconds=20)))
    mails = [mail(number, language) for number, language in enumerate(("en", "ar", "zh-Hans"))]

    outcomes = [await post.submit(one, sender="alerts@chipwire.example", recipient="ana@example.com", name="x") for one in mails]
    gone = await post.submit(mails[0], sender="alerts@chipwire.example", recipient="nobody.there@example.com", name="x")
    grey = await post.submit(mails[0], sender="alerts@chipwire.example", recipient="later@example.com", name="x")
    await post.close()

    assert outcomes == [Sent(250)] * 3
    assert (gone, grey) == (Final(Reason.SMTP_NO_MAILBOX, 550, disable=True), Retry(Reason.SMTP_BUSY, status=451))
    got = {one["Content-Language"]: one for one in await server.mails(3)}
    for language, one in got.items():
        told = render_text(make.event(id="E1"), kind="new", reasons=("all",), language=language, templates=TEMPLATES)
        text, html = one.get_body(("plain",)), one.get_body(("html",))
        assert text is not None
        assert html is not None
        assert (one["Subject"], text.get_content().split()) == (told.subject, told.text.split())
        assert told.headline in html.get_content()
        assert (one["References"], one.defects) == ("<event.E1@chipwire.example>", [])
