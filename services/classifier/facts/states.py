"""Which states a measure is of: who imposes it, who is hit (taxonomy, section 5: imposer, targets)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
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
    """What speaks for each state, by the name of the sign, with the best sighting of each as imposer and as target."""

    of: dict[str, dict[str, float]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(float)))
    seen: dict[tuple[str, str], tuple[float, Part, Hit]] = field(default_factory=dict)

    def add(self, state: str, sign: str, weight: float) -> None:
        """Adds a sign that is no word for the state itself."""
        self.of[state][sign] += weight

    def name(self, state: str, sign: str, role: str, weight: float, part: Part, hit: Hit) -> None:
        """Adds a word for the state, and remembers it as evidence when none weighed more."""
        self.add(state, sign, weight)
        if weight > self.seen.get((role, state), (0.0, part, hit))[0]:
            self.seen[role, state] = (weight, part, hit)

    def quote(self, role: str, state: str) -> tuple[Quote, ...]:
        """The best sighting, if the state was named at all."""
        other = "targets" if role == "imposers" else "imposers"
        found = self.seen.get((role, state)) or self.seen.get((other, state))
        return (quote(role, state, found[1], found[2]),) if found else ()

    def weighed(self, weights: Mapping[str, float]) -> dict[str, float]:
        """Each state with the sum of its signs."""
        return {state: sum(weights.get(sign, 0.0) * value for sign, value in signs.items()) for state, signs in self.of.items()}


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
    signs = read_signs(parts, news, change, products, table, goods, lexicon)
    destined = frozenset(goods.destined[product] for product in products if product in goods.destined)
    imposers = _imposers(signs, destined, table)
    told = [part for part in parts if part.place == 0 or (change is not None and part is change.part)]
    imposers = (*imposers, *_partners(told, imposers, table, lexicon))
    unnamed = any(table.region in part.concepts for part in told)
    makers = _makers(change, products, imposers, lexicon)
    targets = () if unnamed else makers or _targets(signs, imposers, destined, table)
    agency, agency_quotes = _agency(parts, news, imposers, lexicon)
    quotes = [found for state in imposers for found in signs.quote("imposers", state)] + [found for state in targets for found in signs.quote("targets", state)]
    return States(imposers, agency, targets, (*quotes, *agency_quotes))


def read_signs(
    parts: Sequence[Part], news: Sequence[float], change: Change | None, products: Sequence[str], table: Places, goods: Products, lexicon: LexiconFile
) -> Signs:
    """All that speaks for any state."""
    signs = Signs()
    for part, score in zip(parts, news, strict=True):
        weight = (max(score, 0.0) + 0.3) / 4 * (1.5 if change is not None and part is change.part else 1.0)
        _read(part, weight, change, table, lexicon, signs)
    for product in products:
        if product in goods.origin:
            signs.add(goods.origin[product], "origin", 1.0)
        if product in goods.destined:
            signs.add(goods.destined[product], "destined", 1.0)
    for state, found in signs.of.items():
        if change is not None and change.outcome.action == "restrict_import" and not found.keys().isdisjoint(("marked", "subject", "agency", "person")):
            signs.add(state, "buyer" if state in table.buyers else "seller", 1.0)
    return signs


def _read(part: Part, weight: float, change: Change | None, table: Places, lexicon: LexiconFile, signs: Signs) -> None:
    first, before = True, None
    for hit in part.hits:
        if hit.kind == "company" and hit.concept in lexicon.companies:
            signs.add(lexicon.companies[hit.concept].hq, "home", weight)
        if hit.kind == "product" and (maker := lexicon.products[hit.concept].maker):
            signs.add(lexicon.companies[maker].hq, "product", weight)
        if hit.kind not in ("agency", "person", "country") or _reacts(hit, part):
            continue
        state = state_of(hit, lexicon)
        if state is None or _is_of_another(hit, state, part) or part.after(hit, 4).startswith(table.press):
            continue
        if part.place == 0:
            signs.add(state, "first" if first else "title", 1.0)
        if hit.kind != "country":
            signs.name(state, hit.kind, "imposers", weight, part, hit)
        elif is_marked(hit, part, table.target, table.articles) or (before is not None and _joined(before, hit, part, table)):
            signs.name(state, "marked", "targets", weight, part, hit)
            before = hit
        elif hit.mark == "adjective" and not is_marked(hit, part, table.imposer, table.articles):
            signs.name(state, "adjective", "targets", weight / 2, part, hit)
        elif is_marked(hit, part, table.imposer, table.articles):
            signs.name(state, "acting", "imposers", weight, part, hit)
        elif first or (change is not None and part is change.part and hit.end <= change.verb.start):
            signs.name(state, "subject", "imposers", weight, part, hit)
        else:
            signs.name(state, "named", "targets", weight / 2, part, hit)
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
    return _ends_with_a_word(before, mark.before) or own.startswith(mark.within) or after.startswith(mark.after)


def _ends_with_a_word(before: str, words: tuple[str, ...]) -> bool:
    """Whether the text ends with one of the words, whole where a space follows it: the "a" of "la Chine" is no preposition."""
    if not before.endswith(words):
        return False
    return any(before.endswith(word) and not (word.endswith(" ") and before[: -len(word)][-1:].isalpha()) for word in words)


def _imposers(signs: Signs, destined: frozenset[str], table: Places) -> tuple[str, ...]:
    """The leading state, and those that weigh nearly as much; a state that the product is made for restricts it alone or not at all."""
    weights, aimed = signs.weighed(table.imposer_weights), signs.weighed(table.target_weights)
    ranked = sorted(weights.items(), key=lambda item: -item[1])
    if not ranked or ranked[0][1] <= 0:
        return ()
    best = ranked[0][1]
    rivals = (state for state, weight in ranked[1:3] if weight >= RIVAL * best and aimed[state] < table.least_target and state not in destined)
    return (ranked[0][0], *rivals)


def _partners(parts: Sequence[Part], imposers: tuple[str, ...], table: Places, lexicon: LexiconFile) -> list[str]:
    """The states that a joint measure names in one row with the leading imposer: the US, Japan and Taiwan agree."""
    usual = frozenset(table.usual_target.values())
    rows = (row for part in parts for row in _rows(part, table, lexicon))
    named = (state for row in rows if imposers and imposers[0] in row and usual.isdisjoint(row) for state in row)
    return list(dict.fromkeys(state for state in named if state not in imposers))


def _rows(part: Part, table: Places, lexicon: LexiconFile) -> list[list[str]]:
    """The states that stand joined, row by row; those that are marked as targets stand in none."""
    rows: list[list[str]] = []
    before: Hit | None = None
    for hit in part.hits:
        state = state_of(hit, lexicon) if hit.kind in ("country", "agency") else None
        if state is None or is_marked(hit, part, table.target, table.articles):
            continue
        joined = before is not None and (before.end == hit.start or _joined(before, hit, part, table))
        rows = [*rows[:-1], [*rows[-1], state]] if joined else [*rows, [state]]
        before = hit
    return [row for row in rows if len(row) > 1]


def _targets(signs: Signs, imposers: tuple[str, ...], destined: frozenset[str], table: Places) -> tuple[str, ...]:
    leading = imposers[:1]
    aimed = signs.weighed(table.target_weights)
    hit = sorted(state for state, weight in aimed.items() if weight >= table.least_target and state not in imposers)
    if hit:
        return tuple(hit)
    usual = table.usual_target.get(leading[0]) if leading else None
    if usual is not None and usual in signs.of:
        return (usual,)
    return tuple(sorted(destined.difference(imposers))) or ((EVERYONE,) if leading else ())


def _makers(change: Change | None, products: Sequence[str], imposers: tuple[str, ...], lexicon: LexiconFile) -> tuple[str, ...]:
    """Whom a measure of the buyers' own state hits: the states whose makers sell the product."""
    if change is None or "import" not in (change.object_class, change.outcome.action.removeprefix("restrict_")):
        return ()
    makers = [lexicon.products[product].maker for product in products if product in lexicon.products]
    return tuple(sorted({lexicon.companies[maker].hq for maker in makers if maker} - set(imposers)))


def _agency(parts: Sequence[Part], news: Sequence[float], imposers: tuple[str, ...], lexicon: LexiconFile) -> tuple[str | None, tuple[Quote, ...]]:
    for _, part in sorted(zip(news, parts, strict=True), key=lambda pair: -pair[0]):
        for hit in part.of("agency"):
            if imposers and lexicon.agencies[hit.concept].country == imposers[0] and not (_reacts(hit, part) or _is_of_another(hit, imposers[0], part)):
                return hit.concept, (quote("agency", hit.concept, part, hit),)
    return None, ()
