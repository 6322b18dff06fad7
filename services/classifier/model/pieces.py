"""Text into the pieces of words that the encoder knows: the likeliest split by a unigram model (Kudo, 2018: subword regularization)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence

BLANK = "\u2581"
LONGEST = 20
"""Characters of the longest piece that is looked for."""
_UNKNOWN = -30.0
"""Log-probability of a character of which there is no piece."""
_BLANKS = re.compile(r"\s+")


class Pieces:
    """The known pieces by number, each with its log-probability. The first four numbers are begin, padding, end and unknown."""

    BEGIN, PADDING, END, UNKNOWN = range(4)

    def __init__(self, pieces: Sequence[str], scores: Sequence[float]) -> None:
        self._known: Mapping[str, tuple[int, float]] = {
            piece: (number, float(score)) for number, (piece, score) in enumerate(zip(pieces, scores, strict=True)) if number > self.UNKNOWN
        }

    def numbers(self, text: str, most: int) -> list[int]:
        """The pieces between begin and end, `most` of them in all."""
        plain = BLANK + _BLANKS.sub(BLANK, unicodedata.normalize("NFKC", text).strip())
        return [self.BEGIN, *self._split(plain)[: most - 2], self.END]

    def _split(self, text: str) -> list[int]:
        best = [0.0] + [-1e9] * len(text)
        last: list[tuple[int, int]] = [(0, self.UNKNOWN)] * (len(text) + 1)
        for start in range(len(text)):
            here = best[start]
            if here + _UNKNOWN > best[start + 1]:
                best[start + 1], last[start + 1] = here + _UNKNOWN, (start, self.UNKNOWN)
            for end in range(start + 1, min(start + LONGEST, len(text)) + 1):
                known = self._known.get(text[start:end])
                if known is not None and here + known[1] > best[end]:
                    best[end], last[end] = here + known[1], (start, known[0])
        return _walk(last)


def _walk(last: Sequence[tuple[int, int]]) -> list[int]:
    numbers, at = [], len(last) - 1
    while at > 0:
        at, number = last[at]
        numbers.append(number)
    return numbers[::-1]
