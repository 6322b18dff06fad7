"""What people get wrong: each time a sentence that they can act on, no traceback, and the exit code that says whose turn it is."""

from __future__ import annotations

import json
import re
import signal

import pytest

from schemas.topics import NEWS_ITEMS
from services.runtime.server import to_wire
from tests import make
from tests.acceptance.line import Home, an_alert, free_port, push
from tests.servers.webhooks import Receiver

WRONG_FILES = {
    "sources/mine.yaml": ("id: mine\ntitle: Mine\ntier: one\nreader: feed\nurl: https://news.example/feed\nevery: 5m\n", r"3:7: tier: expected .*"),
    "rules/mine.yaml": ("rules:\n  - id: mine\n    when: {concept: [unclosed\n", r"\d+:\d+: not YAML: .*"),
    "subscriptions.yaml": ("accounts:\n  - id: desk\n    destinations:\n      - {id: ana, email: nobody}\n", r"4:.*: .*expected name@domain.*"),
}
"""A file of each kind with a mistake, and what is said of it: line, column, what is wrong and what was expected."""


@pytest.mark.parametrize("name", WRONG_FILES)
def test_a_wrong_file_is_told_with_its_line_and_nothing_starts(home: Home, name: str) -> None:
    text, said = WRONG_FILES[name]
    home.write(name, text)

    result = home.chipwire("run")

    assert result.returncode == 2
    assert re.search(rf"^config/{re.escape(name)}:{said}$", result.stderr, re.MULTILINE), result.stderr
    assert "Traceback" not in result.stderr
    assert not (home.directory / "var" / "run.json").exists()


def test_a_wrong_file_on_reload_changes_nothing(home: Home, receiver: Receiver) -> None:
    home.subscribe(hook=receiver.url)
    good = (home.config / "subscriptions.yaml").read_text()
    child = home.start("run").ready()

    for name, (text, said) in WRONG_FILES.items():
        path = home.write(name, text)
        answer = child.ask("POST", "/-/reload")
        assert answer.status == 422
        assert any(re.fullmatch(rf"config/{re.escape(name)}:{said}", problem) for problem in answer.body["problems"]), answer.body
        path.unlink()
    home.write("subscriptions.yaml", WRONG_FILES["subscriptions.yaml"][0])
    child.signal(signal.SIGHUP)
    child.until(lambda: len(child.told("reload_refused")) == 4)

    assert push(child, [an_alert(1)]).status == 202
    assert receiver.wait_for(lambda requests: len(requests) == 1, seconds=20)
    home.write("subscriptions.yaml", good.replace("everything", "all-of-it"))
    child.signal(signal.SIGHUP)
    child.until(lambda: child.told("reloaded"))
    assert push(child, [an_alert(2)]).status == 202
    assert receiver.wait_for(lambda requests: len(requests) == 2, seconds=20)
    assert [request.data["reasons"][0].split(":")[0] for request in receiver.requests] == ["everything", "all-of-it"]
    assert child.stopped() == 0


def test_malformed_records_become_dead_letters_that_are_shown_and_replayed(home: Home, receiver: Receiver) -> None:
    home.subscribe(hook=receiver.url)
    child = home.start("run").ready()
    bad = (b"\xff\xfe no text", b'{"id": "cut', b"", b"null", b'{"id": 7}', None)

    for value in bad:
        assert child.ask("POST", "/-/records", to_wire([make.record(value)])).status == 200
    assert push(child, [an_alert(1)]).status == 202
    assert receiver.wait_for(lambda requests: len(requests) == 1, seconds=20)
    listed = [json.loads(line) for line in home.chipwire("dead", "list", "--json").stdout.splitlines()]
    shown = home.chipwire("dead", "show", listed[0]["id"])

    assert [letter["reason"] for letter in listed] == ["malformed"] * len(bad)
    assert all(letter["error"] and letter["topic"] == NEWS_ITEMS.name for letter in listed)
    assert (shown.returncode, "reason: malformed" in shown.stdout) == (0, True)
    replayed = home.chipwire("dead", "replay", "--all")
    assert (replayed.returncode, replayed.stdout) == (0, f"replayed {len(bad)}\n")
    assert push(child, [an_alert(2)]).status == 202  # a good record ends the run of bad ones
    child.until(lambda: len(home.chipwire("dead", "list", "--json").stdout.splitlines()) == len(bad))
    assert child.stopped() == 0


def test_a_long_run_of_bad_records_stops_the_process_and_a_restart_meets_them_again(home: Home) -> None:
    child = home.start("run", classifier_stop_loss="5").ready()
    child.ask("POST", "/-/records", to_wire([make.record(b"bad %d" % number) for number in range(20)]))

    codes = [child.exit_code(), home.start("run", classifier_stop_loss="5").exit_code()]

    assert codes == [3, 3]
    assert all("5 records in a row could not be handled" in stopped.told("task_died")[0]["error"] for stopped in home.children)
    assert home.chipwire("dead", "list").stdout == "no dead letters\n"


def test_a_second_run_on_the_same_files_is_refused(home: Home) -> None:
    first = home.start("run").ready()

    second = home.chipwire("run")

    assert second.returncode == 2
    assert re.fullmatch(rf"another chipwire runs on \S+broker\.db \(process {first.process.pid}\); stop it, .*\n", second.stderr)
    assert first.ask("GET", "/readyz").status == 200


def test_a_port_in_use_is_refused(home: Home, receiver: Receiver) -> None:
    port = receiver.url.split(":")[2].split("/")[0]

    result = home.chipwire("run", http_port=port)

    assert (result.returncode, result.stderr) == (2, f"port {port} on 127.0.0.1 is in use; set CHIPWIRE_HTTP_PORT or CHIPWIRE_HTTP_HOST\n")


def test_an_unknown_setting_is_refused_by_every_verb_with_the_one_that_was_meant(home: Home) -> None:
    for words in (("run",), ("dead", "list"), ("migrate",)):
        result = home.chipwire(*words, notifier_smpt="smtp://mail.example:25")
        assert (result.returncode, result.stderr) == (2, "CHIPWIRE_NOTIFIER_SMPT is no setting; did you mean CHIPWIRE_NOTIFIER_SMTP?\n")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("runn",), 2, "No such command 'runn'"),
        (("run", "weather"), 2, "there is no service 'weather'; expected some of ingester, classifier, notifier"),
        (("evaluate", "missing.jsonl"), 2, "missing.jsonl cannot be read: No such file or directory"),
        (("classify", "missing.jsonl"), 2, "missing.jsonl cannot be read: No such file or directory"),
        (("evaluate", "half.jsonl"), 1, "half.jsonl: line 2"),
        (("classify", "half.jsonl"), 1, "half.jsonl: line 2"),
        (("rules", "check", "nowhere"), 2, "nowhere is no directory"),
        (("subscriptions", "apply", "missing.yaml"), 2, "missing.yaml: cannot be read: No such file or directory"),
        (("events", "import", "half.jsonl"), 1, "half.jsonl"),
        (("dead", "show", "news.items.v1/0/7"), 2, "there is no broker file"),
        (("dead", "replay"), 2, "name the letters to replay, or say --all"),
    ],
)
def test_a_wrong_word_is_answered_in_a_sentence(home: Home, words: tuple[str, ...], code: int, said: str) -> None:
    good = {"id": "a", "title": "Rain expected", "text": "", "language": "en", "published": "2026-03-02", "label": "no"}
    (home.directory / "half.jsonl").write_text(json.dumps(good) + '\n{"id": "cut\n')

    result = home.chipwire(*words)

    assert result.returncode == code, result.stderr
    assert said in result.stderr
    assert "Traceback" not in result.stderr


def test_a_broker_that_stays_away_at_the_start_is_exit_code_4(home: Home) -> None:
    result = home.chipwire("run", broker=f"kafka://127.0.0.1:{free_port()}", start_limit="1s")

    assert result.returncode == 4
    assert "no Kafka broker answers at 127.0.0.1:" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_database_that_stays_away_at_the_start_is_exit_code_4(home: Home) -> None:
    result = home.chipwire("run", store=f"postgresql://chipwire:secret@127.0.0.1:{free_port()}/chipwire", start_limit="1s")

    assert result.returncode == 4
    assert "the database does not answer" in result.stderr
    assert "secret@" not in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.postgres
def test_a_database_that_nobody_migrated_is_refused_with_the_verb_that_does(home: Home, postgres_url: str) -> None:
    result = home.chipwire("run", "ingester", store=postgres_url)

    assert result.returncode == 2
    assert "run `chipwire migrate` once" in result.stderr
