"""What changed, by whom, against whom, for which products, at which stage (taxonomy, section 5): each fact with the words it rests on.

document -> sentences: news or background -> the change (verb and object) -> action, direction, stage, states, products, companies, dates, origin, severity
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from schemas.config.tables import Tables
from schemas.events.signal import Facts
from services.classifier.document import Document
from services.classifier.facts.amounts import amounts
from services.classifier.facts.change import SHELVED, Change, changes, settled
from services.classifier.facts.companies import companies
from services.classifier.facts.dates import dates, is_ahead
from services.classifier.facts.instruments import instruments
from services.classifier.facts.likely import idiom_change, likely_outcome, likely_stage, signs, told_by_idiom
from services.classifier.facts.news import news_scores
from services.classifier.facts.origin import origin
from services.classifier.facts.parts import Part, parts
from services.classifier.facts.plans import was_only_planned, without_other_rules
from services.classifier.facts.products import products
from services.classifier.facts.quote import LONGEST, Quote, quote
from services.classifier.facts.severity import severity
from services.classifier.facts.stage import Shown, settled_stage, shown_stage
from services.classifier.facts.states import States, states
from services.classifier.facts.terms_of_trade import conditions, motive, no_comment, target_basis, via
from services.classifier.terms import Hit, Terms


@dataclass(frozen=True, slots=True)
class Findings:
    """The facts, the words they rest on, and what the score looks at: the sentences, how much each is the news, and the change."""

    facts: Facts
    quotes: tuple[Quote, ...]
    parts: tuple[Part, ...]
    news: tuple[float, ...]
    change: Change | None


@dataclass(frozen=True, slots=True)
class Told:
    """What the words alone tell, before anything is weighed: the sentences, how much each is the news, the change and the stage."""

    parts: tuple[Part, ...]
    news: tuple[float, ...]
    found: tuple[Change, ...]
    change: Change | None
    shown: Shown

    def signs(self) -> dict[str, float]:
        """The signs by which the likeliest change and stage are chosen."""
        return signs(self.parts, self.change, self.found, self.shown.stage)


def told(document: Document, tables: Tables, terms: Terms) -> Told:
    """Reads the sentences for verbs, objects and cues."""
    published = document.item.published
    year = published.at.year if published else None
    sentences = parts(document, terms.names)
    news = without_other_rules(sentences, news_scores(sentences, tables.news, year), tables.changes)
    found = tuple(change for part in sentences for change in changes(part, tables.changes, document.language.tag))
    change = leading(sentences, news, found, tables, year)
    return Told(sentences, news, found, change, shown_stage(sentences, change, tables.stages))


def find(document: Document, tables: Tables, terms: Terms) -> Findings:
    """All facts of a document. Confidence is added when the score is known."""
    item, lexicon = document.item, terms.lexicon
    words = told(document, tables, terms)
    sentences, news = words.parts, words.news
    idiom = told_by_idiom(sentences, news) if words.change is None else None
    seen = words.signs() if words.change or idiom else {}
    change = likely_change(words.change, idiom, seen, tables)
    things, thing_quotes = products(sentences, news, change, tables.products)
    found = states(sentences, news, change, things, tables.places, tables.products, lexicon)
    firms, firm_quotes = companies(sentences, news, change, found, tables.companies, lexicon)
    laws, law_quotes = instruments(sentences)
    when, when_quotes = dates(sentences, change, item.published, found.imposers, tables.dates)
    step = staged(words, seen, change, item.tier, tables, ahead=is_ahead(when, item.published))
    source, source_quotes = origin(sentences)
    action = change.outcome.action if change else None
    facts = Facts(
        action=action,
        direction=change.outcome.direction if change else None,
        stage=step.stage,
        imposers=found.imposers,
        agency=found.agency,
        targets=found.targets,
        products=things,
        companies=firms,
        instruments=laws,
        dates=when,
        origin=source,
        severity=severity(things, action, step.stage, found.imposers, tables.severity),
    )
    quotes = (*_of_change(change), *step.quotes(), *found.quotes, *thing_quotes, *firm_quotes, *law_quotes, *when_quotes, *source_quotes)
    if change is None:
        return Findings(facts, quotes, sentences, news, change)
    more, more_quotes = _details(sentences, news, change, found, tables)
    return Findings(facts.model_copy(update=more), (*quotes, *more_quotes), sentences, news, change)


def guessed(document: Document, found: Findings, tables: Tables, terms: Terms) -> Findings:
    """The findings with the likeliest action and direction, for an item that is an alert though no verb and no idiom told a change. They rest on its first sentence."""
    if found.change is not None or not found.parts:
        return found
    outcome = likely_outcome(told(document, tables, terms).signs(), None, tables.choices)
    sentence = found.parts[0].sentence
    span = Quote("action", outcome.action, sentence.field, sentence.start, min(sentence.end, sentence.start + LONGEST))
    facts = found.facts.model_copy(update={"action": outcome.action, "direction": outcome.direction})
    return replace(found, facts=facts, quotes=(*found.quotes, span, replace(span, fact="direction", value=outcome.direction)))


def _details(
    sentences: tuple[Part, ...], news: tuple[float, ...], change: Change, found: States, tables: Tables
) -> tuple[dict[str, object], tuple[Quote, ...]]:
    """What only an item that tells a change is asked for, by the name of the fact. Goods that pass through a state are not aimed at it."""
    passed, passed_quotes = via(sentences, news, tables.places)
    sums, sum_quotes = amounts(sentences, news, tables.amounts)
    terms_set, term_quotes = conditions(sentences, news)
    basis, basis_quotes = target_basis(sentences, news)
    why, why_quotes = motive(sentences, change)
    silent, silent_quotes = no_comment(sentences)
    facts: dict[str, object] = {
        "targets": tuple(state for state in found.targets if state not in passed) or found.targets,
        "via": passed,
        "amounts": sums,
        "conditions": terms_set,
        "target_basis": basis,
        "motive": why,
        "no_comment": silent,
    }
    return facts, (*passed_quotes, *sum_quotes, *term_quotes, *basis_quotes, *why_quotes, *silent_quotes)


def staged(words: Told, seen: Mapping[str, float], change: Change | None, tier: int, tables: Tables, *, ahead: bool) -> Shown:
    """The stage, with the words that show it. What is firm is not weighed."""
    weighed = change is not None and not (change.firm or words.shown.firm)
    likely = likely_stage(seen, words.shown.stage, tables.choices) if weighed else words.shown.stage
    return settled_stage(words.shown, likely, change, tier, tables.stages, ahead=ahead)


def leading(sentences: tuple[Part, ...], news: tuple[float, ...], found: Sequence[Change], tables: Tables, year: int | None) -> Change | None:
    """The change of verb and object that is the item's news: the surest of the sentence that is most the news."""
    if not found:
        return None
    best = max(found, key=lambda change: news[change.part.place] + change.strength)
    if best.outcome.action in tables.changes.only_planned and was_only_planned(best, sentences, found, tables.changes, year):
        return replace(best, outcome=SHELVED, firm=True)  # headlines lift, cancel and suspend bans that never were
    return replace(best, outcome=settled(best, sentences[0], tables.changes))


def likely_change(told: Change | None, idiom: tuple[Part, Hit] | None, seen: Mapping[str, float], tables: Tables) -> Change | None:
    """The change with its likeliest outcome; where no verb acts on an object, the one that an idiom tells."""
    if told is not None:
        return told if told.firm else replace(told, outcome=likely_outcome(seen, told.outcome, tables.choices))
    return idiom_change(*idiom, likely_outcome(seen, None, tables.choices)) if idiom else None


def _of_change(change: Change | None) -> tuple[Quote, ...]:
    if change is None:
        return ()
    hits = [change.verb, change.object] + ([change.outer] if change.outer else [])
    return quote("action", change.outcome.action, change.part, *hits), quote("direction", change.outcome.direction, change.part, *hits)
