"""The score of an item: the forest's, and in its open band that of forest and encoder together. Calibrated: of items with 0.7, seven in ten are alerts."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import orjson

from services.classifier.model.encoder import Encoder
from services.classifier.model.forest import Forest
from services.runtime.errors import Misconfigured

if TYPE_CHECKING:
    from numpy.typing import NDArray

SCORE = "score.json"
ENCODER = "encoder.npz"
FOREST = "forest"
BOTH = "forest and encoder"
OFFSET = "usual"
"""Name of what all items have in common."""
Why = Callable[[], Mapping[str, float]]
"""What each feature added to the log-odds, worked out when somebody asks."""


class Reader(Protocol):
    """What an encoder does: log-odds that an item is an alert, and what it says as a vector."""

    def judge(self, title: str, text: str) -> float: ...
    def vector(self, title: str, text: str) -> NDArray[Any]: ...


@dataclass(frozen=True, slots=True)
class Line:
    """Weights of log-odds, and the score from which an item alerts: where a rule speaks for it, and where none does."""

    forest: float
    encoder: float
    offset: float
    alert: float
    unled: float


@dataclass(frozen=True, slots=True)
class Scored:
    """The score, 0 to 1, what it needs to alert, and on request what each feature added before squashing."""

    score: float
    alert: float
    by: str = FOREST
    why: Why = dict

    @property
    def alerts(self) -> bool:
        return self.score >= self.alert


@dataclass(frozen=True, slots=True)
class Model:
    """What was trained. `open_from` and `open_to` are the scores between which the encoder is asked; `alone_by` names what scores where it is not."""

    forest: Forest
    alone: Line
    together: Line
    open_from: float
    open_to: float
    encoder: Reader | None = None
    alone_by: str = FOREST

    @property
    def name(self) -> str:
        """How items are scored."""
        return self.alone_by if self.encoder is None else BOTH

    def score(self, features: Mapping[str, float], title: str, text: str, *, led: bool) -> Scored:
        """Title and text are read by the encoder only. `led` tells whether a rule speaks for an alert."""
        total = self.forest.total(features)
        alone = self._scored(self.alone, total, features, self.alone_by, led)
        if self.encoder is None or not self.open_from <= alone.score <= self.open_to:
            return alone
        return self._scored(self.together, total, features, BOTH, led, self.encoder.judge(title, text))

    def _scored(self, line: Line, total: float, features: Mapping[str, float], by: str, led: bool, read: float = 0.0) -> Scored:
        odds = line.forest * total + line.encoder * read + line.offset
        return Scored(1 / (1 + math.exp(-odds)), line.alert if led else line.unled, by, partial(self._why, line, features, read))

    def _why(self, line: Line, features: Mapping[str, float], read: float) -> dict[str, float]:
        terms = {name or OFFSET: line.forest * value for name, value in self.forest.told(features).items()}
        terms[OFFSET] = terms.get(OFFSET, 0.0) + line.offset
        return terms | ({"encoder": line.encoder * read} if line.encoder else {})


def model_files(*, encoder: bool) -> tuple[Path, ...]:
    """The files that judge, for the hash of the ruleset."""
    folder = Path(str(files("services.classifier.model")))
    names = (SCORE, ENCODER) if encoder and (folder / ENCODER).is_file() else (SCORE,)
    return tuple(folder / name for name in names)


def read_model(*, encoder: bool = True) -> Model:
    """The shipped model; with the encoder where that is wanted and numpy is installed."""
    score, *weights = model_files(encoder=encoder)
    return as_model(orjson.loads(score.read_bytes()), Encoder.load(weights[0]) if weights else None)


def read_score(path: Path, encoder: Reader | None) -> Model:
    """The model of a `score.json` that lies elsewhere. Raises Misconfigured."""
    try:
        return as_model(orjson.loads(path.read_bytes()), encoder)
    except OSError as exc:
        raise Misconfigured(f"{path} cannot be read: {exc.strerror}") from exc
    except (ValueError, KeyError, TypeError) as exc:
        raise Misconfigured(f"{path} holds no model: {exc}; expected a score.json as `chipwire model train` writes it") from exc


def as_model(stored: Mapping[str, Any], encoder: Reader | None) -> Model:
    """From what `score.json` holds."""
    forest = Forest.read(stored["features"], stored["trees"])
    open_from, open_to = stored["open"]
    return Model(forest, Line(**stored["alone"]), Line(**stored["together"]), open_from, open_to, encoder)
