"""Mails as bytes."""

from __future__ import annotations

from email import message_from_bytes, policy
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from services.notifier.channels.email import Letterhead, compose, compose_plain
from services.notifier.channels.outcome import Message
from tests import make

SUBJECTS = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs", "Cc"]), max_size=200)


def composed(subject: str, text: str = "text") -> Any:
    words = {"headline": "h", "subject": subject, "text": text, "language": "en"}
    place = {"account_id": "desk", "destination_id": "ana", "address": "ana@example.com", "secret": None, "alert_id": "E1.1"}
    numbers = {"sequence": 1, "previous": 0, "epoch": 1}
    message = Message(id="msg_1", kind="new", event=make.event(), reasons=(), raised_at=make.NOW, **words, **place, **numbers)
    mail = compose(message, Letterhead("Chipwire <alerts@example.com>", "example.com"), now=make.NOW)
    assert all(len(line) <= 998 for line in mail.split(b"\r\n")), "RFC 5322, 2.1.1"
    assert mail.isascii()
    return message_from_bytes(mail, policy=policy.default)


@given(SUBJECTS)
@example("REPORTED: US drops planned export curbs on NVIDIA H20 to China")
@example("تقرير: تتراجع الولايات المتحدة عن خطط تقييد تصدير رقائق NVIDIA H20 إلى الصين 미국 수출 통제 " * 2)
@example("Subject\r\nBcc: eve@example.com\r\n\r\nbody")
def test_no_subject_breaks_out_of_its_line(subject: str) -> None:
    mail = composed(subject)

    assert mail.get_all("Bcc") is None
    assert mail.get_body(("plain",)).get_content().split() == ["text"]
    assert "\n" not in mail["Subject"]


@given(st.lists(st.sampled_from(["تتراجع", "미국", "수출", "通制", "H20", "to", "—"]), min_size=1, max_size=40))
def test_a_subject_in_any_script_arrives_word_by_word(words: list[str]) -> None:
    assert composed(" ".join(words))["Subject"] == " ".join(words)


@given(st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"]), max_size=3000))
def test_a_text_of_any_length_and_script_arrives(text: str) -> None:
    assert composed("s", text).get_body(("plain",)).get_content().rstrip("\r\n") == text


def test_a_mail_about_a_destination_is_text_from_a_machine_and_stands_alone() -> None:
    head = Letterhead("Chipwire <alerts@example.com>", "example.com", banner="STAGING")

    raw = compose_plain(head, to="ana@example.com", name="ntc_1", subject="chipwire: delivery\nto hook fails", text="It fails.\n", now=make.NOW)
    mail = message_from_bytes(raw, policy=policy.default)

    assert (mail["Message-ID"], mail["To"], mail["Auto-Submitted"]) == ("<ntc_1@example.com>", "ana@example.com", "auto-generated")
    assert mail["Subject"] == "[STAGING] chipwire: delivery to hook fails"
    assert mail["References"] is None
    assert mail.get_content().splitlines() == ["[STAGING]", "", "It fails."]
