"""Queues do not keep the order of the world: within ten minutes, any order gives the same events with the same facts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from schemas.events.base import Moment
from schemas.events.signal import Company, FactDate, Facts, PolicySignal
from tests import make
from tests.placing import Desk, told

_MEASURES: tuple[dict[str, Any], ...] = (
    {
        "imposers": ("US",),
        "action": "tighten",
        "direction": "tighten",
        "products": ("H20",),
        "companies": (Company(id="NVIDIA"),),
        "instruments": ("91 FR 1684",),
    },
    {"imposers": ("US",), "action": "list_add", "direction": "tighten", "products": ("chips",), "companies": (Company(id="Inspur", role="listed"),)},
    {"imposers": ("CN",), "action": "tighten", "direction": "tighten", "products": ("gallium",), "targets": ("US",)},
    {"imposers": ("US",), "action": "rescind", "direction": "loosen", "products": ("H20",), "companies": (Company(id="NVIDIA"),)},
    {"imposers": ("NL",), "action": "tighten", "direction": "tighten", "products": ("chip_equipment",), "companies": (Company(id="ASML"),)},
)
_MORE: tuple[dict[str, Any], ...] = (
    {},
    {"severity": 5},
    {"stage": "announced"},
    {"stage": "published"},
    {"agency": "BIS"},
    {"dates": (FactDate(kind="effective", moment=Moment.parse("2026-04-01")),)},
    {"dates": (FactDate(kind="effective", moment=Moment.parse("2026-05-01")),)},
    {"origin": "NPR"},
)


@st.composite
def _stories(draw: st.DrawFn) -> list[PolicySignal]:
    """Up to ten tellings of a few measures, by outlets of every tier, published within ten minutes."""
    seconds = draw(st.lists(st.integers(0, 600), min_size=1, max_size=10, unique=True))
    return [_telling(draw, make.NOW + timedelta(seconds=second), f"outlet {second}") for second in seconds]


def _telling(draw: st.DrawFn, at: datetime, outlet: str) -> PolicySignal:
    measure = draw(st.sampled_from(_MEASURES))
    lowest = 1 if measure["products"] == ("H20",) else 3  # alone, a trade paper can open an event but not reverse one: there the order counts
    return told(outlet, at, tier=draw(st.integers(0, lowest)), **(measure | {"stage": "reported"} | draw(st.sampled_from(_MORE))))


def _outcome(signals: Sequence[PolicySignal]) -> list[tuple[list[str], Facts]]:
    desk = Desk()
    for signal in signals:
        desk.place(signal, make.NOW + timedelta(minutes=11))
    events = desk.events.values()
    return sorted(((sorted(source.item for source in event.sources), event.facts) for event in events), key=lambda event: event[0])


@given(_stories(), st.randoms(use_true_random=False))
def test_any_order_gives_the_same_events_with_the_same_facts(story: list[PolicySignal], dice: Any) -> None:
    shuffled = dice.sample(story, len(story))

    assert _outcome(shuffled) == _outcome(story)
