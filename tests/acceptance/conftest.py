"""Where the processes under test live, and what they talk to."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.acceptance import told
from tests.acceptance.line import Home
from tests.servers.kafka import ExistingKafka, KafkaServer, jars, must_be_ours
from tests.servers.mail import Mailbox
from tests.servers.webhooks import Receiver, receiving


@pytest.fixture(scope="session")
def parsed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache of parsed files, filled once: reading all shipped YAML takes seconds."""
    return tmp_path_factory.mktemp("parsed")


@pytest.fixture
def make_home(tmp_path: Path, parsed: Path) -> Iterator[Callable[..., Home]]:
    """Makes homes: `make_home("a", broker="kafka://...")`. What still runs at the end is ended."""
    homes: list[Home] = []

    def make(name: str, **settings: str) -> Home:
        homes.append(Home(tmp_path / name, parsed, **settings))
        return homes[-1]

    yield make
    for home in homes:
        home.close()


@pytest.fixture
def home(make_home: Callable[..., Home]) -> Home:
    """One home on the embedded defaults."""
    return make_home("home")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A webhook receiver."""
    with receiving() as at_work:
        yield at_work


@pytest.fixture
def mails() -> Iterator[Mailbox]:
    """A mail server."""
    with told.mail_server() as box:
        yield box


@pytest.fixture
def new_kafka(kafka: KafkaServer | ExistingKafka) -> Iterator[KafkaServer]:
    """A Kafka without records, the test's own: the topics of the line have fixed names."""
    must_be_ours(kafka)
    with tempfile.TemporaryDirectory(prefix="chipwire-kafka-") as directory:
        server = KafkaServer(Path(directory), jars())
        server.create()
        try:
            yield server
        finally:
            server.stop()
