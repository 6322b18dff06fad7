"""The line as its operator runs it: `chipwire` processes on a directory of their own, news pushed in, alerts coming out.

    home.write("subscriptions.yaml", ...) -> home.start("run") -> child.ready() -> push(child, items) -> receiver.wait_for(...)

Nothing here reaches into the code under test beyond `run.json`, which is how the command itself finds a running process.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from services.runtime.server import RunFile
from tests.alerting import SECRET

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "services")
TOKEN = "a token for pushing"
_SUBSCRIPTIONS = """\
accounts:
  - id: desk
    destinations:
      - {destinations}
    subscriptions:
      - {subscription}
"""


@dataclass(frozen=True)
class Answer:
    """What an HTTP port said."""

    status: int
    headers: dict[str, str]
    body: Any


class Child:
    """One process of ours, from its start to its exit code."""

    def __init__(self, words: Sequence[str], *, command: Sequence[str], directory: Path, environment: dict[str, str]) -> None:
        self.data = Path(environment["CHIPWIRE_DATA_DIR"])
        number = len(list(directory.glob("*.log")))
        self.log, self.printed = directory / f"{number:03}-{'-'.join(words) or 'chipwire'}.log", directory / f"{number:03}.out"
        with self.log.open("w") as log, self.printed.open("w") as out:
            self.process = subprocess.Popen([*command, *words], cwd=directory, env=environment, stderr=log, stdout=out)

    def ready(self, seconds: float = 40) -> Child:
        """Returns when it says that it is ready."""
        self.until(lambda: self.port is not None and self.ask("GET", "/readyz").status == 200, seconds)
        return self

    @property
    def port(self) -> int | None:
        """Where it listens; None until it says so."""
        run = RunFile.find(self.data)
        return run.port if run is not None and run.pid == self.process.pid else None

    def ask(self, method: str, path: str, body: bytes | None = None, *, token: str | None = None) -> Answer:
        """One request, by default with the token of the process. Raises OSError while nobody listens."""
        run = RunFile.find(self.data)
        if run is None or run.pid != self.process.pid:
            raise ConnectionRefusedError("the process does not listen yet, or any more")
        return ask(run.port, method, path, body, token=token or run.token)

    def metric(self, name: str) -> float:
        """A metric of this process, over all its labels."""
        lines = [line for line in str(self.ask("GET", "/metrics").body).splitlines() if line.startswith(name)]
        return sum(float(line.rpartition(" ")[2]) for line in lines)

    def until(self, condition: Callable[[], Any], seconds: float = 20) -> Any:
        """Asks again until the answer is yes. A child has no event to wait for."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            over = self.process.poll() is not None
            try:
                if found := condition():
                    return found
            except (OSError, http.client.HTTPException):
                pass  # not listening yet
            if over:
                break
            time.sleep(0.02)
        raise AssertionError(f"it did not happen; the log ends with:\n{self.log.read_text()[-6000:]}")

    def kill(self) -> None:
        """SIGKILL: as if the power had failed."""
        self.process.kill()
        self.process.wait()

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def stopped(self, seconds: float = 30) -> int:
        """SIGTERM, and the exit code that follows."""
        self.signal(signal.SIGTERM)
        return self.exit_code(seconds)

    def exit_code(self, seconds: float = 30) -> int:
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it did not end; the log ends with:\n{self.log.read_text()[-6000:]}") from None

    def told(self, event: str) -> list[dict[str, Any]]:
        """The lines of its log with that event."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{") and line.endswith("}")]
        return [line for line in lines if line["event"] == event]

    @property
    def megabytes(self) -> float:
        """Resident memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS"))


class Home:
    """A directory with a team's files, and the settings that every process started here is given. Sources are not visited: no test leaves the machine."""

    def __init__(self, directory: Path, parsed: Path, **settings: str) -> None:
        self.directory, self._parsed = directory, parsed
        self.config = directory / "config"
        self.config.mkdir(parents=True)
        self.settings = {
            "data_dir": str(directory / "var"),
            "config": str(self.config),
            "http_port": "0",
            "log_format": "json",
            "allow_networks": "127.0.0.0/8",
            "classifier_encoder": "false",  # 30 ms for every item that is asked about; test_h20 has it on
            "ingester_poll": "false",
            "ingester_push_token": TOKEN,
        } | settings
        self.children: list[Child] = []

    def write(self, name: str, text: str) -> Path:
        """A file of the team."""
        path = self.config / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        return path

    def start(self, *words: str, command: Sequence[str] = COMMAND, path: Path = ROOT, **settings: str) -> Child:
        """`chipwire WORDS` as a process that runs on. `path` is where its code is found."""
        environment = self.environment(**settings) | {"PYTHONPATH": str(path)}
        child = Child(words, command=command, directory=self.directory, environment=environment)
        self.children.append(child)
        return child

    def chipwire(self, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """`chipwire WORDS`, and what came of it."""
        environment = self.environment(**settings)
        return subprocess.run([*COMMAND, *words], cwd=self.directory, env=environment, capture_output=True, text=True, timeout=60, check=False)

    def environment(self, **settings: str) -> dict[str, str]:
        """Nothing of the shell's own CHIPWIRE_ variables."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("CHIPWIRE_")}
        wanted = self.settings | settings
        self._share_cache(Path(wanted["data_dir"]))
        return clean | {"PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(self._parsed)} | {f"CHIPWIRE_{name.upper()}": value for name, value in wanted.items()}

    def subscribe(self, *, hook: str = "", mail: str = "") -> None:
        """Everything to a webhook at this URL, to this address, or both."""
        self.write("hook.secret", SECRET)
        destinations = [f'{{id: hook, webhook: {{url: "{hook}", secret_file: hook.secret}}}}'] * bool(hook) + [f"{{id: mail, email: {mail}}}"] * bool(mail)
        subscription = f"{{id: everything, to: [{', '.join(['hook'] * bool(hook) + ['mail'] * bool(mail))}], when: {{}}, cadence: immediate}}"
        self.write("subscriptions.yaml", _SUBSCRIPTIONS.format(destinations="\n      - ".join(destinations), subscription=subscription))

    def _share_cache(self, data: Path) -> None:
        data.mkdir(parents=True, exist_ok=True)
        if not (data / "cache").exists():
            (data / "cache").symlink_to(self._parsed)

    def close(self) -> None:
        """Ends what still runs. Whatever happened, nobody may have seen a traceback."""
        for child in self.children:
            if child.process.poll() is None:
                child.kill()
        shown = [f"{child.log.name}:\n{text[-4000:]}" for child in self.children if "Traceback" in (text := child.log.read_text() + child.printed.read_text())]
        assert not shown, "\n\n".join(shown)


def an_alert(number: int) -> dict[str, Any]:
    """An item that makes an alert, of an event of its own for each number from 1 to 6."""
    product = ("H20", "H200", "B200", "MI308", "GB300", "MI325X")[number - 1]
    return {
        "id": f"alert-{number}",
        "title": f"The US Commerce Department announced new export controls on {product} chips to China",
        "text": "",
        "language": "en",
        "source": "made-news",
        "published": (datetime.now(UTC) - timedelta(minutes=1)).isoformat(),
        "url": f"https://news.example/alert/{number}",
        "tier": 1,
    }


def push(child: Child, items: Sequence[dict[str, Any]]) -> Answer:
    """One push. Raises OSError or HTTPException when the process is away or dies meanwhile."""
    return child.ask("POST", "/v1/items", json.dumps(list(items)).encode(), token=TOKEN)


def push_all(line: Callable[[], Child], batches: Iterable[Sequence[dict[str, Any]]], *, seconds: float = 60) -> None:
    """Pushes batch after batch, each until it is taken, as a client does that wants nothing lost. `line` gives the process of the moment."""
    for batch in batches:
        end = time.monotonic() + seconds
        while not _taken(line(), batch):
            assert time.monotonic() < end, "a push was never taken"
            time.sleep(0.05)  # what Retry-After asks for, made short


def _taken(child: Child, batch: Sequence[dict[str, Any]]) -> bool:
    try:
        answer = push(child, batch)
    except (OSError, http.client.HTTPException):
        return False  # it is down, or died with the push in hand: the same again is harmless
    assert answer.status in (202, 429, 503), answer
    return answer.status == 202


def in_batches(items: Sequence[dict[str, Any]], size: int) -> list[Sequence[dict[str, Any]]]:
    return [items[start : start + size] for start in range(0, len(items), size)]


def ask(port: int, method: str, path: str, body: bytes | None = None, *, token: str = "") -> Answer:
    """One request to a loopback port."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body, {"authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        content = answer.read()
    finally:
        connection.close()
    headers = {name.lower(): value for name, value in answer.getheaders()}
    return Answer(answer.status, headers, json.loads(content) if "json" in headers.get("content-type", "") else content.decode())


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
