"""Legal ids that the item names, such as 91 FR 1684: the best single sign of precision (taxonomy, section 7)."""

from __future__ import annotations

from collections.abc import Sequence

from services.classifier.facts.parts import Part
from services.classifier.facts.quote import Quote, quote


def instruments(parts: Sequence[Part]) -> tuple[tuple[str, ...], tuple[Quote, ...]]:
    """In the order they are named, each once."""
    quotes = {hit.concept: quote("instruments", hit.concept, part, hit) for part in reversed(parts) for hit in reversed(list(part.of("instrument")))}
    return tuple(reversed(quotes)), tuple(reversed(quotes.values()))
