"""Is a sentence the news of the item, or its background (taxonomy, section 3)?"""

from __future__ import annotations

import re
from collections.abc import Sequence

from schemas.config.tables import News
from services.classifier.facts.parts import Part

_YEAR = re.compile(r"(?<!\d)20[012]\d(?!\d)")
LEAD = 3


def news_scores(parts: Sequence[Part], table: News, year: int | None) -> tuple[float, ...]:
    """For each sentence, how much it is the news: from about 4 (the title says it today) to below 0 (history)."""
    return tuple(_score(part, len(parts), table, year) for part in parts)


def _score(part: Part, count: int, table: News, year: int | None) -> float:
    cues = sum(table.cues.get(concept, 0.0) for concept in part.concepts)
    return _position(part.place, count, table) + cues + (table.older_year if tells_older_year(part.text, year) else 0.0)


def _position(place: int, count: int, table: News) -> float:
    title, lead, middle, last = table.position
    if place < LEAD:
        return lead if place else title
    return last if place >= count - count // 3 else middle


def tells_older_year(text: str, year: int | None) -> bool:
    """Whether the youngest year named lies before that of the item."""
    years = [int(found) for found in _YEAR.findall(text)]
    return year is not None and bool(years) and max(years) < year
