"""compose.yaml, as far as it goes without a container engine: a real Kafka with its settings, a real PostgreSQL, and our processes with their commands and environments."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from services import app
from tests.acceptance.line import ask, free_port
from tests.servers import kafka as kafka_server
from tests.servers.mail import mailbox
from tests.servers.missing import not_available

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
SERVICES: Mapping[str, Any] = YAML(typ="safe").load((DEPLOY / "compose.yaml").read_text())["services"]


@pytest.fixture
def compose_kafka(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """host:port of a Kafka with the settings of the compose file. Skips, loudly, where none can be had."""
    try:
        jars = kafka_server.jars()
    except kafka_server.NotAvailable as exc:
        not_available("Kafka", exc)
    monkeypatch.setattr(kafka_server, "_PROPERTIES", properties())
    server = kafka_server.KafkaServer(tmp_path / "kafka", jars)
    try:
        server.create()
        yield server.address
    finally:
        server.stop()


def properties() -> str:
    """What the image makes of its variables (KAFKA_LOG_DIRS is log.dirs), on loopback and free ports."""
    written = {name.removeprefix("KAFKA_"): value for name, value in SERVICES["kafka"]["environment"].items() if name.startswith("KAFKA_")}
    del written["HEAP_OPTS"]  # of the JVM
    lines = "".join(f"{name.lower().replace('_', '.')}={value}\n" for name, value in written.items())
    here = re.sub(r"(?:kafka)?:(9092|9093)", lambda found: "127.0.0.1:" + {"9092": "{port}", "9093": "{controller}"}[found[1]], lines)
    return here.replace("/var/lib/kafka/data", "{directory}/data")


class Compose:
    """Processes with the commands and environments of the file; names are replaced by what stands for them here."""

    def __init__(self, directory: Path, **instead: str) -> None:
        self._directory = directory
        self._secrets = directory / "secrets"
        self._instead = instead
        self.children: list[subprocess.Popen[bytes]] = []
        subprocess.run(["sh", DEPLOY / "make-secrets.sh", self._secrets], check=True, capture_output=True)

    def secret(self, name: str) -> str:
        return (self._secrets / name).read_text().strip()

    def replace_secret(self, name: str, value: str) -> None:
        (self._secrets / name).unlink()
        (self._secrets / name).write_text(value)

    def start(self, name: str, **more: str) -> subprocess.Popen[bytes]:
        own = {"CHIPWIRE_DATA_DIR": str(self._directory / name), "CHIPWIRE_INGESTER_POLL": "false", "PYTHONPATH": str(ROOT)} | more
        environment = {key: value for key, value in os.environ.items() if not key.startswith("CHIPWIRE_")} | self._written(name) | own
        with self.log(name).open("wb") as log:
            command = [sys.executable, "-m", "services", *SERVICES[name]["command"]]
            self.children.append(subprocess.Popen(command, cwd=self._directory, env=environment, stdout=log, stderr=log))
        return self.children[-1]

    def log(self, name: str) -> Path:
        return self._directory / f"{name}.log"

    def _written(self, name: str) -> dict[str, str]:
        places = {"/run/secrets": str(self._secrets), "/etc/chipwire": str(DEPLOY / "config"), "${CHIPWIRE_INGESTER_CONTACT:-}": ""} | self._instead
        written: dict[str, str] = dict(SERVICES[name]["environment"])
        for inside, here in places.items():
            written = {key: value.replace(inside, here) for key, value in written.items()}
        return written


@pytest.mark.kafka
@pytest.mark.postgres
async def test_news_pushed_to_the_ingester_becomes_a_mail_in_the_catcher(compose_kafka: str, postgres_url: str, tmp_path: Path) -> None:
    async with mailbox() as mail:
        compose = Compose(tmp_path, **{"kafka:9092": compose_kafka, "mail:1025": f"127.0.0.1:{mail.port}"})
        compose.replace_secret("store-url", postgres_url)
        ports = {name: free_port() for name in app.SERVICES}
        try:
            for once in ("migrate", "topics"):
                assert await asyncio.to_thread(compose.start(once).wait, 60) == 0, compose.log(once).read_text()
            running = [compose.start(name, CHIPWIRE_HTTP_HOST="127.0.0.1", CHIPWIRE_HTTP_PORT=str(port)) for name, port in ports.items()]
            for name, port in ports.items():
                await until(partial(is_ready, port), compose.log(name))

            item = json.dumps({"id": "1", "title": "US drops plan to curb exports of the H20 chip to China", "outlet": "Example Wire"}).encode()
            pushed = await asyncio.to_thread(partial(ask, ports["ingester"], "POST", "/v1/items", item, token=compose.secret("push-token")))
            await until(lambda: bool(mail.mails), compose.log("notifier"))
            for child in running:
                child.send_signal(signal.SIGTERM)
            codes = [await asyncio.to_thread(child.wait, 30) for child in running]
        finally:
            for child in compose.children:
                child.kill()
                child.wait()

    assert pushed.status == 202
    assert [str(sent["to"]) for sent in mail.mails] == ["desk@chipwire.example"]
    assert "H20" in str(mail.mails[0]["subject"])
    assert codes == [0, 0, 0], [compose.log(name).read_text() for name in ports]


async def until(condition: Callable[[], bool], log: Path, *, seconds: int = 60) -> None:
    """Asks again until the answer is yes. Another process has no event to wait for."""
    for _ in range(seconds * 10):
        if await asyncio.to_thread(condition):
            return
        await asyncio.sleep(0.1)
    raise AssertionError(await asyncio.to_thread(log.read_text))


def is_ready(port: int) -> bool:
    try:
        return ask(port, "GET", "/readyz").status == 200
    except OSError:
        return False  # nobody listens yet
