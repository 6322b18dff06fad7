"""A small sentence encoder that was taught the taxonomy: the lower layers of multilingual-e5-small (MIT; Wang et al., 2024), the last of them tuned.

It runs on numpy alone, on one item at a time. Rows of words and layers that were not tuned are kept in 4 bits, tuned ones in 8.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from services.classifier.model.pieces import Pieces

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

MOST_PIECES = 56
"""What is read: a headline and a lead. The encoder was tuned on no more."""
READ = 400
"""Characters that hold as many pieces in any language."""
HEADS = 12
_TINY = 1e-12


@dataclass(frozen=True, slots=True)
class Encoder:
    """The weights by name. Immutable, and shared by threads."""

    pieces: Pieces
    words: Array
    weights: dict[str, Array]
    layers: int

    @classmethod
    def load(cls, path: Path) -> Encoder | None:
        """The encoder, or None where the extra `embeddings` is not installed."""
        try:
            import numpy as np
            from threadpoolctl import threadpool_limits
        except ModuleNotFoundError:
            return None
        threadpool_limits(1, user_api="blas")  # its matrices are small: threads gain nothing, and waiting for each other on a busy machine they cost thirtyfold
        with np.load(path) as stored:
            arrays = {name: stored[name] for name in stored.files}
        pieces = Pieces(arrays.pop("pieces").tobytes().decode().split("\n"), arrays.pop("scores"))
        words = arrays.pop("words")
        weights = {name: widened(array, arrays.get(f"{name}.scale")) for name, array in arrays.items() if not name.endswith(".scale")}
        return cls(pieces, words, weights, sum(name.endswith(".query.weight") for name in weights))

    def judge(self, title: str, text: str) -> float:
        """Log-odds that the item is an alert."""
        alert, *others = (float(value) for value in self.weights["head.weight"] @ self.vector(title, text) + self.weights["head.bias"])
        return alert - _log_sum_exp(others)

    def vector(self, title: str, text: str) -> Array:
        """What the item says, as a vector: the mean over its pieces."""
        mean: Array = self._read(f"query: {joined(title, text)}").mean(axis=0)
        return mean

    def _read(self, text: str) -> Array:
        import numpy as np

        numbers = self.pieces.numbers(text, MOST_PIECES)
        here = widened(self.words[numbers]) + self.weights["places"][: len(numbers)]
        here = self._normal(here, "words")
        for layer in range(self.layers):
            here = self._normal(here + self._attend(here, f"{layer}"), f"{layer}.attended")
            inner = _gelu(self._linear(here, f"{layer}.inner"))
            here = self._normal(here + self._linear(inner, f"{layer}.outer"), f"{layer}.left")
        return np.asarray(here)

    def _attend(self, here: Array, layer: str) -> Array:
        import numpy as np

        query, key, value = (self._linear(here, f"{layer}.{name}").reshape(len(here), HEADS, -1).transpose(1, 0, 2) for name in ("query", "key", "value"))
        weights = query @ key.transpose(0, 2, 1) / float(query.shape[-1]) ** 0.5
        weights = np.exp(weights - weights.max(axis=-1, keepdims=True))
        weights /= weights.sum(axis=-1, keepdims=True)
        return self._linear((weights @ value).transpose(1, 0, 2).reshape(here.shape), f"{layer}.attention")

    def _linear(self, here: Array, name: str) -> Array:
        moved: Array = here @ self.weights[f"{name}.weight"].T + self.weights[f"{name}.bias"]
        return moved

    def _normal(self, here: Array, name: str) -> Array:
        import numpy as np

        centred = here - here.mean(axis=-1, keepdims=True)
        spread = np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + _TINY)
        even: Array = centred / spread * self.weights[f"{name}.normal.weight"] + self.weights[f"{name}.normal.bias"]
        return even


def joined(title: str, text: str) -> str:
    """Title and the beginning of the text as the encoder reads them."""
    return f"{title}. {text}".strip(". ")[:READ]


def widened(array: Array, scale: Array | None = None) -> Array:
    """Numbers as they were: 4 bits (blocks of 32 behind a scale of 16 bits), 8 bits with a scale for each row, or short floats."""
    import numpy as np

    if array.dtype == np.uint8:
        blocks = array.reshape(-1, 18)
        low, high = blocks[:, 2:] & 15, blocks[:, 2:] >> 4
        values = (np.concatenate([low, high], axis=1).astype(np.float32) - 8) * blocks[:, :2].copy().view(np.float16).astype(np.float32)
        return values.reshape(array.shape[0], -1)
    wide = array.astype(np.float32)
    return wide if scale is None else wide * scale.astype(np.float32)[:, None]


def _gelu(here: Array) -> Array:
    """Half of x times one plus erf, by Abramowitz and Stegun 7.1.26 (error below 2e-7): numpy has no erf."""
    import numpy as np

    size = np.abs(here) * 0.7071067811865476
    step = 1 / (1 + 0.3275911 * size)
    tail = ((((1.061405429 * step - 1.453152027) * step + 1.421413741) * step - 0.284496736) * step + 0.254829592) * step * np.exp(-size * size)
    return 0.5 * here * (1 + np.sign(here) * (1 - tail))


def _log_sum_exp(values: list[float]) -> float:
    import math

    most = max(values)
    return most + math.log(sum(math.exp(value - most) for value in values))
