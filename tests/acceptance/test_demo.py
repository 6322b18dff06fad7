"""`chipwire demo` as a newcomer meets it."""

from __future__ import annotations

import re
import signal
import time
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

from tests.acceptance.line import Child, Home

PROMISED = 10.0
"""Seconds from the start to the alerts."""

BUSY = 3
"""A machine that runs other tests too may take so many times as long."""


def screen(child: Child) -> str:
    """What the terminal shows."""
    return child.printed.read_text("utf-8")


def test_within_seconds_it_shows_alerts_and_keeps_mails_and_ctrl_c_ends_it(home: Home) -> None:
    demo = home.directory / "var" / "demo"
    child = home.start("demo", data_dir=str(demo), ingester_poll="true", ingester_only="sample")
    started = time.monotonic()
    child.until(lambda: screen(child).count("╭") >= 8 and len(mails(demo)) >= 8, PROMISED * BUSY)
    print(f"the demo's first eight alerts took {time.monotonic() - started:.1f} s")

    child.signal(signal.SIGINT)

    assert child.exit_code() == 0
    assert re.search(r"REPORTED: US .*H20", screen(child))
    assert "why" in screen(child).lower()
    assert {mail["To"] for mail in mails(demo)} == {"demo@example.com"}


def mails(demo: Path) -> list[EmailMessage]:
    """The mails in the outbox."""
    return [message_from_bytes(path.read_bytes(), EmailMessage, policy=policy.default) for path in (demo / "outbox").glob("*.eml")]
