"""A story as it unfolds on a terminal: alerts with what they rest on, and, in between, what nobody needed to be told again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TextIO

from rich.console import Console
from rich.containers import Lines
from rich.text import Text

from schemas.api.webhook import WebhookAlert
from schemas.config.template import Templates
from schemas.events.event import EventSource, PolicyEvent
from schemas.events.news import NewsItem
from services.notifier.channels.harmless import harmless
from services.notifier.headline import template_for
from services.notifier.render import isolated, one_line

WIDEST = 100
"""Columns."""
_COLOURS = {"tighten": "red", "loosen": "green"}
_BASIS = ("direction", "stage", "imposers")
"""The facts that are shown with the words they rest on."""
_LEGEND = "In capitals, what the reader is told. Kept quiet: what another outlet tells again, and what changes no rule (nothing)."
_QUIET = 28
"""Columns before the words of a quiet line."""


@dataclass(frozen=True)
class Became:
    """What became of an item: the event it tells, those which that one is related to, and the alert as it arrived at a reader."""

    event: PolicyEvent | None = None
    alert: WebhookAlert | None = None
    related: Mapping[str, PolicyEvent] = field(default_factory=dict)


class View:
    """Shows item after item, and counts."""

    def __init__(self, out: TextIO, templates: Templates) -> None:
        console = Console(file=out, highlight=False, emoji=False, markup=False)
        self._console = Console(file=out, highlight=False, emoji=False, markup=False, width=min(console.width, WIDEST))
        self._words = template_for("en", templates)
        self._count: Counter[str] = Counter()

    def begin(self) -> None:
        """What is to be seen."""
        self._line(_LEGEND, style="dim")

    def show(self, item: NewsItem, became: Became) -> None:
        """One item and what became of it."""
        if became.alert is not None:
            self._alert(item, became.alert, became.related)
        elif became.event is not None:
            self._quiet("again", item, f"{became.event.slug}, {self._outlet(item.outlet)}, {self._language(item.language)}")
        else:
            self._quiet("nothing", item, f"{self._outlet(item.outlet)}, {self._language(item.language)}: {one_line(item.title or '')}")

    def end(self) -> None:
        """The sums."""
        count = self._count
        items = count["told"] + count["again"] + count["nothing"]
        self._line(f"\n{items} items, {count['told']} alerts, {count['reverses']} of them linked to what they reverse.", style="bold")

    def _alert(self, item: NewsItem, alert: WebhookAlert, related: Mapping[str, PolicyEvent]) -> None:
        self._count["told"] += 1
        event, colour = alert.event, _COLOURS.get(alert.event.facts.direction or "", "yellow")
        self._line(f"\n{_when(item)}  {alert.kind.upper():8}  {event.slug}", style=f"bold {colour}")
        self._line(alert.headline, indent=2, style="bold")
        for relation in event.relations:
            self._count[relation.relation] += 1
            other = related.get(relation.event)
            self._line(f"{relation.relation} {other.slug}: {other.headline}" if other else relation.relation, indent=2, style=colour)
        source = next((source for source in event.sources if source.item == item.id), None)
        if source is not None:
            self._source(source)

    def _source(self, source: EventSource) -> None:
        """Who told it, and the words that the alert rests on, in the original."""
        citing = self._words.citing.format(origin=isolated(one_line(source.origin), self._words)) if source.origin else ""
        told = ", ".join(filter(None, (self._outlet(source.outlet), self._language(source.language), citing)))
        self._line(f"{told}: {self._quoted(source.title or '')}", indent=4)
        basis = {each.fact: f"{each.fact} {self._quoted(each.text)}" for each in reversed(source.evidence) if each.fact in _BASIS}
        self._line("; ".join(basis[fact] for fact in _BASIS if fact in basis), indent=4, style="dim")

    def _quiet(self, what: str, item: NewsItem, verdict: str) -> None:
        self._count[what] += 1
        self._line(f"{_when(item)}  {what:8}  {verdict}", hang=_QUIET, style="dim")

    def _quoted(self, text: str) -> str:
        return self._words.quote.format(text=isolated(one_line(text), self._words))

    def _outlet(self, name: str | None) -> str:
        return isolated(one_line(name or "?"), self._words)

    def _language(self, tag: str | None) -> str:
        return self._words.languages.get(tag or "") or tag or "?"

    def _line(self, text: str, *, indent: int = 0, hang: int = 0, style: str = "") -> None:
        """The text, wrapped, its lines after the first set in by `hang` more; nothing at the ends of lines."""
        lines = Text(harmless(text), style=style).wrap(self._console, self._console.width - indent)
        if hang and len(lines) > 1:
            rest = Text(harmless(text)[len(lines[0]) :].strip(), style=style).wrap(self._console, self._console.width - hang)
            lines = Lines([lines[0], *(Text(" " * hang) + line for line in rest)])
        for line in lines:
            line.rstrip()
            self._console.print(Text(" " * indent) + line, no_wrap=True)


def _when(item: NewsItem) -> str:
    at = item.published.at if item.published else item.observed_at
    return f"{at:%Y-%m-%d %H:%M}"
