"""`chipwire rules backtest`: what rules would have said of past news, two processes at a time."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from schemas.events.news import NewsItem
    from services.classifier.rules import Ruleset
    from services.evaluation.backtest import Backtest
    from services.runtime.settings import RuntimeSettings

PROCESSES = 2
_AT_ONCE = 500

_sets: tuple[Ruleset | None, Ruleset] | None = None
"""The rule sets of a process that judges."""


def read_file(path: Path) -> list[bytes]:
    """The lines of a .jsonl or .jsonl.gz file that hold something. Raises Misconfigured."""
    import gzip
    import zlib

    from services.runtime.errors import Misconfigured

    try:
        content = path.read_bytes()
        text = gzip.decompress(content) if path.suffix == ".gz" else content
    except (OSError, EOFError, zlib.error) as exc:
        raise Misconfigured(f"{path} cannot be read: {getattr(exc, 'strerror', None) or exc}") from exc
    return [line for line in text.split(b"\n") if line.strip()]


def read_broker(settings: RuntimeSettings, since: timedelta) -> list[bytes]:
    """The items that the broker keeps of so long."""
    from datetime import UTC, datetime

    from services.cli.common import wait_for

    return wait_for(_items(settings, datetime.now(UTC) - since))


async def _items(settings: RuntimeSettings, since: datetime) -> list[bytes]:
    from schemas.topics import NEWS_ITEMS
    from services.cli.common import open_to_read

    async with open_to_read(settings) as broker:
        return [record.value async for record in broker.read(NEWS_ITEMS, since=since) if record.value is not None]


def run(lines: Sequence[bytes], before: Path | None, after: Path | None, *, both: bool, labelled: bool, encoder: bool) -> tuple[Backtest, list[str]]:
    """Judges every line by the rules of `after`, and with `both` by those of `before` too. The second value tells the lines that are no news."""
    from concurrent.futures import ProcessPoolExecutor

    from services.evaluation.backtest import Backtest

    chunks = [lines[start : start + _AT_ONCE] for start in range(0, len(lines), _AT_ONCE)]
    starts = [start + 1 for start in range(0, len(lines), _AT_ONCE)]
    total, problems = Backtest(), list[str]()
    with ProcessPoolExecutor(PROCESSES, initializer=_prepare, initargs=(before, after, both, encoder)) as pool:
        for found, wrong in _watched(pool.map(_judge, chunks, starts, [labelled] * len(chunks)), len(chunks)):
            total.add(found)
            problems += wrong
    return total, problems


def _prepare(before: Path | None, after: Path | None, both: bool, encoder: bool) -> None:
    from services.cli.rulesets import config_dir, read_ruleset

    global _sets
    _sets = (read_ruleset(config_dir(before), encoder=encoder) if both else None, read_ruleset(config_dir(after), encoder=encoder))


def _judge(lines: Sequence[bytes], first: int, labelled: bool) -> tuple[Backtest, list[str]]:
    from services.evaluation.backtest import backtest

    assert _sets is not None  # noqa: S101 the pool prepared it
    problems: list[str] = []
    return backtest(_read(lines, first, problems, labelled=labelled), *_sets), problems


def _read(lines: Iterable[bytes], first: int, problems: list[str], *, labelled: bool) -> Iterator[NewsItem]:
    from schemas.events.news import NewsItem
    from services.evaluation.data import parse_line

    for number, line in enumerate(lines, start=first):
        try:
            yield parse_line(line).to_item() if labelled else NewsItem.model_validate_json(line)
        except ValueError as exc:
            problems.append(f"line {number}: {exc}")


def _watched(parts: Iterable[Any], count: int) -> Iterable[Any]:
    if not sys.stderr.isatty():
        return parts
    from rich.console import Console
    from rich.progress import track

    return track(parts, total=count, description="Judging", console=Console(stderr=True), transient=True)
