"""`chipwire classify`: judge news from a file or from standard input."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from schemas.config.template import Templates
    from schemas.events.news import NewsItem
    from services.classifier.classify import Verdict
    from services.evaluation.data import Line

FACTS = (
    "action",
    "direction",
    "stage",
    "imposers",
    "agency",
    "targets",
    "target_basis",
    "via",
    "products",
    "companies",
    "instruments",
    "dates",
    "amounts",
    "conditions",
    "motive",
    "origin",
    "no_comment",
    "severity",
    "confidence",
)


_PLAIN = {"title": None, "published": None, "language": None, "tier": 1, "source": "file"}
"""What the options say of a plain text when nobody sets them."""


def classify(
    file: Annotated[str, typer.Argument(help="A .jsonl file with one item a line, any other file as the text of one item, or - for standard input.")] = "-",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, in the order of the input.")] = False,
    title: Annotated[str | None, typer.Option(help="Title of a plain text.")] = None,
    published: Annotated[str | None, typer.Option(help="When it was published, such as 2025-04-10.")] = None,
    language: Annotated[str | None, typer.Option(help="BCP 47 tag, a hint only.")] = None,
    tier: Annotated[int, typer.Option(min=0, max=3, help="0 gazette or filing, 1 leading outlet, 2 national or trade press, 3 aggregator.")] = 1,
    source: Annotated[str, typer.Option(help="Name of the source.")] = "file",
    config: Annotated[Path | None, typer.Option(help="A team's directory, laid over the shipped rules and terms.")] = None,
) -> None:
    """Judge news: alert, context or no.

    With the facts that were found and the words they rest on.
    """
    from services.classifier.classify import classify as judge
    from services.cli.rulesets import config_dir, read_ruleset
    from services.notifier.channels.harmless import harmless
    from services.notifier.wording import load_templates

    lines, problems = _read(file, {"title": title, "published": published, "language": language, "tier": tier, "source": source})
    files = config_dir(config)
    ruleset = read_ruleset(files)
    templates = load_templates(files, "en")
    for line in lines:
        item = line.to_item()
        verdict = judge(item, ruleset)
        print(printable(as_line(item, verdict, ruleset.hash, templates) if as_json else harmless(card(item, verdict, templates))))
    if not (lines or problems):
        print(f"{file} holds no items", file=sys.stderr)
    for problem in problems:
        print(f"{file}: {problem}", file=sys.stderr)
    if problems:
        raise typer.Exit(1)


def _read(file: str, given: dict[str, Any]) -> tuple[tuple[Line, ...], list[str]]:
    from pydantic import ValidationError

    from services.evaluation.data import Line, parse
    from services.runtime.errors import Misconfigured

    content = _content(file)
    if file.endswith(".jsonl") or (file == "-" and content.lstrip().startswith(b"{")):
        if told := [f"--{name}" for name, value in given.items() if value != _PLAIN[name]]:
            raise Misconfigured(f"{', '.join(told)}: each line of a .jsonl file says this for itself; the option is for plain text")
        data = parse(content)
        return data.lines, [str(problem) for problem in data.problems]
    text = as_text(content, of="standard input" if file == "-" else file).strip()
    if not text and not given["title"]:
        raise Misconfigured(f"{'standard input' if file == '-' else file} is empty; expected the text of a news item")
    try:
        return (Line.model_validate({name: value for name, value in given.items() if value is not None} | {"text": text}),), []
    except ValidationError as exc:
        raise Misconfigured(f"--published {given['published']}: expected a date such as 2025-04-10, a month such as 2025-04, or a time") from exc


def _content(file: str) -> bytes:
    from services.runtime.errors import Misconfigured

    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as exc:
        raise Misconfigured(f"{file} cannot be read: {exc.strerror}") from exc


def as_text(content: bytes, *, of: str) -> str:
    """The text of a file; a byte that is none is a replacement character. Raises Misconfigured for what is no text at all."""
    from services.runtime.errors import Misconfigured

    if b"\0" in content:
        raise Misconfigured(f"{of} is no text; expected the text of a news item in UTF-8")
    return content.decode("utf-8-sig", errors="replace")


def printable(text: str) -> str:
    """Half a character, which no encoding takes, as its escape: that is also how JSON writes it."""
    return text.encode("utf-8", "backslashreplace").decode()


def as_line(item: NewsItem, verdict: Verdict, ruleset: str, templates: Templates) -> str:
    """The verdict as one line of JSON."""
    facts = verdict.facts.model_dump(mode="json")
    return json.dumps(
        {
            "id": item.id,
            "language": verdict.language.model_dump(),
            "class": verdict.verdict,
            "score": round(verdict.score, 4),
            "ruleset": ruleset,
            "facts": {name: facts[name] for name in FACTS},
            "evidence": [found.model_dump() for found in verdict.evidence],
            "rules": [rule.model_dump() for rule in verdict.rules],
            "headline": {"en": told(verdict, templates)},
        },
        ensure_ascii=False,
    )


def told(verdict: Verdict, templates: Templates) -> str | None:
    """The headline in English; none where there is nothing to tell."""
    from services.notifier.headline import headline

    return headline(verdict.facts, language="en", templates=templates) if verdict.verdict != "no" else None


def card(item: NewsItem, verdict: Verdict, templates: Templates) -> str:
    """The verdict for people: the headline, the facts, and the words each rests on."""
    rows = [f"{verdict.verdict.upper()}  {verdict.score:.2f}  {item.title or item.text[:80]}"]
    if headline := told(verdict, templates):
        rows.append(f"  {headline}")
    rows += [f"  {name:<12} {value}" for name, value in _shown(verdict)]
    rows += [f"    {found.fact:<12} “{found.text}”  ({found.field} {found.start}-{found.end})" for found in verdict.evidence]
    rows += [f"  {'rules':<12} {', '.join(f'{rule.id} ({rule.status})' for rule in verdict.rules)}"] if verdict.rules else []
    rows.append(f"  {'why':<12} {verdict.trace.decided}")
    return "\n".join(rows) + "\n"


def _shown(verdict: Verdict) -> list[tuple[str, str]]:
    facts = verdict.facts
    values: dict[str, Any] = {name: getattr(facts, name) for name in FACTS}
    values["companies"] = [f"{company.id} ({company.role})" for company in facts.companies]
    values["dates"] = [f"{date.kind} {date.moment}" for date in facts.dates]
    values["amounts"] = [" ".join(filter(None, (amount.kind, f"{amount.value:,g}", amount.currency, amount.scope))) for amount in facts.amounts]
    return [(name, ", ".join(value) if isinstance(value, list | tuple) else str(value)) for name, value in values.items() if value not in (None, (), [], False)]
