"""Mails as bytes: whatever is told, the standard library reads it back."""

from __future__ import annotations

import unicodedata
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notifier.channels.harmless import harmless
from services.notifier.channels.mime import alternatives, subject

lines = st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), max_size=300).map(lambda text: " ".join(text.split()))
texts = st.text(st.characters(exclude_categories=["Cc", "Cs"]) | st.just("\n"), max_size=2_000)


def read(mail: bytes) -> EmailMessage:
    return cast("EmailMessage", message_from_bytes(mail, policy=policy.default))


@given(plain=texts, html=texts)
def test_both_forms_are_read_back_as_they_were_told(plain: str, html: str) -> None:
    mail = read(alternatives([("To", "ana@example.com")], {"plain": plain, "html": html}, boundary="=_msg_1"))

    first, second = mail.iter_parts()
    assert mail.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in (first, second)] == ["text/plain", "text/html"]
    assert [part.get_payload(decode=True) for part in (first, second)] == [text.replace("\n", "\r\n").encode() for text in (plain, html)]
    assert mail.defects == first.defects == second.defects == []


@given(line=lines)
def test_a_subject_in_any_script_is_read_back(line: str) -> None:
    mail = alternatives([("Subject", subject(line))], {"plain": "x"}, boundary="=_msg_1")

    assert line == " ".join(str(read(mail)["Subject"]).split())
    assert mail.isascii()
    assert max(map(len, mail.split(b"\r\n"))) <= 998


def test_a_long_header_is_folded_at_its_spaces_and_one_without_stays_whole() -> None:
    ids = " ".join(f"<{'x' * 40}{number}@example.com>" for number in range(4))
    link = f"<https://example.com/{'u' * 300}>"

    mail = alternatives([("References", ids), ("List-Unsubscribe", link)], {"plain": "x"}, boundary="=_msg_1")

    head = mail.split(b"\r\n\r\n")[0].decode().split("\r\n")
    assert all(len(line) <= 78 for line in head if "unsubscribe" not in line.lower())
    assert (read(mail)["References"], read(mail)["List-Unsubscribe"]) == (ids, link)


@pytest.mark.parametrize(
    "value", ["ana@example.com\r\nBcc: eve@example.com", "ana@example.com\nBcc: eve@example.com", "a\0b", "ana\r\n\r\nbody", "anä@example.com"]
)
def test_a_header_that_would_become_two_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="the header To would be more than one line of ASCII"):
        alternatives([("To", value)], {"plain": "x"}, boundary="=_msg_1")


@given(text=texts)
def test_no_line_is_longer_than_mail_allows_and_every_line_ends_as_mail_ends_them(text: str) -> None:
    mail = alternatives([("To", "ana@example.com")], {"plain": text}, boundary="=_msg_1")

    assert max(map(len, mail.split(b"\r\n"))) <= 78
    assert mail.count(b"\n") == mail.count(b"\r") == mail.count(b"\r\n")


def test_control_characters_are_those_of_unicode() -> None:
    everything = "".join(map(chr, range(0x3000)))

    assert harmless(everything) == "".join(one for one in everything if one in "\n\t" or unicodedata.category(one) != "Cc")
