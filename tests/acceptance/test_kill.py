"""kill -9 while work is under way loses nothing, and repeats only what the kill fell on.

The measure is a run that nobody disturbed: the same news must make the same alerts, whatever was killed.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from services.store.secrets import new_key
from tests import news
from tests.acceptance import told
from tests.acceptance.line import Child, Home, in_batches, push_all
from tests.servers.kafka import KafkaServer
from tests.servers.mail import Mailbox
from tests.servers.webhooks import Received, Receiver, receiving

IN_HAND = 16
"""So many deliveries to one destination may be in hand when the kill falls: the default of CHIPWIRE_NOTIFIER_PER_DESTINATION."""

SOON = {"notifier_webhook_deadline": "2s", "notifier_smtp_deadline": "2s", "notifier_lease": "32s", "notifier_housekeeping": "1s"}
"""The shortest lease that goes with these deadlines: what was in hand is sent again after it, and no sooner."""

SMALL = {"classifier_batch_records": "25", "notifier_batch_records": "25"}
"""Small batches, so that a kill finds something half done."""

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def items() -> list[dict[str, Any]]:
    """1,000 items of distinct events. Easings are left out: as reversals of the bans they would depend on which came first."""
    return [item for item in news.mixed(1200, now=datetime.now(UTC)) if "lifted" not in item["title"]][:1000]


@pytest.fixture(scope="module")
def undisturbed(items: Sequence[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory, parsed: Path) -> Counter[told.Content]:
    """What the webhook is told in one process on the embedded broker and SQLite, when nothing happens to it."""
    home = Home(tmp_path_factory.mktemp("undisturbed") / "home", parsed)
    with receiving() as receiver:
        home.subscribe(hook=receiver.url)
        child = home.start("run").ready()
        push_all(lambda: child, in_batches(items, 200))
        child.until(lambda: _all_done(child, len(items), receiver), 60)
        assert child.stopped() == 0
        home.close()
        assert not told.repeats(receiver.requests)
        assert len(receiver.requests) > 150
        return told.contents(receiver.requests)


def _all_done(child: Child, items: int, receiver: Receiver) -> bool:
    """Every pushed item is judged, every verdict placed, every alert of it delivered."""
    judged = child.metric("chipwire_classifier_records_total")
    placed = child.metric("chipwire_notifier_placements_total")
    opened = child.metric('chipwire_notifier_placements_total{outcome="opened"}')
    return judged == items and placed == child.metric("chipwire_classifier_published_total") and len(receiver.requests) == opened


@pytest.mark.kafka
@pytest.mark.postgres
def test_killing_each_process_on_kafka_and_postgresql_loses_nothing(
    new_kafka: KafkaServer,
    postgres_url: str,
    make_home: Callable[..., Home],
    receiver: Receiver,
    mails: Mailbox,
    items: Sequence[dict[str, Any]],
    undisturbed: Counter[told.Content],
) -> None:
    home = make_home("home", broker=f"kafka://{new_kafka.address}", store=postgres_url, notifier_smtp=f"smtp://127.0.0.1:{mails.port}", **SMALL, **SOON)
    home.settings["notifier_keys_file"] = str(home.write("keys", new_key()))
    home.subscribe(hook=receiver.url, mail="desk@example.com")
    assert home.chipwire("migrate").returncode == 0
    line = {name: home.start("run", name, data_dir=str(home.directory / name)) for name in ("ingester", "classifier", "notifier")}
    for child in line.values():
        child.ready()

    def kill(name: str, *, after: int) -> str:
        in_hand = _killed_at(receiver, line[name], after, of=undisturbed.total())
        line[name] = home.start("run", name, data_dir=str(home.directory / name))
        return in_hand

    with _pushing(lambda: line["ingester"], items):
        kill("ingester", after=10)
        kill("classifier", after=60)
        in_hand = kill("notifier", after=110)

    _await_all(receiver, undisturbed.total(), [in_hand])
    line["notifier"].until(lambda: len({mail["Message-ID"] for mail in mails.mails}) == undisturbed.total(), 60)
    assert line["notifier"].metric("chipwire_notifier_leases_expired_total") >= 1
    assert [child.stopped() for child in line.values()] == [0, 0, 0]
    _check_told(receiver, undisturbed, kills=1)
    told.check_mails(mails.mails, undisturbed)


def test_killing_the_one_process_on_the_embedded_broker_loses_nothing(
    home: Home, receiver: Receiver, items: Sequence[dict[str, Any]], undisturbed: Counter[told.Content]
) -> None:
    home.settings |= SMALL | SOON
    home.subscribe(hook=receiver.url)
    line = [home.start("run").ready()]

    in_hand: list[str] = []

    with _pushing(lambda: line[-1], items):
        for after in (10, 90):
            in_hand.append(_killed_at(receiver, line[-1], after, of=undisturbed.total()))
            line.append(home.start("run"))

    _await_all(receiver, undisturbed.total(), in_hand)
    assert line[-1].stopped() == 0
    _check_told(receiver, undisturbed, kills=2)


@contextmanager
def _pushing(line: Callable[[], Child], items: Sequence[dict[str, Any]]) -> Iterator[None]:
    """Pushes from a thread while the block lasts, and until all is taken."""
    with ThreadPoolExecutor(1, thread_name_prefix="pusher") as pool:
        pushing = pool.submit(push_all, line, in_batches(items, 20))
        yield
        pushing.result()


def _killed_at(receiver: Receiver, child: Child, count: int, *, of: int) -> str:
    """Kills the process while the receiver has the request with this number in hand. Returns the id of that delivery."""
    killed = threading.Event()
    in_hand: list[str] = []

    def answer(request: Received) -> int:
        if len(receiver.requests) >= count and not in_hand:
            in_hand.append(request.id)
            child.kill()
            killed.set()
        return 204

    receiver.answer = answer
    assert killed.wait(60), f"only {len(receiver.requests)} of {count} requests came"
    assert len(receiver.requests) < of, "nothing was under way any more"
    return in_hand[0]


def _await_all(receiver: Receiver, count: int, in_hand: Sequence[str]) -> None:
    """Until so many deliveries have come, and those that a kill fell on have come again."""

    def complete(requests: Sequence[Received]) -> bool:
        times = Counter(request.id for request in requests)
        return len(times) >= count and all(times[delivery] > 1 for delivery in in_hand)

    assert receiver.wait_for(complete, seconds=90), "something never came, or never came again"


def _check_told(receiver: Receiver, undisturbed: Counter[told.Content], *, kills: int) -> None:
    assert told.contents(receiver.requests) == undisturbed
    repeated = told.repeats(receiver.requests)
    assert len(repeated) <= IN_HAND * kills
    assert all(len({sent.body for sent in of_one}) == 1 for of_one in repeated)
    told.check_signed(receiver.requests)
    told.check_gapless(receiver.requests)
