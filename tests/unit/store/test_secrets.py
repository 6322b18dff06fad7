"""Encrypting addresses and secrets, and changing the keys."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.runtime.errors import Misconfigured, Rejected
from services.store.secrets import cipher, new_key, open_cipher

OLD, NEW = new_key(), new_key()


@given(st.text())
def test_what_was_encrypted_comes_back(text: str) -> None:
    box = cipher([OLD])

    assert box.decrypt(box.encrypt(text)) == text


def test_after_a_rotation_the_first_key_encrypts_and_every_key_decrypts() -> None:
    old, both, new = cipher([OLD]), cipher([NEW, OLD]), cipher([NEW])

    assert both.decrypt(old.encrypt("x")) == "x"
    assert new.decrypt(both.encrypt("x")) == "x"


def test_a_lost_key_is_told_without_the_words_it_hid() -> None:
    sealed = cipher([OLD]).encrypt("https://example.com/hook")

    with pytest.raises(Rejected, match="fits none of the keys") as caught:
        cipher([NEW]).decrypt(sealed)
    assert "example" not in str(caught.value)


@pytest.mark.parametrize("content", ["", "\n", "no key", f"{OLD}\nno-key\n"], ids=["nothing", "an empty line", "no key", "a key and no key"])
def test_a_file_that_holds_no_keys_is_refused_and_never_replaced(tmp_path: Path, content: str) -> None:
    path = tmp_path / "keys"
    path.write_text(content)

    with pytest.raises(Misconfigured) as caught:
        open_cipher(path, create=True)
    assert OLD not in str(caught.value)
    assert path.read_text() == content


def test_of_two_processes_that_make_the_keys_one_wins_and_both_use_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "keys"
    first = open_cipher(path, create=True)
    monkeypatch.setattr(type(path), "exists", lambda _self: False)  # as the second process saw it before

    second = open_cipher(path, create=True)

    assert second.decrypt(first.encrypt("x")) == "x"
