"""What comes back: why a server or a report says that a mail was not taken, and which mails are answers of machines. Pure.

A report (RFC 3464) is a `message/delivery-status` part: fields about the mail, then a group of fields for each recipient.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import Message
from enum import StrEnum

LARGEST = 1_000_000
"""Bytes of a report that are looked at."""


class Bounce(StrEnum):
    """Why a mail was not taken."""

    NO_MAILBOX = "no_mailbox"
    FULL = "full"
    POLICY = "policy"
    SYSTEM = "system"
    OTHER = "other"


@dataclass(frozen=True)
class Report:
    """What a report says about one recipient. Its repr shows no address."""

    recipient: str
    action: str
    bounce: Bounce
    for_good: bool

    def __repr__(self) -> str:
        return f"Report({self.action!r}, {self.bounce!r}, for_good={self.for_good})"


_STATUS = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.])")
_NO_MAILBOX = frozenset({(1, 0), (1, 1), (1, 2), (1, 3), (1, 6), (1, 10), (2, 0), (2, 1)})
"""RFC 3463: the address does not exist, has moved away, or is switched off."""


def enhanced_status(words: str) -> tuple[int, int, int] | None:
    """The status of RFC 3463 in an answer such as `5.1.1 no such user`."""
    found = _STATUS.search(words[:500])
    return None if found is None else (int(found[1]), int(found[2]), int(found[3]))


def classify(code: int, status: tuple[int, int, int] | None) -> Bounce:
    """The class of an answer, from its enhanced status (RFC 3463), or without one from its code."""
    if status is None:
        return {552: Bounce.FULL, 452: Bounce.SYSTEM, 554: Bounce.POLICY}.get(code, Bounce.OTHER)  # 550 alone may as well mean that we are not liked
    _, subject, detail = status
    if (subject, detail) == (2, 2):
        return Bounce.FULL
    if (subject, detail) in _NO_MAILBOX:
        return Bounce.NO_MAILBOX
    return {7: Bounce.POLICY, 3: Bounce.SYSTEM, 4: Bounce.SYSTEM}.get(subject, Bounce.OTHER)


def reports(mail: bytes) -> list[Report]:
    """What a delivery report says, recipient by recipient; nothing when it is none."""
    parsed = message_from_bytes(mail[:LARGEST], policy=policy.compat32)
    return [report for part in parsed.walk() if part.get_content_type() == "message/delivery-status" for report in _of_part(part)]


def answered_by_machine(mail: bytes) -> bool:
    """Whether a mail is an automatic answer, to which nobody needs to listen (RFC 3834, and what was used before it)."""
    head = message_from_bytes(mail[:LARGEST], policy=policy.compat32)
    automatic = str(head.get("Auto-Submitted", "no")).partition(";")[0].strip().lower() != "no"
    bulk = str(head.get("Precedence", "")).strip().lower() in ("bulk", "junk", "auto_reply", "list")
    return automatic or bulk or head.get("X-Autoreply") is not None or head.get("Return-Path") == "<>"


def _of_part(part: Message) -> Iterator[Report]:
    groups = part.get_payload()
    for group in (one for one in groups if isinstance(one, Message)) if isinstance(groups, list) else ():
        recipient = _typed(group.get("Final-Recipient") or group.get("Original-Recipient"))
        action = str(group.get("Action", "")).strip().lower()
        status = enhanced_status(str(group.get("Status", "")))
        if recipient and action:
            code = 0 if status is None else status[0] * 100
            yield Report(recipient, action, classify(code, status), action == "failed" and status is not None and status[0] == 5)


def _typed(field: object) -> str:
    """`rfc822; ana@example.com` without its type."""
    return str(field or "").partition(";")[2].strip().strip("<>")
