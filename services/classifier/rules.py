"""The rule set: everything that judges, as one value. Read from the shipped files and a team's own, all or nothing.

    lexicon/*.yaml  ruleset/*.yaml  tables/*.yaml  ->  Ruleset(terms, rules, tables, hash)

A batch is judged by one Ruleset; its hash travels in every signal.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import TypeVar

import re2

from schemas.config.lexicon import LexiconFile
from schemas.config.rule import Condition, Rule, RuleFile
from schemas.config.tables import Tables
from schemas.events.news import NewsItem
from services.classifier.conditions import parts
from services.classifier.entries import NAMES, merge, names_of
from services.classifier.tables import read_tables, table_files
from services.classifier.terms import Terms
from services.runtime.config_files import ConfigDir, content_hash, read_yaml
from services.runtime.errors import Misconfigured

LEXICON = "services.classifier:lexicon"
RULESET = "services.classifier:ruleset"
T = TypeVar("T")
_MAX_REGEX_BYTES = 1 << 20
"""What a compiled pattern may take: RE2 is linear in time, and this keeps `(a{1000}){1000}` out of memory."""


@dataclass(frozen=True, slots=True)
class Ruleset:
    """Everything that judges. `rules` holds the active and the shadow ones, by id."""

    terms: Terms
    rules: tuple[Rule, ...]
    tables: Tables
    hash: str
    activated_at: datetime


@dataclass(frozen=True, slots=True)
class RuleFailure:
    """An example that a rule judges otherwise than its author says."""

    rule: str
    text: str
    expected: bool


def load_ruleset(config: ConfigDir, *, now: datetime) -> Ruleset:
    """Reads and checks all of it. Raises Misconfigured with every problem of rules, lexicon and tables."""
    problems: list[str] = []
    lexicon = _kept(read_lexicon, config, problems)
    files = _kept(_rule_files, config, problems)
    tables = _kept(read_tables, config, problems)
    if lexicon is None or files is None or tables is None:
        raise Misconfigured(*problems)
    known = NAMES.union(*names_of(lexicon).values())
    if problems := [*_gate_problems(lexicon, known), *_problems(files, known)]:
        raise Misconfigured(*problems)
    rules = tuple(sorted((rule for file in files.values() for rule in file.rules if rule.status != "retired"), key=lambda rule: rule.id))
    return Ruleset(_terms(lexicon, rules), rules, tables, _hash(config), now)


def read_lexicon(config: ConfigDir) -> LexiconFile:
    """The lexicon as one. Raises Misconfigured."""
    files = config.load_all("lexicon", LexiconFile, shipped=LEXICON)
    try:
        return merge(files.values())
    except ValueError as exc:
        raise Misconfigured(str(exc)) from exc


def _terms(lexicon: LexiconFile, rules: Sequence[Rule]) -> Terms:
    try:
        return Terms.build(lexicon, phrases=phrases(rules), openers=openers(rules))
    except ValueError as exc:
        raise Misconfigured(str(exc)) from exc


def phrases(rules: Iterable[Rule]) -> set[str]:
    """All phrases that rules look for."""
    return {part.phrase for rule in rules for part in parts(rule.when) if part.phrase is not None}


def openers(rules: Iterable[Rule]) -> set[str]:
    """Phrases that open the gate: those without which a rule cannot fire, where no term of the lexicon is as telling."""
    return set().union(*(_required(rule.when) or set() for rule in rules))


def run_examples(ruleset: Ruleset, fired: Callable[[NewsItem], Collection[str]]) -> Iterator[RuleFailure]:
    """The examples that fail. `fired` gives the ids of the rules that fire on an item."""
    for rule in ruleset.rules:
        for number, example in enumerate(rule.examples):
            item = NewsItem(
                id=f"{rule.id}#{number}",
                revision="example",
                source="examples",
                title=example.title,
                text=example.text,
                language=example.language,
                tier=example.tier,
                observed_at=ruleset.activated_at,
            )
            if (rule.id in fired(item)) != example.fires:
                yield RuleFailure(rule.id, " · ".join(filter(None, (example.title, example.text))), example.fires)


def _kept(read: Callable[[ConfigDir], T], config: ConfigDir, problems: list[str]) -> T | None:
    try:
        return read(config)
    except Misconfigured as exc:
        problems.extend(exc.problems)
        return None


def _rule_files(config: ConfigDir) -> dict[Path, RuleFile]:
    return config.load_all("rules", RuleFile, shipped=RULESET)


def _hash(config: ConfigDir) -> str:
    paths = (*config.files("lexicon", shipped=LEXICON), *config.files("rules", shipped=RULESET), *table_files(config))
    return content_hash(paths)[:16]


def _gate_problems(lexicon: LexiconFile, known: frozenset[str]) -> Iterator[str]:
    for name in chain.from_iterable(lexicon.gate.groups if lexicon.gate else ()):
        if name not in known:
            yield f"lexicon: gate: no concept or kind is called {name!r}"


def _problems(files: Mapping[Path, RuleFile], known: frozenset[str]) -> Iterator[str]:
    seen: dict[str, Path] = {}
    for path, file in files.items():
        for place, rule in enumerate(file.rules):
            found = [*_of_rule(rule, known)]
            if rule.id in seen:
                found.append(f"stands in {seen[rule.id].name} too; expected an id of its own")
            seen.setdefault(rule.id, path)
            yield from (f"{read_yaml(path).where('rules', place)}: rule {rule.id}: {problem}" for problem in found)


def _of_rule(rule: Rule, known: frozenset[str]) -> Iterator[str]:
    for part in parts(rule.when):
        for name in _names(part):
            if name not in known:
                yield f"no concept or kind of the lexicon is called {name!r}"
        if part.regex is not None and (problem := _unsafe(part.regex)):
            yield f"regex {part.regex!r}: {problem}"
    if {example.fires for example in rule.examples} != {True, False}:
        yield "expected at least one example that fires and one that does not"


def _names(part: Condition) -> Sequence[str]:
    if part.near is not None:
        return part.near.terms
    return (part.term,) if part.term is not None else ()


def _unsafe(pattern: str) -> str | None:
    """Why the pattern is refused, if it is."""
    options = re2.Options()
    options.max_mem = _MAX_REGEX_BYTES
    options.log_errors = False
    try:
        compiled = re2.compile(pattern, options)
    except re2.error as exc:
        return f"RE2 refuses it: {exc.args[0].decode() if isinstance(exc.args[0], bytes) else exc}"
    return "it matches the empty text; expected one that needs a character" if compiled.search("") else None


def _required(condition: Condition) -> set[str] | None:
    """Phrases of which one must be there for the condition to hold, or None when it can hold without."""
    if condition.phrase is not None:
        return {condition.phrase}
    sets = [found for part in condition.all_of if (found := _required(part))]
    if any(name for part in condition.all_of for name in _names(part)):
        return None  # the term that is needed too decides at the gate
    alternatives = [_required(part) for part in condition.any_of]
    if alternatives and None not in alternatives:
        sets.append(set().union(*(found for found in alternatives if found)))
    return min(sets, key=len) if sets else None
