"""A digest as a person reads it: every alert in a few lines, the weightiest first. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from schemas.config.template import UNKNOWN, Template, Templates
from schemas.events.event import EventSource, PolicyEvent
from services.notifier.headline import headline, template_for
from services.notifier.render import Rendered, is_link, isolated, one_line, quotation

Entry = tuple[str, PolicyEvent]
"""The kind of an alert, and the event as it tells it."""


def render_digest(alerts: Sequence[Entry], *, reasons: Sequence[str] = (), language: str = "en", templates: Templates) -> Rendered:
    """The digest of these alerts, of which there is at least one."""
    words = template_for(language, templates)
    lead = one_line(headline(alerts[0][1].facts, language=words.language, templates=templates))
    subject = one_line(words.digest.subject.format(count=len(alerts), headline=lead))
    entries = [
        [f"{number}. {line}" if not place else f"   {line}" for place, line in enumerate(_lines(kind, event, words, templates))]
        for number, (kind, event) in enumerate(alerts, 1)
    ]
    why = [words.labels["reasons"], *(f"- {isolated(one_line(reason), words)}" for reason in reasons)] if reasons else []
    blocks = [[words.digest.intro.format(count=len(alerts))], *entries, why, [words.digest.footer]]
    text = "\n\n".join("\n".join(lines) for lines in blocks if lines)
    return Rendered(subject, lead, f"{text}\n", words.language, words.direction)


def _lines(kind: str, event: PolicyEvent, words: Template, templates: Templates) -> Iterator[str]:
    yield one_line(headline(event.facts, language=words.language, templates=templates))
    if notice := words.kinds.get(kind, words.kinds["new"]).notice:
        yield notice
    yield f"{words.labels['stage']}: {words.stages.get(event.facts.stage or UNKNOWN, words.stages[UNKNOWN]).means}"
    source = min(event.sources, key=lambda one: (one.tier, one.first_seen_at), default=None)
    if source is not None:
        yield from _evidence(source, words)


def _evidence(source: EventSource, words: Template) -> Iterator[str]:
    name = isolated(one_line(source.outlet or source.source, 80), words)
    quote = quotation(source)
    yield f"{name}{words.separator}{words.quote.format(text=isolated(quote, words))}" if quote else name
    if is_link(source.url):
        yield source.url or ""
