"""Writes the tables of accuracy.md anew, a few minutes on one core: `python -m docs.accuracy real=dev.jsonl written=authored.jsonl`"""  # noqa: INP001 a script, no package

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from services.classifier.classify import NOTHING, classify
from services.classifier.rules import Ruleset
from services.cli.judging import FOLDS, SEED, watched
from services.cli.model import JUDGED, WEIGHTS
from services.cli.rulesets import config_dir, read_ruleset
from services.evaluation.confusion import languages, pairs
from services.evaluation.contribution import Contribution, contributions, together
from services.evaluation.data import parse
from services.evaluation.measures import count
from services.evaluation.report import Run, report
from services.evaluation.rules_alone import rules_alone
from services.evaluation.threads import Judged, with_gold
from services.evaluation.training.examples import Example, read_examples
from services.evaluation.training.fit import read_judged
from services.evaluation.unseen import unseen

PAGE = Path(__file__).parent / "accuracy.md"
CORPUS = Path(__file__).parent.parent / "corpus"
START, END = "<!-- figures: made by `python -m docs.accuracy` -->\n", "<!-- end of figures -->\n"
BOTH, FOREST, RULES = "with encoder", "without encoder", "rules alone"
FEW = 8
"""Languages with fewer alerts are told together."""
MOST_RULES, MOST_ERRORS = 12, 40
Figures = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Measured:
    """The figures by mode of judging and kind of news; the items outside the corpus as judged with the encoder, and what the rules are good for on them."""

    figures: Mapping[str, Mapping[str, Figures]]
    outside: Sequence[Judged]
    rules: Sequence[Contribution]
    ruleset: str
    folds: int

    def of(self, kind: str, mode: str = BOTH) -> Figures:
        return self.figures[mode][kind]

    @property
    def kinds(self) -> list[str]:
        return list(self.figures[BOTH])


@dataclass(frozen=True, slots=True)
class Fold:
    """One part of all the news: as judged with the encoder and without, and what the rules are good for on what stands outside the corpus."""

    judged: Mapping[str, Sequence[Judged]]
    rules: Sequence[Contribution]


def measure(given: Mapping[str, Path], folds: Iterable[Fold]) -> Measured:
    """The figures of all folds together."""
    ruleset = read_ruleset(config_dir(None))
    names = {path.stem: name for name, path in given.items()} | {"corpus": "corpus"}
    kinds = {one.line.id: names[one.source] for one in _examples(given)}
    done = list(folds)
    judged = {mode: [one for fold in done for one in fold.judged[mode]] for mode in (BOTH, FOREST)}
    judged[RULES] = _by_rules(judged[FOREST], rules_alone(ruleset))
    figures = {mode: {name: _figures([one for one in found if kinds[one.line.id] == name], mode) for name in names.values()} for mode, found in judged.items()}
    return Measured(figures, [one for one in judged[BOTH] if kinds[one.line.id] != "corpus"], together(fold.rules for fold in done), ruleset.hash, len(done))


def judge(given: Mapping[str, Path], only: Iterable[int] = range(FOLDS)) -> Iterator[Fold]:
    """All news, a fold at a time, each by what learnt from the other folds; or only some of the folds."""
    examples, outside = _examples(given), {path.stem for path in given.values()}
    wanted = [one for one in examples if one.fold(FOLDS, SEED) in only]
    from_outside = {one.line.id for one in wanted if one.source in outside}
    for fold in unseen(examples, wanted, read_ruleset(config_dir(None)), read_judged(CORPUS / JUDGED), folds=FOLDS, seed=SEED):
        parts = list(fold.judge(encoder=True))
        alone = [one for _, part in fold.judge(encoder=False) for one in part]
        rules = contributions((by, [one for one in part if one.line.id in from_outside]) for by, part in parts)
        yield Fold({BOTH: [one for _, part in parts for one in part], FOREST: alone}, rules)


def _examples(given: Mapping[str, Path]) -> Sequence[Example]:
    return read_examples(CORPUS, list(given.values()), WEIGHTS)


def _by_rules(judged: Sequence[Judged], ruleset: Ruleset) -> list[Judged]:
    return [Judged(one.line, one.item, classify(one.item, ruleset)) for one in judged]


def _figures(judged: Sequence[Judged], mode: str) -> Figures:
    return report(Run(judged, "", "", mode, 0.0, unseen=True))


def tables(measured: Measured, given: Mapping[str, Path]) -> Iterator[str]:
    """Everything that stands between the marks."""
    yield f"Measured on {datetime.now(UTC):%Y-%m-%d}, rule set `{measured.ruleset}`, {measured.folds} of {FOLDS} folds, each item by what had learnt from others only.\n"
    yield from _table(("news", "items", "alerts", "SHA-256 of the file"), _data(measured, given), left=1)
    yield "\n## Alerts\n"
    yield from _table(("news", "judged", "F1", "95 %", "precision", "recall"), _alerts(measured), left=2)
    yield "\n### By language, with encoder\n"
    yield from _table(("news", "language", "alerts", "precision", "recall", "F1"), _languages(measured), left=2)
    yield "\n### By wording and by doubt, with encoder\n"
    yield from _table(("news", "items", "alerts", "figure"), _groups(measured), left=2)
    yield "\n### Classes, with encoder\n"
    yield from _table(("news", "labelled", "judged alert", "context", "no"), _classes(measured), left=2)
    yield "\n## Facts\n"
    names = list(measured.of(measured.kinds[0])["facts"])
    yield from _table(("news, with encoder", *names), _facts(measured, names), left=1)
    yield "\n## Calibration\n"
    yield from _table(("score", *(f"{kind}: items, share of alerts" for kind in measured.kinds)), _calibration(measured), left=1)
    yield "\n## Threads\n"
    yield from _table(("alerts", "items", "B-cubed F1", "precision", "recall", "simple rule", "pushes for each due"), _threads(measured), left=1)
    yield "\n## Rules\n"
    yield from _table(("rule", "says", "fires", "precision", "alone", "gained", "spared", "lost", "raised"), _rules(measured), left=2)
    yield "\n## Worst errors\n"
    yield from _table(("news", "item", "labelled", "judged", "why"), _errors(measured), left=5)


def _table(names: Sequence[str], rows: Iterable[Sequence[object]], *, left: int) -> Iterator[str]:
    yield f"| {' | '.join(names)} |"
    yield "|" + "---|" * left + "---:|" * (len(names) - left)
    yield from (f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in row)} |" for row in rows)


def _data(measured: Measured, given: Mapping[str, Path]) -> Iterator[Sequence[object]]:
    for kind in measured.kinds:
        data = measured.of(kind)["data"]
        shown = f"`{sha256(given[kind].read_bytes()).hexdigest()[:16]}`" if kind in given else "in this repository"
        yield kind, data["items"], data["alerts"], shown


def _alerts(measured: Measured) -> Iterator[Sequence[object]]:
    for kind in measured.kinds:
        for mode in measured.figures:
            one = measured.of(kind, mode)["alert"]
            low, high = one["ci95"]
            yield kind, mode, f"**{one['f1']:.3f}**", f"{low:.3f} to {high:.3f}", f"{one['precision']:.3f}", f"{one['recall']:.3f}"


def _languages(measured: Measured) -> Iterator[Sequence[object]]:
    yield from _of_languages("outside the corpus", measured.outside)
    for tag, one in sorted(measured.of("corpus")["by_language"].items(), key=lambda row: row[1]["f1"]):
        yield "corpus", tag, one["alerts"], f"{one['precision']:.3f}", f"{one['recall']:.3f}", f"{one['f1']:.3f}"


def _of_languages(kind: str, judged: Sequence[Judged]) -> Iterator[Sequence[object]]:
    groups: dict[str, list[Judged]] = defaultdict(list)
    for tag, found in languages(judged).items():
        groups[tag if sum(one.line.gold == "alert" for one in found) >= FEW else "all others"] += found
    for tag, found in sorted(groups.items(), key=lambda group: (group[0] == "all others", group[0])):
        score = count(pairs(found)).score
        yield kind, tag, sum(one.line.gold == "alert" for one in found), f"{score.precision:.3f}", f"{score.recall:.3f}", f"{score.f1:.3f}"


def _groups(measured: Measured) -> Iterator[Sequence[object]]:
    for kind in measured.kinds:
        found = measured.of(kind)
        for name, one in (found["wording"] or {}).items():
            yield kind, f"in {name} words", one["alerts"], f"recall {one['recall']:.3f}"
        for name, one in (found["doubt"] or {}).items():
            yield kind, name, one["alerts"], f"F1 {one['f1']:.3f}"


def _classes(measured: Measured) -> Iterator[Sequence[object]]:
    for kind in measured.kinds:
        yield from ((kind, gold, *row.values()) for gold, row in measured.of(kind)["confusion"]["all"].items())


def _facts(measured: Measured, names: Sequence[str]) -> Iterator[Sequence[object]]:
    for kind in measured.kinds:
        yield kind, *(f"{measured.of(kind)['facts'][name]['accuracy']:.3f}" for name in names)
        yield f"{kind}, missed ones wrong", *(f"{measured.of(kind)['facts'][name]['accuracy_all_gold']:.3f}" for name in names)


def _calibration(measured: Measured) -> Iterator[Sequence[object]]:
    bins = {kind: {one["from"]: one for one in measured.of(kind)["calibration"]["bins"]} for kind in measured.kinds}
    for tenth in range(10):
        cells = [bins[kind].get(tenth / 10) for kind in measured.kinds]
        yield f"{tenth / 10:.1f} to {(tenth + 1) / 10:.1f}", *(f"{one['items']}, {one['alerts']:.2f}" if one else "" for one in cells)
    for name, key in (("expected calibration error", "ece"), ("Brier score", "brier")):
        yield name, *(f"{measured.of(kind)['calibration'][key]:.3f}" for kind in measured.kinds)


def _threads(measured: Measured) -> Iterator[Sequence[object]]:
    for kind in measured.kinds:
        yield _of_threads(f"{kind}, facts as found", measured.of(kind)["threads"])
    for half in ("dev", "test"):
        lines = parse((CORPUS / "threads" / f"{half}.jsonl").read_bytes(), labels=True).lines
        judged = [with_gold(Judged(line, line.to_item(), NOTHING)) for line in lines]
        yield _of_threads(f"dense news, {half}, facts as labelled", _figures(judged, "")["threads"])


def _of_threads(name: str, one: Figures) -> Sequence[object]:
    ours, simple = one["b3"], one["trivial_b3_f1"]
    return name, one["items"], f"{ours['f1']:.3f}", f"{ours['precision']:.3f}", f"{ours['recall']:.3f}", f"{simple:.3f}", f"{one['pushes_per_event']:.2f}"


def _rules(measured: Measured) -> Iterator[Sequence[object]]:
    """The most useful ones, and all that do more harm than good."""
    for one in [*measured.rules[:MOST_RULES], *(one for one in measured.rules[MOST_RULES:] if one.net < 0)]:
        says = f"{'settles' if one.settles else 'leans to'} {one.says}" if one.says else "nothing"
        yield f"`{one.rule}`", says, one.fires, f"{one.right / one.fires:.3f}", one.alone, one.gained, one.spared, one.lost, one.raised


def _errors(measured: Measured) -> Iterator[Sequence[object]]:
    for kind in measured.kinds:
        if kind != "corpus":
            yield from ((kind, f"`{one['id']}`", one["gold"], one["found"], one["why"]) for one in measured.of(kind)["errors"][:MOST_ERRORS])


def main(arguments: Sequence[str]) -> None:
    """Each argument names a kind of news and its file."""
    given = {name: Path(path) for name, _, path in (argument.partition("=") for argument in arguments)}
    made = "\n".join(tables(measure(given, watched(judge(given), "Learning and judging", FOLDS)), given))
    before, _, rest = PAGE.read_text("utf-8").partition(START)
    PAGE.write_text(f"{before}{START}{made}\n{END}{rest.partition(END)[2]}", "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
