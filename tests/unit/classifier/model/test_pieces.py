"""Text in pieces: the likeliest split, and nothing that text can hold breaks it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.classifier.model.pieces import Pieces

PIECES = Pieces(["<s>", "<pad>", "</s>", "<unk>", "▁chip", "▁ch", "ip", "s", "▁", "出口", "出", "口"], [0, 0, 0, 0, -3, -4, -2, -2, -1, -4, -3, -3])
BEGIN, END, UNKNOWN = Pieces.BEGIN, Pieces.END, Pieces.UNKNOWN


def test_the_likeliest_split_counts() -> None:
    assert PIECES.numbers("chips", 10) == [BEGIN, 4, 7, END]
    assert PIECES.numbers("chip 出口", 10) == [BEGIN, 4, 8, 9, END]


def test_full_width_letters_and_runs_of_blanks_are_read_as_plain_ones() -> None:
    assert PIECES.numbers(" ｃｈｉｐ \n\t出口", 10) == PIECES.numbers("chip 出口", 10)


def test_a_character_without_a_piece_is_unknown() -> None:
    assert PIECES.numbers("chipq", 10) == [BEGIN, 4, UNKNOWN, END]


@given(st.text(max_size=60), st.integers(2, 20))
def test_any_text_gives_no_more_pieces_than_asked_for(text: str, most: int) -> None:
    numbers = PIECES.numbers(text, most)

    assert 2 <= len(numbers) <= most
    assert (numbers[0], numbers[-1]) == (BEGIN, END)
