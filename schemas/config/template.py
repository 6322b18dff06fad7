"""The words of one language: how facts become a headline and an alert. A new language is a new file, without Python.

A sentence is put together from pieces, so that a stage can say that it is planned or has ended, and an unknown imposer makes it passive:

    frame  "{who} {verb} {object}{tail}"       by stage: done, planned, ended
    verb   [drops, drop, dropped]              {verb} is the first or second form, as the subject asks; {base} the fourth or else the second; {third} the third
    object "planned export curbs on {what}[ to {whom}]"
                                               a part in [brackets] is left out when what it names is unknown
    <a|b>                                      the first or second, as the subject asks: one or many in English, feminine or masculine in Arabic
    {to} {origin}                              where it goes and where it comes from, with their prepositions: "in die USA", "aus China"
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from schemas.config.base import Config
from schemas.events.event import CHANGES, RELATIONS
from schemas.events.signal import ACTIONS, COMPANY_ROLES, DATE_KINDS, STAGES

UNKNOWN = "unknown"
FRAMES = ("done", "planned", "ended")
DIRECTIONS = ("tighten", "loosen", "mixed", "else")
KINDS = ("new", "update", "reversal", "correction", "withdrawal", "reminder")
AMOUNTS = ("charge", "fine", "revenue_share", "tariff_rate", "quota_units", "order_value", "other")
LABELS = (
    "stage", "direction", "imposers", "targets", "via", "products", "companies", "instruments", "dates", "amounts", "conditions", "motive", "weight",
    "changes", "relations", "evidence", "reasons",
)  # fmt: skip


def _uses_only(*names: str) -> AfterValidator:
    def check(text: str) -> str:
        unknown = set(re.findall(r"\{(.*?)\}", text)) - set(names)
        if unknown:
            raise ValueError(f"unknown placeholder {{{min(unknown)}}}; expected {', '.join(f'{{{name}}}' for name in names)}")
        return text

    return AfterValidator(check)


Piece = Annotated[str, _uses_only("what", "whom", "to", "origin", "firms")]
FrameText = Annotated[str, _uses_only("who", "verb", "base", "third", "object", "tail")]


class Phrase(Config):
    """What the verb acts on, and what follows it."""

    object: Piece
    tail: Piece = ""


class Sentence(Phrase):
    """What one action says. `firms` is how it says it when companies are named. A fourth form of the verb is {base}."""

    verb: tuple[str, str, str] | tuple[str, str, str, str]
    firms: Phrase | None = None


class Frame(Config):
    """A sentence with a known imposer, and one without."""

    active: FrameText
    passive: FrameText


class Stage(Config):
    """The word a headline begins with, what it means for the reader, and the frame it needs."""

    word: str
    means: str
    frame: Literal["done", "planned", "ended"] = "done"


class Place(Config):
    """A country as the subject of a sentence, and anywhere else: "US", "the US". `to` and `origin` only where the language's rule does not hold."""

    name: str
    object: str
    to: str | None = None
    origin: str | None = None


class Listing(Config):
    """A, B and C. `more` follows after three: "and 4 more"."""

    comma: str
    last: str
    more: Annotated[str, _uses_only("n")]


class Kind(Config):
    """How a kind of alert is announced."""

    subject: Annotated[str, _uses_only("headline")] = "{headline}"
    notice: str = ""


class DigestWords(Config):
    """How a digest is announced."""

    subject: Annotated[str, _uses_only("count", "headline")] = "Digest ({count}): {headline}"
    intro: Annotated[str, _uses_only("count")] = "Alerts in this digest: {count}"
    footer: str = "News monitoring by chipwire, not legal advice. Quotes are in the original language."


class Template(Config):
    """All words of one language."""

    language: str = Field(description="BCP 47 tag, the file's name.")
    direction: Literal["ltr", "rtl"] = "ltr"
    agreement: Literal["number", "gender"] = Field(description="What <a|b> follows: one or many imposers, or the gender of the first.")
    second_form: tuple[str, ...] = Field(default=(), description="The imposers that take the second form: by gender, or plural by name.")
    contractions: dict[str, str] = Field(default={}, description="Letters that merge where pieces meet.")

    stages: dict[str, Stage]
    frames: dict[str, Frame]
    sentences: dict[str, dict[str, Sentence]] = Field(description="By action, then by direction; `else` is any other.")
    listing: Listing
    suffix: Annotated[str, _uses_only("firms")] = Field(description="Companies that the sentence itself does not name.")

    towards: Annotated[str, _uses_only("place")] = Field(description="To a country: what {to} says.")
    out_of: Annotated[str, _uses_only("place")] = Field(description="From a country: what {origin} says.")
    goods: str = Field(description="What the measure is about when no product is named.")
    products: dict[str, str]
    makers: dict[str, tuple[str, ...]] = Field(description="Whose products are called after their maker.")
    made: Annotated[str, _uses_only("maker", "product")]
    unmade: Annotated[str, _uses_only("product")] = Field(description="Such a product where its maker goes without saying.")
    companies: dict[str, str]
    countries: dict[str, str | Place]
    agencies: dict[str, str]
    languages: dict[str, str]

    separator: str = Field(description="Between values on one line.")
    labels: dict[str, str]
    directions: dict[str, str]
    changes: dict[str, str]
    relations: dict[str, str]
    roles: dict[str, str]
    dates: dict[str, str]
    amounts: dict[str, Annotated[str, _uses_only("value", "currency", "percent")]]
    kinds: dict[str, Kind]
    digest: DigestWords = Field(default=DigestWords(), description="In English unless it is said here.")
    everyone: str = Field(description="All destinations.")
    retaliation: str
    weight: Annotated[str, _uses_only("severity", "confidence")]
    counted: Annotated[str, _uses_only("sources", "origins")]
    citing: Annotated[str, _uses_only("origin")] = Field(description="Whose report a source passes on.")
    quote: Annotated[str, _uses_only("text")] = Field(description="The quotation marks of the language.")
    footer: Annotated[str, _uses_only("slug", "version", "id")]

    @model_validator(mode="after")
    def _complete(self) -> Self:
        """A word that is missing would show when somebody is told about it; so it shows here."""
        closed: Mapping[str, tuple[Mapping[str, object], tuple[str, ...]]] = {
            "stages": (self.stages, (*STAGES, UNKNOWN)),
            "frames": (self.frames, FRAMES),
            "sentences": (self.sentences, ACTIONS),
            "sentences.other": (self.sentences.get("other", {}), DIRECTIONS),
            "labels": (self.labels, LABELS),
            "directions": (self.directions, ("tighten", "loosen", "neutral", "mixed")),
            "changes": (self.changes, CHANGES),
            "relations": (self.relations, RELATIONS),
            "roles": (self.roles, COMPANY_ROLES),
            "dates": (self.dates, DATE_KINDS),
            "amounts": (self.amounts, AMOUNTS),
            "kinds": (self.kinds, KINDS),
        }
        problems = [f"{name}.{key} is missing" for name, (found, keys) in closed.items() for key in keys if key not in found]
        problems += [f"{name}.{key} is no word of ours" for name, (found, keys) in closed.items() for key in found if key not in keys]
        problems += [f"sentences.{action}.{key} is no direction" for action, found in self.sentences.items() for key in found if key not in DIRECTIONS]
        problems += [f"sentences.{action} says nothing" for action, found in self.sentences.items() if not found]
        if problems:
            raise ValueError("; ".join(problems))
        return self


Templates = Mapping[str, Template]
"""By language tag. English is always among them, and speaks for a language that is not."""
