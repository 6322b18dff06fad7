"""A lexicon as one flat list: what each spelling may mean. And the names by which rules and the gate call a concept."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from schemas.config.lexicon import LexiconFile
from schemas.config.lexicon import Terms as Written
from services.classifier.fold import fold
from services.classifier.spelling import Spelling, spellings

NAMES = frozenset({"agency", "company", "country", "person", "product", "instrument"})
"""Kinds that are names."""

_WITH_IDS = ("concepts", "countries", "agencies", "companies", "persons", "products")


@dataclass(frozen=True, slots=True)
class Entry:
    """One meaning of a spelling. `role` is term, exclude, mask, sign or instrument; `languages` None means all."""

    concept: str
    kind: str
    spelling: Spelling
    role: str = "term"
    mark: str = ""
    languages: frozenset[str] | None = None


def entries_of(lexicon: LexiconFile) -> Iterator[Entry]:
    """Every spelling of every concept, name, mask and sign."""
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
            yield Entry(country_code, "country", Spelling(fold(sign).text, starts=False, ends=False), role="sign", mark="sign")


def _written(key: str, kind: str, terms: Written, *, exclude: Written | None = None, **marked: Written) -> Iterator[Entry]:
    yield from _spelled(key, kind, terms)
    for mark, words in marked.items():
        yield from _spelled(key, kind, words, mark=mark)
    yield from _spelled(key, kind, exclude or {}, role="exclude")


def _spelled(key: str, kind: str, terms: Written, *, role: str = "term", mark: str = "") -> Iterator[Entry]:
    speakers: dict[Spelling, set[str]] = defaultdict(set)
    for language, words in terms.items():
        for word in words:
            for spelling in spellings(word, language, name=kind in NAMES):
                speakers[spelling].add(language)
    for spelling, languages in speakers.items():
        yield Entry(key, kind, spelling, role, mark, _only_in(spelling, languages, kind))


def _only_in(spelling: Spelling, languages: set[str], kind: str) -> frozenset[str] | None:
    """Single Latin words count only where their language is spoken, since so many mean something else next door; names and phrases count everywhere."""
    word = spelling.literal
    if "any" in languages or word[0] >= "\u0250" or " " in word or spelling.rest is not None or (kind in NAMES and len(word) > 3):
        return None
    return frozenset(languages)


def names_of(lexicon: LexiconFile) -> Mapping[str, frozenset[str]]:
    """What a rule or the gate may call each concept: its id, its kind, and for a company what else the lexicon says."""
    names = {key: frozenset({key, concept.kind}) for key, concept in lexicon.concepts.items()}
    for kind, things in (("country", lexicon.countries), ("agency", lexicon.agencies), ("person", lexicon.persons), ("product", lexicon.products)):
        names |= {key: frozenset({key, kind}) for key in things}
    return names | {key: frozenset({key, *company.called}) for key, company in lexicon.companies.items()}


def merge(files: Iterable[LexiconFile]) -> LexiconFile:
    """All files of a lexicon as one. Raises ValueError naming an id that stands twice: rules call a concept by its id alone."""
    parts = list(files)
    merged: dict[str, Any] = {}
    for name, field in LexiconFile.model_fields.items():
        values = [getattr(part, name) for part in parts if getattr(part, name)]
        if field.default == ():
            merged[name] = tuple(one for value in values for one in value)
        else:
            merged[name] = _together(name, values)
    ids = Counter(key for name in _WITH_IDS for key in merged[name])
    if twice := [key for key, times in ids.items() if times > 1]:
        raise ValueError(f"lexicon: {', '.join(sorted(twice))} stands for two things; expected an id of its own for each")
    return LexiconFile.model_construct(**merged)


def _together(name: str, values: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    together: dict[str, Any] = {}
    for value in values:
        if twice := together.keys() & value.keys():
            raise ValueError(f"lexicon: {name}: {', '.join(sorted(twice))} stands in two files; expected it in one")
        together |= value
    return together
