"""What else an item tells of a measure: the conditions, by what it picks whom it hits, the states goods pass through, why it was taken, who kept silent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from schemas.config.tables import Places
from schemas.events.signal import CONDITIONS
from services.classifier.facts.change import Change
from services.classifier.facts.parts import Part
from services.classifier.facts.quote import Quote, quote
from services.classifier.facts.states import is_marked
from services.classifier.terms import Hit

LEAST_NEWS = 1.0
RETALIATION = "retaliation"
Found = tuple[str | None, tuple[Quote, ...]]


def conditions(parts: Sequence[Part], news: Sequence[float]) -> tuple[tuple[str, ...], tuple[Quote, ...]]:
    """The ids of the terms on which trade is let through, in the order they are told; the quoted words are the evidence."""
    quotes: dict[str, Quote] = {}
    for part, hit in _fresh(parts, news, "condition"):
        if hit.concept in CONDITIONS:
            quotes.setdefault(hit.concept, quote("conditions", hit.concept, part, hit))
    return tuple(quotes), tuple(quotes.values())


def target_basis(parts: Sequence[Part], news: Sequence[float]) -> Found:
    """ownership, headquarters, end_use or end_user, as the first words say; none where the place the goods go to decides."""
    for part, hit in _fresh(parts, news, "target_basis"):
        basis = hit.concept.removeprefix("by_")
        return basis, (quote("target_basis", basis, part, hit),)
    return None, ()


def motive(parts: Sequence[Part], change: Change | None) -> Found:
    """Retaliation, where the title or the sentence of the change says so."""
    for part in parts:
        if part.place == 0 or (change is not None and part is change.part):
            for hit in part.of("motive"):
                return RETALIATION, (quote("motive", RETALIATION, part, hit),)
    return None, ()


def via(parts: Sequence[Part], news: Sequence[float], table: Places) -> tuple[tuple[str, ...], tuple[Quote, ...]]:
    """States that goods pass through on their way: via Malaysia, 经新加坡."""
    quotes: dict[str, Quote] = {}
    for part, hit in _fresh(parts, news, "country"):
        if is_marked(hit, part, table.via, table.articles):
            quotes.setdefault(hit.concept, quote("via", hit.concept, part, hit))
    return tuple(quotes), tuple(quotes.values())


def no_comment(parts: Sequence[Part]) -> tuple[bool, tuple[Quote, ...]]:
    """Whether the item says that officials did not comment: nobody has confirmed it."""
    for part in parts:
        for hit in part.of("no_comment"):
            return True, (quote("no_comment", "true", part, hit),)
    return False, ()


def _fresh(parts: Sequence[Part], news: Sequence[float], kind: str) -> Iterable[tuple[Part, Hit]]:
    return ((part, hit) for part, score in zip(parts, news, strict=True) if score >= LEAST_NEWS for hit in part.of(kind))
