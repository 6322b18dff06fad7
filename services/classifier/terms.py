"""Finds the words of the lexicon in an item: one pass over the text for all of them, then the checks at their edges.

look     fold title and text, one pass of the automaton       -> Sighting   (all that the gate needs)
find     edges, language, exclusions, names inside names      -> Hits
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ahocorasick_rs import AhoCorasick, Implementation

from schemas.config.lexicon import LexiconFile, Signs
from schemas.config.lexicon import Terms as Written
from schemas.events.news import NewsItem
from schemas.events.signal import LanguageGuess
from services.classifier.fold import Folded, fold
from services.classifier.instruments import Instruments
from services.classifier.spelling import Spelling, flatten, spellings

NAMES = frozenset({"agency", "company", "country", "person", "product", "instrument"})
"""Kinds of hits that are names. A name inside a longer name of the same kind is not meant: 商务部 inside 美国商务部."""

_SUPPORT = frozenset({"subject", "company", "product", "agency", "instrument", "obj_restriction", "obj_permission"})
"""Kinds that a weak term needs beside it."""

_SURE = 0.7
"""Below this confidence in the language, terms of all languages of the script count."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A term that was found, as a span of a folded field.

    `mark` says how it was put where that matters: `weak` (never counts alone), `adjective` (Chinese, amerikanisch), `sign` (one character of a headline).
    """

    concept: str
    kind: str
    field: str
    start: int
    end: int
    sentence: int
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Sighting:
    """What one pass saw: literals that may be terms. `flat` holds title, line end and text; the text begins at `offset`."""

    title: Folded | None
    text: Folded
    flat: str
    offset: int
    literals: Sequence[tuple[int, int, int]]


@dataclass(frozen=True, slots=True)
class _Entry:
    """What a literal may mean. `role` is term, exclude, mask, sign or instrument; `languages` None means all."""

    concept: str
    kind: str
    spelling: Spelling
    role: str = "term"
    mark: str = ""
    languages: frozenset[str] | None = None
    groups: int = 0


@dataclass(frozen=True, slots=True)
class _Found:
    """A candidate on the flat text."""

    entry: _Entry
    start: int
    end: int


class Terms:
    """All terms of a lexicon, ready to be found. Immutable once built, and shared by threads."""

    def __init__(self, lexicon: LexiconFile, entries: Sequence[_Entry], groups: int, instruments: Instruments) -> None:
        self.lexicon = lexicon
        self._groups = groups
        self._instruments = instruments
        self._signs = lexicon.signs
        by_literal: dict[str, list[_Entry]] = defaultdict(list)
        for entry in entries:
            by_literal[entry.spelling.literal].append(entry)
        self._entries = [tuple(same) for same in by_literal.values()]
        self._bits = [_union(entry.groups for entry in same) for same in self._entries]
        self._automaton = AhoCorasick(list(by_literal), store_patterns=False, implementation=Implementation.ContiguousNFA)
        self._ambiguous = frozenset(key for key, product in lexicon.products.items() if product.ambiguous)
        self.names = _names(lexicon)

    @classmethod
    def build(cls, lexicon: LexiconFile, phrases: Iterable[str] = (), openers: Collection[str] = ()) -> Terms:
        """Compiles the lexicon. `phrases` are what rules look for: each is a concept of its own, of kind `phrase`; `openers` are those that open the gate."""
        groups = lexicon.gate.groups if lexicon.gate else ()
        every = (1 << len(groups)) - 1
        names = _names(lexicon)
        entries = [
            replace(entry, groups=_bits(groups, names.get(entry.concept, frozenset()) | {entry.kind}) if entry.role == "term" else 0)
            for entry in _entries(lexicon)
        ]
        entries += [
            _Entry(f"phrase:{phrase}", "phrase", spelling, groups=every if phrase in openers else 0)
            for phrase in sorted(set(phrases))
            for spelling in spellings(phrase, "any")
        ]
        instruments = Instruments.build(lexicon.instruments)
        entries += [_Entry(literal, "instrument", Spelling(literal, starts=False, ends=False), role="instrument") for literal in instruments.literals]
        return cls(lexicon, entries, every, instruments)

    def look(self, item: NewsItem) -> Sighting:
        """Folds the item and sees which literals are in it."""
        title = fold(item.title) if item.title else None
        text = fold(item.text)
        flat, offset = flatten(text.text), 0
        if title is not None:
            offset = len(title.text) + 1
            flat = f"{flatten(title.text)}\n{flat}"
        return Sighting(title, text, flat, offset, self._automaton.find_matches_as_indexes(flat, overlapping=True))

    def passes(self, sighting: Sighting) -> bool:
        """The gate: whether the item has something of every group of the lexicon's gate."""
        missing = self._groups
        for literal, start, end in sighting.literals:
            if self._bits[literal] & missing:
                for entry in self._entries[literal]:
                    if entry.groups & missing and entry.spelling.end_at(sighting.flat, start, end) >= 0:
                        missing &= ~entry.groups
                        if not missing:
                            return True
        return not missing

    def find(self, sighting: Sighting, language: LanguageGuess, starts: Sequence[int]) -> tuple[Hit, ...]:
        """Every term, sorted by place. `starts` says where the sentences begin on the flat text."""
        found = list(self._candidates(sighting, language))
        kept = _resolve(found, self._meant_signs(found, sighting, language))
        hits = [_hit(one, sighting, starts) for one in kept]
        hits += self._legal_ids(sighting, starts)
        hits = _supported(hits)
        if not any(hit.kind == "subject" or "chip_company" in self.names.get(hit.concept, ()) for hit in hits):
            hits = [hit for hit in hits if hit.concept not in self._ambiguous]
        return tuple(sorted(hits, key=lambda hit: (hit.sentence, hit.start, -hit.end, hit.concept)))

    def _candidates(self, sighting: Sighting, language: LanguageGuess) -> Iterator[_Found]:
        spoken = None if language.confidence < _SURE else language.tag
        for literal, start, end in sighting.literals:
            for entry in self._entries[literal]:
                if entry.role == "instrument" or not (spoken is None or entry.languages is None or spoken in entry.languages):
                    continue
                last = entry.spelling.end_at(sighting.flat, start, end)
                if last >= 0 and (entry.spelling.exact is None or _as_spelled(sighting, start, last, entry.spelling.exact)):
                    yield _Found(entry, start, last)

    def _meant_signs(self, found: Sequence[_Found], sighting: Sighting, language: LanguageGuess) -> set[int]:
        """Where a one-character country name is meant: in a headline, and with fitting neighbours."""
        signs = self._signs.get(language.tag.split("-")[0])
        if signs is None:
            return set()
        headline = sighting.offset or min((at for at in map(sighting.flat.find, "。.\n") if at >= 0), default=len(sighting.flat))
        places = [
            one.start
            for one in found
            if one.entry.role == "sign" and one.start < headline and one.entry.concept == signs.countries.get(sighting.flat[one.start])
        ]
        return _with_fitting_neighbours(sighting.flat, places, signs)

    def _legal_ids(self, sighting: Sighting, starts: Sequence[int]) -> list[Hit]:
        if not any(entry.role == "instrument" for literal, _, _ in sighting.literals for entry in self._entries[literal]):
            return []
        fields = [("text", sighting.text.text, sighting.offset)]
        if sighting.title is not None:
            fields.insert(0, ("title", sighting.title.text, 0))
        return [
            Hit(name, "instrument", field, start, end, max(0, bisect_right(starts, start + offset) - 1))
            for field, text, offset in fields
            for name, start, end in self._instruments.find(text)
        ]


def _entries(lexicon: LexiconFile) -> Iterator[_Entry]:
    for key, concept in lexicon.concepts.items():
        yield from _written(key, concept.kind, concept.terms, weak=concept.weak, exclude=concept.exclude)
    for key, country in lexicon.countries.items():
        yield from _written(key, "country", country.terms, adjective=country.adjectives, exclude=country.exclude)
    for key, agency in lexicon.agencies.items():
        yield from _written(key, "agency", agency.terms, weak=agency.weak, exclude=agency.exclude)
    for key, company in lexicon.companies.items():
        yield from _written(key, "company", company.terms, weak=company.weak, exclude=company.exclude)
    for key, person in lexicon.persons.items():
        yield from _written(key, "person", person.terms)
    for key, product in lexicon.products.items():
        yield from _written(key, "product", product.terms)
    yield from _spelled("mask", "mask", lexicon.masks, role="mask")
    for signs in lexicon.signs.values():
        for sign, country_code in signs.countries.items():
            yield _Entry(country_code, "country", Spelling(fold(sign).text, starts=False, ends=False), role="sign", mark="sign")


def _written(key: str, kind: str, terms: Written, *, exclude: Written | None = None, **marked: Written) -> Iterator[_Entry]:
    yield from _spelled(key, kind, terms)
    for mark, words in marked.items():
        yield from _spelled(key, kind, words, mark=mark)
    yield from _spelled(key, kind, exclude or {}, role="exclude")


def _spelled(key: str, kind: str, terms: Written, *, role: str = "term", mark: str = "") -> Iterator[_Entry]:
    speakers: dict[Spelling, set[str]] = defaultdict(set)
    for language, words in terms.items():
        for word in words:
            for spelling in spellings(word, language, name=kind in NAMES):
                speakers[spelling].add(language)
    for spelling, languages in speakers.items():
        yield _Entry(key, kind, spelling, role, mark, _only_in(spelling, languages, kind))


def _only_in(spelling: Spelling, languages: set[str], kind: str) -> frozenset[str] | None:
    """Single Latin words count only where their language is spoken, since so many mean something else next door; names and phrases count everywhere."""
    word = spelling.literal
    if "any" in languages or word[0] >= "\u0250" or " " in word or spelling.rest is not None or (kind in NAMES and len(word) > 3):
        return None
    return frozenset(languages)


def _names(lexicon: LexiconFile) -> Mapping[str, frozenset[str]]:
    """What a rule or the gate may call each concept: its id, its kind, and `chip_company` where the name alone says chips."""
    names = {key: frozenset({key, concept.kind}) for key, concept in lexicon.concepts.items()}
    for kind, things in (("country", lexicon.countries), ("agency", lexicon.agencies), ("person", lexicon.persons), ("product", lexicon.products)):
        names |= {key: frozenset({key, kind}) for key in things}
    return names | {key: frozenset({key, "company", *(("chip_company",) if company.chip else ())}) for key, company in lexicon.companies.items()}


def _bits(groups: Sequence[Sequence[str]], names: frozenset[str]) -> int:
    return sum(1 << place for place, group in enumerate(groups) if names.intersection(group))


def _union(bits: Iterable[int]) -> int:
    union = 0
    for some in bits:
        union |= some
    return union


def _as_spelled(sighting: Sighting, start: int, end: int, exact: str) -> bool:
    """Whether the source has the term with these very capitals."""
    field, offset = (sighting.text, sighting.offset) if start >= sighting.offset or sighting.title is None else (sighting.title, 0)
    first, last = field.original(start - offset, end - offset)
    return field.source[first:last].startswith(exact.strip("*"))


def _with_fitting_neighbours(flat: str, places: Sequence[int], signs: Signs) -> set[int]:
    meant: set[int] = set()
    for at in sorted(places):
        before, after = flat[at - 1] if at else " ", flat[at + 1 : at + 7]
        free = not before.isalnum() or before in signs.before or at - 1 in meant
        if free and (not after[:1].isalnum() or after[0] in signs.countries or after.startswith(signs.after)):
            meant.add(at)
    return meant


def _resolve(found: Sequence[_Found], signs: set[int]) -> Iterator[_Found]:
    """Of candidates that overlap, those that are meant."""
    excluded = [one for one in found if one.entry.role == "exclude"]
    names = [one for one in found if (one.entry.kind in NAMES and one.entry.role == "term") or one.entry.role == "mask"]
    by_concept: dict[str, list[_Found]] = defaultdict(list)
    for one in found:
        if one.entry.role == "term":
            by_concept[one.entry.concept].append(one)
    seen: set[tuple[str, int, int]] = set()
    for one in found:
        entry = one.entry
        if entry.role not in ("term", "sign") or (entry.role == "sign" and one.start not in signs):
            continue
        if (entry.concept, one.start, one.end) in seen or any(_inside(one, other) for other in by_concept[entry.concept]):
            continue
        if any(_overlap(one, other) and other.entry.concept == entry.concept for other in excluded):
            continue
        if entry.kind in NAMES and any(_inside(one, other) and _hides(other.entry, entry) for other in names):
            continue
        seen.add((entry.concept, one.start, one.end))
        yield one


def _hides(longer: _Entry, shorter: _Entry) -> bool:
    """Whether the longer name leaves no room for the shorter one in it."""
    if longer.role == "mask" or longer.kind == shorter.kind:
        return longer.role == "mask" or shorter.role == "sign" or longer.concept != shorter.concept
    return shorter.kind == "country" and (longer.kind == "company" or shorter.role == "sign")


def _inside(one: _Found, other: _Found) -> bool:
    return other.start <= one.start and one.end <= other.end and (other.end - other.start) > (one.end - one.start)


def _overlap(one: _Found, other: _Found) -> bool:
    return one.start < other.end and other.start < one.end


def _supported(hits: list[Hit]) -> list[Hit]:
    """Without the weak ones that stand alone in their sentence."""
    firm = {hit.sentence for hit in hits if hit.kind in _SUPPORT and hit.mark != "weak"}
    return [hit for hit in hits if hit.mark != "weak" or hit.sentence in firm]


def _hit(one: _Found, sighting: Sighting, starts: Sequence[int]) -> Hit:
    field, offset = ("text", sighting.offset) if one.start >= sighting.offset else ("title", 0)
    sentence = max(0, bisect_right(starts, one.start) - 1)
    return Hit(one.entry.concept, one.entry.kind, field, one.start - offset, one.end - offset, sentence, one.entry.mark)


def merge(files: Iterable[LexiconFile]) -> LexiconFile:
    """All files of a lexicon as one. Raises ValueError naming an id that stands in two of them."""
    parts = list(files)
    merged: dict[str, Any] = {}
    for name, field in LexiconFile.model_fields.items():
        values = [getattr(part, name) for part in parts if getattr(part, name)]
        if name == "samples":
            merged[name] = tuple(sample for value in values for sample in value)
        elif field.default is None:
            merged[name] = _only(name, values)
        else:
            merged[name] = _together(name, values)
    return LexiconFile.model_construct(**merged)


def _together(name: str, values: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    together: dict[str, Any] = {}
    for value in values:
        if twice := together.keys() & value.keys():
            raise ValueError(f"{name}: {', '.join(sorted(twice))} stands in two files of the lexicon; expected it in one")
        together |= value
    return together


def _only(name: str, values: Sequence[Any]) -> Any:
    if len(values) > 1:
        raise ValueError(f"{name} stands in {len(values)} files of the lexicon; expected it in one")
    return values[0] if values else None
