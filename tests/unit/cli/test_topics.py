from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from schemas.topics import TOPICS
from services import app
from services.cli import command
from tests.example_service import PARTS


@pytest.fixture(autouse=True)
def _in_a_directory_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHIPWIRE_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(app, "SERVICES", PARTS)


def test_the_map_of_the_line_is_listed_for_people() -> None:
    shown = CliRunner().invoke(command(), ["topics", "list"]).stdout

    assert all(topic.name in shown for topic in TOPICS)
    assert "for ever" in shown


def test_the_map_of_the_line_is_listed_for_programs() -> None:
    lines = [json.loads(line) for line in CliRunner().invoke(command(), ["topics", "list", "--json"]).stdout.splitlines()]

    assert lines[0] == {"name": "news.items.v1", "model": "NewsItem", "key": "item id", "partitions": 12, "cleanup": "delete", "retention_seconds": 3_024_000.0}
    assert [line["name"] for line in lines] == [topic.name for topic in TOPICS]


def test_ensuring_twice_is_harmless() -> None:
    for _ in range(2):
        result = CliRunner().invoke(command(), ["topics", "ensure"])
        assert (result.exit_code, result.stdout) == (0, f"{len(TOPICS)} topics are there\n")
