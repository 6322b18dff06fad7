"""What every channel promises: one attempt, an outcome for whatever happens, nothing secret in what it says, nothing left behind when it is cancelled."""

from __future__ import annotations

import asyncio
import io
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from functools import partial
from ipaddress import ip_network
from pathlib import Path
from typing import Any, cast

import pytest
import trustme

from schemas.api.digest import WebhookDigest
from schemas.config.subscriptions import CHATS, KINDS
from services.notifier.channels import CHANNELS
from services.notifier.channels.body import body_of
from services.notifier.channels.email import Letterhead, compose
from services.notifier.channels.outcome import Channel, Final, Message, Outcome, Reason, Retry, Sent
from services.notifier.channels.tools import Tools
from services.notifier.channels.webhook import signed_headers
from services.notifier.leaving import Leaving
from services.notifier.settings import NotifierSettings
from services.notifier.suppressed import Suppressed
from services.runtime.clock import SystemClock
from services.runtime.errors import Unavailable
from services.runtime.http import HttpClient
from services.store.digests import Digest, DigestAlert
from services.store.engine import Store, metadata
from services.store.signing import rotated
from services.store.suppression import suppressions
from tests import make
from tests.alerting import SECRET
from tests.fakes import FakeClock
from tests.servers import hook, mail

ADDRESS = "ana.secret@example.com"
OTHER_SECRET = "whsec_" + "B" * 32

Verifier = Callable[[bytes, dict[str, str]], Any]


def message(**fields: Any) -> Message:
    defaults: dict[str, Any] = {
        "id": "msg_a1b2c3",
        "account_id": "desk",
        "destination_id": "inbox",
        "address": ADDRESS,
        "secret": None,
        "alert_id": "E1.1",
        "kind": "new",
        "event": make.event(id="E1"),
        "headline": "REPORTED: US drops planned export curbs on NVIDIA H20 to China",
        "subject": "REPORTED: US drops planned export curbs on NVIDIA H20 to China",
        "text": "REPORTED: US drops planned curbs\n\nالولايات المتحدة تتراجع\n",
        "language": "en",
        "reasons": ("all: everything",),
        "raised_at": make.NOW,
        "sequence": 7,
        "previous": 6,
        "epoch": 1,
    }
    return Message(**(defaults | fields))


def text_of(mail: Any) -> str:
    """What a program without HTML shows."""
    return str(mail.get_body(("plain",)).get_content())


@dataclass
class Rig:
    """A channel with its receiver: how to make it accept, refuse for now, for good, and hang; and what it has got."""

    channel: Channel
    message: Message
    got: Callable[[], str]
    busy: Callable[[], Awaitable[None]]
    dead: Callable[[], Awaitable[None]] | None = None
    hang: Callable[[], Awaitable[None]] | None = None


@pytest.fixture
async def tools(tmp_path: Path) -> AsyncIterator[Tools]:
    settings = NotifierSettings(webhook_deadline=timedelta(seconds=5), smtp_deadline=timedelta(seconds=5), mail_from="Chipwire <alerts@chipwire.example>")
    store, clock = Store.open(f"sqlite:///{tmp_path / 'store.db'}"), SystemClock()
    store.run_sync(lambda db: metadata.create_all(db, tables=[suppressions]))
    suppressed, leaving = Suppressed(store, b"a key of the hashes", clock), Leaving(b"a key of the links", "")
    async with store, HttpClient(allow=[ip_network("127.0.0.0/8")]) as http:
        yield Tools(settings, http, clock, io.StringIO(), tmp_path / "outbox", suppressed, leaving)


@pytest.fixture(params=[*KINDS, "outbox"])
async def rig(request: pytest.FixtureRequest, tools: Tools, tmp_path: Path) -> AsyncIterator[Rig]:
    builders: dict[str, Callable[[Tools, Path], AsyncIterator[Rig]]] = {
        "webhook": _webhook,
        "email": _email,
        "outbox": _outbox,
        "terminal": _terminal,
        "file": _file,
    }
    builders |= {kind: partial(_chat, kind) for kind in CHATS}
    async for built in builders[request.param](tools, tmp_path):
        yield built
        await built.channel.close()


async def _webhook(tools: Tools, _directory: Path) -> AsyncIterator[Rig]:
    async with hook.hook() as receiver:

        async def answer(how: hook.Answer) -> None:
            receiver.answer = how

        yield Rig(
            CHANNELS["webhook"](tools),
            message(address=receiver.url + "?token=hidden", secret=SECRET),
            lambda: "".join(f"{call.headers} {call.body.decode()}" for call in receiver.calls),
            busy=lambda: answer(hook.status(503)),
            dead=lambda: answer(hook.status(410)),
            hang=lambda: answer(hook.hang),
        )


CHAT_PATHS = {"telegram": "/bot1:hidden/sendMessage?chat_id=-100", "ntfy": "/hidden-topic?auth=hidden"}
CHAT_GONE = {"slack": 404, "teams": 410, "discord": 404, "telegram": 403, "ntfy": 410}


async def _chat(kind: str, tools: Tools, _directory: Path) -> AsyncIterator[Rig]:
    async with hook.hook() as receiver:

        async def answer(how: hook.Answer) -> None:
            receiver.answer = how

        yield Rig(
            CHANNELS[kind](tools),
            message(address=receiver.url.removesuffix("/hook") + CHAT_PATHS.get(kind, "/services/hidden")),
            lambda: "".join(f"{call.headers} {call.body.decode()}" for call in receiver.calls),
            busy=lambda: answer(hook.status(503)),
            dead=lambda: answer(hook.status(CHAT_GONE[kind])),
            hang=lambda: answer(hook.hang),
        )


async def _email(tools: Tools, _directory: Path) -> AsyncIterator[Rig]:
    async with mail.mailbox() as box:

        async def answer(how: str) -> None:
            box.rcpt = how

        settings = tools.settings.model_copy(update={"smtp": f"smtp://127.0.0.1:{box.port}"})
        yield Rig(
            CHANNELS["email"](replace(tools, settings=settings)),
            message(),
            lambda: "".join(f"{one['Message-ID']} {text_of(one)}" for one in box.mails),
            busy=lambda: answer("450 4.7.1 greylisted, ana.secret@example.com"),
            dead=lambda: answer("550 5.1.1 no such user ana.secret@example.com"),
        )


async def _outbox(tools: Tools, _directory: Path) -> AsyncIterator[Rig]:
    async def full() -> None:
        tools.outbox.write_text("a file where the directory should be")

    def got() -> str:
        mails = [message_from_bytes(path.read_bytes(), policy=policy.default) for path in sorted(tools.outbox.glob("*"))]
        return "".join(f"{one['Message-ID']} {text_of(one)}" for one in mails)

    yield Rig(CHANNELS["email"](tools), message(), got, busy=full)


async def _terminal(tools: Tools, _directory: Path) -> AsyncIterator[Rig]:
    screen = io.StringIO()

    async def close() -> None:
        screen.close()

    yield Rig(CHANNELS["terminal"](replace(tools, stdout=screen)), message(id="inbox 7", text="msg_a1b2c3 " + message().text), screen.getvalue, busy=close)


async def _file(tools: Tools, directory: Path) -> AsyncIterator[Rig]:
    async def full() -> None:
        (directory / "alerts").write_text("a file where the directory should be")

    yield Rig(
        CHANNELS["file"](tools),
        message(address=str(directory / "alerts")),
        lambda: "".join(path.read_text("utf-8") for path in (directory / "alerts").glob("*")),
        busy=full,
    )


def test_every_kind_of_destination_has_a_channel() -> None:
    assert set(KINDS) == CHANNELS.keys()


async def test_what_is_accepted_is_sent_and_carries_its_id_and_words(rig: Rig) -> None:
    outcome = await rig.channel.send(rig.message)

    assert isinstance(outcome, Sent)
    assert rig.message.id in rig.got()
    assert "الولايات المتحدة تتراجع" in rig.got()


async def test_a_refusal_for_now_is_tried_again_later(rig: Rig) -> None:
    await rig.busy()

    outcome = await rig.channel.send(rig.message)

    assert isinstance(outcome, Retry)
    assert not outcome.maybe_sent


async def test_a_refusal_for_good_is_final(rig: Rig) -> None:
    if rig.dead is None:
        return  # there is nobody who could refuse
    await rig.dead()

    assert isinstance(await rig.channel.send(rig.message), Final)


async def test_nothing_an_outcome_says_names_an_address_or_a_secret(rig: Rig, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> None:
    said: list[Outcome] = []
    for how in (rig.busy, rig.dead):
        if how is not None:
            await how()
            said.append(await rig.channel.send(rig.message))

    everything = repr(said) + repr(rig.message) + caplog.text + "".join(capsys.readouterr())
    assert not any(word in everything for word in (ADDRESS, "hidden", SECRET, rig.message.address))


async def test_a_cancelled_send_leaves_a_channel_that_works(rig: Rig) -> None:
    if rig.hang is not None:
        await rig.hang()
    sends = [asyncio.ensure_future(rig.channel.send(replace(rig.message, id=f"{rig.message.id}{number}"))) for number in range(5)]
    await asyncio.sleep(0)
    for send in sends:
        send.cancel()
    ended = await asyncio.gather(*sends, return_exceptions=True)

    assert all(isinstance(one, asyncio.CancelledError | Sent) for one in ended)
    if rig.hang is None:
        assert isinstance(await rig.channel.send(rig.message), Sent)


async def test_hostile_text_stays_text(rig: Rig) -> None:
    nasty = "H20\r\nBcc: eve@example.com\x1b[2J\x07\r\n.\r\nQUIT\r\n\u202e\u0000end"

    outcome = await rig.channel.send(replace(rig.message, subject=nasty, text=f"{rig.message.text}{nasty}", headline=nasty))

    assert isinstance(outcome, Sent)
    assert "end" in rig.got()
    assert "\x1b" not in rig.got()


# ---- webhooks


@pytest.fixture
async def receiver() -> AsyncIterator[hook.Hook]:
    async with hook.hook() as at_work:
        yield at_work


async def post(tools: Tools, receiver: hook.Hook, **fields: Any) -> Outcome:
    return await CHANNELS["webhook"](tools).send(message(address=receiver.url, secret=SECRET, **fields))


def _standardwebhooks(secret: str) -> Verifier:
    from standardwebhooks import Webhook

    return Webhook(secret).verify


def _svix(secret: str) -> Verifier:
    from svix.webhooks import Webhook

    def verify(body: bytes, headers: dict[str, str]) -> Any:
        Webhook(secret).verify(body, headers)
        return json.loads(body)

    return verify


VERIFIERS = pytest.mark.parametrize("verifier", [_standardwebhooks, _svix], ids=["standardwebhooks", "svix"])
"""What receivers verify with. Since its version 2 svix hands the check on to standardwebhooks."""


def test_the_signature_is_that_of_the_standards_own_example() -> None:
    """Standard Webhooks, specification, "Signature scheme"."""
    headers = signed_headers("msg_p5jXN8AQM9LWM0D4loKWxJek", b'{"test": 2432232314}', SECRET, datetime.fromtimestamp(1614265330, UTC))

    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@VERIFIERS
async def test_a_webhook_is_verified_by_the_libraries_of_receivers(tools: Tools, receiver: hook.Hook, verifier: Callable[[str], Verifier]) -> None:
    await post(tools, receiver)

    (call,) = receiver.calls
    body = verifier(SECRET)(call.body, call.headers)
    names = ("type", "delivery", "alert", "sequence", "previous", "epoch")
    assert [body[name] for name in names] == ["policy.alert.v1", "msg_a1b2c3", "E1.1", 7, 6, 1]
    assert body["event"]["id"] == "E1"
    assert tuple(call.headers[f"chipwire-{name}"] for name in ("sequence", "previous", "epoch")) == ("7", "6", "1")


@VERIFIERS
@pytest.mark.parametrize("forged", ["body", "id", "timestamp", "signature", "secret", "late"])
async def test_what_was_changed_on_the_way_is_refused_by_the_libraries_of_receivers(
    tools: Tools, receiver: hook.Hook, verifier: Callable[[str], Verifier], forged: str
) -> None:
    late = replace(tools, clock=FakeClock(SystemClock().now() - timedelta(minutes=6))) if forged == "late" else tools
    await post(late, receiver)

    (call,) = receiver.calls
    other = {"id": "msg_other", "timestamp": str(int(call.headers["webhook-timestamp"]) + 1), "signature": "v1,AAAA"}
    headers = call.headers | ({f"webhook-{forged}": other[forged]} if forged in other else {})
    body = call.body.replace(b"H20", b"H21") if forged == "body" else call.body
    with pytest.raises(Exception) as caught:  # noqa: PT011 each library has a class of its own
        verifier(OTHER_SECRET if forged == "secret" else SECRET)(body, headers)
    assert type(caught.value).__name__ == "WebhookVerificationError"


@VERIFIERS
async def test_while_a_secret_changes_hands_both_the_old_and_the_new_verify(tools: Tools, receiver: hook.Hook, verifier: Callable[[str], Verifier]) -> None:
    now = SystemClock().now()

    await CHANNELS["webhook"](tools).send(message(address=receiver.url, secret=rotated(SECRET, OTHER_SECRET, now=now)))
    await CHANNELS["webhook"](tools).send(message(address=receiver.url, secret=rotated(SECRET, OTHER_SECRET, now=now - timedelta(hours=25))))

    during, after = receiver.calls
    assert [verifier(secret)(during.body, during.headers)["alert"] for secret in (SECRET, OTHER_SECRET)] == ["E1.1", "E1.1"]
    assert verifier(OTHER_SECRET)(after.body, after.headers)["alert"] == "E1.1"
    with pytest.raises(Exception, match="signature"):
        verifier(SECRET)(after.body, after.headers)


async def test_a_webhook_carries_the_headers_of_its_destination_and_they_never_replace_ours(tools: Tools, receiver: hook.Hook) -> None:
    sent = message(
        address=receiver.url, secret=SECRET, headers={"authorization": "Bearer hidden", "x-team": "chips", "webhook-id": "forged", "chipwire-epoch": "9"}
    )

    await CHANNELS["webhook"](tools).send(sent)

    (call,) = receiver.calls
    assert (call.headers["authorization"], call.headers["x-team"]) == ("Bearer hidden", "chips")
    assert (call.id, call.headers["chipwire-epoch"]) == ("msg_a1b2c3", "1")
    assert "hidden" not in repr(sent)


async def test_a_repeated_webhook_has_the_same_id_and_the_same_bytes(tools: Tools, receiver: hook.Hook) -> None:
    receiver.answer = hook.status(500)
    await post(tools, receiver)
    await post(tools, receiver)

    first, second = receiver.calls

    assert (first.id, first.body) == (second.id, second.body)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (hook.status(200), Sent(200)),
        (hook.status(302, location="http://127.0.0.1:1/elsewhere"), Retry(Reason.REDIRECT, status=302)),
        (hook.status(401), Retry(Reason.CLIENT_ERROR, status=401)),
        (hook.status(404), Retry(Reason.CLIENT_ERROR, status=404)),
        (hook.status(410), Final(Reason.GONE, 410, disable=True)),
        (hook.status(429, retry_after="120"), Retry(Reason.THROTTLED, timedelta(minutes=2), 429)),
        (hook.status(429, retry_after="soon"), Retry(Reason.THROTTLED, None, 429)),
        (hook.status(503, retry_after="60"), Retry(Reason.SERVER_ERROR, timedelta(minutes=1), 503)),
        (hook.drop, Retry(Reason.DROPPED, maybe_sent=True)),
        (hook.talk_for_ever, Sent(200)),
    ],
    ids=lambda value: value.__name__ if callable(value) else str(value),
)
async def test_every_answer_of_an_endpoint_has_its_outcome(tools: Tools, receiver: hook.Hook, answer: hook.Answer, expected: Outcome) -> None:
    receiver.answer = answer

    assert expected == await post(tools, receiver)
    assert len(receiver.calls) == 1, "a channel tries once"


async def test_a_slow_endpoint_is_cut_off_at_the_deadline(tools: Tools, receiver: hook.Hook) -> None:
    receiver.answer = hook.hang
    quick = replace(tools, settings=tools.settings.model_copy(update={"webhook_deadline": timedelta(milliseconds=200)}))

    assert Retry(Reason.DEADLINE, maybe_sent=True) == await post(quick, receiver)


async def test_nobody_listening_is_told_as_never_sent(tools: Tools) -> None:
    assert Retry(Reason.REFUSED) == await CHANNELS["webhook"](tools).send(message(address="http://127.0.0.1:1/hook", secret=SECRET))


async def test_an_inside_address_is_refused_by_the_guard(tools: Tools, receiver: hook.Hook) -> None:
    async with HttpClient() as guarded:
        outcome = await CHANNELS["webhook"](replace(tools, http=guarded)).send(message(address=receiver.url, secret=SECRET))

    assert (Retry(Reason.BLOCKED_ADDRESS), []) == (outcome, receiver.calls)


async def test_a_webhook_without_a_usable_secret_is_not_sent_unsigned(tools: Tools, receiver: hook.Hook) -> None:
    for secret in (None, "", "whsec_?"):
        outcome = await CHANNELS["webhook"](tools).send(message(address=receiver.url, secret=secret))
        assert (Retry(Reason.UNREADABLE), []) == (outcome, receiver.calls)


# ---- mail


@pytest.fixture
async def box() -> AsyncIterator[mail.Mailbox]:
    async with mail.mailbox() as at_work:
        yield at_work
        for channel in at_work.senders:
            await channel.close()


def mailing(tools: Tools, box: mail.Mailbox, **fields: Any) -> Channel:
    settings = {"smtp": f"smtp://127.0.0.1:{box.port}", "smtp_deadline": timedelta(seconds=3), **fields}
    channel = CHANNELS["email"](replace(tools, settings=tools.settings.model_copy(update=settings)))
    box.senders.append(channel)
    return channel


async def test_a_mail_is_whole(tools: Tools, box: mail.Mailbox) -> None:
    await mailing(tools, box).send(message(language="ar"))

    (got,) = box.mails
    assert box.envelopes == [("alerts@chipwire.example", [ADDRESS])]
    assert got["From"] == "Chipwire <alerts@chipwire.example>"
    assert got["Message-ID"] == "<msg_a1b2c3@chipwire.example>"
    assert "<event.E1@chipwire.example>" == got["References"] == got["In-Reply-To"]
    assert (got["Content-Language"], got["Auto-Submitted"], got.get_content_type()) == ("ar", "auto-generated", "multipart/alternative")
    assert message().text.split() == text_of(got).split()
    assert got["Date"].datetime.tzinfo is not None


async def test_mails_about_one_event_are_one_conversation(tools: Tools, box: mail.Mailbox) -> None:
    channel = mailing(tools, box)
    for number in (1, 2):
        await channel.send(message(id=f"msg_{number}", event=make.event(id="E1", version=number)))

    assert len({one["References"] for one in box.mails}) == 1
    assert len({one["Message-ID"] for one in box.mails}) == 2


@pytest.mark.parametrize(
    ("rcpt", "data", "expected"),
    [
        ("421 4.3.0 shutting down", mail.OK, Retry(Reason.SMTP_BUSY, status=421)),
        ("450 4.2.0 greylisted", mail.OK, Retry(Reason.SMTP_BUSY, status=450)),
        ("452 4.2.2 mailbox full", mail.OK, Retry(Reason.SMTP_FULL, status=452)),
        ("552 5.2.2 mailbox full", mail.OK, Retry(Reason.SMTP_FULL, status=552)),
        ("550 5.1.1 no such user", mail.OK, Final(Reason.SMTP_NO_MAILBOX, 550, disable=True)),
        ("550 we do not like you", mail.OK, Final(Reason.SMTP_REFUSED, 550)),
        (mail.OK, "451 4.3.0 try later", Retry(Reason.SMTP_BUSY, status=451)),
        ("550 5.7.26 not signed", mail.OK, Retry(Reason.SMTP_POLICY, timedelta(minutes=15), 550)),
        (mail.OK, "554 5.7.1 policy", Retry(Reason.SMTP_POLICY, timedelta(minutes=15), 554)),
        (mail.OK, "554 transaction failed", Retry(Reason.SMTP_POLICY, timedelta(minutes=15), 554)),
        (mail.OK, mail.DROP, Retry(Reason.DROPPED, maybe_sent=True)),
    ],
)
async def test_every_answer_of_a_mail_server_has_its_outcome(tools: Tools, box: mail.Mailbox, rcpt: str, data: str, expected: Outcome) -> None:
    box.rcpt, box.data = rcpt, data

    assert expected == await mailing(tools, box).send(message())


async def test_a_domain_that_refuses_by_policy_is_left_alone_for_a_while_and_no_other(tools: Tools, box: mail.Mailbox) -> None:
    channel = mailing(tools, box)
    box.data = "554 5.7.1 listed"
    await channel.send(message(address="ana@one.example"))
    box.data = mail.OK

    same, other = [await channel.send(message(address=f"bo@{domain}.example")) for domain in ("ONE", "two")]

    assert isinstance(same, Retry)
    assert same.reason is Reason.SMTP_POLICY
    assert same.after is not None
    assert timedelta(minutes=14) < same.after <= timedelta(minutes=15)
    assert other == Sent(250)
    assert [to for _, to in box.envelopes] == [["ana@one.example"], ["bo@two.example"]]


async def test_a_domain_is_tried_again_when_its_pause_is_over(tools: Tools, box: mail.Mailbox) -> None:
    channel = mailing(tools, box, smtp_policy_pause=timedelta(microseconds=1))
    box.data = "554 5.7.1 listed"
    await channel.send(message())
    box.data = mail.OK

    assert await channel.send(message()) == Sent(250)


async def test_a_mail_that_was_dropped_after_data_comes_again_with_the_same_id(tools: Tools, box: mail.Mailbox) -> None:
    channel = mailing(tools, box)
    box.data = mail.DROP
    await channel.send(message())
    box.data = mail.OK
    await channel.send(message())

    assert len(box.mails) == 2
    assert len({one["Message-ID"] for one in box.mails}) == 1


async def test_no_mail_server_is_told_as_never_sent(tools: Tools, box: mail.Mailbox) -> None:
    outcome = await mailing(tools, box, smtp="smtp://127.0.0.1:1").send(message())

    assert Retry(Reason.REFUSED) == outcome


async def test_encryption_that_is_required_and_not_offered_keeps_the_mail_back(tools: Tools, box: mail.Mailbox) -> None:
    outcome = await mailing(tools, box, smtp_starttls="require").send(message())

    assert (Retry(Reason.TLS), []) == (outcome, box.mails)


async def test_a_password_is_never_sent_in_clear(tools: Tools, box: mail.Mailbox) -> None:
    outcome = await mailing(tools, box, smtp=f"smtp://ana@127.0.0.1:{box.port}").send(message())

    assert (Retry(Reason.TLS), []) == (outcome, box.mails)


async def test_encryption_is_taken_where_it_is_offered_and_checked(tools: Tools, tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(tls)

    async with mail.mailbox(tls=tls) as box:
        trusted = await mailing(tools, box, smtp_ca_file=tmp_path / "ca.pem").send(message())
        stranger = await mailing(tools, box).send(message())

    assert (Sent(250), [True]) == (trusted, box.encrypted)
    assert stranger == Retry(Reason.TLS)


async def test_many_mails_share_few_connections(tools: Tools, box: mail.Mailbox) -> None:
    channel = mailing(tools, box)
    for number in range(60):
        assert await channel.send(message(id=f"msg_{number}")) == Sent(250)

    assert (len(box.mails), box.connections) == (60, 2), "a server does not like more than fifty in a row"


async def test_a_connection_that_the_server_closed_meanwhile_costs_no_attempt(tools: Tools, box: mail.Mailbox) -> None:
    channel = mailing(tools, box)
    await channel.send(message(id="msg_1"))
    box.hang_up()

    assert await channel.send(message(id="msg_2")) == Sent(250)
    assert [one["Message-ID"] for one in box.mails] == ["<msg_1@chipwire.example>", "<msg_2@chipwire.example>"]


async def test_an_address_that_does_not_exist_is_not_sent_to_again(tools: Tools, box: mail.Mailbox) -> None:
    channel = mailing(tools, box)
    box.rcpt = "550 5.1.1 no such user"
    await channel.send(message())
    box.rcpt = mail.OK

    assert await channel.send(message()) == Final(Reason.SUPPRESSED, disable=True)
    assert await channel.send(message(address="ben@example.com")) == Sent(250)
    assert len(box.mails) == 1


async def test_nothing_is_mailed_while_nobody_can_say_who_is_suppressed(tools: Tools, box: mail.Mailbox) -> None:
    class Away:
        async def why(self, _address: str) -> str | None:
            raise Unavailable("the database is away")

    channel = mailing(replace(tools, suppressed=cast("Suppressed", Away())), box)

    assert (Retry(Reason.STORE), []) == (await channel.send(message()), box.mails)


async def test_a_mail_can_be_left_by_one_click_where_the_process_can_be_reached(tools: Tools, box: mail.Mailbox) -> None:
    leaving = Leaving(b"a key of the links", "https://alerts.example.com")
    await mailing(replace(tools, leaving=leaving), box, public_url="https://alerts.example.com").send(message(language="de"))
    await mailing(tools, box).send(message())

    with_link, without = box.mails
    url = with_link["List-Unsubscribe"].strip("<>")
    assert leaving.read(url.rpartition("/")[2]) == ("desk", "inbox")
    assert with_link["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert f"Abbestellen: {url}" in text_of(with_link)
    assert without["List-Unsubscribe"] is None
    assert {one["List-Id"] for one in box.mails} == {"<alerts.chipwire.example>"}


async def test_mails_of_a_system_that_is_not_the_real_one_say_so(tools: Tools, box: mail.Mailbox) -> None:
    await mailing(tools, box, mail_banner="STAGING").send(message())

    (got,) = box.mails
    assert got["Subject"].startswith("[STAGING] REPORTED:")
    assert text_of(got).startswith("[STAGING]")
    assert "STAGING" in got.get_body(("html",)).get_content()


async def test_one_domain_does_not_get_more_mails_at_once_than_it_may(tools: Tools, box: mail.Mailbox) -> None:
    channel = mailing(tools, box, smtp_per_domain=2)
    await asyncio.gather(*(channel.send(message(id=f"msg_{number}")) for number in range(12)))

    assert (len(box.mails), box.connections) == (12, 2)


async def test_a_subject_in_any_script_arrives_as_it_was_written(tools: Tools, box: mail.Mailbox) -> None:
    subject = "تقرير: تتراجع الولايات المتحدة عن خطط تقييد تصدير رقائق NVIDIA H20 إلى الصين 미국 수출 통제 " * 2

    await mailing(tools, box).send(message(subject=subject))

    assert box.mails[0]["Subject"] == subject.strip()


async def test_a_kept_mail_is_a_whole_file_named_after_its_delivery(tools: Tools) -> None:
    await CHANNELS["email"](tools).send(message())
    await CHANNELS["email"](tools).send(message())

    assert [path.name for path in tools.outbox.iterdir()] == ["msg_a1b2c3.eml"]


# ---- chats


@pytest.mark.parametrize("kind", CHATS)
async def test_a_text_that_is_too_long_for_a_chat_is_cut_at_a_line(tools: Tools, receiver: hook.Hook, kind: str) -> None:
    text = "REPORTED: عنوان\n" + "سطر _طويل_ 通制 😀 word\n" * 3000
    address = receiver.url.removesuffix("/hook") + CHAT_PATHS.get(kind, "/services/hidden")

    assert await CHANNELS[kind](tools).send(message(address=address, text=text)) == Sent(204)

    body = receiver.calls[0].body
    told = json.loads(body)
    assert len(body) < 28_000
    assert len(str(told.get("content", ""))) <= 2000
    assert len(str(told.get("text", "")).encode("utf-16-le")) // 2 <= 4096
    assert len(str(told.get("message", "")).encode()) <= 4096
    assert "…" in body.decode()


@pytest.mark.parametrize("kind", CHATS)
@pytest.mark.parametrize("said", [b'{"retry_after": 7.5}', b'{"ok": false, "parameters": {"retry_after": 7.5}}'])
async def test_a_chat_that_says_in_its_answer_how_long_to_wait_is_heard(tools: Tools, receiver: hook.Hook, kind: str, said: bytes) -> None:
    async def throttled(_call: hook.Call, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 429 Too Many\r\ncontent-length: %d\r\n\r\n%b" % (len(said), said))

    receiver.answer = throttled
    address = receiver.url.removesuffix("/hook") + CHAT_PATHS.get(kind, "/services/hidden")

    assert await CHANNELS[kind](tools).send(message(address=address)) == Retry(Reason.THROTTLED, timedelta(seconds=7.5), 429)


async def test_hostile_text_calls_nobody_and_marks_nothing_up_in_a_chat(tools: Tools, receiver: hook.Hook) -> None:
    nasty = message(text="Told\n@everyone <!channel> [click](https://evil.example) **bold**\nhttps://news.example/a_b_c\n", address=receiver.url)
    for kind in ("slack", "discord", "teams"):
        await CHANNELS[kind](tools).send(nasty)

    slack, discord, teams = (json.loads(call.body) for call in receiver.calls)
    assert "<" not in slack["text"]
    assert discord["allowed_mentions"] == {"parse": []}
    blocks = "".join(block["text"] for block in teams["attachments"][0]["content"]["body"])
    for text in (discord["content"], blocks):
        assert r"\[click\]\(" in text
        assert r"\*\*bold" in text
        assert "https://news.example/a_b_c" in text


async def test_a_card_in_arabic_runs_from_right_to_left(tools: Tools, receiver: hook.Hook) -> None:
    await CHANNELS["teams"](tools).send(message(address=receiver.url, language="ar"))

    assert json.loads(receiver.calls[0].body)["attachments"][0]["content"]["rtl"] is True


async def test_an_address_that_names_no_chat_is_final(tools: Tools, receiver: hook.Hook) -> None:
    bare = receiver.url.removesuffix("hook")

    assert [await CHANNELS[kind](tools).send(message(address=bare)) for kind in ("telegram", "ntfy")] == [Final(Reason.BAD_URL)] * 2
    assert receiver.calls == []


# ---- files and the terminal


async def test_a_file_gets_one_line_of_json_for_each_alert(tools: Tools, tmp_path: Path) -> None:
    channel = CHANNELS["file"](tools)
    await asyncio.gather(*(channel.send(message(address=str(tmp_path), id=f"msg_{number}")) for number in range(20)))

    lines = (tmp_path / "inbox.jsonl").read_text("utf-8").splitlines()

    assert {f"msg_{number}" for number in range(20)} == {json.loads(line)["delivery"] for line in lines}


async def test_cards_are_wrapped_to_the_width_and_plain_where_nobody_looks(tools: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    screen = io.StringIO()

    await CHANNELS["terminal"](replace(tools, stdout=screen)).send(message(text="word " * 60))

    assert max(map(len, screen.getvalue().splitlines())) <= 60
    assert "\x1b" not in screen.getvalue()


DIGEST = Digest("dig_a1", (DigestAlert("E1.1", "new", make.event(id="E1")), DigestAlert("E2.3", "update", make.event(id="E2", version=3))))


async def test_every_channel_takes_a_digest(rig: Rig) -> None:
    outcome = await rig.channel.send(replace(rig.message, kind="digest", digest=DIGEST))

    assert isinstance(outcome, Sent)
    assert rig.got()


def test_a_digest_has_a_body_of_its_own_that_keeps_its_contract() -> None:
    body = body_of(message(kind="digest", digest=DIGEST))

    told = WebhookDigest.model_validate_json(body)
    assert (told.type, told.digest, told.sequence, told.previous) == ("policy.digest.v1", "dig_a1", 7, 6)
    assert [(one.alert, one.kind, one.event) for one in told.alerts] == [(one.alert_id, one.kind, one.event) for one in DIGEST.alerts]
    assert body == body_of(message(kind="digest", digest=DIGEST)), "the same bytes at every attempt"


def test_a_digest_by_mail_belongs_to_no_conversation_about_an_event() -> None:
    mail = compose(message(kind="digest", digest=DIGEST, replays=0), Letterhead("Chipwire <alerts@chipwire.example>", "chipwire.example"), now=make.NOW)

    assert b"In-Reply-To" not in mail
    assert b"References" not in mail
    assert b"Message-ID: <msg_a1b2c3@chipwire.example>" in mail
