"""How a process leaves: what is in hand is finished, and who cannot wait says so twice."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import pytest

from tests.acceptance import told
from tests.acceptance.line import Child, Home, an_alert, push
from tests.servers.webhooks import Received, Receiver


class Slow:
    """A receiver's answer that waits until it is let go."""

    def __init__(self) -> None:
        self.may_answer = threading.Event()

    def __call__(self, _request: Received) -> int:
        self.may_answer.wait(30)
        return 204


@pytest.fixture
def slow(receiver: Receiver) -> Iterator[Slow]:
    """Makes the receiver slow."""
    answer = Slow()
    receiver.answer = answer
    yield answer
    answer.may_answer.set()


def with_an_alert_in_hand(home: Home, receiver: Receiver) -> Child:
    """A process that has sent an alert, and waits for the receiver's answer."""
    home.subscribe(hook=receiver.url)
    child = home.start("run").ready()
    assert push(child, [an_alert(1)]).status == 202
    assert receiver.wait_for(lambda requests: len(requests) == 1, seconds=20)
    return child


def test_told_to_stop_it_takes_nothing_new_finishes_what_is_in_hand_and_exits_0(home: Home, receiver: Receiver, slow: Slow) -> None:
    child = with_an_alert_in_hand(home, receiver)
    child.signal(signal.SIGTERM)
    child.until(lambda: child.ask("GET", "/readyz").status == 503)
    refused = push(child, [an_alert(2)])
    slow.may_answer.set()

    assert child.exit_code() == 0
    assert (refused.status, refused.headers["retry-after"]) == (503, "5")

    again = home.start("run").ready()
    assert push(again, [an_alert(2)]).status == 202
    assert receiver.wait_for(lambda requests: len(requests) == 2, seconds=20)
    assert again.stopped() == 0
    assert not told.repeats(receiver.requests)
    told.check_gapless(receiver.requests)


def test_a_second_signal_ends_it_at_once_with_130(home: Home, receiver: Receiver, slow: Slow) -> None:
    child = with_an_alert_in_hand(home, receiver)
    child.signal(signal.SIGTERM)
    child.until(lambda: child.ask("GET", "/readyz").status == 503)

    child.signal(signal.SIGINT)

    assert child.exit_code(5) == 130


def test_ctrl_c_stops_it_like_sigterm(home: Home) -> None:
    child = home.start("run").ready()

    child.signal(signal.SIGINT)

    assert child.exit_code() == 0
    assert not (child.data / "run.json").exists()
