"""What the sources of an event contradict each other in: numbers and dates are all kept with who gave them, never merged (taxonomy 12). Values in, values out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from schemas.events.event import EventSource, PolicyEvent


@dataclass(frozen=True, slots=True)
class Conflict:
    """One quantity or date, with each value and the outlets that give it, the first told first."""

    about: str
    said: tuple[tuple[str, tuple[str, ...]], ...]


def conflicts(event: PolicyEvent) -> list[Conflict]:
    """Every kind of amount and date for which the sources give more than one value."""
    said: defaultdict[str, dict[str, list[str]]] = defaultdict(dict)
    for source in event.sources:
        for about, value in _says(source):
            said[about].setdefault(value, []).append(source.outlet or source.source)
    return [Conflict(about, tuple((value, tuple(outlets)) for value, outlets in values.items())) for about, values in said.items() if len(values) > 1]


def _says(source: EventSource) -> Iterator[tuple[str, str]]:
    for amount in source.amounts:
        yield amount.kind, f"{amount.value:.15g} {amount.currency or ''}".strip()
    for date in source.dates:
        if date.kind in ("effective", "compliance", "expires"):
            yield date.kind, str(date.moment)
