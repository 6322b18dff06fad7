"""Which outlet the item cites: forty rewrites of one report have one origin (taxonomy, section 10)."""

from __future__ import annotations

from collections.abc import Sequence

from services.classifier.facts.parts import Part
from services.classifier.facts.quote import Quote, quote
from services.classifier.terms import Hit

REACH = 40


def origin(parts: Sequence[Part]) -> tuple[str | None, tuple[Quote, ...]]:
    """The first outlet that is cited ("NPR reported"); failing that, the first that is named."""
    named = [(part, hit) for part in parts for hit in part.of("outlet")]
    cited = [(part, hit) for part, hit in named if _is_cited(part, hit)]
    for part, hit in (cited or named)[:1]:
        return hit.concept, (quote("origin", hit.concept, part, hit),)
    return None, ()


def _is_cited(part: Part, hit: Hit) -> bool:
    return any(max(cue.start - hit.end, hit.start - cue.end) <= REACH for cue in part.hits if cue.concept in ("cue_unnamed_sources", "cue_cited"))
