"""Which companies a measure is about, and what each is in it."""

from __future__ import annotations

from collections.abc import Sequence

from schemas.config.lexicon import LexiconFile
from schemas.config.tables import Companies
from schemas.events.signal import Company
from services.classifier.facts.change import Change
from services.classifier.facts.parts import Part
from services.classifier.facts.quote import Quote, quote
from services.classifier.facts.states import States

MOST = 8


def companies(
    parts: Sequence[Part], news: Sequence[float], change: Change | None, found: States, table: Companies, lexicon: LexiconFile
) -> tuple[tuple[Company, ...], tuple[Quote, ...]]:
    """Companies of the news sentences, in the order they are named."""
    quotes: dict[str, Quote] = {}
    for part, score in zip(parts, news, strict=True):
        for hit in part.hits:
            firm = _firm(hit.concept, hit.kind, lexicon)
            if firm is not None and score >= table.least_news and firm not in quotes and len(quotes) < MOST:
                quotes[firm] = quote("companies", firm, part, hit)
    action = change.outcome.action if change else None
    return tuple(Company(id=firm, role=_role(firm, action, found, table, lexicon)) for firm in quotes), tuple(quotes.values())


def _firm(concept: str, kind: str, lexicon: LexiconFile) -> str | None:
    if kind == "company":
        return concept
    if kind == "product":
        return lexicon.products[concept].maker
    if kind == "person" and lexicon.persons[concept].of in lexicon.companies:
        return lexicon.persons[concept].of
    return None


def _role(firm: str, action: str | None, found: States, table: Companies, lexicon: LexiconFile) -> str:
    home = lexicon.companies[firm].hq
    usual = table.roles.get(firm, "buyer" if home in found.targets else "maker")
    if action in table.listing and home in found.targets:
        return "listed"
    if action in table.licensing and home not in (*found.targets, *found.imposers):
        return "licensee"
    return usual
