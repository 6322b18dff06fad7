"""Labelled news to learn from, in groups: items that tell the same event, or nearly the same words, are never both in what is learnt and in what is measured."""

from __future__ import annotations

import csv
import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from services.evaluation.data import Line, parse
from services.runtime.errors import Misconfigured

EVENTS = "events.csv"
"""In the corpus: names of events that mean the same, or that tell one another."""
NEAR = 0.4
"""So much of the shorter text in common makes two items near copies."""
_RUN, _READ, _COMMON = 5, 300, 60
"""Letters of a run that is compared; letters that are read of a text; runs in more items than this say nothing."""
_LETTERS = re.compile(r"\W+")


@dataclass(frozen=True, slots=True)
class Example:
    """A labelled item. `source` is the name of its file, `corpus` for the corpus; `weight` is how much it counts; `group` names who it belongs together with."""

    line: Line
    source: str
    weight: float
    group: str

    @property
    def alert(self) -> bool:
        return self.line.gold == "alert"

    def fold(self, folds: int, seed: int) -> int:
        """Which of the folds it is in: always the same, whatever else is learnt from."""
        return int.from_bytes(hashlib.sha256(f"{seed}:{self.group}".encode()).digest()[:4], "big") % folds


def read_examples(corpus: Path, others: Sequence[Path], weights: Mapping[str, float]) -> list[Example]:
    """The corpus and other files. Items that somebody doubts, and those of other things, count half. Raises Misconfigured for what cannot be read."""
    if not (corpus / "items").is_dir():
        raise Misconfigured(f"{corpus} holds no items/ to learn from; expected the corpus of the repository (--corpus)")
    files = [*((path, "corpus") for path in sorted((corpus / "items").glob("*.jsonl"))), *((path, path.stem) for path in others)]
    lines = [(line, source) for path, source in files for line in _lines(path)]
    groups = _groups([line for line, _ in lines], _same_events(corpus / EVENTS))
    return [
        Example(line, source, weights.get(source, 1.0) * (0.5 if line.doubted or line.aside else 1.0), group)
        for (line, source), group in zip(lines, groups, strict=True)
    ]


def _lines(path: Path) -> Sequence[Line]:
    try:
        read = parse(path.read_bytes(), labels=True)
    except OSError as exc:
        raise Misconfigured(f"{path} cannot be read: {exc.strerror}") from exc
    if read.problems:
        raise Misconfigured(*(f"{path}: {problem}" for problem in read.problems))
    return read.lines


def _same_events(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        return {row["alias"]: row["event"] for row in csv.DictReader(file)}


def _groups(lines: Sequence[Line], same: Mapping[str, str]) -> list[str]:
    leads = list(range(len(lines)))

    def lead(place: int) -> int:
        while leads[place] != place:
            place = leads[place] = leads[leads[place]]
        return place

    first: dict[str, int] = {}
    for place, line in enumerate(lines):
        if line.event:
            leads[lead(place)] = lead(first.setdefault(same.get(line.event, line.event), place))
    for one, other in near_copies([f"{line.title or ''} {line.text or ''}" for line in lines]):
        leads[lead(one)] = lead(other)
    names = [same.get(line.event, line.event) if line.event else line.id for line in lines]
    return [names[lead(place)] or str(place) for place in range(len(lines))]


def near_copies(texts: Sequence[str], least: float = NEAR) -> list[tuple[int, int]]:
    """Pairs of texts with much of the shorter one in common, the later first."""
    runs = [_runs(text) for text in texts]
    where: dict[str, list[int]] = defaultdict(list)
    for place, found in enumerate(runs):
        for run in found:
            where[run].append(place)
    pairs = []
    for place, found in enumerate(runs):
        shared = Counter(other for run in found if len(where[run]) <= _COMMON for other in where[run] if other < place)
        pairs += [(place, other) for other, count in sorted(shared.items()) if count >= least * max(1, min(len(found), len(runs[other])))]
    return pairs


def _runs(text: str) -> frozenset[str]:
    letters = _LETTERS.sub("", text.lower())[:_READ]
    return frozenset(letters[at : at + _RUN] for at in range(len(letters) - _RUN + 1))
