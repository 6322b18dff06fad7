"""Rule files: what a team adds to the judgement without Python. A rule says when it fires, what it then settles, and proves it with examples.

rules:
  - id: vague-countermeasures
    title: A spokesperson promises unspecified countermeasures
    owner: policy-desk
    when:
      all: [{term: cue_reaction, position: lead}, {phrase: necessary measures}]
      none: [{term: entity_list}]
    verdict: context
    examples:
      - {text: "China will take necessary measures to protect its firms from chip curbs, a spokesperson said", fires: true}
      - {text: "China bans exports of gallium to the United States", fires: false}
"""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, ValidationError, model_validator

from schemas.config.base import Config
from schemas.events.signal import Facts

Words = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"\S")]
Position = Literal["title", "opening", "lead"]
Verdict = Literal["alert", "context", "no"]
RuleStatus = Literal["shadow", "active", "retired"]

GROUPS = ("all", "any", "none")
SEEN = ("term", "phrase", "regex", "near")
"""Tests that see words of the item, and can be bound to a position."""
TESTS = (*SEEN, "fact", "source", "language")


class Near(Config):
    """Terms that stand close together, in any order."""

    terms: tuple[Words, ...] = Field(min_length=2, description="Concepts or kinds of the lexicon.")
    within: int = Field(default=12, ge=0, le=100, description="Most words between two of them; two Chinese or Japanese characters count as one word.")
    same_sentence: bool = True


class SourceTest(Config):
    """What is known of the source. Every field that is given must fit."""

    tier: tuple[int, ...] = ()
    id: tuple[str, ...] = ()


class Condition(Config):
    """One node of the tree: a group (`all`, `any`, `none`, which may stand together and must then all hold), or one test."""

    all_of: tuple[Condition, ...] = Field(default=(), alias="all")
    any_of: tuple[Condition, ...] = Field(default=(), alias="any")
    none_of: tuple[Condition, ...] = Field(default=(), alias="none")
    term: Words | None = Field(default=None, description="A concept or kind of the lexicon, or `chip_company`.")
    phrase: Words | None = Field(default=None, description="Words as a term of the lexicon is written, stars and all.")
    regex: Words | None = Field(default=None, description="RE2 over folded text (lower case, plain digits and quotes): linear time.")
    near: Near | None = None
    fact: dict[str, str | int | tuple[str | int, ...]] | None = Field(
        default=None, description="Name of a fact to its value, or to several of which one will do."
    )
    source: SourceTest | None = None
    language: tuple[str, ...] | None = Field(default=None, description="Tags; `zh` stands for zh-Hans and zh-Hant.")
    position: Position | None = Field(
        default=None,
        description="Where a term, phrase, regex or near must be seen: the title; its opening (at most five words before it); the lead, title and first two sentences.",
    )

    @cached_property
    def test(self) -> str | None:
        """Which of the tests it is, None for a group."""
        return next((name for name in TESTS if getattr(self, name) is not None), None)

    @model_validator(mode="after")
    def _is_one_thing(self) -> Condition:
        groups = [name for name in GROUPS if getattr(self, f"{name}_of")]
        tests = [name for name in TESTS if getattr(self, name) is not None]
        if len(tests) > 1 or bool(groups) == bool(tests):
            raise ValueError(f"expected groups ({', '.join(GROUPS)}) or one test ({', '.join(TESTS)}), found {', '.join(groups + tests) or 'nothing'}")
        if self.position and not (tests and tests[0] in SEEN):
            raise ValueError(f"position goes with {', '.join(SEEN)} only")
        if self.fact is not None and (unknown := self.fact.keys() - Facts.model_fields.keys()):
            raise ValueError(f"no such fact: {', '.join(sorted(unknown))}; expected one of {', '.join(Facts.model_fields)}")
        return self


class Example(Config):
    """A text and whether the rule fires on it."""

    text: str
    title: str | None = None
    fires: bool
    language: str | None = None
    tier: int = 1
    note: str | None = None


class Rule(Config):
    """When it fires, and what it settles then: facts, the verdict, the severity. Without any of these it only names what it saw."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{2,63}$")
    title: str
    owner: str
    status: RuleStatus = Field(default="shadow", description="shadow is counted and shown and settles nothing; retired is not loaded.")
    severity: int | None = Field(default=None, ge=1, le=5)
    when: Condition
    verdict: Verdict | None = None
    leans: Verdict | None = Field(
        default=None, description="What it speaks for without settling it: the score weighs it. Where rules alone judge, they go by it."
    )
    sets: dict[str, Any] = Field(default_factory=dict, description="Facts it states, as `PolicySignal.facts` has them.")
    references: tuple[str, ...] = Field(default=(), description="Where the reason for it stands.")
    note: str | None = None
    examples: tuple[Example, ...] = ()

    @model_validator(mode="after")
    def _states_real_facts(self) -> Rule:
        if unknown := self.sets.keys() - Facts.model_fields.keys():
            raise ValueError(f"sets no such fact: {', '.join(sorted(unknown))}; expected some of {', '.join(Facts.model_fields)}")
        try:
            Facts.model_validate(self.sets)
        except ValidationError as exc:
            raise ValueError(f"sets {'.'.join(map(str, exc.errors()[0]['loc']))}: {exc.errors()[0]['msg']}") from exc
        return self


class RuleFile(Config):
    """One file of rules."""

    rules: tuple[Rule, ...]
