"""Lexicon files: the words by which a concept, a country, an agency, a company, a product or a legal text is known, in every language we read.

How a term is written:

    export control*    tokens in a row; a trailing star matches any ending, a leading one any beginning, both the middle of a compound
    scherpt * aan      a star alone stands for up to 15 tokens of the same clause: verbs that split
    =US                as spelled: capitals count ("us" is another word)
    出口管制            Chinese and Japanese: anywhere in the text
    수출통제            Korean: at the start of a word, whatever particles follow; from three syllables on anywhere

Terms are written in natural spelling; case, accents in Arabic, full width and hyphens do not matter (see `services/classifier/fold.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, StringConstraints

from schemas.config.base import Config

Term = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"\S")]
Terms = dict[str, tuple[Term, ...]]
"""Language (BCP 47, or `any` for names that every language spells alike) to terms."""


SUBJECTS = frozenset({"subject", "chip_company"})
"""Names of what says by itself that an item is of the topic: beside one, a product that looks like other things counts."""


class Concept(Config):
    """An idea and its words. The kind says which part it plays in a decision (obj_restriction, add, remove, hedge, subject, ...)."""

    kind: str
    note: str | None = None
    terms: Terms
    weak: Terms = Field(default_factory=dict, description="Terms that never count alone: they need a company, a product or a lever in the same sentence.")
    exclude: Terms = Field(default_factory=dict, description="Phrases in which the term means something else: poker chips.")


class Country(Config):
    """A country or bloc: the key is its ISO 3166-1 alpha-2 code, or EU."""

    note: str | None = None
    terms: Terms
    adjectives: Terms = Field(default_factory=dict, description="Demonyms and adjectives: Chinese, 'chinesisch*'. Reported with the mark `adjective`.")
    exclude: Terms = Field(default_factory=dict)


class Agency(Config):
    """A body of a state."""

    country: str
    note: str | None = None
    terms: Terms
    weak: Terms = Field(default_factory=dict)
    exclude: Terms = Field(default_factory=dict)


class Company(Config):
    """A firm of the trade, or one that it is about."""

    hq: str = Field(description="Where it is at home, ISO 3166-1 alpha-2.")
    tickers: tuple[str, ...] = ()
    chip: bool = Field(default=True, description="Whether its name alone says that chips are the subject: rules call it `chip_company` too.")
    also: tuple[str, ...] = Field(default=(), description="Other names by which rules and gates call it: `drone_company`.")
    note: str | None = None
    terms: Terms
    weak: Terms = Field(default_factory=dict)
    exclude: Terms = Field(default_factory=dict)

    @property
    def called(self) -> tuple[str, ...]:
        """What rules and gates may call it beside its id."""
        return ("company", *(("chip_company",) if self.chip else ()), *self.also)


class Person(Config):
    """A person whose words are an act of a firm, an agency or a state."""

    of: str = Field(description="Company, agency or country that the person speaks for.")
    note: str | None = None
    terms: Terms


class Product(Config):
    """A product by its id of the taxonomy, section 6."""

    maker: str | None = None
    ambiguous: bool = Field(default=False, description="Looks like other things (the A100 motorway): counts only beside a chip, a chip firm or a lever.")
    note: str | None = None
    terms: Terms


class Instrument(Config):
    """A kind of legal id. The pattern (RE2, over folded text: lower case, plain digits) runs only where a literal was seen."""

    literals: tuple[Term, ...] = Field(min_length=1)
    pattern: str
    id: str = Field(description="The normalised id; {1} is the first group of the pattern, in capitals.")
    note: str | None = None


class Signs(Config):
    """One-character country names of headlines: 美 for the United States. Single characters mean much else, so their neighbours decide."""

    countries: dict[str, str]
    before: str = Field(default="", description="Characters that may stand right before a sign inside a phrase.")
    after: tuple[str, ...] = Field(default=(), description="Words that may follow a sign inside a phrase.")


class Gate(Config):
    """The cheap first test of a topic: an item goes on when it has something of every group (concepts, kinds, `chip_company`). All else is "no"."""

    groups: tuple[tuple[str, ...], ...] = Field(min_length=1)


def _listed(value: Any) -> Any:
    return (value,) if isinstance(value, Mapping | Gate) else value


Gates = Annotated[tuple[Gate, ...], BeforeValidator(_listed, json_schema_input_type=Gate | tuple[Gate, ...])]


class Sample(Config):
    """A sentence of our own and what must be found in it; a test."""

    language: str
    text: str
    expect: tuple[str, ...] = ()
    reject: tuple[str, ...] = ()
    passes: bool | None = Field(default=None, description="Whether the gate lets it through.")


class LexiconFile(Config):
    """One file of the lexicon. All files together are the lexicon; an id may stand in one of them only."""

    concepts: dict[str, Concept] = Field(default_factory=dict)
    countries: dict[str, Country] = Field(default_factory=dict)
    agencies: dict[str, Agency] = Field(default_factory=dict)
    companies: dict[str, Company] = Field(default_factory=dict)
    persons: dict[str, Person] = Field(default_factory=dict)
    products: dict[str, Product] = Field(default_factory=dict)
    instruments: dict[str, Instrument] = Field(default_factory=dict)
    signs: dict[str, Signs] = Field(default_factory=dict)
    masks: Terms = Field(default_factory=dict, description="Words that merely contain a country's sign: 日月光 is no Japan.")
    gates: Gates = Field(default=(), alias="gate", description="What this topic's items have; those of all files count, and one is enough.")
    samples: tuple[Sample, ...] = ()
