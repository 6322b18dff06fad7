"""JSONL: one item a line, with the fields of a pushed item. A bad line is left out and told; the others count."""

from __future__ import annotations

from pydantic import ValidationError

from schemas.api.push import PushedItem
from schemas.config.source import Source
from services.ingester.entry import Entry, Page, Reading, of_pushed
from services.ingester.readers.webpage import is_web_page
from services.runtime.errors import Malformed


def read(page: Page, _source: Source) -> Reading:
    """Reads every line. Raises Malformed if not one line can be read though there are some."""
    if is_web_page(page.body):
        raise Malformed("a web page, where JSON lines were expected")
    entries: list[Entry] = []
    problems: list[str] = []
    for number, line in enumerate(page.body.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            entries.append(of_pushed(PushedItem.model_validate_json(line)))
        except ValidationError as exc:
            problems.append(f"line {number}: {problem_of(exc)}")
    if problems and not entries:
        raise Malformed(f"no line can be read; {problems[0]}")
    return Reading(tuple(entries), tuple(problems))


def problem_of(error: ValidationError) -> str:
    """What is wrong first, with the field, without quoting the content."""
    first = error.errors(include_input=False, include_url=False)[0]
    where = ".".join(map(str, first["loc"]))
    what = str(first["msg"]).removeprefix("Value error, ")
    return f"{where}: {what}" if where else what
