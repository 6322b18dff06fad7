from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from services import app
from services.cli import command
from services.runtime.errors import Misconfigured
from tests.alerting import SECRET

FILE = """\
accounts:
  - id: desk
    destinations:
      - {id: hook, webhook: {url: "https://example.com/hidden", env: HOOK}}
      - {id: ana, email: ana@example.com}
    subscriptions:
      - {id: chips, to: [hook, ana], when: {products: [H20]}, language: ar}
"""


@pytest.fixture(autouse=True)
def _in_a_directory_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHIPWIRE_STORE", f"sqlite:///{tmp_path}/store.db")
    monkeypatch.setenv("HOOK", SECRET)
    monkeypatch.setattr(app, "SERVICES", {"notifier": app.SERVICES["notifier"]})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "subscriptions.yaml"
    path.write_text(FILE)
    return path


def called(*words: object) -> str:
    result = CliRunner().invoke(command(), ["subscriptions", *map(str, words)])
    if result.exception is not None:
        raise result.exception
    assert "hidden" not in result.output
    assert "ana@" not in result.output
    return result.output


def test_applying_tells_what_changed_and_the_second_time_that_nothing_did(file: Path) -> None:
    first = [json.loads(line) for line in called("apply", file, "--json").splitlines()]

    assert [(one["what"], one["id"], one["done"]) for one in first] == [
        ("account", "desk", "created"),
        ("destination", "hook", "created"),
        ("destination", "ana", "created"),
        ("subscription", "chips", "created"),
    ]
    assert called("apply", file) == "nothing changed\n"


def test_a_file_that_is_wrong_changes_nothing(file: Path) -> None:
    file.write_text(FILE.replace("H20", "20"))

    with pytest.raises(Misconfigured, match=r"subscriptions\.yaml:7:\d+: .*20 is no text; put it in quotes"):
        called("apply", file)
    assert called("list", "--json") == ""


def test_subscriptions_are_listed_with_where_they_go(file: Path) -> None:
    called("apply", file)
    file.write_text(FILE.replace("to: [hook, ana]", "to: [ana]").replace("      - {id: hook", "      # - {id: hook"))
    called("apply", file)

    (only,) = [json.loads(line) for line in called("list", "--json").splitlines()]

    assert tuple(only[name] for name in ("account", "id", "when", "language", "active")) == ("desk", "chips", {"products": {"any": ["H20"]}}, "ar", True)
    assert only["to"] == {"id": "ana", "kind": "email", "active": True, "disabled": None, "last_sequence": 0, "times": {}}
    assert "chips" in called("list")
