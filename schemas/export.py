"""Writes the JSON Schema of every contract to `schemas/jsonschema/`: `python -m schemas.export` (or `make schemas`).

What is committed there is what others build on; a test says when it is out of date. `schemas/examples/` holds one example of each, written by hand and tested.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel

from schemas.events.event import PolicyEvent
from schemas.events.news import NewsItem
from schemas.events.signal import PolicySignal

HERE = Path(__file__).parent

CONTRACTS: Mapping[str, type[BaseModel]] = {
    "events/news-item.v1": NewsItem,
    "events/policy-signal.v1": PolicySignal,
    "events/policy-event.v1": PolicyEvent,
}
"""File name to model. The names are public."""


def schema_of(name: str) -> str:
    """The JSON Schema (draft 2020-12) of a contract, as the file holds it."""
    model = CONTRACTS[name]
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **model.model_json_schema(by_alias=True)}
    return json.dumps(schema, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def schema_path(name: str) -> Path:
    return HERE / "jsonschema" / f"{name}.schema.json"


def example_path(name: str) -> Path:
    return HERE / "examples" / f"{name}.json"


def main() -> None:
    """Writes every schema anew."""
    for name in CONTRACTS:
        path = schema_path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(schema_of(name), "utf-8")


if __name__ == "__main__":
    main()
