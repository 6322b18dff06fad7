"""The process as its owner sees it: started as a child, asked over its port, stopped by signals."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from schemas.topics import NEWS_ITEMS, POLICY_SIGNALS
from services import app
from services.cli import command
from services.runtime.brokers import BrokerSetup, open_broker
from services.runtime.server import RunFile, to_wire
from tests import make
from tests.example_service import PARTS

ROOT = Path(__file__).parents[2]
CODE = "import sys; from services import app; from tests.example_service import PARTS; sys.exit(app.main(parts=PARTS))"


class Child:
    """A process of ours on a directory of its own."""

    def __init__(self, directory: Path, **settings: str) -> None:
        self.data = directory / "var"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("CHIPWIRE_")}
        environment |= {"CHIPWIRE_DATA_DIR": str(self.data), "CHIPWIRE_HTTP_PORT": "0", "CHIPWIRE_LOG_FORMAT": "json", "PYTHONPATH": str(ROOT)}
        environment |= {f"CHIPWIRE_{name.upper()}": value for name, value in settings.items()}
        self.log = directory / f"log-{len(list(directory.glob('log-*')))}"
        with self.log.open("w") as log:
            self.process = subprocess.Popen([sys.executable, "-c", CODE], cwd=directory, env=environment, stderr=log)

    def until(self, condition: Callable[[], Any], seconds: float = 20) -> Any:
        """Asks again until the answer is yes. A child has no event to wait for."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if found := condition():
                return found
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        raise AssertionError(f"it did not happen; the log says:\n{self.log.read_text()}")

    def ready(self) -> Child:
        self.until(lambda: RunFile.find(self.data) is not None and self.ask("GET", "/readyz")[0] == 200)
        return self

    def ask(self, method: str, path: str, body: bytes | None = None, *, token: str | None = None) -> tuple[int, Any]:
        run = RunFile.find(self.data)
        assert run is not None
        return ask(run.port, method, path, body, token=token or run.token)

    def exit_code(self, seconds: float = 20) -> int:
        return self.process.wait(seconds)

    def told(self, event: str) -> list[dict[str, Any]]:
        """The lines of the log with that event."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{") and line.endswith("}")]
        return [line for line in lines if line["event"] == event]

    def values(self, topic: Any) -> list[bytes | None]:
        async def read() -> list[bytes | None]:
            async with open_broker("embedded:", BrokerSetup(mode="read", data_dir=self.data)) as broker:
                return [record.value async for record in broker.read(topic)]

        return asyncio.run(read())


def ask(port: int, method: str, path: str, body: bytes | None = None, *, token: str = "") -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, body, {"authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        content = answer.read()
    finally:
        connection.close()
    return answer.status, json.loads(content) if "json" in (answer.getheader("content-type") or "") else content.decode()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Child]]:
    children: list[Child] = []

    def start(**settings: str) -> Child:
        children.append(Child(tmp_path, **settings))
        return children[-1]

    yield start
    for child in children:
        if child.process.poll() is None:
            child.process.kill()
            child.process.wait()


Start = Callable[..., Child]


def test_a_record_given_to_the_port_runs_through_the_line(start: Start) -> None:
    child = start().ready()

    assert child.ask("POST", "/-/records", to_wire([make.record(b"one")])) == (200, {"published": 1})
    child.until(lambda: child.values(POLICY_SIGNALS) == [b"one"])

    assert "chipwire_example_records_total" in child.ask("GET", "/metrics")[1]
    assert child.ask("GET", "/hello") == (200, {"hello": True})
    assert child.ask("GET", "/livez") == (200, {"status": "ok", "checks": {"example.copy": "ok"}})


def test_sigterm_under_load_finishes_what_is_in_hand_and_exits_0(start: Start) -> None:
    child = start(example_batch_records="7").ready()
    for number in range(20):
        child.ask("POST", "/-/records", to_wire([make.record(b"%d-%d" % (number, index)) for index in range(50)]))

    child.process.send_signal(signal.SIGTERM)

    assert child.exit_code() == 0
    again = start().ready()
    again.until(lambda: len(set(again.values(POLICY_SIGNALS))) == 1000)
    assert len(again.values(POLICY_SIGNALS)) == 1000


def test_after_kill_9_the_next_start_goes_on_where_the_last_commit_was(start: Start) -> None:
    child = start(example_batch_records="10").ready()
    child.ask("POST", "/-/records", to_wire([make.record(b"%d" % index) for index in range(500)]))

    child.process.kill()
    child.process.wait()

    again = start().ready()
    again.until(lambda: set(again.values(POLICY_SIGNALS)) == {b"%d" % index for index in range(500)})


def test_a_second_signal_exits_at_once_with_130(start: Start) -> None:
    child = start(example_behaviour="hang").ready()
    child.ask("POST", "/-/records", to_wire([make.record(b"hang")]))
    child.until(lambda: child.told("hanging"))
    child.process.send_signal(signal.SIGTERM)
    child.until(lambda: child.ask("GET", "/readyz")[1]["checks"].get("process") == "stopping")
    assert child.ask("POST", "/hello")[0] == 503

    child.process.send_signal(signal.SIGTERM)

    assert child.exit_code(5) == 130


def test_a_handler_that_hangs_is_given_up_at_the_end_of_the_drain(start: Start) -> None:
    child = start(example_behaviour="hang", drain="300ms").ready()
    child.ask("POST", "/-/records", to_wire([make.record(b"hang")]))
    child.until(lambda: child.told("hanging"))

    child.process.send_signal(signal.SIGINT)

    assert child.exit_code(10) == 0
    assert [event["task"] for event in child.told("given_up")] == ["example.copy"]


@pytest.mark.parametrize(
    ("behaviour", "code", "event"), [("end", 1, "task_ended_early"), ("die", 1, "task_died"), ("stop-loss", 3, "task_died"), ("away", 4, "task_died")]
)
def test_a_task_that_ends_by_itself_stops_the_whole_process(start: Start, behaviour: str, code: int, event: str) -> None:
    child = start(example_behaviour=behaviour)

    assert child.exit_code() == code
    assert [line["task"] for line in child.told(event)] == ["example.misbehave"]


def test_files_that_cannot_be_used_are_told_in_sentences_and_nothing_runs(start: Start) -> None:
    child = start(example_behaviour="misconfigured")

    assert child.exit_code() == 2
    assert child.log.read_text().splitlines()[-2:] == ["rules/a.yaml:3:1: idd: unknown key", "rules/b.yaml:1:1: id: missing"]


def test_a_wrong_setting_is_a_sentence_and_exit_code_2(start: Start) -> None:
    child = start(exmaple_behaviour="copy", http_port="eighty")

    assert child.exit_code() == 2
    assert child.log.read_text() == (
        "CHIPWIRE_EXMAPLE_BEHAVIOUR is no setting; did you mean CHIPWIRE_EXAMPLE_BEHAVIOUR?\n"
        "CHIPWIRE_HTTP_PORT is 'eighty': expected a valid integer, unable to parse string as an integer\n"
    )


def test_a_second_run_on_the_same_files_is_refused_in_a_sentence(start: Start) -> None:
    first = start().ready()

    second = start()

    assert second.exit_code() == 2
    assert re.fullmatch(rf"another chipwire runs on \S+broker\.db \(process {first.process.pid}\).*\n", second.log.read_text())
    assert first.ask("GET", "/livez")[0] == 200


def test_a_second_run_on_the_same_port_too_names_the_first(start: Start) -> None:
    first = start().ready()
    port = RunFile.find(first.data).port  # type: ignore[union-attr]

    second = start(http_port=str(port))

    assert second.exit_code() == 2
    assert second.log.read_text().startswith(f"another chipwire (process {first.process.pid}) runs on ")


def test_a_broker_that_stays_away_is_exit_code_4_and_meanwhile_the_port_says_so(start: Start) -> None:
    port = free_port()
    child = start(broker="kafka://127.0.0.1:9", start_limit="2s", http_port=str(port))
    child.until(lambda: child.told("waiting_at_start"))

    status, said = ask(port, "GET", "/readyz")

    assert status == 503
    assert "127.0.0.1:9" in said["checks"]["process"]
    assert ask(port, "GET", "/livez")[0] == 200
    assert child.exit_code(60) == 4
    assert "Traceback" not in child.log.read_text()


def test_told_to_stop_while_it_waits_at_the_start_it_exits_0(start: Start) -> None:
    child = start(broker="kafka://127.0.0.1:9", start_limit="1h")
    child.until(lambda: child.told("waiting_at_start"))

    child.process.send_signal(signal.SIGTERM)

    assert child.exit_code(30) == 0


def test_sighup_and_the_port_reload_and_wrong_files_change_nothing(start: Start, tmp_path: Path) -> None:
    (tmp_path / "team" / "rules").mkdir(parents=True)
    child = start(config=str(tmp_path / "team")).ready()
    child.process.send_signal(signal.SIGHUP)
    child.until(lambda: child.told("reloaded"))

    (tmp_path / "team" / "rules" / "a.yaml").write_text("idd: x\n")
    status, said = child.ask("POST", "/-/reload")

    assert status == 422
    assert [problem.split("rules/")[1].split(": ")[0] for problem in said["problems"]] == ["a.yaml:1:1", "a.yaml:1:1"]
    assert child.ask("GET", "/readyz")[0] == 200
    child.process.send_signal(signal.SIGTERM)
    assert child.exit_code() == 0


def test_without_the_token_nothing_is_taken(start: Start) -> None:
    child = start().ready()

    assert child.ask("POST", "/-/records", to_wire([make.record()]), token="guess")[0] == 401
    assert child.ask("POST", "/-/reload", token="guess")[0] == 401
    assert child.values(NEWS_ITEMS) == []


def test_the_file_with_the_token_is_its_owners_alone_and_goes_with_the_process(start: Start) -> None:
    child = start().ready()

    assert (child.data / "run.json").stat().st_mode & 0o777 == 0o600
    child.process.send_signal(signal.SIGTERM)
    child.exit_code()
    assert not (child.data / "run.json").exists()


def test_a_dead_letter_is_replayed_through_the_running_process_once_the_cause_is_mended(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "SERVICES", PARTS)
    child = start().ready()
    monkeypatch.setenv("CHIPWIRE_DATA_DIR", str(child.data))
    child.ask("POST", "/-/records", to_wire([make.record(b"malformed"), make.record(b"good")]))
    child.until(lambda: child.values(NEWS_ITEMS.dead) == [b"malformed"])
    child.process.send_signal(signal.SIGTERM)
    child.exit_code()
    mended = start(example_behaviour="mended").ready()

    result = CliRunner().invoke(command(), ["dead", "replay", "--all"])

    assert (result.exit_code, result.stdout) == (0, "replayed 1\n")
    mended.until(lambda: sorted(mended.values(POLICY_SIGNALS), key=str) == [b"good", b"malformed"])
    assert CliRunner().invoke(command(), ["dead", "list"]).stdout == "no dead letters\n"


def test_a_long_run_of_bad_records_is_exit_code_3_again_and_again_and_nothing_is_binned(start: Start) -> None:
    for attempt in range(2):
        child = start(example_stop_loss="5")
        if attempt == 0:
            child.ready().ask("POST", "/-/records", to_wire([make.record(b"malformed %d" % number) for number in range(20)]))
        assert child.exit_code() == 3
        assert "5 records in a row could not be handled" in child.told("task_died")[0]["error"]

    assert child.values(NEWS_ITEMS.dead) == []
