"""`chipwire demo --replay h20`: a story of five months in seconds, and its picture in the README."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from docs import picture
from schemas.api.webhook import WebhookAlert
from tests.acceptance.line import Home

PROMISED = 20.0
"""Seconds to the end, on a machine that does nothing else."""

ACTS = [
    ("2025-04-09", "new", "shelve", ("US",), ("H20",)),
    ("2025-04-15", "reversal", "tighten", ("US",), ("H20",)),
    ("2025-07-15", "reversal", "loosen", ("US",), ("H20",)),
    ("2025-08-08", "new", "licence_grant", ("US",), ("H20",)),
    ("2025-08-11", "new", "loosen", ("US",), ("H20", "MI308")),
    ("2025-08-12", "new", "restrict_import", ("CN",), ("H20",)),
    ("2025-09-17", "new", "restrict_import", ("CN",), ("RTX_PRO_6000D",)),
]


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory, parsed: Path) -> tuple[Home, str]:
    """A home after the replay, and what was shown."""
    directory = tmp_path_factory.mktemp("replay") / "home"
    home = Home(directory, parsed, data_dir=str(directory / "var" / "replay"))
    started = time.monotonic()
    done = home.chipwire("demo", "--replay", "h20")
    print(f"the replay took {time.monotonic() - started:.1f} s of the {PROMISED:.0f} s promised")
    assert (done.returncode, done.stderr) == (0, "")
    return home, done.stdout


def alerts(home: Home) -> list[WebhookAlert]:
    """What the reader was told, in order."""
    lines = (home.directory / "var/replay/told/reader.jsonl").read_text("utf-8").splitlines()
    return [WebhookAlert.model_validate_json(line) for line in lines]


def test_each_act_is_told_once_as_a_thread_of_its_own(replayed: tuple[Home, str]) -> None:
    told = alerts(replayed[0])

    assert [(f"{one.timestamp:%Y-%m-%d}", one.kind, one.event.facts.action, one.event.facts.imposers, one.event.facts.products) for one in told] == ACTS
    assert len({one.event.id for one in told}) == len({one.alert for one in told}) == len(ACTS)
    assert [one.sequence for one in told] == list(range(1, len(ACTS) + 1))


def test_the_two_turns_name_what_they_reverse(replayed: tuple[Home, str]) -> None:
    shelved, needed, assured, *others = [one.event for one in alerts(replayed[0])]

    assert [[(link.relation, link.event) for link in event.relations] for event in (shelved, needed, assured)] == [
        [],
        [("reverses", shelved.id)],
        [("reverses", needed.id)],
    ]
    assert not any(event.relations for event in others)


def test_retellings_in_other_languages_join_and_are_kept_quiet(replayed: tuple[Home, str]) -> None:
    shown = replayed[1]

    assert len(re.findall(r"^2025-\d\d-\d\d \d\d:\d\d  again     ", shown, re.MULTILINE)) == 10
    assert len(re.findall(r"^2025-\d\d-\d\d \d\d:\d\d  nothing   ", shown, re.MULTILINE)) == 1
    for language in ("Arabic", "Chinese", "German", "Japanese", "Spanish", "Korean", "French", "Dutch"):
        assert f", {language}" in " ".join(shown.split())


def test_the_picture_in_the_readme_is_what_it_shows(replayed: tuple[Home, str]) -> None:
    """It holds the story's times, not the machine's. When this fails because words have become better: `python -m docs.picture`."""
    assert picture.written() == replayed[1]


def test_what_is_known_stays_to_be_looked_at(replayed: tuple[Home, str]) -> None:
    home, _ = replayed

    listed = home.chipwire("events", "list")

    assert (listed.returncode, listed.stdout.count("-2025-")) == (0, len(ACTS))


def test_a_second_replay_starts_from_nothing(replayed: tuple[Home, str]) -> None:
    home, shown = replayed

    assert home.chipwire("demo", "--replay", "h20").stdout == shown
    assert len(alerts(home)) == len(ACTS)


def test_ctrl_c_in_the_middle_ends_it_soon(make_home: Callable[..., Home]) -> None:
    home = make_home("home")
    home.settings["data_dir"] = str(home.directory / "var" / "replay")
    child = home.start("demo", "--replay", "h20")
    child.until(lambda: "2025-04-09" in child.printed.read_text("utf-8"), 60)

    child.signal(signal.SIGINT)

    assert child.exit_code(10) == 0
    assert "7 alerts" not in child.printed.read_text("utf-8")


@pytest.mark.parametrize("words", [("--replay", "h21"), ("--replay",), ("--reply", "h20")])
def test_a_story_that_there_is_not_is_wrong_usage(make_home: Callable[..., Home], words: tuple[str, ...]) -> None:
    done = make_home("home").chipwire("demo", *words)

    assert done.returncode == 2
    assert "Traceback" not in done.stderr
