"""Which of the candidates are meant: a name inside a longer name is not, nor is a term inside a phrase that means something else.

商务部 inside 美国商务部 · 中 inside 中芯国际 · chips inside poker chips · Korea inside North Korea
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from schemas.config.lexicon import Signs
from services.classifier.entries import NAMES, Entry


@dataclass(frozen=True, slots=True)
class Candidate:
    """An entry whose edges fit, as a span of the flat text."""

    entry: Entry
    start: int
    end: int


def meant_signs(flat: str, places: Sequence[int], signs: Signs) -> set[int]:
    """Of places where a one-character country name stands, those whose neighbours fit: at the edge of a phrase, beside another sign, or before a fitting word."""
    fitting: set[int] = set()
    for at in sorted(places):
        before, after = flat[at - 1] if at else " ", flat[at + 1 : at + 7]
        free = not before.isalnum() or before in signs.before or at - 1 in fitting
        if free and (not after[:1].isalnum() or after[0] in signs.countries or after.startswith(signs.after)):
            fitting.add(at)
    return fitting


class _Near:
    """Candidates by where they stand, so that a long text with many of them stays cheap."""

    def __init__(self, candidates: Iterable[Candidate]) -> None:
        self._sorted = sorted(candidates, key=lambda one: one.start)
        self._starts = [one.start for one in self._sorted]
        self._longest = max((one.end - one.start for one in self._sorted), default=0)

    def __call__(self, one: Candidate) -> Sequence[Candidate]:
        """Those that may touch `one`."""
        return self._sorted[bisect_left(self._starts, one.start - self._longest) : bisect_left(self._starts, one.end)]


def meant(found: Sequence[Candidate], signs: set[int]) -> Iterator[Candidate]:
    """Of the candidates, those that are meant. `signs` are the places of one-character names that are."""
    terms = _Near(one for one in found if one.entry.role == "term")
    excluded = _Near(one for one in found if one.entry.role == "exclude")
    names = _Near(one for one in found if one.entry.role == "mask" or (one.entry.role == "term" and one.entry.kind in NAMES))
    seen: set[tuple[str, int, int]] = set()
    for one in found:
        entry, place = one.entry, (one.entry.concept, one.start, one.end)
        counts = entry.role == "term" or (entry.role == "sign" and one.start in signs)
        if not counts or place in seen or any(other.entry.concept == entry.concept and _inside(one, other) for other in terms(one)):
            continue
        if any(other.entry.concept == entry.concept and _overlap(one, other) for other in excluded(one)) or any(_hides(other, one) for other in names(one)):
            continue
        seen.add(place)
        yield one


def _hides(name: Candidate, one: Candidate) -> bool:
    """Whether a longer name, or a word that only looks like a country, leaves no room for this one."""
    kind, inside = one.entry.kind, _inside(one, name)
    if name.entry.role == "mask":
        return kind == "country" and (inside or _cut(one, name))
    if not inside or kind not in NAMES:
        return False
    if name.entry.kind == kind:
        return one.entry.role == "sign" or name.entry.concept != one.entry.concept
    return kind == "country" and (name.entry.kind == "company" or one.entry.role == "sign")


def _inside(one: Candidate, other: Candidate) -> bool:
    return other.start <= one.start and one.end <= other.end and (other.end - other.start) > (one.end - one.start)


def _overlap(one: Candidate, other: Candidate) -> bool:
    return one.start < other.end and other.start < one.end


def _cut(one: Candidate, other: Candidate) -> bool:
    """Whether they overlap, and neither holds the other: 其中 cuts 中美."""
    return one.start < other.start < one.end < other.end or other.start < one.start < other.end < one.end
