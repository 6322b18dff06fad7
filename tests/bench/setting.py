"""What a measurement gets: the news, how often to run, and a directory of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.news import News
from tests.bench.report import Row


@dataclass(frozen=True)
class Setting:
    """`directory` is empty, and gone afterwards. Quick runs are small and few: they show that everything works, and no figures to quote."""

    news: News
    directory: Path
    quick: bool = False
    runs: int = 3
    """How often a figure is taken."""

    def size(self, usual: int) -> int:
        """How much of something: a twentieth when it has to be quick."""
        return max(1, usual // 20) if self.quick else usual


Measure = Callable[[Setting], Awaitable[Sequence[Row]]]
"""A measurement. It may raise LeftOut with a sentence."""


class LeftOut(Exception):
    """Cannot be measured here. Says why."""
