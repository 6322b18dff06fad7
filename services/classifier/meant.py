"""Which of the candidates are meant: a name inside a longer name is not, nor is a term inside a phrase that means something else.

商务部 inside 美国商务部 · 中 inside 中芯国际 · chips inside poker chips · Korea inside North Korea
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
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
    meant: set[int] = set()
    for at in sorted(places):
        before, after = flat[at - 1] if at else " ", flat[at + 1 : at + 7]
        free = not before.isalnum() or before in signs.before or at - 1 in meant
        if free and (not after[:1].isalnum() or after[0] in signs.countries or after.startswith(signs.after)):
            meant.add(at)
    return meant


def meant(found: Sequence[Candidate], signs: set[int]) -> Iterator[Candidate]:
    """Of candidates that overlap, those that are meant."""
    excluded = [one for one in found if one.entry.role == "exclude"]
    names = [one for one in found if (one.entry.kind in NAMES and one.entry.role == "term") or one.entry.role == "mask"]
    by_concept: dict[str, list[Candidate]] = defaultdict(list)
    for one in found:
        if one.entry.role == "term":
            by_concept[one.entry.concept].append(one)
    seen: set[tuple[str, int, int]] = set()
    for one in found:
        entry = one.entry
        if entry.role not in ("term", "sign") or (entry.role == "sign" and one.start not in signs):
            continue
        if (entry.concept, one.start, one.end) in seen or any(_inside(one, other) for other in by_concept[entry.concept]):
            continue
        if any(_overlap(one, other) and other.entry.concept == entry.concept for other in excluded):
            continue
        if entry.kind in NAMES and any(_inside(one, other) and _hides(other.entry, entry) for other in names):
            continue
        seen.add((entry.concept, one.start, one.end))
        yield one


def _hides(longer: Entry, shorter: Entry) -> bool:
    """Whether the longer name leaves no room for the shorter one in it."""
    if longer.role == "mask" or longer.kind == shorter.kind:
        return longer.role == "mask" or shorter.role == "sign" or longer.concept != shorter.concept
    return shorter.kind == "country" and (longer.kind == "company" or shorter.role == "sign")


def _inside(one: Candidate, other: Candidate) -> bool:
    return other.start <= one.start and one.end <= other.end and (other.end - other.start) > (one.end - one.start)


def _overlap(one: Candidate, other: Candidate) -> bool:
    return one.start < other.end and other.start < one.end
