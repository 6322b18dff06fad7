"""How much an item is like some texts: the cosine of what the encoder makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

from schemas.events.news import NewsItem

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Encoder(Protocol):
    """What makes a vector of a title and a text."""

    def vector(self, title: str, text: str) -> NDArray[Any]: ...


class EncoderLikeness:
    """Reads each text of a rule once. An item is read when the first rule asks for it, and the last few stay known."""

    def __init__(self, encoder: Encoder) -> None:
        self._of_text = lru_cache(maxsize=10_000)(lambda text: _unit(encoder.vector("", text)))
        self._of_item = lru_cache(maxsize=8)(lambda title, text: _unit(encoder.vector(title, text)))

    def __call__(self, item: NewsItem, texts: Sequence[str]) -> float:
        vector = self._of_item(item.title or "", item.text)
        return max(float(vector @ self._of_text(text)) for text in texts)


def _unit(vector: NDArray[Any]) -> NDArray[Any]:
    length = float(vector @ vector) ** 0.5
    return vector / length if length else vector
