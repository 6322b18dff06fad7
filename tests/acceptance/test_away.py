"""Dependencies that go away while the line runs: it waits, holds little, and goes on by itself; nothing is lost."""

from __future__ import annotations

from collections.abc import Callable
from email.message import EmailMessage

import pytest

from services.store.secrets import new_key
from tests.acceptance import told
from tests.acceptance.line import Home, an_alert, free_port, push, push_all
from tests.servers.kafka import KafkaServer
from tests.servers.mail import Mailbox
from tests.servers.postgres import Postgres
from tests.servers.webhooks import Receiver, receiving

GROWTH = 10.0
"""Megabytes that a process may grow by once it has refused a few pushes, while four times as much is pushed at it in vain."""


@pytest.mark.kafka
def test_a_broker_that_goes_away_and_comes_back_costs_no_memory_and_loses_nothing(
    new_kafka: KafkaServer, make_home: Callable[..., Home], receiver: Receiver
) -> None:
    home = make_home("home", broker=f"kafka://{new_kafka.address}", ingester_push_deadline="1s", ingester_push_in_flight="8000000")
    home.subscribe(hook=receiver.url)
    child = home.start("run").ready()
    push_all(lambda: child, [[an_alert(1)]])
    assert receiver.wait_for(lambda requests: len(requests) == 1, seconds=30)

    new_kafka.stop()
    weather = [an_alert(2) | {"id": f"large-{number}", "title": f"Weather {number}", "text": "x" * 10_000} for number in range(199)]  # judged at once
    large = [an_alert(2), *weather]
    refused = [push(child, large) for _ in range(8)]  # 16 MB, which the allocator keeps room for
    before = child.megabytes
    refused += [push(child, large) for _ in range(20)]
    child.until(lambda: child.ask("GET", "/readyz").status == 503)
    assert child.ask("GET", "/livez").status == 200
    grown = child.megabytes - before
    new_kafka.start()
    push_all(lambda: child, [large, [an_alert(3)]])  # what was refused was not taken for known

    assert {answer.status for answer in refused} <= {429, 503}
    assert all(int(answer.headers["retry-after"]) > 0 for answer in refused)
    assert grown < GROWTH
    assert receiver.wait_for(lambda requests: len(told.contents(requests)) == 3, seconds=60)
    child.until(lambda: child.ask("GET", "/readyz").status == 200)
    assert child.stopped() == 0


@pytest.mark.postgres
def test_a_database_that_cuts_every_connection_is_waited_for(postgres: Postgres, postgres_url: str, home: Home, receiver: Receiver) -> None:
    home.settings |= {"store": postgres_url, "notifier_keys_file": str(home.write("keys", new_key()))}
    home.subscribe(hook=receiver.url)
    assert home.chipwire("migrate").returncode == 0
    child = home.start("run").ready()
    name = postgres_url.rpartition("/")[2]

    for number in (1, 2, 3):
        postgres.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
        push_all(lambda: child, [[an_alert(number)]])

    assert receiver.wait_for(lambda requests: len(told.contents(requests)) == 3, seconds=40)
    assert child.stopped() == 0


def alerts(mails: Mailbox) -> list[EmailMessage]:
    """Without what the owner is told of a destination that fails."""
    return [mail for mail in mails.mails if not str(mail["Message-ID"]).startswith("<ntc_")]


@pytest.mark.timeout(90)
def test_receivers_that_are_away_get_everything_when_they_come_back(home: Home) -> None:
    hook_port, mail_port = free_port(), free_port()
    home.settings |= {"notifier_smtp": f"smtp://127.0.0.1:{mail_port}"}
    home.subscribe(hook=f"http://127.0.0.1:{hook_port}/hook", mail="desk@example.com")
    child = home.start("run").ready()
    assert push(child, [an_alert(1), an_alert(2)]).status == 202
    child.until(lambda: len(child.told("delivery_attempted")) >= 4)

    assert {(line["outcome"], line["reason"]) for line in child.told("delivery_attempted")} == {("retry", "refused")}
    with receiving(hook_port) as receiver, told.mail_server(mail_port) as mails:
        assert receiver.wait_for(lambda requests: len(requests) == 2, seconds=40)
        child.until(lambda: len(alerts(mails)) == 2, 40)
        assert child.stopped() == 0
        told.check_signed(receiver.requests)
        told.check_gapless(receiver.requests)
        told.check_mails(alerts(mails), told.contents(receiver.requests))
