"""The bundled samples: thirty made-up items in eleven languages, dated relative to now, and stories of the past in our own words, dated as they happened."""

from __future__ import annotations

import json
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from schemas.api.push import PushedItem
from schemas.config.duration import Duration
from schemas.config.source import Source

SAMPLE = "demo.jsonl"
_AGE: TypeAdapter[Any] = TypeAdapter(Duration)


def demo_items(now: datetime) -> list[PushedItem]:
    """The sample as pushed items. Each line of the file says how long ago its item was published (`age`)."""
    lines = (files("services.ingester") / "samples" / SAMPLE).read_text("utf-8").splitlines()
    return [_dated(json.loads(line), now) for line in lines]


def replay_items(story: str) -> list[PushedItem]:
    """The items of a story of the past, such as "h20", in the order in which they were published."""
    lines = (files("services.ingester") / "samples" / f"{story}.jsonl").read_text("utf-8").splitlines()
    return [PushedItem.model_validate_json(line) for line in lines]


def demo_lines(now: datetime) -> str:
    """The same as a JSONL file, which a real source reads."""
    return "".join(item.model_dump_json(exclude_defaults=True) + "\n" for item in demo_items(now))


def demo_source(path: Path) -> Source:
    """The source that reads such a file. What it brings is news, not history."""
    return Source(id="sample", title="Bundled sample", tier=2, reader="jsonl", url=path.resolve().as_uri(), backfill=False, identity="guid")


def _dated(line: dict[str, Any], now: datetime) -> PushedItem:
    published = (now - _AGE.validate_python(line.pop("age"))).replace(microsecond=0)
    return PushedItem.model_validate({**line, "published": published.isoformat()})
