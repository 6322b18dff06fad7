"""What a person reads: the plain text and the subject of an alert, from one version of an event. Pure.

Words of others (titles, quotes, outlets) are material, not text of ours: control and direction characters are taken out of them, they are cut at
a length, and where they run against the direction of the text they stand in isolates (Unicode UAX 9, FSI ... PDI), so that an Arabic quote
reads right in an English mail and turns nothing around it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC

from schemas.config.template import UNKNOWN, Template, Templates
from schemas.events.base import Moment
from schemas.events.event import EventSource, PolicyEvent
from schemas.events.signal import Amount, Company, Facts
from services.notifier.headline import company, headline, listed, place, products, template_for

QUOTED = 300
"""Characters of any source that are passed on, at most: a quotation, never the article."""
_TOLD_APART = ("opened", "reminder", "by_calendar")
"""Changes that the subject or the notice tells."""
_SUBJECT = 200
_NAME = 80
_URL = 500
_SOURCES = 5
_ALL = 1_000

_FSI, _PDI = "\u2068", "\u2069"
_JOINERS = "\u200c\u200d"  # Persian, Hindi and emoji are spelled with them
_AGAINST = {"ltr": ("R", "AL"), "rtl": ("L",)}


@dataclass(frozen=True, slots=True)
class Rendered:
    """An alert in one language. `subject` and `headline` are one line each."""

    subject: str
    headline: str
    text: str
    language: str
    direction: str


def render_text(
    event: PolicyEvent, *, kind: str, reasons: Sequence[str] = (), language: str = "en", templates: Templates, related: Sequence[PolicyEvent] = ()
) -> Rendered:
    """The alert on this version of the event. `kind` is one of schemas.config.template.KINDS; `reasons` say why this reader gets it, in words.

    `related` are the events that this one names in its relations, as far as they are known: their headlines are told.
    """
    return draft(event, kind=kind, language=language, templates=templates, related=related).to(reasons)


@dataclass(frozen=True, slots=True)
class Draft:
    """An alert in one language, but for the reasons, which each reader has of their own."""

    subject: str
    headline: str
    before: str
    after: str
    words: Template

    def to(self, reasons: Sequence[str]) -> Rendered:
        """The alert as it is told to who has these reasons to be told."""
        why = _joined([_section(self.words.labels["reasons"], [isolated(one_line(reason), self.words) for reason in reasons])])
        text = "\n\n".join(filter(None, (self.before, why, self.after)))
        return Rendered(self.subject, self.headline, f"{text}\n", self.words.language, self.words.direction)


def draft(event: PolicyEvent, *, kind: str, language: str, templates: Templates, related: Sequence[PolicyEvent] = ()) -> Draft:
    """The alert without its reasons: made once for everybody who reads this language."""
    words = template_for(language, templates)
    told = one_line(headline(event.facts, language=words.language, templates=templates))
    manner = words.kinds.get(kind, words.kinds["new"])
    blocks = (
        [told],
        [manner.notice, *_notes(event, words)],
        list(_facts(event.facts, words)),
        list(_changes(event, words)) if kind != "new" else [],
        list(_relations(event, related, words, templates)),
        list(_evidence(event, words)),
    )
    footer = words.footer.format(slug=one_line(event.slug), version=event.version, id=one_line(event.id))
    return Draft(one_line(manner.subject.format(headline=told)), told, _joined(blocks), footer, words)


def _joined(blocks: Iterable[Sequence[str]]) -> str:
    return "\n\n".join("\n".join(lines) for lines in blocks if any(lines))


def one_line(text: str, limit: int = _SUBJECT) -> str:
    """`text` fit for a subject or a header: no line breaks, control or direction characters, at most `limit` characters."""
    head = text[: limit * 8]  # a megabyte of title is not read to its end
    line = " ".join((head if head.isprintable() else "".join(map(_harmless, head))).split())  # what is printable is harmless
    return line if len(line) <= limit else f"{line[: limit - 1].rstrip()}…"


def isolated(text: str, words: Template) -> str:
    """`text` in a direction isolate, where it has letters that run against the direction of the language."""
    if words.direction == "ltr" and text.isascii():
        return text
    against = _AGAINST[words.direction]
    return f"{_FSI}{text}{_PDI}" if any(unicodedata.bidirectional(letter) in against for letter in text) else text


def quotation(source: EventSource) -> str:
    """What the source said, in its own words: its title and the passages the facts rest on, at most QUOTED characters."""
    passages = [source.title or "", *(evidence.text for evidence in source.evidence)]
    told: list[str] = []
    for passage in (one_line(passage, QUOTED) for passage in passages):
        if passage and not any(passage in earlier for earlier in told):
            told.append(passage)
    return one_line(" … ".join(told), QUOTED)


def _facts(facts: Facts, words: Template) -> Iterator[str]:
    stage = words.stages.get(facts.stage or UNKNOWN, words.stages[UNKNOWN])
    agency = words.agencies.get(facts.agency) or one_line(facts.agency, _NAME) if facts.agency else ""
    imposers = listed(_places(facts.imposers, words), words.listing, _ALL)
    rows = {
        "stage": [stage.means],
        "direction": [words.directions[facts.direction]] if facts.direction in words.directions else [],
        "imposers": [f"{imposers} ({agency})" if imposers and agency else imposers or agency],
        "targets": _places(facts.targets, words),
        "via": _places(facts.via, words),
        "products": [one_line(products(facts.products, words, shown=_ALL), _ALL)] if facts.products else [],
        "companies": [_firm(firm, words) for firm in facts.companies],
        "instruments": [isolated(one_line(text), words) for text in facts.instruments],
        "dates": [f"{words.dates[date.kind]} {_when(date.moment, words)}" for date in facts.dates if date.kind in words.dates],
        "amounts": [_amount(amount, words) for amount in facts.amounts],
        "conditions": [isolated(one_line(text), words) for text in facts.conditions],
        "motive": [words.retaliation] if facts.motive == "retaliation" else [],
        "weight": [_weight(facts, words)],
    }
    for label, values in rows.items():
        if any(values):
            yield f"{words.labels[label]}: {words.separator.join(dict.fromkeys(filter(None, values)))}"


def _notes(event: PolicyEvent, words: Template) -> Iterator[str]:
    """That nobody has read a notice is said to everybody, however the alert is announced; and what an operator says of it."""
    if "by_calendar" in event.changes:
        told = words.changes["by_calendar"]
        yield f"{told[:1].upper()}{told[1:]}"
    if event.note:
        yield words.quote.format(text=isolated(one_line(event.note, QUOTED), words))


def _changes(event: PolicyEvent, words: Template) -> Iterator[str]:
    changes = [words.changes[change] for change in event.changes if change in words.changes and change not in _TOLD_APART]
    yield from _section(words.labels["changes"], changes)


def _relations(event: PolicyEvent, related: Sequence[PolicyEvent], words: Template, templates: Templates) -> Iterator[str]:
    known = {other.id: other for other in related}
    lines = []
    for relation in event.relations:
        other = known.get(relation.event)
        told = f"{headline(other.facts, language=words.language, templates=templates)} [{other.slug}]" if other else relation.event
        lines.append(f"{words.relations.get(relation.relation, relation.relation)}: {one_line(told)}")
    yield from _section(words.labels["relations"], lines)


def _evidence(event: PolicyEvent, words: Template) -> Iterator[str]:
    if not event.sources:
        return
    counted = words.counted.format(sources=len(event.sources), origins=event.origins)
    yield f"{words.labels['evidence']} ({counted})"
    for source in sorted(event.sources, key=lambda source: (source.tier, source.first_seen_at))[:_SOURCES]:
        when = _when(source.published or Moment.of(source.first_seen_at), words)
        name = isolated(one_line(source.outlet or source.source, _NAME), words)
        origin = words.citing.format(origin=isolated(one_line(source.origin, _NAME), words)) if source.origin else ""
        yield f"- {words.separator.join(filter(None, (name, origin, _language(source.language, words), when)))}"
        quote = quotation(source)
        if quote:
            yield f"  {words.quote.format(text=isolated(quote, words))}"
        if is_link(source.url):
            yield f"  {source.url}"


def _section(title: str, lines: Iterable[str]) -> list[str]:
    bullets = [f"- {line}" for line in lines]
    return [title, *bullets] if bullets else []


def _places(codes: Sequence[str], words: Template) -> list[str]:
    return [words.everyone if code == "*" else one_line(place(code, words, subject=True), _NAME) for code in codes]


def _firm(firm: Company, words: Template) -> str:
    name = isolated(one_line(company(firm.id, words), _NAME), words)
    return f"{name} ({words.roles[firm.role]})" if firm.role in words.roles else name


def _amount(amount: Amount, words: Template) -> str:
    value = f"{amount.value:,.15g}"
    currency = f" {one_line(amount.currency, 10)}" if amount.currency else ""
    return words.amounts.get(amount.kind, words.amounts["other"]).format(value=value, currency=currency, percent=f"{value} %")


def _weight(facts: Facts, words: Template) -> str:
    if facts.severity is None or facts.confidence is None:
        return ""
    return words.weight.format(severity=facts.severity, confidence=f"{facts.confidence:.0%}")


def _language(tag: str | None, words: Template) -> str:
    if not tag or tag == "und":
        return ""
    return words.languages.get(tag) or words.languages.get(tag.partition("-")[0]) or one_line(tag, 20)


def is_link(url: str | None) -> bool:
    """Whether a reader can follow it: cut or mended, it would lead elsewhere."""
    return url is not None and url.startswith(("https://", "http://")) and len(url) <= _URL and url == one_line(url, _URL) and " " not in url


def _when(moment: Moment, words: Template) -> str:
    """As precisely as the source said it; a time of day in UTC. After Arabic letters the parts of a date would stand in reverse, so there it is isolated."""
    when = str(moment) if moment.precision in ("day", "month", "year") else f"{moment.at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    return f"{_FSI}{when}{_PDI}" if words.direction == "rtl" else when


def _harmless(letter: str) -> str:
    kind = unicodedata.category(letter)
    if kind in ("Cc", "Zl", "Zp"):
        return " "
    return "" if kind in ("Cf", "Cs") and letter not in _JOINERS else letter
