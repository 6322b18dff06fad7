"""What changed, by whom, against whom, for which products, at which stage (taxonomy, section 5): each fact with the words it rests on.

document -> sentences: news or background -> the change (verb and object) -> action, direction, stage, states, products, companies, dates, origin, severity
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from schemas.config.tables import Tables
from schemas.events.signal import Facts
from services.classifier.document import Document
from services.classifier.facts.change import SHELVED, Change, changes, settled
from services.classifier.facts.companies import companies
from services.classifier.facts.dates import dates
from services.classifier.facts.instruments import instruments
from services.classifier.facts.news import news_scores
from services.classifier.facts.origin import origin
from services.classifier.facts.parts import Part, parts
from services.classifier.facts.plans import was_only_planned, without_other_rules
from services.classifier.facts.products import products
from services.classifier.facts.quote import Quote, quote
from services.classifier.facts.severity import severity
from services.classifier.facts.stage import stage
from services.classifier.facts.states import states
from services.classifier.terms import Terms


@dataclass(frozen=True, slots=True)
class Findings:
    """The facts, the words they rest on, and what the score looks at: the sentences, how much each is the news, and the change."""

    facts: Facts
    quotes: tuple[Quote, ...]
    parts: tuple[Part, ...]
    news: tuple[float, ...]
    change: Change | None


def find(document: Document, tables: Tables, terms: Terms) -> Findings:
    """All facts of a document. Confidence is added when the score is known."""
    item, lexicon = document.item, terms.lexicon
    sentences = parts(document, terms.names)
    year = item.published.at.year if item.published else None
    news = without_other_rules(sentences, news_scores(sentences, tables.news, year), tables.changes)
    change = leading(sentences, news, tables, document.language.tag, year)
    things, thing_quotes = products(sentences, news, change, tables.products)
    found = states(sentences, news, change, things, tables.places, tables.products, lexicon)
    firms, firm_quotes = companies(sentences, news, change, found, tables.companies, lexicon)
    step, step_quotes = stage(sentences, change, item.tier, tables.stages)
    when, when_quotes = dates(sentences, change, item.published, tables.dates)
    laws, law_quotes = instruments(sentences)
    source, source_quotes = origin(sentences)
    action = change.outcome.action if change else None
    facts = Facts(
        action=action,
        direction=change.outcome.direction if change else None,
        stage=step,
        imposers=found.imposers,
        agency=found.agency,
        targets=found.targets,
        products=things,
        companies=firms,
        instruments=laws,
        dates=when,
        origin=source,
        severity=severity(things, action, step, found.imposers, tables.severity),
    )
    quotes = (*_of_change(change), *step_quotes, *found.quotes, *thing_quotes, *firm_quotes, *law_quotes, *when_quotes, *source_quotes)
    return Findings(facts, quotes, sentences, news, change)


def leading(sentences: tuple[Part, ...], news: tuple[float, ...], tables: Tables, language: str, year: int | None) -> Change | None:
    """The change that is the item's news: the surest of the sentence that is most the news."""
    found = [(score, change) for part, score in zip(sentences, news, strict=True) for change in changes(part, tables.changes, language)]
    if not found:
        return None
    best = max(found, key=lambda pair: pair[0] + pair[1].strength)[1]
    outcome = settled(best, sentences[0], tables.changes)
    if best.outcome.action in tables.changes.only_planned and was_only_planned(best, sentences, [change for _, change in found], tables.changes, year):
        return replace(best, outcome=SHELVED)  # headlines lift, cancel and suspend bans that never were
    return replace(best, outcome=outcome)


def _of_change(change: Change | None) -> tuple[Quote, ...]:
    if change is None:
        return ()
    hits = [change.verb, change.object] + ([change.outer] if change.outer else [])
    return quote("action", change.outcome.action, change.part, *hits), quote("direction", change.outcome.direction, change.part, *hits)
