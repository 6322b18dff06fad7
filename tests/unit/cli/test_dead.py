from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from schemas.topics import NEWS_ITEMS, POLICY_SIGNALS, TOPICS
from services import app
from services.cli import command
from services.runtime import dead
from services.runtime.broker import Record
from services.runtime.brokers import BrokerSetup, open_broker
from services.runtime.errors import Malformed, Rejected
from tests import make
from tests.example_service import PARTS


@pytest.fixture(autouse=True)
def _three_letters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHIPWIRE_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(app, "SERVICES", PARTS)
    asyncio.run(_publish(tmp_path))


async def _publish(directory: Path) -> None:
    records = [
        make.record(b"broken \xff", headers=(("ce_id", b"7"),), partition=3, offset=1042),
        make.record(b"odd", topic=POLICY_SIGNALS, partition=0, offset=5),
    ]
    errors = [Malformed("not a NewsItem: title: expected a valid string"), Rejected("no such source")]
    letters = [dead.to_letter(record, error, worker="classifier", at=make.NOW) for record, error in zip(records, errors, strict=True)]
    large = dead.left_at_origin(dead.to_letter(make.record(partition=1, offset=9), Rejected("too large"), worker="classifier", at=make.NOW))
    async with open_broker("embedded:", BrokerSetup(data_dir=directory)) as broker:
        await broker.ensure(TOPICS)
        await broker.publish([*letters, large])


def chipwire(*words: str) -> Result:
    return CliRunner().invoke(command(), ["dead", *words])


def values(directory: Path, topic: str) -> list[Record]:
    async def read() -> list[Record]:
        async with open_broker("embedded:", BrokerSetup(mode="read", data_dir=directory)) as broker:
            return [record async for record in broker.read(next(one for one in TOPICS if one.name == topic))]

    return asyncio.run(read())


def ids(*words: str) -> list[str]:
    return [json.loads(line)["id"] for line in chipwire("list", "--json", *words).stdout.splitlines()]


def test_open_letters_are_listed_with_their_reason() -> None:
    shown = chipwire("list").stdout

    assert "news.items.v1/3/1042" in shown
    assert "not a NewsItem: title: expected a valid string" in shown


def test_letters_can_be_listed_by_topic() -> None:
    assert ids("--topic", "policy.signals.v1") == ["policy.signals.v1/0/5"]


def test_a_topic_that_has_no_letters_at_all_is_told() -> None:
    result = chipwire("list", "--topic", "weather")

    assert str(result.exception) == "no dead letters are kept for 'weather'; expected one of news.items.v1, policy.signals.v1"


def test_a_letter_is_shown_whole_whatever_its_bytes() -> None:
    shown = json.loads(chipwire("show", "news.items.v1/3/1042", "--json").stdout)

    assert (shown["value"], shown["key"], shown["headers"], shown["replayable"]) == ("broken \\xff", "key", {"ce_id": "7"}, True)
    assert "value: broken" in chipwire("show", "news.items.v1/3/1042").stdout


def test_a_replayed_letter_is_published_as_it_came_and_is_open_no_more(tmp_path: Path) -> None:
    result = chipwire("replay", "news.items.v1/3/1042")

    assert (result.exit_code, result.stdout) == (0, "replayed 1\n")
    again = replace(values(tmp_path, NEWS_ITEMS.name)[0], partition=None, offset=None, timestamp=None)
    assert again == Record(NEWS_ITEMS.name, b"broken \xff", b"key", (("ce_id", b"7"),))
    assert "news.items.v1/3/1042" not in ids()


def test_what_cannot_be_replayed_is_told_and_stays_open() -> None:
    result = chipwire("replay", "--all")

    assert (result.exit_code, result.stdout) == (1, "replayed 2\n")
    assert "news.items.v1/1/9 was too large to be kept twice" in result.stderr
    assert ids() == ["news.items.v1/1/9"]


def test_an_unknown_letter_is_told_and_nothing_is_replayed(tmp_path: Path) -> None:
    result = chipwire("replay", "news.items.v1/3/1042", "news.items.v1/3/1")

    assert isinstance(result.exception, Rejected)
    assert str(result.exception).startswith("no open dead letter news.items.v1/3/1;")
    assert values(tmp_path, NEWS_ITEMS.name) == []


@pytest.mark.parametrize("words", [[], ["news.items.v1/3/1042", "--all"]])
def test_one_says_which_letters_or_all(words: list[str]) -> None:
    assert chipwire("replay", *words).exit_code == 2
