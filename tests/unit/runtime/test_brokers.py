"""Which broker a URL names, and what no broker takes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from services.runtime.broker import Record
from services.runtime.broker_options import KafkaOptions
from services.runtime.brokers import BrokerSetup, open_broker
from services.runtime.errors import Misconfigured, Rejected, Unavailable
from services.runtime.limits import LARGEST_REST, LARGEST_VALUE, check


@pytest.mark.parametrize(("url", "file"), [("embedded:", "data/broker.db"), ("embedded:other.db", "other.db")])
async def test_embedded_is_one_file_in_the_data_directory_or_where_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, file: str) -> None:
    monkeypatch.chdir(tmp_path)

    async with open_broker(url, BrokerSetup(data_dir=Path("data"))) as broker:
        await broker.ping()

    assert [tmp_path / file] == list(tmp_path.rglob("*.db"))  # noqa: ASYNC240 a test may block


async def test_reading_needs_a_file_that_is_there(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="no broker file"):
        async with open_broker("embedded:", BrokerSetup(mode="read", data_dir=tmp_path)):
            pass


@pytest.mark.parametrize(
    "url", ["", "embedded", "rabbit://host:1", "kafka:", "kafka://", "kafka://host", "kafka://host:x", "kafka://a:1,b", "kafka:host:1", "kafka://host:99999"]
)
async def test_a_url_that_names_no_broker_is_told_with_what_was_expected(url: str) -> None:
    with pytest.raises(Misconfigured, match=r"CHIPWIRE_BROKER .*expected .*kafka://host"):
        async with open_broker(url):
            pass


async def test_a_password_in_the_url_is_refused_and_not_repeated() -> None:
    with pytest.raises(Misconfigured, match="CHIPWIRE_KAFKA_PASSWORD") as refused:
        async with open_broker("kafka://me:secret@host:9092"):
            pass

    assert "secret" not in str(refused.value)


async def test_kafka_takes_several_brokers() -> None:
    with pytest.raises(Unavailable, match=r"no Kafka broker answers at 127\.0\.0\.1:1,127\.0\.0\.1:2"):
        async with open_broker("kafka://127.0.0.1:1,127.0.0.1:2/"):
            pass


async def test_tls_files_that_cannot_be_read_are_told_before_anything_is_tried(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="TLS files for Kafka"):
        async with open_broker("kafka://127.0.0.1:1", BrokerSetup(kafka=KafkaOptions(tls=True, ca_file=tmp_path / "missing.pem"))):
            pass


def test_the_libraries_are_loaded_only_where_a_url_needs_them() -> None:
    code = "import sys, services.runtime.brokers; print([name for name in ('aiokafka', 'sqlite3', 'structlog') if name in sys.modules])"

    assert subprocess.check_output((sys.executable, "-c", code), text=True).strip() == "[]"


@pytest.mark.parametrize(
    "record",
    [
        Record("t", b"x" * LARGEST_VALUE),
        Record("t", b"", b"k" * LARGEST_REST),
        Record("t", None, b"key"),
        Record("t", b""),
    ],
)
def test_records_up_to_the_limits_are_fine(record: Record) -> None:
    check(record)


@pytest.mark.parametrize(
    ("record", "sentence"),
    [
        (Record("t", b"x" * (LARGEST_VALUE + 1)), "1000001 bytes is too large"),
        (Record("t", b"", b"k" * (LARGEST_REST + 1)), "key and headers of 40001 bytes"),
        (Record("t", b"", b"k", (("name", b"v" * LARGEST_REST),)), "key and headers of 40005 bytes"),
        (Record("t", None), "neither key nor value"),
    ],
)
def test_what_no_broker_would_take_is_rejected_with_its_size(record: Record, sentence: str) -> None:
    with pytest.raises(Rejected, match=sentence):
        check(record)
