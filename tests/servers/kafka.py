"""A real Apache Kafka for the tests: one node (KRaft, broker and controller), from jars that Maven fetches once.

The jars are kept in `~/.cache/chipwire/kafka-<hash of the pom>` ($XDG_CACHE_HOME is respected), shared by all checkouts.
`CHIPWIRE_TEST_KAFKA=host:port` uses a running one instead.
"""

from __future__ import annotations

import asyncio
import base64
import fcntl
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.servers.missing import not_available

POM = Path(__file__).parents[1] / "kafka" / "pom.xml"

_FLAGS = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xms128m", "-Xmx384m", "-Xss512k", "-XX:-UsePerfData")
"""Starts in half the time of the shipped script's flags, and takes half the memory."""

_LOG4J = """
Configuration:
  status: error
  Appenders: {Console: {name: console, PatternLayout: {pattern: "%d{ABSOLUTE} %p %c{1} %m%n"}}}
  Loggers: {Root: {level: warn, AppenderRef: {ref: console}}}
"""

_PROPERTIES = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},LOGIN://127.0.0.1:{login},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},LOGIN://127.0.0.1:{login}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,LOGIN:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT
sasl.enabled.mechanisms=PLAIN
listener.name.login.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_chipwire="open sesame";
log.dirs={directory}/data
auto.create.topics.enable=false
num.partitions=1
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=4
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
num.network.threads=2
num.io.threads=4
background.threads=2
log.cleaner.dedupe.buffer.size=4194304
log.segment.bytes=67108864
log.index.size.max.bytes=1048576
"""


class NotAvailable(Exception):
    """A real Kafka cannot be had here. Says exactly why."""


class KafkaServer:
    """One node, which can be stopped and started again on the same data and ports."""

    def __init__(self, directory: Path, class_path: str) -> None:
        self._directory, self._class_path = directory, class_path
        self._process: subprocess.Popen[bytes] | None = None
        self.port = self.login_port = 0

    @property
    def address(self) -> str:
        """host:port without a login."""
        return f"127.0.0.1:{self.port}"

    @property
    def login_address(self) -> str:
        """host:port that wants SASL PLAIN: `chipwire`, `open sesame`."""
        return f"127.0.0.1:{self.login_port}"

    def create(self, attempts: int = 3) -> None:
        """A new, empty node on free ports. Another program may take a port in between: then once more, on others."""
        for attempt in range(attempts):
            self._format()
            try:
                return self.start()
            except NotAvailable:
                self.stop()
                if attempt + 1 == attempts:
                    raise
        return None

    def start(self, seconds: float = 60) -> None:
        """Returns when it answers."""
        command = ("java", *_FLAGS, f"-Dlog4j2.configurationFile={self._directory}/log4j2.yaml", "-cp", self._class_path, "kafka.Kafka")
        with self._log.open("ab") as log:
            self._process = subprocess.Popen((*command, f"{self._directory}/server.properties"), stdout=log, stderr=log, cwd=self._directory)
        deadline = time.monotonic() + seconds
        while not _answers(self.address):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise NotAvailable(f"the broker did not start; its last lines:\n{self.log_tail()}")
            time.sleep(0.1)  # only asking tells

    def stop(self, seconds: float = 15) -> None:
        """SIGTERM; SIGKILL when that does not help."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def log_tail(self, lines: int = 40) -> str:
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-lines:]) if self._log.exists() else "(no log)"

    @property
    def _log(self) -> Path:
        return self._directory / "kafka.log"

    def _format(self) -> None:
        """What `kafka-storage format` does, without starting a JVM for it."""
        data = self._directory / "data"
        shutil.rmtree(data, ignore_errors=True)
        data.mkdir(parents=True)
        self.port, self.login_port, controller = _free_ports(3)
        (data / "meta.properties").write_text(f"version=1\ncluster.id={_id()}\nnode.id=1\ndirectory.id={_id()}\n")
        properties = _PROPERTIES.format(port=self.port, login=self.login_port, controller=controller, directory=self._directory)
        (self._directory / "server.properties").write_text(properties)
        (self._directory / "log4j2.yaml").write_text(_LOG4J)


@dataclass(frozen=True)
class ExistingKafka:
    """Somebody else's Kafka: not ours to stop, and we know no logins."""

    address: str


@pytest.fixture(scope="session")
def kafka() -> Iterator[KafkaServer | ExistingKafka]:
    """A real Kafka, started once for the session. Skips loudly where it cannot be had."""
    if existing := os.environ.get("CHIPWIRE_TEST_KAFKA"):
        yield ExistingKafka(existing)
        return
    with tempfile.TemporaryDirectory(prefix="chipwire-kafka-") as directory:
        try:
            server = KafkaServer(Path(directory), jars())
            server.create()
        except NotAvailable as exc:
            not_available("Kafka", exc)
        try:
            yield server
        finally:
            server.stop()


@pytest.fixture
def own_kafka(kafka: KafkaServer | ExistingKafka) -> KafkaServer:
    """A real Kafka that the test may stop and start, and that has logins."""
    return must_be_ours(kafka)


def must_be_ours(kafka: KafkaServer | ExistingKafka) -> KafkaServer:
    if isinstance(kafka, ExistingKafka):
        pytest.skip("CHIPWIRE_TEST_KAFKA names a Kafka that is not ours to stop and start, and whose logins we do not know")
    return kafka


def jars() -> str:
    """The class path: fetched by Maven the first time. Raises NotAvailable."""
    if not shutil.which("java"):
        raise NotAvailable("there is no `java` here; install a JRE, 17 or newer")
    directory = _cache() / f"kafka-{hashlib.sha256(POM.read_bytes()).hexdigest()[:12]}"
    if not directory.exists():
        _fetch(directory)
    return ":".join(sorted(map(str, directory.glob("*.jar"))))


def _fetch(directory: Path) -> None:
    if not shutil.which("mvn"):
        raise NotAvailable("there is no `mvn` here; install Maven, it fetches Kafka's jars")
    directory.parent.mkdir(parents=True, exist_ok=True)
    with _alone(directory.with_suffix(".lock")), tempfile.TemporaryDirectory(dir=directory.parent) as half:
        if directory.exists():
            return  # another test run was faster
        goal = ("dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={half}/jars")
        done = subprocess.run(("mvn", "-B", "-q", "-f", POM, *goal), capture_output=True, text=True, timeout=600, check=False)
        if done.returncode:
            raise NotAvailable(f"Maven could not fetch Kafka's jars:\n{(done.stdout + done.stderr)[-2000:]}")
        Path(half, "jars").rename(directory)  # when whole, so that a broken fetch is never taken for one


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """One fetch at a time: two Mavens that write the same repository spoil it."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "chipwire"


def _answers(address: str) -> bool:
    """Whether a client gets an answer, asked in a thread of its own: a test's event loop may be running."""
    answer: list[bool] = []
    asking = threading.Thread(target=lambda: answer.append(asyncio.run(_ask(address))))
    asking.start()
    asking.join()
    return answer == [True]


async def _ask(address: str) -> bool:
    from services.runtime.broker_options import KafkaOptions
    from services.runtime.errors import Unavailable
    from services.runtime.kafka import open_kafka

    host, port = address.split(":")
    try:
        _, writer = await asyncio.open_connection(host, int(port))  # quiet, while nobody listens
        writer.close()
        async with open_kafka(address, options=KafkaOptions()) as broker:
            await broker.ping()
    except (OSError, Unavailable):
        return False
    return True


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def _id() -> str:
    """As Kafka writes ids: a UUID in 22 characters of base64."""
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
