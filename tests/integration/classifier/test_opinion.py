"""The classifier with a second judge: a real HTTP endpoint on loopback that speaks the API, well or badly."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from ruamel.yaml import YAML
from starlette.requests import Request
from starlette.responses import Response

from schemas.config.opinion import OpinionWording
from schemas.events.news import NewsItem
from schemas.events.signal import OPINION_OUTCOMES, PolicySignal
from schemas.topics import NEWS_ITEMS, POLICY_SIGNALS, TOPICS
from services.classifier.classify import classify
from services.classifier.opinion.answer import Answer, Reply
from services.classifier.opinion.metrics import NOT_ASKED
from services.classifier.opinion.opinions import opinion_of, second_signal
from services.classifier.opinion.question import Form
from services.classifier.opinion.settle import Doubt
from services.classifier.rules import Ruleset, load_ruleset
from services.classifier.service import build
from services.classifier.settings import ClassifierSettings
from services.runtime import codec
from services.runtime.broker import Broker, Record
from services.runtime.clock import Clock, SystemClock
from services.runtime.config_files import ConfigDir
from services.runtime.errors import Unavailable
from services.runtime.http import HttpClient
from services.runtime.service import Service
from tests import make
from tests.fakes import FakeBroker, FakeClock
from tests.servers import chat
from tests.servers.brokers import Embedded, Kafka, Kind, new_group
from tests.servers.chat import Asked, Chat

UNSURE_ALERT = "Japan loosens photoresist checks for South Korea"
UNSURE_CONTEXT = "荷兰政府或将重新审查光刻机对华出口许可"
UNSURE_NO = "Vietnam tightens checks on chip shipments"
RULED = "US drops plan to curb Nvidia H20 chip sales to China, NPR reports"
LEAD = (
    "The White House has shelved the plan, NPR reported on Thursday, citing two people who know of it. The curbs on the H20 had been prepared for months and were ready "
    "to be published, the report said. The decision came after a dinner at which the head of the company promised to invest in the country, according to the two. "
    "The commerce department did not answer a request for comment, and the company did not either. The chip is the most capable one that may be sold in the country "
    "without a licence. It had been made for the market there after an earlier rule. Shares of the company rose in late trading on the news, and those of its rivals fell. "
)
"""So long that what follows does not decide which language the article is in."""
INJECTIONS = YAML(typ="safe").load(Path("tests/data/injections.yaml").read_text("utf-8"))
LOOPBACK = (ip_network("127.0.0.0/8"),)


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> ConfigDir:
    return ConfigDir(cache=Path(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="module")
def ruleset(shipped: ConfigDir) -> Ruleset:
    return load_ruleset(shipped, now=make.NOW, encoder=False)


@pytest.fixture
async def model() -> AsyncIterator[Chat]:
    async with chat.endpoint() as model:
        yield model


class Line:
    """A classifier that runs on a broker, and what it says."""

    def __init__(self, service: Service, broker: Broker, registry: CollectorRegistry) -> None:
        self.service, self.broker, self.registry = service, broker, registry
        self.stop = asyncio.Event()
        self.tasks = [asyncio.create_task(task(self.stop)) for task in service.tasks.values()]

    async def send(self, *items: NewsItem) -> None:
        await self.broker.publish([make.record(item, topic=NEWS_ITEMS, key=item.id) for item in items])

    async def heard(self, item: NewsItem, count: int) -> list[PolicySignal]:
        """The first so many signals on an item."""
        found: list[PolicySignal] = []
        async with asyncio.timeout(10):
            async for record in self.broker.read(POLICY_SIGNALS, follow=True):
                if record.key == item.id.encode():
                    found.append(codec.decode(record, PolicySignal))
                if len(found) == count:
                    break
        return found

    async def second(self, item: NewsItem, *, first: bool = True) -> PolicySignal:
        """The signal that the second judge's word made."""
        await self.send(item)
        signal = (await self.heard(item, 2 if first else 1))[-1]
        assert signal.opinion is not None
        return signal

    async def outcome(self, name: str, count: int = 1) -> None:
        """Returns when so many doubts have ended like that."""
        async with asyncio.timeout(10):
            while self.counted("opinions_total", outcome=name) < count:  # noqa: ASYNC110 a counter tells nobody
                await asyncio.sleep(0.01)

    async def settled(self, count: int) -> None:
        """Returns when so many doubts have ended, however."""
        async with asyncio.timeout(10):
            while sum(self.counted("opinions_total", outcome=name) for name in (*OPINION_OUTCOMES, *NOT_ASKED)) < count:  # noqa: ASYNC110 likewise
                await asyncio.sleep(0.01)

    def counted(self, name: str, **labels: str) -> float:
        value = self.registry.get_sample_value(f"chipwire_classifier_{name}", labels)
        assert value is not None
        return value

    async def end(self) -> None:
        self.stop.set()
        async with asyncio.timeout(10):
            await asyncio.gather(*self.tasks)


Start = Callable[..., AbstractAsyncContextManager[Line]]


@pytest.fixture
def start(model: Chat, shipped: ConfigDir, ruleset: Ruleset, monkeypatch: pytest.MonkeyPatch) -> Start:
    monkeypatch.setattr("services.classifier.service.load_ruleset", lambda *_args, **_kwargs: ruleset)  # a second each time

    @asynccontextmanager
    async def start(broker: Broker, *, clock: Clock | None = None, allow: Any = LOOPBACK, config: ConfigDir = shipped, **settings: Any) -> AsyncIterator[Line]:
        registry = CollectorRegistry()
        chosen = {"opinion_url": model.url, "opinion_model": "judge", "encoder": False, "batch_wait": timedelta(milliseconds=50), **settings}
        async with HttpClient(allow=allow) as http:
            service = build(ClassifierSettings(**chosen), broker, clock=clock or FakeClock(), registry=registry, http=http, config=config)
            line = Line(service, broker, registry)
            try:
                yield line
            finally:
                await line.end()

    return start


@pytest.fixture
async def line(start: Start) -> AsyncIterator[Line]:
    async with start(FakeBroker()) as line:
        yield line


def item(title: str, text: str = "", **fields: Any) -> NewsItem:
    return make.news_item(title=title, text=text, **fields)


def seen_when_asked(broker: FakeBroker, says: chat.Says) -> tuple[chat.Says, list[int]]:
    """An answer that notes how many signals were there when the question came."""
    counts: list[int] = []

    async def say(request: Request, asked: Asked) -> Response:
        counts.append(len(broker.records(POLICY_SIGNALS)))
        return await says(request, asked)

    return say, counts


# what becomes of an answer


async def test_the_first_verdict_is_published_at_once_and_the_second_replaces_it(start: Start, model: Chat) -> None:
    broker = FakeBroker()
    says, counts = seen_when_asked(broker, chat.verdict("no", reason="outlook"))
    model.say(says)
    async with start(broker) as line:
        await line.second(item(UNSURE_ALERT))
        first, second = await line.heard(item(UNSURE_ALERT), 2)

    assert counts == [1]
    assert (first.verdict, first.opinion, second.verdict) == ("alert", None, "no")
    assert (second.item, second.ruleset, second.score) == (first.item, first.ruleset, first.score)
    assert second.ruleset_activated_at - first.ruleset_activated_at == timedelta(microseconds=1)
    assert second.id != first.id
    assert second.facts.action is None
    assert second.evidence == ()


async def test_every_use_is_told_in_the_signal(line: Line, model: Chat) -> None:
    model.say(chat.verdict("context", reason="outlook", usage=(1200, 31)))

    opinion = (await line.second(item(UNSURE_ALERT))).opinion

    assert opinion is not None
    assert (opinion.model, opinion.before, opinion.said, opinion.reason, opinion.outcome) == ("judge-2026-11", "alert", "context", "outlook", "lowered")
    assert (opinion.tokens_in, opinion.tokens_out, opinion.cached) == (1200, 31, False)
    assert len(opinion.question) == 32


async def test_an_item_that_is_raised_has_the_facts_of_an_alert_and_the_words_it_rests_on(line: Line, model: Chat) -> None:
    news = item(UNSURE_CONTEXT)
    model.say(chat.verdict("alert", quote="重新审查光刻机对华出口许可"))

    signal = await line.second(news)

    assert (signal.verdict, signal.opinion and signal.opinion.outcome) == ("alert", "raised")
    assert signal.facts.action is not None
    assert signal.facts.confidence is not None
    (words,) = [one for one in signal.evidence if one.fact == "verdict"]
    assert words.text == UNSURE_CONTEXT[words.start : words.end] == "重新审查光刻机对华出口许可"


async def test_an_answer_that_agrees_changes_nothing_but_is_told(line: Line, model: Chat) -> None:
    model.say(chat.verdict("alert", quote="loosens photoresist checks"))

    await line.second(item(UNSURE_ALERT))
    first, second = await line.heard(item(UNSURE_ALERT), 2)

    assert second.opinion is not None
    assert second.opinion.outcome == "agreed"
    unlike = {"id", "ruleset_activated_at", "opinion", "judged_at"}
    assert second.model_dump(exclude=unlike) == first.model_dump(exclude=unlike)


async def test_sure_verdicts_are_not_asked_about(line: Line, model: Chat) -> None:
    await line.send(item("The museum opens a new wing in spring", url="https://a.example/1"), item(RULED, url="https://a.example/2"), item(UNSURE_ALERT))
    await line.heard(item(UNSURE_ALERT), 2)

    assert [asked.article["title"] for asked in model.questions] == [UNSURE_ALERT]


# what an article can do, and what not


async def test_no_article_talks_its_way_out_of_what_a_rule_has_settled(line: Line, model: Chat) -> None:
    model.always = chat.verdict("no", reason="elsewhere")  # the model obeys every article
    ruled = {each["name"]: item(RULED, LEAD + injected(each), url=f"https://a.example/{number}") for number, each in enumerate(INJECTIONS)}
    unsure = item(UNSURE_ALERT)

    await line.send(*ruled.values(), unsure)
    await line.heard(unsure, 2)

    told = [codec.decode(record, PolicySignal) for record in line.broker.records(POLICY_SIGNALS)]  # type: ignore[attr-defined]  # the fake one
    verdicts = {name: [signal.verdict for signal in told if signal.item.id == each.id] for name, each in ruled.items()}
    assert verdicts == {name: ["alert"] for name in ruled}
    assert [asked.article["title"] for asked in model.questions] == [UNSURE_ALERT]


async def test_what_an_article_says_to_the_model_stays_data(start: Start, model: Chat) -> None:
    texts = ["", *map(injected, INJECTIONS)]
    async with start(FakeBroker(), opinion_low=0.001, opinion_high=1) as line:
        await line.send(*[item(UNSURE_ALERT, text, url=f"https://a.example/{number}") for number, text in enumerate(texts)])
        await line.settled(len(texts))

    asked = model.questions
    assert len(asked) == len(texts) - 1  # what nobody sees is the same question as without it
    assert len({each.instructions for each in asked}) == 1
    assert all(each.article["title"] == UNSURE_ALERT for each in asked)
    assert all(not set("<>[]|") & set(each.material) and len(each.material.splitlines()) == 5 for each in asked)


def test_were_it_asked_about_what_a_rule_has_settled_would_stay_with_all_its_facts(ruleset: Ruleset) -> None:
    news = item(RULED)
    doubt = Doubt(news, classify(news, ruleset), ruleset, 0.0, "")
    question = Form("judge", OpinionWording(task="t", verdicts={"alert": "a", "context": "c", "no": "n"}, reasons={"x": "y"}), {}).question(news)

    signal = second_signal(doubt, question, opinion_of(doubt, question, Reply(Answer("no", "x"), "judge", 900, 40), make.NOW))

    assert (signal.verdict, signal.facts, signal.evidence) == ("alert", doubt.verdict.facts, doubt.verdict.evidence)
    assert signal.opinion is not None
    assert (signal.opinion.said, signal.opinion.outcome) == ("no", "kept")


def injected(injection: dict[str, str]) -> str:
    return injection.get("text", "") + "".join(chr(0xE0000 + ord(char)) for char in injection.get("hidden", ""))


async def test_an_alert_on_words_that_are_not_in_the_article_is_not_believed(line: Line, model: Chat) -> None:
    model.say(chat.verdict("alert", quote="The Hague bans everything"))

    signal = await line.second(item(UNSURE_CONTEXT))

    assert (signal.verdict, signal.opinion and signal.opinion.outcome) == ("context", "unusable")


# endpoints that misbehave


@pytest.mark.parametrize(
    ("says", "outcome"),
    [
        (chat.completion("As an AI I think it is an alert"), "unusable"),
        (chat.completion('{"verdict": "no"', finish="length"), "unusable"),
        (chat.completion(None, refusal="I cannot judge this."), "refused"),
        (chat.completion("", finish="content_filter"), "refused"),
    ],
    ids=["chatter", "cut", "refusal", "filter"],
)
async def test_without_a_usable_answer_the_first_verdict_stands_and_the_same_is_not_asked_again(line: Line, model: Chat, says: chat.Says, outcome: str) -> None:
    model.say(says)

    one = await line.second(item(UNSURE_ALERT, url="https://a.example/1"))
    other = await line.second(item(UNSURE_ALERT, url="https://b.example/1"))

    assert [signal.verdict for signal in (one, other)] == ["alert", "alert"]
    assert [signal.opinion and signal.opinion.outcome for signal in (one, other)] == [outcome, outcome]
    assert len(model.questions) == 1


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
async def test_an_endpoint_that_is_busy_is_asked_again(line: Line, model: Chat, status: int) -> None:
    model.say(chat.error(status), chat.answers(status, b"<html>"))

    signal = await line.second(item(UNSURE_ALERT))

    assert signal.verdict == "no"
    assert len(model.questions) == 3
    assert line.counted("opinion_failures_total") == 2


async def test_what_the_endpoint_asks_for_is_waited(start: Start, model: Chat) -> None:
    clock = FakeClock()
    model.say(chat.error(429, "rate_limit_exceeded", retry_after="77"))
    async with start(FakeBroker(clock), clock=clock) as line:
        await line.second(item(UNSURE_ALERT))

    assert timedelta(seconds=76) < max(clock.slept) <= timedelta(seconds=77)


@pytest.mark.parametrize("status", [400, 401, 404])
async def test_what_is_wrong_with_the_question_stays_wrong(line: Line, model: Chat, status: int) -> None:
    model.say(chat.error(status, "invalid_request_error"))

    await line.send(item(UNSURE_ALERT))
    await line.outcome("unanswered")

    assert len(model.questions) == 1
    assert len(await line.heard(item(UNSURE_ALERT), 1)) == 1


@pytest.mark.parametrize(
    ("says", "paid"), [(chat.hang, True), (chat.break_off, True), (chat.answers(200, b"<html>it works</html>"), True)], ids=["silence", "half", "a page"]
)
async def test_questions_that_may_have_cost_something_are_told_though_no_answer_came(start: Start, model: Chat, says: chat.Says, paid: bool) -> None:
    model.always = says
    async with start(FakeBroker(), opinion_timeout=timedelta(milliseconds=200)) as line:
        signal = await line.second(item(UNSURE_ALERT))

    opinion = signal.opinion
    assert opinion is not None
    assert (signal.verdict, opinion.outcome, opinion.said) == ("alert", "unanswered", None)
    assert (opinion.tokens_in > 3_000) is paid
    assert len(model.questions) == 3


async def test_after_a_run_of_failures_the_endpoint_is_left_alone_and_then_probed(start: Start, model: Chat) -> None:
    clock = FakeClock()
    model.say(*[chat.error(503)] * 3)
    one, other = item(UNSURE_ALERT, "One.", url="https://a.example/1"), item(UNSURE_ALERT, "Other.", url="https://a.example/2")
    async with start(FakeBroker(clock), clock=clock) as line:
        await line.send(one)
        await line.outcome("unanswered")
        assert line.counted("opinion_breaker_open") == 1
        clock.slept.clear()

        await line.second(other)
        assert line.counted("opinion_breaker_open") == 0

    assert max(clock.slept) >= timedelta(seconds=15)
    assert len(model.questions) == 4


async def test_the_line_goes_on_and_is_ready_while_the_endpoint_is_away(start: Start, model: Chat) -> None:
    async with start(FakeBroker(), opinion_url="http://127.0.0.1:9/v1") as line:
        await line.send(item(UNSURE_ALERT))
        await line.heard(item(UNSURE_ALERT), 1)
        await line.outcome("unanswered")
        for check in (*line.service.ready.values(), *line.service.live.values()):
            await check()


async def test_an_address_that_may_not_be_reached_is_not_reached(start: Start, model: Chat) -> None:
    async with start(FakeBroker(), allow=()) as line:
        await line.send(item(UNSURE_ALERT))
        await line.outcome("unanswered")

    assert model.questions == []


async def test_the_key_goes_to_the_endpoint_and_into_no_log(start: Start, model: Chat, capsys: pytest.CaptureFixture[str]) -> None:
    model.say(chat.error(401, "invalid_api_key"))
    async with start(FakeBroker(), opinion_key="sk-very-secret") as line:
        await line.send(item(UNSURE_ALERT))
        await line.outcome("unanswered")

    told = capsys.readouterr()
    assert model.questions[0].headers["authorization"] == "Bearer sk-very-secret"
    assert "status 401 (invalid_api_key)" in told.out + told.err
    assert "sk-very-secret" not in told.out + told.err


# budget, memory, patience


async def test_the_same_text_from_another_source_costs_nothing(line: Line, model: Chat) -> None:
    await line.second(item(UNSURE_ALERT, url="https://a.example/1"))

    again = (await line.second(item(UNSURE_ALERT, url="https://b.example/1"))).opinion

    assert again is not None
    assert (again.cached, again.tokens_in, again.outcome) == (True, 0, "lowered")
    assert len(model.questions) == 1
    assert line.counted("opinion_cached_total") == 1


async def test_the_budget_of_a_day_outlives_a_restart_and_ends_with_the_day(start: Start, model: Chat) -> None:
    clock = FakeClock()
    broker = FakeBroker(clock)
    model.always = chat.verdict("no", reason="outlook", usage=(2_500, 100))
    one, two, three = (item(UNSURE_ALERT, f"Part {number}.", url=f"https://a.example/{number}") for number in range(3))
    async with start(broker, clock=clock, opinion_daily_tokens=3_000) as line:
        await line.second(one)
        assert line.counted("opinion_spent_tokens") == 2_600

    async with start(broker, clock=clock, opinion_daily_tokens=3_000) as line:
        await line.send(two)
        await line.outcome("budget")
        assert len(model.questions) == 1

        clock.advance(timedelta(days=1))
        await line.second(three)


async def test_two_classifiers_share_one_budget(start: Start, model: Chat) -> None:
    broker, other = FakeBroker(), item(UNSURE_ALERT, "Other.", url="https://a.example/2")
    model.always = chat.verdict("no", reason="outlook", usage=(2_500, 100))
    async with start(broker, opinion_daily_tokens=3_000) as one, start(broker, opinion_daily_tokens=3_000, group="another") as two:
        await one.send(item(UNSURE_ALERT))
        await one.heard(item(UNSURE_ALERT), 4)  # each has judged it
        await one.send(other)
        await one.outcome("budget")
        await two.outcome("budget")

    assert sum(asked.article["text"] == "Other." for asked in model.questions) == 0


@pytest.mark.parametrize("mark", ["backfill", "replay"])
async def test_nobody_is_asked_about_history_but_what_is_known_counts(line: Line, model: Chat, mark: str) -> None:
    await line.send(item(UNSURE_ALERT, url="https://a.example/1", **{mark: True}))
    await line.outcome("history")
    assert model.questions == []

    await line.second(item(UNSURE_ALERT, url="https://b.example/1"))
    known = await line.second(item(UNSURE_ALERT, url="https://c.example/1", **{mark: True}))

    assert known.opinion is not None
    assert known.opinion.cached


async def test_what_does_not_fit_the_queue_keeps_its_first_verdict(start: Start, model: Chat) -> None:
    async with start(FakeBroker(), opinion_queue=1) as line:
        await line.send(*[item(UNSURE_ALERT, f"Part {number}.", url=f"https://a.example/{number}") for number in range(4)])
        await line.outcome("lowered")
        await line.outcome("full", 3)


async def test_what_has_waited_too_long_keeps_its_first_verdict(start: Start, model: Chat) -> None:
    clock = FakeClock()
    model.say(chat.error(503, retry_after="600"))
    async with start(FakeBroker(clock), clock=clock, opinion_late=timedelta(minutes=4)) as line:
        await line.send(item(UNSURE_ALERT))
        await line.outcome("late")

    assert len(model.questions) == 1


async def test_stopping_finishes_the_question_in_hand(start: Start, model: Chat) -> None:
    asked, go = asyncio.Event(), asyncio.Event()

    async def slowly(request: Request, question: Asked) -> Response:
        asked.set()
        await go.wait()
        return await chat.verdict("no", reason="outlook")(request, question)

    model.say(slowly)
    async with start(FakeBroker()) as line:
        await line.send(item(UNSURE_ALERT))
        async with asyncio.timeout(10):
            await asked.wait()
        line.stop.set()
        go.set()

    assert [signal.verdict for signal in await line.heard(item(UNSURE_ALERT), 2)] == ["alert", "no"]


async def test_an_answer_that_was_paid_for_waits_for_the_broker(start: Start, model: Chat) -> None:
    broker = FakeBroker()
    broker.fail("publish", Unavailable("away"), times=2, when=is_opinion)
    async with start(broker) as line:
        assert (await line.second(item(UNSURE_ALERT))).verdict == "no"

    assert len(model.questions) == 1


def is_opinion(records: list[Record]) -> bool:
    return any((record.header("ce_source") or "").endswith("/opinion") for record in records)


async def test_a_bug_in_one_opinion_stops_neither_the_line_nor_the_next_opinion(line: Line, model: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as broken:
        broken.setattr("services.classifier.opinion.opinions.overruled", lambda *_: 1 / 0)
        await line.send(item(UNSURE_ALERT))
        await line.outcome("failed")
        assert line.counted("opinion_spent_tokens") == 940  # what is paid is paid

    assert (await line.second(item(UNSURE_ALERT, url="https://b.example/1"))).verdict == "no"


# on, off, and other words


async def test_nobody_is_asked_unless_an_endpoint_is_named(start: Start, model: Chat) -> None:
    async with start(FakeBroker(), opinion_url="") as line:
        await line.send(item(UNSURE_ALERT))
        await line.heard(item(UNSURE_ALERT), 1)

        assert set(line.service.tasks) == {"classifier"}
        assert line.counted("opinions_total", outcome="agreed") == 0
    assert model.questions == []


async def test_a_reload_takes_a_teams_own_wording(start: Start, model: Chat, shipped: ConfigDir, tmp_path: Path) -> None:
    async with start(FakeBroker(), config=ConfigDir(tmp_path, cache=shipped._cache)) as line:
        (tmp_path / "opinion").mkdir()
        words = "task: Judge news on drones.\nverdicts: {alert: a, context: c, 'no': n}\nreasons: {change: a change, outlook: a guess}\n"
        (tmp_path / "opinion" / "question.yaml").write_text(words, "utf-8")
        assert line.service.read_again is not None
        await (await line.service.read_again())()

        model.say(chat.verdict("no", reason="outlook"))
        await line.second(item(UNSURE_ALERT))

    assert model.questions[0].instructions.startswith("Judge news on drones.")


# on real brokers


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.kafka)])
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> Kind:
    return Embedded(tmp_path) if request.param == "embedded" else Kafka(request.getfixturevalue("kafka"))


async def test_on_a_real_broker_the_second_verdict_follows_the_first_and_is_known_after_a_restart(kind: Kind, start: Start, model: Chat) -> None:
    word = uuid.uuid4().hex
    one, other = (item(UNSURE_ALERT, f"Case {word}.", url=f"https://{host}.example/{word}") for host in "ab")
    settings: dict[str, Any] = {"clock": SystemClock(), "opinion_daily_tokens": 10_000_000, "group": new_group()}
    async with kind.open() as broker:
        await broker.ensure(TOPICS)
        async with start(broker, **settings) as line:
            await line.second(one)
            first, second = await line.heard(one, 2)
    async with kind.open() as broker, start(broker, **settings) as line:
        known = (await line.second(other)).opinion

    assert (first.verdict, second.verdict) == ("alert", "no")
    assert known is not None
    assert known.cached
    assert sum(word in asked.article["text"] for asked in model.questions) == 1
