"""Which states a measure is of: who imposes it, who is hit (taxonomy, section 5: imposer, targets)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from schemas.config.lexicon import LexiconFile
from schemas.config.tables import Mark, Places, Products
from services.classifier.facts.change import Change
from services.classifier.facts.parts import Part
from services.classifier.facts.quote import Quote, quote
from services.classifier.terms import Hit

EVERYONE = "*"
REACTION_REACH = 12
"""A body that is followed by "responds" within so many characters did not impose what it responds to."""
RIVAL = 0.75
"""A second state imposes too when its signs weigh this much of the first one's."""


@dataclass(slots=True)
class Signs:
    """What speaks for a state as imposer and as target, with the best sighting of each."""

    imposer: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    target: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    seen: dict[tuple[str, str], tuple[float, Part, Hit]] = field(default_factory=dict)

    def add(self, role: str, state: str, weight: float, part: Part, hit: Hit) -> None:
        """Adds a sign, and remembers it as evidence when none weighed more."""
        (self.imposer if role == "imposers" else self.target)[state] += weight
        if weight > self.seen.get((role, state), (0.0, part, hit))[0]:
            self.seen[role, state] = (weight, part, hit)

    def quote(self, role: str, state: str) -> tuple[Quote, ...]:
        """The best sighting, if the state was named at all."""
        found = self.seen.get((role, state))
        return (quote(role, state, found[1], found[2]),) if found else ()


@dataclass(frozen=True, slots=True)
class States:
    """The states of a measure, the leading imposer first."""

    imposers: tuple[str, ...]
    agency: str | None
    targets: tuple[str, ...]
    quotes: tuple[Quote, ...]


def states(
    parts: Sequence[Part], news: Sequence[float], change: Change | None, products: Sequence[str], table: Places, goods: Products, lexicon: LexiconFile
) -> States:
    """Weighs every name of a state, body, person and firm by the words around it and by how much its sentence is the news."""
    signs = Signs()
    for part, score in zip(parts, news, strict=True):
        weight = (max(score, 0.0) + 0.3) / 4 * (1.5 if change is not None and part is change.part else 1.0)
        _read(part, weight, change, table, lexicon, signs)
    for product in products:
        if product in goods.origin:
            signs.imposer[goods.origin[product]] += table.weights["origin"]
    destined = frozenset(goods.destined[product] for product in products if product in goods.destined)
    imposers = _imposers(signs, destined)
    unnamed = any(table.region in part.concepts for part in parts if part.place == 0 or (change is not None and part is change.part))
    targets = () if unnamed else _targets(signs, imposers, destined, table)
    agency, agency_quotes = _agency(parts, news, imposers, lexicon)
    quotes = [found for state in imposers for found in signs.quote("imposers", state)] + [found for state in targets for found in signs.quote("targets", state)]
    return States(imposers, agency, targets, (*quotes, *agency_quotes))


def _read(part: Part, weight: float, change: Change | None, table: Places, lexicon: LexiconFile, signs: Signs) -> None:
    first, before = True, None
    for hit in part.hits:
        if hit.kind == "company" and hit.concept in lexicon.companies:
            signs.imposer[lexicon.companies[hit.concept].hq] += table.weights["home"] * weight
        if hit.kind == "product" and (maker := lexicon.products[hit.concept].maker):
            signs.imposer[lexicon.companies[maker].hq] += table.weights["product"] * weight
        if hit.kind not in ("agency", "person", "country") or _reacts(hit, part):
            continue
        state = state_of(hit, lexicon)
        if state is None or _is_of_another(hit, state, part):
            continue
        if hit.kind != "country":
            signs.add("imposers", state, table.weights[hit.kind] * weight, part, hit)
        elif is_marked(hit, part, table.target, table.articles) or (before is not None and _joined(before, hit, part, table)):
            signs.add("targets", state, table.weights["marked"] * weight, part, hit)
            before = hit
        else:
            leads = (
                first or is_marked(hit, part, table.imposer, table.articles) or (change is not None and part is change.part and hit.end <= change.verb.start)
            )
            signs.add("imposers", state, table.weights["subject" if leads else "named"] * weight, part, hit)
            signs.add("targets", state, table.weights["named"] * weight * (0.5 if leads else 1.0), part, hit)
        first = False


def state_of(hit: Hit, lexicon: LexiconFile) -> str | None:
    """The state that a country, body or official stands for."""
    if hit.kind == "country":
        return hit.concept
    if hit.kind == "agency":
        return lexicon.agencies[hit.concept].country
    of = lexicon.persons[hit.concept].of
    if of in lexicon.agencies:
        return lexicon.agencies[of].country
    return of if of in lexicon.countries else None


def _is_of_another(hit: Hit, state: str, part: Part) -> bool:
    """Whether a body bears the name of another state right before its own: 美商务部 is no ministry of China."""
    return hit.kind == "agency" and any(other.kind == "country" and other.end == hit.start and other.concept != state for other in part.hits)


def _reacts(hit: Hit, part: Part) -> bool:
    return any(0 <= reaction.start - hit.end <= REACTION_REACH for reaction in part.of("reaction"))


def _joined(before: Hit, hit: Hit, part: Part, table: Places) -> bool:
    """Whether the name stands beside one that is marked: to China and Russia."""
    return part.before(hit, hit.start - before.end) in table.joiners


def is_marked(hit: Hit, part: Part, mark: Mark, articles: Sequence[str]) -> bool:
    """Whether the words around a name, or the name's own beginning, show that part."""
    before, own, after = part.before(hit, 12), part.words(hit), part.after(hit, 12)
    for article in articles:
        before = before.removesuffix(article)
    return before.endswith(mark.before) or own.startswith(mark.within) or after.startswith(mark.after)


def _imposers(signs: Signs, destined: frozenset[str]) -> tuple[str, ...]:
    """The leading state, and those that weigh nearly as much; a state that the product is made for restricts it alone or not at all."""
    ranked = sorted(signs.imposer.items(), key=lambda item: -item[1])
    if not ranked or ranked[0][1] <= 0:
        return ()
    best = ranked[0][1]
    rivals = (state for state, weight in ranked[1:3] if weight >= RIVAL * best and signs.target[state] < weight and state not in destined)
    return (ranked[0][0], *rivals)


def _targets(signs: Signs, imposers: tuple[str, ...], destined: frozenset[str], table: Places) -> tuple[str, ...]:
    leading = imposers[:1]
    hit = sorted(state for state, weight in signs.target.items() if weight >= table.least_target and state not in imposers)
    if hit:
        return tuple(hit)
    usual = table.usual_target.get(leading[0]) if leading else None
    if usual is not None and (signs.target[usual] > 0 or signs.imposer[usual] > 0):
        return (usual,)
    return tuple(sorted(destined.difference(imposers))) or ((EVERYONE,) if leading else ())


def _agency(parts: Sequence[Part], news: Sequence[float], imposers: tuple[str, ...], lexicon: LexiconFile) -> tuple[str | None, tuple[Quote, ...]]:
    for _, part in sorted(zip(news, parts, strict=True), key=lambda pair: -pair[0]):
        for hit in part.of("agency"):
            if imposers and lexicon.agencies[hit.concept].country == imposers[0] and not (_reacts(hit, part) or _is_of_another(hit, imposers[0], part)):
                return hit.concept, (quote("agency", hit.concept, part, hit),)
    return None, ()
