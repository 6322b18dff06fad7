from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from services import app
from services.cli import command
from services.runtime.errors import Misconfigured, Rejected
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


def test_without_a_file_the_history_that_comes_with_the_program_is_imported() -> None:
    assert called("events", "import") == (0, "171 measures imported, 0 known already\n")
    assert json.loads(called("events", "import", "--json")[1]) == {"added": 0, "known": 171, "problems": []}


def test_what_the_calendar_will_tell_is_listed(file: Path) -> None:
    file.write_text(json.dumps(BAN | {"effective": "2999-01-02"}))
    assert called("events", "calendar") == (0, "no dates ahead\n")
    called("events", "import", file)

    ahead = [json.loads(line) for line in called("events", "calendar", "--json")[1].splitlines()]

    assert [(one["kind"], one["slug"]) for one in ahead] == [("effective_reminder", "us-2026-h20-ban"), ("effective", "us-2026-h20-ban")]
    assert "2999-01-02 05:00" in called("events", "calendar")[1]
    assert "effective reminder  waiting" in called("events", "show", "us-2026-h20-ban")[1]


def test_an_event_is_corrected_and_retracted_with_a_reason_that_is_written_down(file: Path) -> None:
    called("events", "import", file)

    _, corrected = called(
        "events", "correct", "us-2026-h20-ban", "--set", "severity=5", "--set", "companies=NVIDIA:seller", "--reason", "a flagship", "--by", "ana"
    )
    _, retracted = called("events", "retract", "us-2026-h20-ban", "--reason", "no such rule", "--by", "ana", "--json")

    assert corrected == "corrected: us-2026-h20-ban version 2; nobody was told\n"
    done = json.loads(retracted)
    assert (done["status"], done["version"], done["operator"], done["reason"], done["corrects"]) == ("retracted", 3, "ana", "no such rule", 0)
    thread = json.loads(called("events", "show", "us-2026-h20-ban", "--json")[1])
    assert [(each["operator"], each["verb"], each["reason"]) for each in thread["interventions"]] == [
        ("ana", "correct", "a flagship"),
        ("ana", "retract", "no such rule"),
    ]
    assert [each["changes"] for each in thread["versions"]] == [["opened"], ["corrected"], ["withdrawn"]]
    assert "retract by ana: no such rule" in called("events", "show", "us-2026-h20-ban")[1]


def test_who_acts_is_the_user_of_the_system_unless_said_otherwise(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    called("events", "import", file)
    monkeypatch.setenv("LOGNAME", "kim")

    assert json.loads(called("events", "retract", "us-2026-h20-ban", "--reason", "wrong", "--json")[1])["operator"] == "kim"


def test_two_events_are_merged(file: Path) -> None:
    called("events", "import", file)

    code, said = called("events", "merge", "us-2026-h20-lift", "us-2026-h20-ban", "--reason", "the same")

    assert (code, said.startswith("merged: us-2026-h20-lift version 2, into us-2026-h20-ban ")) == (0, True)
    assert said.endswith("; nobody is told\n")


def test_known_history_cannot_be_split(file: Path) -> None:
    called("events", "import", file)
    called("events", "merge", "us-2026-h20-lift", "us-2026-h20-ban", "--reason", "the same")

    with pytest.raises(Rejected, match="nothing has judged it"):
        called("events", "split", "us-2026-h20-ban", "known:us-2026-h20-lift", "--reason", "two acts")


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("colour=red", "sets nothing; expected FACT=VALUE with one of action"),
        ("stage", "sets nothing"),
        ("stage=soon", "'soon' is no stage; expected one of rumour"),
        ("severity=9", "'9' is no severity"),
        ("expires=soon", "'soon' is no date for expires"),
        ("companies=NVIDIA:boss", "'boss' is no role"),
        ("targets=CN,Narnia", "targets: 'Narnia' is no state we know"),
        ("imposers=Atlantis", "imposers: 'Atlantis' is no state we know"),
        ("imposers=", "imposers= names nobody"),
        ("imposers= , ", "imposers= names nobody"),
    ],
)
def test_a_fact_that_cannot_be_is_a_sentence(file: Path, written: str, problem: str) -> None:
    called("events", "import", file)

    with pytest.raises(Misconfigured, match=problem):  # exit code 2
        called("events", "correct", "us-2026-h20-ban", "--set", written, "--reason", "x")


def test_places_may_be_written_as_people_call_them(file: Path) -> None:
    called("events", "import", file)

    called("events", "correct", "us-2026-h20-ban", "--set", "targets=China,RU,中国,*", "--set", "imposers=Japan,no", "--reason", "x")

    facts = json.loads(called("events", "show", "us-2026-h20-ban", "--json")[1])["facts"]
    assert (facts["targets"], facts["imposers"]) == (["CN", "RU", "*"], ["JP", "NO"])


def test_where_nothing_is_known_it_says_so() -> None:
    assert called("events", "list") == (0, "no events\n")
    assert called("events", "list", "--json") == (0, "")


def test_a_day_that_there_is_not_is_told_with_one_that_there_is() -> None:
    code, said = called("events", "list", "--since", "2025-13-40")

    assert code == 2
    assert "'2025-13-40' is no date; expected one such as 2026-11-24" in said
    assert "Value error" not in said
