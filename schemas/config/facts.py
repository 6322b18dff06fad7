"""Facts as rules test and state them: names of `PolicySignal.facts`, with the closed lists of values spelt once, in `schemas/events/signal.py`."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, Field, StringConstraints

from schemas.config.base import Config
from schemas.config.tables import Action, Direction, Role, Stage

T = TypeVar("T")


def _listed(value: Any) -> Any:
    return tuple(value) if isinstance(value, list | tuple) else (value,)


Several = Annotated[tuple[T, ...], BeforeValidator(_listed, json_schema_input_type=T | tuple[T, ...]), Field(min_length=1)]
"""One value, or several of which one will do."""
Word = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Code = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
Target = Annotated[str, StringConstraints(pattern=r"^(\*|[A-Z]{2}|[A-E](:[0-9])?)$")]
Severity = Annotated[int, Field(ge=1, le=5)]


class FactTest(Config):
    """Facts that must have one of these values. Every fact that is given must fit."""

    action: Several[Action] | None = None
    direction: Several[Direction] | None = None
    stage: Several[Stage] | None = None
    imposers: Several[Code] | None = Field(default=None, description="ISO 3166-1 alpha-2 codes or EU.")
    agency: Several[Word] | None = Field(default=None, description="Ids of the lexicon.")
    targets: Several[Target] | None = Field(default=None, description='ISO 3166-1 alpha-2 codes, "*" for all, or EAR groups such as "D:5".')
    via: Several[Code] | None = None
    products: Several[Word] | None = None
    companies: Several[Word] | None = Field(default=None, description="Ids of the lexicon.")
    instruments: Several[Word] | None = None
    conditions: Several[Word] | None = None
    motive: Several[Word] | None = None
    origin: Several[Word] | None = None
    severity: Several[Severity] | None = None

    def wanted(self) -> dict[str, tuple[Any, ...]]:
        """Name of each fact that is given to the values of which one will do."""
        return {name: getattr(self, name) for name in type(self).model_fields if getattr(self, name) is not None}


class StatedCompany(Config):
    """A company, and what it is in the measure."""

    id: Word
    role: Role | None = None


class StatedFacts(Config):
    """Facts that a rule states when it fires."""

    action: Action | None = None
    direction: Direction | None = None
    stage: Stage | None = None
    imposers: tuple[Code, ...] = ()
    agency: Word | None = None
    targets: tuple[Target, ...] = ()
    via: tuple[Code, ...] = ()
    products: tuple[Word, ...] = ()
    companies: tuple[StatedCompany, ...] = ()
    instruments: tuple[Word, ...] = ()
    conditions: tuple[Word, ...] = ()
    motive: Word | None = None
    origin: Word | None = None
    severity: Severity | None = None

    def stated(self) -> dict[str, Any]:
        """Those that are given."""
        return self.model_dump(include=self.model_fields_set)
