from __future__ import annotations

from typing import Any

import pytest

from services.classifier.model.likeness import EncoderLikeness
from tests import make

np = pytest.importorskip("numpy")


class Letters:
    """An encoder that counts letters, and how often it is asked."""

    def __init__(self) -> None:
        self.read: list[str] = []

    def vector(self, title: str, text: str) -> Any:
        self.read.append(title + text)
        return np.array([float((title + text).count(letter)) for letter in "abc"])


def test_it_is_the_cosine_with_the_likest_text() -> None:
    like = EncoderLikeness(Letters())

    assert like(make.news_item(title=None, text="aab"), ["c", "ab"]) == pytest.approx(3 / (5**0.5 * 2**0.5))


def test_an_item_and_a_text_are_read_once() -> None:
    encoder = Letters()
    like = EncoderLikeness(encoder)

    for _ in range(3):
        like(make.news_item(title="a", text="b"), ["c"])

    assert encoder.read == ["ab", "c"]


def test_what_says_nothing_is_like_nothing() -> None:
    assert EncoderLikeness(Letters())(make.news_item(title=None, text="x"), ["a"]) == 0
