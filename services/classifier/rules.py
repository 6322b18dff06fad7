"""The rule set: everything that judges, as one value. Read from the shipped files and a team's own, all or nothing.

    lexicon/*.yaml  ruleset/*.yaml  tables/*.yaml  model/*  ->  Ruleset(terms, rules, tables, model, hash)

A batch is judged by one Ruleset; its hash travels in every signal.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import TypeVar

from schemas.config.facts import FactTest
from schemas.config.lexicon import LexiconFile
from schemas.config.rule import GROUPS, Condition, Rule, RuleFile
from schemas.config.tables import Tables
from schemas.events.news import NewsItem
from services.classifier.entries import NAMES, merge, names_of
from services.classifier.index import RuleIndex, Waiting, waiting, watched
from services.classifier.model.likeness import EncoderLikeness
from services.classifier.model.score import Model, model_files, read_model
from services.classifier.regex import unsafe
from services.classifier.spelling import spellings
from services.classifier.tables import read_tables, table_files
from services.classifier.terms import Terms
from services.classifier.view import Likeness, View
from services.runtime.config_files import ConfigDir, content_hash, read_yaml
from services.runtime.errors import Misconfigured

LEXICON = "services.classifier:lexicon"
RULESET = "services.classifier:ruleset"
T = TypeVar("T")
Place = tuple[str | int, ...]
"""Where something stands below a rule of a file."""


@dataclass(frozen=True, slots=True)
class Ruleset:
    """Everything that judges. `rules` holds the active and the shadow ones, by id; `quarantined` those that were taken out since, with the reason.

    `hash` names exactly this set; `origin` the files it was read from, which a quarantine does not change.
    """

    terms: Terms
    rules: tuple[Rule, ...]
    index: RuleIndex
    tables: Tables
    model: Model
    hash: str
    origin: str
    activated_at: datetime
    likeness: Likeness | None = None
    quarantined: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def build(cls, lexicon: LexiconFile, rules: Iterable[Rule], tables: Tables, model: Model, *, hash: str, now: datetime) -> Ruleset:  # noqa: A002 it is one
        """Compiles what was read. Raises ValueError for a term or phrase that cannot be looked for."""
        kept = tuple(sorted((rule for rule in rules if rule.status != "retired"), key=lambda rule: rule.id))
        all_waiting = waiting(kept, names_of(lexicon))
        terms = Terms.build(lexicon, watched(all_waiting))
        likeness = None if model.encoder is None else EncoderLikeness(model.encoder)
        return cls(terms, kept, RuleIndex(all_waiting, terms.numbers), tables, model, hash, hash, now, likeness)

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

    def asked(self, view: View) -> list[Waiting]:
        """The rules that may fire on an item: where the gate stops it, those with words of their own in it."""
        return self.index.candidates(view) if self.terms.passes(view.sighting) else self.index.openers(view)

    def fired(self, item: NewsItem) -> set[str]:
        """The ids of the rules that fire on an item. Nothing is scored."""
        view = self.view(item)
        return {one.rule.id for one in self.asked(view) if one.test(view)}


@dataclass(frozen=True, slots=True)
class RuleFailure:
    """An example that a rule judges otherwise than its author says."""

    rule: str
    text: str
    expected: bool


@dataclass(frozen=True, slots=True)
class SampleFailure:
    """A sample of the lexicon that is read otherwise than its author says."""

    text: str
    wrong: tuple[str, ...]


def load_ruleset(config: ConfigDir, *, now: datetime, encoder: bool = True) -> Ruleset:
    """Reads and checks all of it; the model with its encoder where that is wanted and can run.

    Raises Misconfigured with every problem of rules, lexicon and tables.
    """
    problems: list[str] = []
    lexicon = _kept(read_lexicon, config, problems)
    files = _kept(_rule_files, config, problems)
    tables = _kept(read_tables, config, problems)
    if lexicon is None or files is None or tables is None:
        raise Misconfigured(*problems)
    known = NAMES.union(*names_of(lexicon).values())
    if problems := [*_gate_problems(config, known), *_problems(files, lexicon, known)]:
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


def run_examples(ruleset: Ruleset) -> Iterator[RuleFailure]:
    """The examples that fail."""
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
            if (rule.id in ruleset.fired(item)) != example.fires:
                yield RuleFailure(rule.id, " · ".join(filter(None, (example.title, example.text))), example.fires)


def run_samples(ruleset: Ruleset) -> Iterator[SampleFailure]:
    """The samples of the lexicon in which something else is found than their author says."""
    for number, sample in enumerate(ruleset.terms.lexicon.samples):
        item = NewsItem(id=f"sample#{number}", revision="sample", source="samples", text=sample.text, observed_at=ruleset.activated_at)
        view = ruleset.view(item)
        found = {hit.concept for hit in view.document.hits}
        wrong = [f"{concept} is not found" for concept in sample.expect if concept not in found]
        wrong += [f"{concept} is found" for concept in sample.reject if concept in found]
        if sample.passes is not None and sample.passes != ruleset.terms.passes(view.sighting):
            wrong.append("the gate stops it" if sample.passes else "the gate lets it through")
        if wrong:
            yield SampleFailure(sample.text, tuple(wrong))


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


def _gate_problems(config: ConfigDir, known: frozenset[str]) -> Iterator[str]:
    for path, file in config.load_all("lexicon", LexiconFile, shipped=LEXICON).items():
        for gate in file.gates:
            for unknown in sorted(set(chain.from_iterable(gate.groups)) - known):
                yield f"{read_yaml(path).where('gate')}: gate: no concept or kind is called {unknown!r}"


def _problems(files: Mapping[Path, RuleFile], lexicon: LexiconFile, known: frozenset[str]) -> Iterator[str]:
    seen: dict[str, Path] = {}
    for path, file in files.items():
        for place, rule in enumerate(file.rules):
            found = [*_of_rule(rule, lexicon, known)]
            if rule.id in seen:
                found.append((("id",), f"stands in {seen[rule.id].name} too; expected an id of its own"))
            seen.setdefault(rule.id, path)
            yield from (f"{read_yaml(path).where('rules', place, *loc)}: rule {rule.id}: {problem}" for loc, problem in found)


def _of_rule(rule: Rule, lexicon: LexiconFile, known: frozenset[str]) -> Iterator[tuple[Place, str]]:
    for loc, part in _placed(rule.when, ("when",)):
        yield from ((loc + more, problem) for more, problem in _of_condition(part, lexicon, known))
    if {example.fires for example in rule.examples} != {True, False}:
        yield ("examples",), "expected at least one example that fires and one that does not"


def _placed(condition: Condition, loc: Place) -> Iterator[tuple[Place, Condition]]:
    """The condition and all below it, each with its place in the file."""
    yield loc, condition
    for group in GROUPS:
        for number, part in enumerate(getattr(condition, f"{group}_of")):
            yield from _placed(part, (*loc, group, number))


def _of_condition(part: Condition, lexicon: LexiconFile, known: frozenset[str]) -> Iterator[tuple[Place, str]]:
    if part.term is not None and part.term not in known:
        yield ("term",), f"no concept or kind of the lexicon is called {part.term!r}"
    if part.regex is not None and (problem := unsafe(part.regex)):
        yield ("regex",), f"regex {part.regex!r}: {problem}"
    if part.phrase is not None:
        yield from _of_phrases((("phrase",), part.phrase))
    if part.near is not None:
        unknown = [(place, name) for place, name in enumerate(part.near.terms) if name not in known]
        yield from ((("near", "terms", place), f"no concept or kind of the lexicon is called {name!r}") for place, name in unknown)
        yield from _of_phrases(*((("near", "phrases", place), phrase) for place, phrase in enumerate(part.near.phrases)))
    if part.fact is not None:
        yield from _of_facts(part.fact, lexicon)
    if any(refused in part.all_of for refused in part.none_of):
        yield ("none",), "it refuses what it demands, and can never hold"


def _of_phrases(*phrases: tuple[Place, str]) -> Iterator[tuple[Place, str]]:
    for place, phrase in phrases:
        try:
            spellings(phrase, "any")
        except ValueError as exc:
            yield place, str(exc)


def _of_facts(fact: FactTest, lexicon: LexiconFile) -> Iterator[tuple[Place, str]]:
    """Ids that no item can ever be found to have."""
    for name, ids in (("companies", lexicon.companies), ("agency", lexicon.agencies), ("imposers", lexicon.countries)):
        for value in getattr(fact, name) or ():
            if value not in ids:
                yield (
                    ("fact", name),
                    f"no {'company' if name == 'companies' else 'agency' if name == 'agency' else 'country'} of the lexicon has the id {value!r}",
                )
