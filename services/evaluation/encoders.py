"""The sentence encoder as measuring needs it: asked once for each item, or only as far as it spoke beforehand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from services.classifier.model.score import Reader
from services.classifier.rules import Ruleset
from services.evaluation.data import Line

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Remembering:
    """Reads each item once, however often it is judged."""

    def __init__(self, encoder: Reader) -> None:
        self.judge = lru_cache(maxsize=None)(encoder.judge)
        self.vector = encoder.vector


class Said:
    """What an encoder said of items that it had not learnt from. Items that it did not read cannot be asked for."""

    def __init__(self, lines: Iterable[Line], said: Mapping[str, float]) -> None:
        self._said = {(line.title or "", line.text or ""): said[line.id] for line in lines if line.id in said}

    def judge(self, title: str, text: str) -> float:
        """Log-odds that the item is an alert."""
        return self._said[title, text]

    def vector(self, title: str, text: str) -> NDArray[Any]:
        """Nobody kept it."""
        raise NotImplementedError


def remembering(ruleset: Ruleset) -> Ruleset:
    """The same rule set, whose encoder reads each item once."""
    encoder = ruleset.model.encoder
    return ruleset if encoder is None else replace(ruleset, model=replace(ruleset.model, encoder=Remembering(encoder)))
