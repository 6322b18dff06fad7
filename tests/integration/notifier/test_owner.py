"""What an account is told about its own destinations, from the failure to the mail."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from services.notifier.channels.outcome import Final, Outcome, Reason, Retry, Sent
from services.notifier.owner import OwnerMails, letter
from services.notifier.settings import NotifierSettings
from services.store import accounts, migrate, notices
from services.store.accounts import WantedDestination
from services.store.engine import Connection, Store, metadata
from services.store.journal import Result
from services.store.notices import Notice
from tests import alerting, make
from tests.fakes import FakeClock

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
MAIL = WantedDestination("ana", "email", "ana@example.com")


@dataclass
class Mailbox:
    """Takes mails, or answers what it is told to."""

    outcomes: list[Outcome] = field(default_factory=list)
    mails: list[tuple[str, str, str]] = field(default_factory=list)

    async def post_plain(self, *, address: str, name: str, subject: str, text: str) -> Outcome:
        self.mails.append((address, subject, text))
        return self.outcomes.pop(0) if self.outcomes else Sent()


@pytest.fixture
def store_url(tmp_path: Path) -> str:
    """On SQLite time is the caller's, so that days pass at once; the last test here looks at PostgreSQL."""
    return f"sqlite:///{tmp_path}/store.db"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture
def counted() -> list[tuple[str, str]]:
    return []


@pytest.fixture
def owner(store: Store, clock: FakeClock, mailbox: Mailbox, counted: list[tuple[str, str]]) -> OwnerMails:
    return OwnerMails(store, alerting.CIPHER, mailbox, settings=NotifierSettings(), clock=clock, count=lambda *outcome: counted.append(outcome))


async def has(store: Store, *destinations: WantedDestination) -> None:
    await store.run(lambda db: alerting.subscribe(db, alerting.account(*destinations)))


async def ended(store: Store, clock: FakeClock, destination: str, **fields: Any) -> None:
    """One delivery to this destination ends so: by default the receiver has an error."""

    def work(db: Connection) -> None:
        event = make.event(id=f"E{clock.now():%d%H%M}{destination}")
        alerting.raise_alert(db, event, now=clock.now())
        alerting.fan_out_all(db, clock.now())
        for claimed in alerting.claim(db, now=clock.now()):
            mine = claimed.destination.id == destination
            result = Result(claimed, **({"outcome": "final", "reason": "server_error", "status": 500} | fields)) if mine else alerting.sent(claimed)
            alerting.write(db, result, now=clock.now())

    await store.run(work)
    clock.advance(timedelta(minutes=1))


async def mailed(owner: OwnerMails, mailbox: Mailbox) -> list[str]:
    while await owner.mail_one():
        pass
    return [subject for _, subject, _ in mailbox.mails]


async def states(store: Store) -> list[tuple[str, str, str | None]]:
    return [(one["kind"], one["state"], one["why"]) for one in await store.read(lambda db: notices.list_notices(db, alerting.DESK))]


async def test_the_first_failure_is_told_once_to_another_mailbox_of_the_account(
    store: Store, clock: FakeClock, owner: OwnerMails, mailbox: Mailbox, counted: list[tuple[str, str]]
) -> None:
    await has(store, alerting.hook("hook"), MAIL)

    await ended(store, clock, "hook")
    await ended(store, clock, "hook")

    assert await mailed(owner, mailbox) == ["chipwire: delivery to hook fails"]
    (address, _, text) = mailbox.mails[0]
    assert address == "ana@example.com"
    assert "webhook destination 'hook' of account 'desk'" in text
    assert "Reason: it answered with an error of its own." in text
    assert "example.com/hook" not in text
    assert await states(store) == [("failing", "sent", "accepted")]
    assert counted == [("failing", "sent")]


async def test_a_mailbox_is_never_told_about_itself(store: Store, clock: FakeClock, owner: OwnerMails, mailbox: Mailbox) -> None:
    await has(store, alerting.hook("hook"), MAIL)

    await ended(store, clock, "ana", reason="smtp_full")

    assert await mailed(owner, mailbox) == []
    assert await states(store) == [("failing", "dropped", "no_mailbox")]


async def test_what_is_gone_is_told_as_switched_off_and_not_as_failing_too(store: Store, clock: FakeClock, owner: OwnerMails, mailbox: Mailbox) -> None:
    await has(store, alerting.hook("hook"), MAIL)

    await ended(store, clock, "hook", reason="gone", status=410, disable=True)

    assert await mailed(owner, mailbox) == ["chipwire: hook is switched off"]
    assert "answered 410" in mailbox.mails[0][2]


async def test_one_that_flaps_for_a_day_is_told_of_once_and_again_the_next_day(store: Store, clock: FakeClock, owner: OwnerMails, mailbox: Mailbox) -> None:
    await has(store, alerting.hook("hook"), MAIL)

    for _ in range(5):
        await ended(store, clock, "hook")
        await ended(store, clock, "hook", outcome="sent", reason="accepted")
    today = await mailed(owner, mailbox)
    clock.advance(DAY)
    await ended(store, clock, "hook")

    assert len(today) == 1
    assert len(await mailed(owner, mailbox)) == 2


async def test_an_account_gets_three_mails_a_day_at_most(store: Store, clock: FakeClock, owner: OwnerMails, mailbox: Mailbox) -> None:
    hooks = [alerting.hook(f"hook{number}") for number in range(5)]
    await has(store, *hooks, MAIL)

    for hook in hooks:
        await ended(store, clock, hook.id)

    assert len(await mailed(owner, mailbox)) == 3
    assert [why for _, _, why in await states(store)].count("enough_today") == 2


async def test_what_was_our_own_fault_is_no_failure_of_the_receiver(store: Store, clock: FakeClock, owner: OwnerMails, mailbox: Mailbox) -> None:
    await has(store, alerting.hook("hook"), MAIL)

    await ended(store, clock, "hook", reason="interrupted")
    assert await mailed(owner, mailbox) == []

    await ended(store, clock, "hook", reason="refused")
    assert await mailed(owner, mailbox) == ["chipwire: delivery to hook fails"]


async def test_one_that_fails_for_days_is_told_a_day_before_and_then_switched_off(store: Store, clock: FakeClock, owner: OwnerMails, mailbox: Mailbox) -> None:
    await has(store, alerting.hook("hook"), MAIL)
    for _ in range(5):
        await ended(store, clock, "hook")

    async def after(days: float) -> list[str]:
        now = make.NOW + days * DAY + HOUR
        given_up = await store.run(lambda db: notices.give_up(db, now, after=5 * DAY, warned=DAY, failures=5))
        clock.advance(now - clock.now())
        await mailed(owner, mailbox)
        return [key.id for key in given_up]

    off = [await after(days) for days in (3, 4, 4.5, 5, 6)]

    assert off == [[], [], [], ["hook"], []]
    assert [subject for _, subject, _ in mailbox.mails] == [
        "chipwire: delivery to hook fails",
        "chipwire: hook will be switched off tomorrow",
        "chipwire: hook is switched off",
    ]
    _, hook = await store.read(lambda db: accounts.list_destinations(db, alerting.DESK))
    assert hook.disabled == "failing"


async def test_one_success_ends_the_spell(store: Store, clock: FakeClock) -> None:
    await has(store, alerting.hook("hook"), MAIL)
    for _ in range(5):
        await ended(store, clock, "hook")
    await ended(store, clock, "hook", outcome="sent", reason="accepted")

    assert await store.run(lambda db: notices.give_up(db, make.NOW + 9 * DAY, after=5 * DAY, warned=DAY, failures=1)) == []


async def test_a_webhook_that_proves_itself_is_switched_on_again(store: Store, clock: FakeClock) -> None:
    await has(store, alerting.hook("hook"), MAIL)
    await ended(store, clock, "hook", reason="gone", disable=True)

    await store.run(lambda db: accounts.set_verified(db, alerting.key("hook"), clock.now(), verified=True))

    _, hook = await store.read(lambda db: accounts.list_destinations(db, alerting.DESK))
    assert (hook.disabled, hook.failures) == (None, 0)


async def test_a_mail_that_is_not_taken_is_tried_again_later_and_given_up_when_refused(
    store: Store, clock: FakeClock, owner: OwnerMails, mailbox: Mailbox
) -> None:
    await has(store, alerting.hook("hook"), MAIL)
    mailbox.outcomes = [Retry(Reason.SMTP_BUSY), Final(Reason.SMTP_REFUSED)]
    await ended(store, clock, "hook")

    assert len(await mailed(owner, mailbox)) == 1
    assert len(await mailed(owner, mailbox)) == 1
    clock.advance(HOUR)
    assert len(await mailed(owner, mailbox)) == 2
    assert await states(store) == [("failing", "failed", "smtp_refused")]


async def test_what_was_in_hand_when_a_process_died_is_mailed_by_the_next(store: Store, clock: FakeClock, owner: OwnerMails, mailbox: Mailbox) -> None:
    await has(store, alerting.hook("hook"), MAIL)
    await ended(store, clock, "hook")
    lease = timedelta(seconds=90)
    assert await store.run(lambda db: notices.claim(db, clock.now(), lease)) is not None

    assert await mailed(owner, mailbox) == []
    clock.advance(lease)
    assert await mailed(owner, mailbox) == ["chipwire: delivery to hook fails"]


@pytest.mark.parametrize("reason", [*Reason, "failing"])
@pytest.mark.parametrize("kind", notices.KINDS)
def test_every_notice_has_words(kind: str, reason: str) -> None:
    notice = Notice("n", alerting.key("hook"), "webhook", kind, reason, make.NOW, alerting.key("ana"), b"", 1)

    words = letter(notice, disable_after=5 * DAY)

    assert "hook" in words.subject
    assert "{" not in words.subject + words.text


async def test_on_postgresql_it_goes_by_the_clock_of_the_database(postgres_url: str) -> None:
    clock, mailbox = FakeClock(datetime.now(UTC)), Mailbox()
    async with Store.open(postgres_url) as store:
        migrate.import_tables()
        metadata.create_all(store.engine)
        owner = OwnerMails(store, alerting.CIPHER, mailbox, settings=NotifierSettings(), clock=clock, count=lambda *outcome: None)
        await has(store, alerting.hook("hook"), MAIL)
        await ended(store, clock, "hook")
        await mailed(owner, mailbox)
        given_up = await store.run(lambda db: notices.give_up(db, clock.now(), after=timedelta(0), warned=timedelta(0), failures=1))

        assert [key.id for key in given_up] == ["hook"]
        assert await mailed(owner, mailbox) == ["chipwire: delivery to hook fails", "chipwire: hook is switched off"]
