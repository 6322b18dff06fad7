"""The rule set: everything that judges, as one value. Read from the shipped files and a team's own, all or nothing.

    lexicon/*.yaml  ruleset/*.yaml  tables/*.yaml  model/*  ->  Ruleset(terms, rules, tables, model, hash)

A batch is judged by one Ruleset; its hash travels in every signal.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import TypeVar

from schemas.config.lexicon import LexiconFile
from schemas.config.rule import Condition, Rule, RuleFile
from schemas.config.tables import Tables
from schemas.events.news import NewsItem
from services.classifier.conditions import parts
from services.classifier.entries import NAMES, merge, names_of
from services.classifier.index import RuleIndex, waiting, watched
from services.classifier.model.score import Model, model_files, read_model
from services.classifier.regex import unsafe
from services.classifier.tables import read_tables, table_files
from services.classifier.terms import Terms
from services.classifier.view import Likeness, View
from services.runtime.config_files import ConfigDir, content_hash, read_yaml
from services.runtime.errors import Misconfigured

LEXICON = "services.classifier:lexicon"
RULESET = "services.classifier:ruleset"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ruleset:
    """Everything that judges. `rules` holds the active and the shadow ones, by id; `quarantined` those that were taken out since, with the reason."""

    terms: Terms
    rules: tuple[Rule, ...]
    index: RuleIndex
    tables: Tables
    model: Model
    hash: str
    activated_at: datetime
    likeness: Likeness | None = None
    quarantined: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def build(cls, lexicon: LexiconFile, rules: Iterable[Rule], tables: Tables, model: Model, *, hash: str, now: datetime) -> Ruleset:  # noqa: A002 it is one
        """Compiles what was read. Raises ValueError for a term or phrase that cannot be looked for."""
        kept = tuple(sorted((rule for rule in rules if rule.status != "retired"), key=lambda rule: rule.id))
        all_waiting = waiting(kept, names_of(lexicon))
        terms = Terms.build(lexicon, watched(all_waiting))
        return cls(terms, kept, RuleIndex(all_waiting, terms.numbers), tables, model, hash, now)

    def without(self, reasons: Mapping[str, str], *, now: datetime) -> Ruleset:
        """A rule set of its own, without these rules: what they would have said is not what the others say."""
        kept = tuple(rule for rule in self.rules if rule.id not in reasons)
        out = {**self.quarantined, **reasons}
        derived = hashlib.sha256("\0".join((self.hash, "without", *sorted(out))).encode()).hexdigest()[:16]
        index = RuleIndex(waiting(kept, self.terms.names), self.terms.numbers)
        return replace(self, rules=kept, index=index, hash=derived, activated_at=now, quarantined=out)

    def view(self, item: NewsItem) -> View:
        """The item, as its rules look at it."""
        return View(item, self.terms.look(item), self.terms, self.tables, self.likeness)


@dataclass(frozen=True, slots=True)
class RuleFailure:
    """An example that a rule judges otherwise than its author says."""

    rule: str
    text: str
    expected: bool


def load_ruleset(config: ConfigDir, *, now: datetime, encoder: bool = True) -> Ruleset:
    """Reads and checks all of it; the model with its encoder where that is wanted and can run. Raises Misconfigured with every problem of rules, lexicon and tables."""
    problems: list[str] = []
    lexicon = _kept(read_lexicon, config, problems)
    files = _kept(_rule_files, config, problems)
    tables = _kept(read_tables, config, problems)
    if lexicon is None or files is None or tables is None:
        raise Misconfigured(*problems)
    known = NAMES.union(*names_of(lexicon).values())
    if problems := [*_gate_problems(lexicon, known), *_problems(files, known)]:
        raise Misconfigured(*problems)
    rules = [rule for file in files.values() for rule in file.rules]
    model = read_model(encoder=encoder)
    try:
        return Ruleset.build(lexicon, rules, tables, model, hash=_hash(config, encoder=model.encoder is not None), now=now)
    except ValueError as exc:
        raise Misconfigured(str(exc)) from exc


def read_lexicon(config: ConfigDir) -> LexiconFile:
    """The lexicon as one. Raises Misconfigured."""
    files = config.load_all("lexicon", LexiconFile, shipped=LEXICON)
    try:
        return merge(files.values())
    except ValueError as exc:
        raise Misconfigured(str(exc)) from exc


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


def _hash(config: ConfigDir, *, encoder: bool) -> str:
    paths = (*config.files("lexicon", shipped=LEXICON), *config.files("rules", shipped=RULESET), *table_files(config), *model_files(encoder=encoder))
    return content_hash(paths)[:16]


def _gate_problems(lexicon: LexiconFile, known: frozenset[str]) -> Iterator[str]:
    for name in chain.from_iterable(group for gate in lexicon.gates for group in gate.groups):
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
        if part.regex is not None and (problem := unsafe(part.regex)):
            yield f"regex {part.regex!r}: {problem}"
    if {example.fires for example in rule.examples} != {True, False}:
        yield "expected at least one example that fires and one that does not"


def _names(part: Condition) -> Sequence[str]:
    if part.near is not None:
        return part.near.terms
    return (part.term,) if part.term is not None else ()
