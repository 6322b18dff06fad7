"""Delivery reports as mail servers write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notifier.bounce import Bounce, answered_by_machine, classify, enhanced_status, reports

REPORT = b"""From: MAILER-DAEMON@mx.example
To: alerts@chipwire.example
Auto-Submitted: auto-replied
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

Your mail came back.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example

Final-Recipient: rfc822; ana@example.com
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 no such user

Final-Recipient: rfc822; <ben@example.com>
Action: delayed
Status: 4.4.1

--b--
"""


def test_a_report_tells_each_recipient_apart() -> None:
    first, second = reports(REPORT)

    assert (first.recipient, first.bounce, first.for_good) == ("ana@example.com", Bounce.NO_MAILBOX, True)
    assert (second.recipient, second.bounce, second.for_good) == ("ben@example.com", Bounce.SYSTEM, False)
    assert "ana" not in repr(first)


def test_a_mail_that_is_no_report_says_nothing() -> None:
    assert reports(b"Subject: out of office\r\n\r\nBack on Monday. 5.1.1") == []


@given(st.binary(max_size=500))
def test_garbage_is_no_report(garbage: bytes) -> None:
    assert all(report.recipient for report in reports(REPORT[:300] + garbage))


@pytest.mark.parametrize(
    ("code", "words", "expected"),
    [
        (550, "5.1.1 <x> User unknown", Bounce.NO_MAILBOX),
        (550, "5.2.1 disabled", Bounce.NO_MAILBOX),
        (550, "5.7.1 blocked, see 10.5.1.1", Bounce.POLICY),
        (452, "4.2.2 over quota", Bounce.FULL),
        (552, "mailbox full", Bounce.FULL),
        (554, "transaction failed", Bounce.POLICY),
        (550, "we do not like you", Bounce.OTHER),
        (451, "4.4.2 try later", Bounce.SYSTEM),
    ],
)
def test_an_answer_has_its_class(code: int, words: str, expected: Bounce) -> None:
    assert classify(code, enhanced_status(words)) is expected


@pytest.mark.parametrize(
    ("header", "machine"), [("Auto-Submitted: auto-replied", True), ("Auto-Submitted: no", False), ("Precedence: bulk", True), ("X-Mailer: hand", False)]
)
def test_an_answer_of_a_machine_is_known_by_its_headers(header: str, machine: bool) -> None:
    assert answered_by_machine(f"{header}\r\n\r\ntext".encode()) is machine
