"""`chipwire rules`: whether rules, terms and tables can be used, and whether the rules do what their examples say."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from services.runtime.errors import Misconfigured
from services.runtime.exit_codes import ExitCode

if TYPE_CHECKING:
    from services.classifier.rules import RuleFailure, Ruleset

verbs = typer.Typer(rich_markup_mode=None, no_args_is_help=True)

Directory = Annotated[Path | None, typer.Argument(metavar="[DIR]", help="A team's directory with rules/ lexicon/ tables/, laid over the shipped set.")]
AsJson = Annotated[bool, typer.Option("--json", help="The result as one JSON object.")]


@verbs.command("check")
def check(directory: Directory = None, as_json: AsJson = False) -> None:
    """Check every file.

    Form, unknown terms, unsafe patterns, ids that stand twice, missing examples. Exit code 1 when something is wrong.
    """
    from services.cli.common import print_json

    try:
        ruleset = _read(directory)
    except Misconfigured as exc:
        if as_json:
            print_json({"ruleset": None, "rules": None, "problems": exc.problems})
        else:
            print(*exc.problems, sep="\n")
        raise typer.Exit(ExitCode.FAILED) from None
    if as_json:
        print_json({"ruleset": ruleset.hash, "rules": len(ruleset.rules), "problems": []})
    else:
        print(f"{len(ruleset.rules)} rules are sound; rule set {ruleset.hash}")


@verbs.command("test")
def judge_examples(directory: Directory = None, as_json: AsJson = False) -> None:
    """Judge every example of every rule.

    Exit code 1 when a rule does not do what its author says.
    """
    from services.cli.common import print_json

    ruleset = _read(directory)
    failures = _failures(ruleset)
    examples = sum(len(rule.examples) for rule in ruleset.rules)
    if as_json:
        failed = [{"rule": one.rule, "text": one.text, "expected": one.expected} for one in failures]
        print_json({"ruleset": ruleset.hash, "rules": len(ruleset.rules), "examples": examples, "failures": failed})
    else:
        for one in failures:
            print(f"{one.rule}: {'fires not' if one.expected else 'fires'} on: {one.text}")
        print(f"{examples} examples of {len(ruleset.rules)} rules, {len(failures)} failed")
    if failures:
        raise typer.Exit(ExitCode.FAILED)


def _read(directory: Path | None) -> Ruleset:
    from services.cli.rulesets import config_dir, read_ruleset

    if directory is not None and not directory.is_dir():
        raise typer.BadParameter(f"{directory} is no directory", param_hint="DIR")
    return read_ruleset(config_dir(directory))


def _failures(ruleset: Ruleset) -> list[RuleFailure]:
    from services.classifier.classify import classify
    from services.classifier.rules import run_examples

    return list(run_examples(ruleset, lambda item: {hit.id for hit in classify(item, ruleset).rules}))
