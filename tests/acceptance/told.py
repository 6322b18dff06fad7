"""What receivers were told, in a form that can be compared between runs: ids are minted anew in each, contents are not."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from email.message import EmailMessage

from standardwebhooks import Webhook

from tests.alerting import SECRET
from tests.servers.mail import Mailbox, mailbox
from tests.servers.webhooks import Received

Content = tuple[str, str, tuple[str, ...]]
"""Kind, headline, and the ids of the items that tell it."""


def contents(requests: Iterable[Received]) -> Counter[Content]:
    """Every delivery once, however often it was sent."""
    return Counter(_content(request) for request in {request.id: request for request in requests}.values())


def _content(request: Received) -> Content:
    alert = request.data
    return alert["kind"], alert["headline"], tuple(sorted(source["item"] for source in alert["event"]["sources"]))


def repeats(requests: Iterable[Received]) -> list[list[Received]]:
    """The deliveries that were sent more than once, with all that was sent of each."""
    by_id: defaultdict[str, list[Received]] = defaultdict(list)
    for request in requests:
        by_id[request.id].append(request)
    return [sent for sent in by_id.values() if len(sent) > 1]


def check_signed(requests: Iterable[Received]) -> None:
    """Every request passes the library that receivers use."""
    for request in requests:
        Webhook(SECRET).verify(request.body, request.headers)


def check_gapless(requests: Iterable[Received]) -> None:
    """The receiver can tell from the numbers that nothing is missing."""
    numbers = sorted({(alert["epoch"], alert["sequence"], alert["previous"]) for alert in (request.data for request in requests)})
    assert numbers == [(1, number, number - 1) for number in range(1, len(numbers) + 1)]


def check_mails(mails: Sequence[EmailMessage], told: Counter[Content]) -> None:
    """One mail for each alert, and the same Message-ID where one came again."""
    subjects = {mail["Message-ID"]: mail["Subject"] for mail in mails}
    assert len(subjects) == told.total()
    assert all(subjects[mail["Message-ID"]] == mail["Subject"] for mail in mails)
    assert Counter(subjects.values()) == Counter(headline for _, headline, _ in told.elements())


@contextmanager
def mail_server(port: int = 0) -> Iterator[Mailbox]:
    """A mail server at work, by default on a free port, in a thread of its own: the tests here have no event loop."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="mail-server", daemon=True)
    thread.start()
    serving = mailbox(port=port)
    try:
        yield asyncio.run_coroutine_threadsafe(serving.__aenter__(), loop).result(10)
    finally:
        asyncio.run_coroutine_threadsafe(serving.__aexit__(None, None, None), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
