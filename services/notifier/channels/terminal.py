"""Alerts as cards on a terminal: for the demo, and for whoever runs it on their own machine."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Self, TextIO

from services.notifier.channels.harmless import harmless
from services.notifier.channels.outcome import Message, Outcome, Reason, Retry, Sent
from services.notifier.channels.tools import Tools
from services.notifier.render import one_line

WIDEST = 110
"""Columns: longer lines are hard to read."""

COLOURS = {"tighten": "red", "loosen": "green"}


class TerminalChannel:
    """One card after the other, wrapped to the width; colours only where somebody looks."""

    deadline = timedelta(seconds=10)

    def __init__(self, stdout: TextIO) -> None:
        self._stdout = stdout
        self._one_at_a_time = asyncio.Lock()

    @classmethod
    def build(cls, tools: Tools) -> Self:
        return cls(tools.stdout)

    async def send(self, message: Message) -> Outcome:
        async with self._one_at_a_time:
            try:
                await asyncio.to_thread(self._print, message)
            except (OSError, ValueError):  # a pipe that nobody reads, a closed file
                return Retry(Reason.DISK)
        return Sent()

    async def close(self) -> None:
        """Nothing is held open."""

    def _print(self, message: Message) -> None:
        from rich.console import Console  # only here: rich is slow to import
        from rich.panel import Panel
        from rich.text import Text

        console = Console(file=self._stdout, highlight=False, emoji=False, markup=False)
        colour = COLOURS.get(message.event.facts.direction or "", "yellow")
        card = Panel(
            Text(harmless(message.text)),
            title=Text(one_line(message.kind), style=f"bold {colour}"),
            subtitle=Text(f"{message.destination_id} {message.sequence}", style="dim"),
            border_style=colour,
            width=min(console.width, WIDEST),
            padding=(0, 1),
        )
        console.print(card)
        self._stdout.flush()
