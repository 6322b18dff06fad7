"""`chipwire rules`: whether rules, terms and tables can be used, whether they do what their examples say, why, and what they would have said."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.classify import as_text, printable
from services.runtime.errors import Misconfigured
from services.runtime.exit_codes import ExitCode

if TYPE_CHECKING:
    from datetime import timedelta

    from schemas.events.news import NewsItem
    from services.classifier.explain import Explanation, Step
    from services.classifier.rules import RuleFailure, Ruleset
    from services.evaluation.backtest import Backtest
    from services.runtime.settings import RuntimeSettings

verbs = typer.Typer(rich_markup_mode=None, no_args_is_help=True)

Directory = Annotated[Path | None, typer.Argument(metavar="[DIR]", help="A team's directory with rules/ lexicon/ tables/, laid over the shipped set.")]


class Form(StrEnum):
    """How a backtest is shown."""

    TABLE = "table"
    MARKDOWN = "markdown"
    JSON = "json"


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
    """Judge every example of every rule and every sample of the lexicon.

    Exit code 1 when one is judged otherwise than its author says.
    """
    from services.classifier.rules import run_samples
    from services.cli.common import print_json

    ruleset = _read(directory)
    failures, misread = _failures(ruleset), list(run_samples(ruleset))
    examples, samples = sum(len(rule.examples) for rule in ruleset.rules), len(ruleset.terms.lexicon.samples)
    if as_json:
        failed = [{"rule": one.rule, "text": one.text, "expected": one.expected} for one in failures]
        wrong = [{"text": one.text, "wrong": one.wrong} for one in misread]
        told = {"ruleset": ruleset.hash, "rules": len(ruleset.rules), "examples": examples, "failures": failed, "samples": samples, "misread": wrong}
        print_json(told)
    else:
        for one in failures:
            print(f"{one.rule}: {'fires not' if one.expected else 'fires'} on: {one.text}")
        for sample in misread:
            print(f"lexicon: {'; '.join(sample.wrong)}: {sample.text}")
        print(f"{examples} examples of {len(ruleset.rules)} rules, {len(failures)} failed; {samples} samples of the lexicon, {len(misread)} failed")
    if failures or misread:
        raise typer.Exit(ExitCode.FAILED)


@verbs.command("explain")
def explain_rules(
    news: Annotated[str, typer.Argument(metavar="FILE|TEXT", help="A file with the text of one item, the text itself, or - for standard input.")],
    directory: Directory = None,
    rule: Annotated[list[str] | None, typer.Option(metavar="ID", help="Only this rule; may be given again.")] = None,
    title: Annotated[str | None, typer.Option(help="Its title.")] = None,
    language: Annotated[str | None, typer.Option(help="BCP 47 tag, a hint only.")] = None,
    tier: Annotated[int, typer.Option(min=0, max=3, help="Tier of its source.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Show why each rule fires on an item or does not: every condition, what it saw, and what is missing."""
    from dataclasses import asdict

    from services.classifier.explain import explain
    from services.cli.common import print_json

    ruleset = _read(directory)
    chosen = _chosen(rule or [], ruleset)
    item = _item(news, title, language, tier)
    told = sorted((one for one in explain(item, ruleset) if one.rule.id in chosen), key=lambda one: (not one.fires, one.rule.id))
    if as_json:
        print_json([{"rule": one.rule.id, "status": one.rule.status, "fires": one.fires, "looked_at": one.looked_at, **asdict(one.step)} for one in told])
        return
    for one in told:
        print(*_told(one), sep="\n")


@verbs.command("new")
def new(
    rule_id: Annotated[str, typer.Argument(metavar="ID", help="Lower case, digits and dashes.")],
    directory: Annotated[Path | None, typer.Argument(metavar="[DIR]", help="A team's directory; without one the file goes to standard output.")] = None,
    owner: Annotated[str, typer.Option(help="Whom to ask.")] = "policy-desk",
) -> None:
    """Write a rule to start from: commented, valid, in shadow, with examples that hold.

    Into DIR/rules/ID.yaml, with the JSON Schema beside it by which editors complete and check.
    """
    from services.cli.new_rule import skeleton, write

    if directory is None:
        print(skeleton(rule_id, owner), end="")
    else:
        print(f"{write(directory, rule_id, owner)} is written; next: chipwire rules test {directory}")


@verbs.command("backtest")
def backtest(
    directory: Directory = None,
    data: Annotated[Path | None, typer.Option(metavar="FILE", help="News, one JSON object a line: .jsonl or .jsonl.gz.")] = None,
    since: Annotated[str | None, typer.Option(metavar="30d", help="The news that the broker keeps of so long; the default without --data is 30d.")] = None,
    against: Annotated[Path | None, typer.Option(metavar="DIR", help="A proposed directory: what would be gained, lost and changed with it?")] = None,
    form: Annotated[Form, typer.Option("--format", help="table for people, markdown for a pull request, json for programs.")] = Form.TABLE,
    most: Annotated[int, typer.Option(min=0, help="So many items of a kind are shown.")] = 20,
    encoder: Annotated[bool, typer.Option(help="Let the sentence encoder read what the features leave open: minutes for a month of news.")] = False,
) -> None:
    """Judge past news: what would have alerted, and the difference that a proposed directory makes.

    Two processes share the work.
    """
    from services.cli.backtest import read_broker, read_file, run

    if data is not None and since is not None:
        raise typer.BadParameter("give --data or --since, not both")
    before, after = _read(directory, encoder=encoder), _read(against, encoder=encoder) if against is not None else None
    lines = read_file(data) if data is not None else read_broker(_settings(), _since(since or "30d"))
    found, problems = run(lines, directory, against or directory, both=against is not None, labelled=data is not None, encoder=encoder)
    print(_shown(found, before.hash if after else None, (after or before).hash, form, most), end="")
    for problem in problems[:20]:
        print(f"{data or 'the broker'}: {problem}", file=sys.stderr)
    if problems:
        raise typer.Exit(ExitCode.FAILED)


def _shown(found: Backtest, before: str | None, after: str, form: Form, most: int) -> str:
    import json

    from services.evaluation import backtest_report as report

    if form is Form.JSON:
        return json.dumps(report.as_json(found, before=before, after=after), ensure_ascii=False) + "\n"
    if form is Form.MARKDOWN:
        return printable(report.markdown(found, before=before, after=after, most=most)) + "\n"
    return printable("\n".join(_table(found, before, after, most))) + "\n"


def _table(found: Backtest, before: str | None, after: str, most: int) -> Iterator[str]:
    from services.evaluation import backtest_report as report

    yield from report.summary(found, before=before, after=after)
    for rule, *counts in report.rule_rows(found, before=before):
        yield f"  {rule:<48} {'  '.join(f'{count:>8}' for count in counts)}"
    for kind, title in report.KINDS.items():
        if found.kinds[kind]:
            yield f"\n{title}: {found.kinds[kind]:,}"
        for finding in [one for one in found.findings if one.kind == kind][:most]:
            yield f"- {finding.head}"
            yield from (f"    {line}" for line in report.finding_lines(finding))


def _since(text: str) -> timedelta:
    from pydantic import TypeAdapter, ValidationError

    from schemas.config.duration import Duration

    try:
        return TypeAdapter(Duration).validate_python(text)
    except ValidationError as exc:
        raise typer.BadParameter('expected a length of time such as "30d" or "12h"', param_hint="--since") from exc


def _settings() -> RuntimeSettings:
    from services.cli.common import runtime_settings

    return runtime_settings()


def _chosen(wanted: list[str], ruleset: Ruleset) -> set[str]:
    known = {rule.id for rule in ruleset.rules}
    if unknown := set(wanted) - known:
        raise typer.BadParameter(f"there is no rule {', '.join(sorted(unknown))}", param_hint="--rule")
    return set(wanted) or known


def _item(news: str, title: str | None, language: str | None, tier: int) -> NewsItem:
    from datetime import UTC, datetime

    from schemas.events.news import NewsItem

    text = _text(news)
    return NewsItem(
        id="explained", revision="explained", source="explained", title=title, text=text, language=language, tier=tier, observed_at=datetime.now(UTC)
    )


def _text(news: str) -> str:
    if news == "-":
        return sys.stdin.buffer.read().decode("utf-8-sig", errors="replace")
    try:
        path = Path(news)
        return as_text(path.read_bytes(), of=news) if path.is_file() else news
    except (OSError, ValueError):  # a text is often no possible name of a file
        return news


def _told(one: Explanation) -> list[str]:
    """A rule with its conditions, for people."""
    state = "fires" if one.fires else "does not fire" if one.step.holds is False else "is unknown" if one.step.holds is None else "is not asked"
    rows = [f"{one.rule.id} ({one.rule.status}) {state}"]
    if not one.looked_at:
        rows.append("  the item is not of the topic (the gate of the lexicon stops it), and the rule has no words of its own that stand in it")
    return [printable(row) for row in (*rows, *_steps(one.step, 1))]


def _steps(step: Step, depth: int) -> Iterator[str]:
    sign = {True: "✓", False: "✗", None: "?"}[step.holds]
    saw = " ".join(f"“{quote.text}” ({quote.field} {quote.start}-{quote.end})" for quote in step.saw)
    yield f"{'  ' * depth}{sign} {step.asks}" + (f": {saw}" if saw else f": {step.why}" if step.why else "")
    for part in step.parts:
        yield from _steps(part, depth + 1)


def _read(directory: Path | None, *, encoder: bool = True) -> Ruleset:
    from services.cli.rulesets import config_dir, read_ruleset

    if directory is not None and not directory.is_dir():
        raise typer.BadParameter(f"{directory} is no directory", param_hint="DIR")
    return read_ruleset(config_dir(directory), encoder=encoder)


def _failures(ruleset: Ruleset) -> list[RuleFailure]:
    from services.classifier.rules import run_examples

    return list(run_examples(ruleset))
