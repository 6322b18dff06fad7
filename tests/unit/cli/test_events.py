from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from services import app
from services.cli import command
from services.runtime.errors import Rejected
from services.store import migrate

BAN = {
    "id": "us-2026-h20-ban",
    "date": "2026-03-01",
    "title": "US bars the H20",
    "action": "tighten",
    "direction": "tighten",
    "stage": "published",
    "imposer": "US",
    "targets": ["CN"],
    "products": ["H20"],
    "instrument": "91 FR 2001",
}
LIFT = BAN | {
    "id": "us-2026-h20-lift",
    "date": "2026-04-01",
    "title": "US frees the H20",
    "action": "rescind",
    "direction": "loosen",
    "relates_to": ["us-2026-h20-ban"],
}
LINES = [json.dumps(measure) for measure in (BAN, LIFT)]


@pytest.fixture(autouse=True)
def _in_a_directory_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHIPWIRE_STORE", f"sqlite:///{tmp_path}/store.db")
    monkeypatch.setattr(app, "SERVICES", {})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "known.jsonl"
    path.write_text("\n".join(LINES))
    return path


def called(*words: object) -> tuple[int, str]:
    result = CliRunner().invoke(command(), [str(word) for word in words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def test_known_measures_are_imported_once(file: Path) -> None:
    assert called("events", "import", file) == (0, "2 measures imported, 0 known already\n")
    assert called("events", "import", file) == (0, "0 measures imported, 2 known already\n")


def test_a_bad_line_is_told_and_the_rest_imported(file: Path) -> None:
    file.write_text(f"{LINES[0]}\nnonsense\n")

    code, shown = called("events", "import", file)

    assert code == 1
    assert "1 measures imported" in shown
    assert f"{file}: line 2:" in shown


def test_events_are_listed_for_people_and_for_programs(file: Path) -> None:
    called("events", "import", file)

    assert "us-2026-h20-lift" in called("events", "list")[1]
    listed = [json.loads(line)["slug"] for line in called("events", "list", "--json", "--since", "2026-03-15")[1].splitlines()]
    assert listed == ["us-2026-h20-lift"]


def test_an_event_is_shown_with_its_sources_and_relations(file: Path) -> None:
    called("events", "import", file)

    _, shown = called("events", "show", "us-2026-h20-lift")

    assert "US frees the H20" in shown
    assert "reverses  us-2026-h20-ban" in shown
    assert json.loads(called("events", "show", "us-2026-h20-lift", "--json")[1])["slug"] == "us-2026-h20-lift"


def test_an_event_that_is_not_there_is_a_sentence() -> None:
    with pytest.raises(Rejected, match="no event has the id or slug 'nothing'"):
        called("events", "show", "nothing")


def test_migrating_says_what_it_did() -> None:
    assert called("migrate") == (0, f"the store is now at revision {migrate.head()}\n")
    assert called("migrate") == (0, f"the store is already at revision {migrate.head()}\n")
