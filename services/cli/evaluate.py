"""`chipwire evaluate`: how good the judgements are, measured on labelled news."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from services.classifier.rules import Ruleset
    from services.cli.judging import Judging
    from services.evaluation.compare import Compared
    from services.evaluation.data import Data

Compare = Annotated[
    Path | None,
    typer.Option(
        help="Hold it against another judge on the same items: a directory of rules and terms, or a score.json of `model train`.", metavar="DIR|MODEL"
    ),
]


def evaluate(
    data: Annotated[Path, typer.Argument(help="Labelled news, one JSON object a line.")],
    as_json: Annotated[bool, typer.Option("--json", help="The figures as one JSON object.")] = False,
    html: Annotated[Path | None, typer.Option(help="Write a report with charts to this file. It quotes headlines of the data.")] = None,
    min_f1: Annotated[float | None, typer.Option(min=0, max=1, help="Exit with 1 when F1 of alerts is lower.")] = None,
    compare: Compare = None,
    gold_verdicts: Annotated[bool, typer.Option(help="Take class and labelled facts from the data, so that threading is measured alone.")] = False,
    rules: Annotated[bool, typer.Option(help="Measure what each rule is good for: judges anew what it fires on.")] = True,
    only_rules: Annotated[bool, typer.Option("--rules-alone", help="Judge by the rules alone: nothing that was learnt has a say in the class.")] = False,
    encoder: Annotated[bool, typer.Option(help="Let the sentence encoder read what the features leave open, where it is installed.")] = True,
    unseen: Annotated[bool, typer.Option(help="Judge each item by what learnt from others only: takes minutes, and the packages of `model train`.")] = False,
    corpus: Annotated[Path, typer.Option(help="With --unseen: the directory of the corpus.")] = Path("corpus"),
    others: Annotated[list[Path] | None, typer.Option("--with", help="With --unseen: more labelled news to learn from.")] = None,
    config: Annotated[Path | None, typer.Option(help="A team's directory, laid over the shipped rules and terms.")] = None,
) -> None:
    """Measure the classifier and the threads on labelled news."""
    from services.cli.judging import as_if_unseen, as_it_stands
    from services.cli.measured import table
    from services.cli.rulesets import config_dir, read_ruleset
    from services.evaluation.contribution import contributions
    from services.evaluation.data import parse
    from services.evaluation.report import Run, report
    from services.evaluation.rules_alone import rules_alone
    from services.evaluation.threads import with_gold
    from services.runtime.errors import Misconfigured

    try:
        read = parse(data.read_bytes(), labels=True)
    except OSError as exc:
        raise Misconfigured(f"{data} cannot be read: {exc.strerror}") from exc
    _check(compare, unseen=unseen, only_rules=only_rules)

    def judge(ruleset: Ruleset) -> Judging:
        if unseen:
            return as_if_unseen(read, ruleset, corpus=corpus, learnt=_learnt(data, corpus, others), encoder=encoder)
        return as_it_stands(read, rules_alone(ruleset) if only_rules else ruleset)

    made = judge(read_ruleset(config_dir(config), encoder=encoder and not only_rules))
    judged = [with_gold(one) for one in made.judged] if gold_verdicts else made.judged
    figures = report(
        Run(
            judged,
            read.sha256,
            made.ruleset.hash,
            made.model,
            made.seconds,
            unseen=unseen,
            rules=contributions(made.parts) if rules and not gold_verdicts else None,
            compared=_compared(made, judge(_other(compare, config, encoder=encoder and not only_rules)), compare) if compare else None,
        )
    )
    if html is not None:
        from services.evaluation.page import page

        html.write_text(page(figures, {one.item.id: one.line.title or one.line.text or "" for one in judged}, name=data.name), encoding="utf-8")
    print(json.dumps(figures, ensure_ascii=False) if as_json else table(figures), end="\n" if as_json else "")
    _leave(data, read, figures["alert"]["f1"], min_f1)


def _check(compare: Path | None, *, unseen: bool, only_rules: bool) -> None:
    """Raises Misconfigured for what cannot go together."""
    from services.runtime.errors import Misconfigured

    if unseen and only_rules:
        raise Misconfigured("--rules-alone judges by nothing that was learnt; expected it without --unseen")
    if compare is not None and not compare.exists():
        raise Misconfigured(f"{compare} does not exist; expected a directory of rules and terms, or a score.json")
    if (unseen or only_rules) and compare is not None and compare.is_file():
        raise Misconfigured(f"{compare} is a model; expected a directory of rules and terms with --unseen or --rules-alone, which judge by models of their own")


def _leave(data: Path, read: Data, f1: float, min_f1: float | None) -> None:
    if not (read.lines or read.problems):
        print(f"{data} holds no items", file=sys.stderr)
    for problem in read.problems:
        print(f"{data}: {problem}", file=sys.stderr)
    missed = bool(read.lines) and min_f1 is not None and f1 < min_f1
    if missed:
        print(f"F1 of alerts is {f1}, below {min_f1}", file=sys.stderr)
    if read.problems or missed or not read.lines:
        raise typer.Exit(1)


def _learnt(data: Path, corpus: Path, others: list[Path] | None) -> list[Path]:
    """The data themselves and what is named besides, but nothing that the corpus holds anyway."""
    items = (corpus / "items").resolve()
    return [path for path in dict.fromkeys([data, *(others or [])]) if path.resolve().parent != items]


def _other(compare: Path, config: Path | None, *, encoder: bool) -> Ruleset:
    """The judge to hold ours against. Raises Misconfigured."""
    from dataclasses import replace

    from services.classifier.model.score import read_score
    from services.cli.rulesets import config_dir, read_ruleset
    from services.runtime.config_files import content_hash

    if compare.is_dir():
        return read_ruleset(config_dir(compare), encoder=encoder)
    ruleset = read_ruleset(config_dir(config), encoder=encoder)
    model = read_score(compare, ruleset.model.encoder)
    return replace(ruleset, model=model, hash=f"{ruleset.hash}+{content_hash([compare])[:8]}")


def _compared(here: Judging, there: Judging, path: Path) -> Compared:
    from services.evaluation.compare import compare

    return compare(here.judged, there.judged, name=path.name, ruleset=there.ruleset.hash, model=there.model)
