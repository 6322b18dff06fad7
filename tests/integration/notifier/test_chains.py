"""Reversal chains of real measures, retold (taxonomy 5.4), and the cases of its section 12 that concern threads: through placing, on every store."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from schemas.events.base import Moment
from schemas.events.event import PolicyEvent
from schemas.events.signal import Amount, Company, FactDate, PolicySignal
from services.notifier import conflicts
from services.notifier.material import retold
from services.store.engine import Store
from tests.fakes import FakeBroker, FakeClock
from tests.placing import Line, told

NVIDIA = (Company(id="NVIDIA", role="seller"),)
KOREANS = (Company(id="Samsung", role="licensee"), Company(id="SKhynix", role="licensee"))
LOOSEN = {"direction": "loosen", "imposers": ("US",)}
TIGHTEN = {"direction": "tighten", "imposers": ("US",)}


def day(text: str, hour: int = 12) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC, hour=hour)


@pytest.fixture
def line(store: Store) -> Line:
    return Line(store, FakeClock(), FakeBroker())


async def placed(line: Line, *chain: PolicySignal) -> list[PolicyEvent]:
    """The events after these signals, each in a batch of its own, when it is seen."""
    for signal in chain:
        line.clock.advance(signal.item.observed_at - line.clock.now())
        await line.place(signal)
    return await line.events()


def links(events: Sequence[PolicyEvent]) -> list[tuple[str, ...]]:
    """What each event says of which earlier one."""
    return [tuple(f"{relation.relation} {relation.event}" for relation in event.relations) for event in events]


def h20(**fields: object) -> dict[str, object]:
    return {"products": ("H20",), "companies": NVIDIA} | fields


H20 = (
    told("NPR", day("2025-04-09", 21), title="Trump backs off Nvidia H20 chip curbs", stage="reported", action="shelve", **LOOSEN, **h20()),
    told("EDGAR", day("2025-04-15", 20), tier=0, title="NVIDIA Form 8-K", stage="announced", action="tighten", **TIGHTEN, **h20()),
    told("Reuters", day("2025-07-14", 23), title="Nvidia says US assured it of H20 licences", stage="announced", action="loosen", **LOOSEN, **h20()),
    told("FT", day("2025-08-08", 18), title="Commerce starts issuing H20 licences", stage="announced", action="licence_grant", **LOOSEN, **h20()),
    told("AP", day("2025-08-11", 17), title="Nvidia and AMD to pay US 15% of China sales", stage="announced", action="loosen", **LOOSEN, **h20()),
    told(
        "Bloomberg", day("2025-08-12", 9), title="China urges firms to avoid H20", stage="reported", action="restrict_import", direction="tighten",
        imposers=("CN",), **(h20() | {"targets": ("US",)}),
    ),
    told(
        "FT", day("2025-09-17", 8), title="China bans purchases of RTX Pro 6000D", stage="reported", action="restrict_import", direction="tighten",
        imposers=("CN",), **(h20(products=("RTX_PRO_6000D",)) | {"targets": ("US",)}),
    ),
)  # fmt: skip


async def test_the_h20_chain_is_seven_events_of_which_two_undo_the_one_before(line: Line) -> None:
    events = await placed(line, *H20)

    assert links(events) == [(), ("reverses event1",), ("reverses event2",), (), (), (), ()]
    assert await line.kinds() == ["new", "reversal", "reversal", "new", "new", "new", "new"]


async def test_letters_on_design_software_are_withdrawn_six_weeks_later(line: Line) -> None:
    eda = {"products": ("EDA",), "companies": (Company(id="Synopsys"), Company(id="Cadence"))}

    events = await placed(
        line,
        told("FT", day("2025-05-28"), stage="reported", action="tighten", **TIGHTEN, **eda),
        told("EDGAR", day("2025-05-29"), tier=0, stage="announced", action="tighten", **TIGHTEN, **eda),
        told("EDGAR", day("2025-07-02"), tier=0, stage="announced", action="rescind", **LOOSEN, **eda),
    )

    assert links(events) == [(), ("reverses event1",)]
    assert await line.kinds() == ["new", "update", "reversal"]


async def test_a_curb_that_is_suspended_two_days_later_is_a_reversal_that_names_it(line: Line) -> None:
    curb = {"imposers": ("TW",), "targets": ("ZA",), "products": ("chips",), "agency": "MOEA"}

    events = await placed(
        line,
        told("CNA", day("2025-09-23"), stage="announced", action="tighten", direction="tighten", **curb),
        told("Reuters", day("2025-09-25"), stage="announced", action="suspend", direction="loosen", **curb),
    )

    assert links(events) == [(), ("suspends event1",)]


async def test_a_pause_can_be_ended_as_long_as_it_runs(line: Line) -> None:
    rule = {"products": ("rare_earths",), "imposers": ("CN",), "targets": ("*",), "agency": "MOFCOM"}
    until = (FactDate(kind="expires", moment=Moment.parse("2026-11-10")),)

    events = await placed(
        line,
        told("MOFCOM", day("2025-11-07"), tier=0, stage="published", action="suspend", direction="loosen", dates=until, **rule),
        told("Reuters", day("2026-08-20"), stage="announced", action="reinstate", direction="tighten", **rule),
    )

    assert links(events) == [(), ("reverses event1",)]


async def test_a_permission_that_is_revoked_and_given_back_by_the_year(line: Line) -> None:
    fabs = {"products": ("chip_equipment",), "companies": KOREANS, "agency": "BIS"}

    events = await placed(
        line,
        told("BIS", day("2023-10-13"), tier=0, stage="published", action="exempt", **LOOSEN, **fabs),
        told("BIS", day("2025-08-29"), tier=0, stage="published", action="rescind", **TIGHTEN, **fabs),
        told("Yonhap", day("2025-12-30"), stage="announced", action="licence_grant", **LOOSEN, **fabs),
    )

    assert links(events) == [(), (), ("reverses event2",)]  # two years is more than anybody's news refers to


async def test_a_rule_its_end_a_draft_of_the_next_and_the_end_of_that(line: Line) -> None:
    rule = {"products": ("ai_accelerators",), "targets": ("*",), "agency": "BIS"}

    events = await placed(
        line,
        told("BIS", day("2025-01-13"), tier=0, stage="published", action="tighten", instruments=("90 FR 4544",), **TIGHTEN, **rule),
        told("Commerce", day("2025-05-13"), tier=0, stage="announced", action="rescind", **LOOSEN, **rule),
        told("Reuters", day("2026-02-26"), stage="proposed", action="propose", **TIGHTEN, **rule),
        told("Bloomberg", day("2026-03-13"), stage="withdrawn", action="rescind", **LOOSEN, **rule),
    )

    assert links(events) == [(), ("reverses event1",), (), ("reverses event3",)]


async def test_one_report_in_six_languages_is_one_event_of_one_origin_told_once(line: Line) -> None:
    first, *_ = H20
    retold = [
        told(f"paper {number}", first.item.observed_at + timedelta(hours=number), tier=2, title=title, language=language, stage="reported", action="shelve", origin="NPR", **LOOSEN, **h20(products=products))
        for number, (language, title, products) in enumerate((
            ("ar", "ترامب يتراجع عن قيود رقائق إنفيديا", ("H20",)),
            ("zh-Hans", "特朗普放弃限制英伟达H20", ("H20",)),
            ("ko", "트럼프, 엔비디아 AI칩 대중 규제 철회", ("ai_accelerators",)),
            ("de", "Trump lässt Pläne gegen Nvidias H20 fallen", ("H20",)),
            ("ja", "米、エヌビディア半導体の規制見送り", ("ai_accelerators",)),
        ), 1)
    ]  # fmt: skip

    (event,) = await placed(line, first, *retold)

    assert (len(event.sources), event.origins) == (6, 1)
    assert await line.kinds() == ["new"]


async def test_two_states_that_act_against_each_other_on_one_day_are_two_events(line: Line) -> None:
    h200 = h20(products=("H200",))

    events = await placed(
        line,
        told("BIS", day("2026-01-13", 14), tier=0, stage="published", action="loosen", **LOOSEN, **h200),
        told("Reuters", day("2026-01-14", 3), stage="reported", action="restrict_import", direction="tighten", imposers=("CN",), **h200),
    )

    assert links(events) == [(), ()]


async def test_guidance_and_the_headlines_that_call_it_a_ban_are_one_event(line: Line) -> None:
    guidance = {"products": ("ai_accelerators",), "agency": "BIS", "imposers": ("US",), "stage": "published"}

    (event,) = await placed(
        line,
        told("BIS", day("2026-05-31"), tier=0, title="Guidance on subsidiaries abroad", action="clarify", direction="neutral", **guidance),
        told("Daily", day("2026-05-31", 16), tier=2, title="US expands chip ban to subsidiaries abroad", action="tighten", direction="tighten", **guidance),
    )

    assert event.facts.action == "clarify"
    assert await line.kinds() == ["new"]


async def test_numbers_that_contradict_each_other_are_all_kept_with_who_gave_them(line: Line) -> None:
    grant = {"stage": "announced", "action": "licence_grant", "products": ("GB300",), "targets": ("AE", "SA"), **LOOSEN}

    (event,) = await placed(
        line,
        told("Reuters", day("2025-11-19"), title="US clears 35,000 chips", amounts=(Amount(value=35_000, kind="quota_units"),), **grant),
        told("Daily", day("2025-11-19", 15), title="US clears 70,000 chips", tier=2, amounts=(Amount(value=70_000, kind="quota_units"),), **grant),
    )

    assert [amount.value for amount in event.facts.amounts] == [35_000, 70_000]
    (conflict,) = conflicts.conflicts(event)
    assert (conflict.about, conflict.said) == ("quota_units", (("35000", ("Reuters",)), ("70000", ("Daily",))))


async def test_a_day_more_or_less_is_kept_with_who_gave_it_and_told_to_nobody(line: Line) -> None:
    def until(text: str) -> tuple[FactDate, ...]:
        return (FactDate(kind="expires", moment=Moment.parse(text)),)

    pause = {"stage": "announced", "action": "suspend", "products": ("rare_earths",), "direction": "loosen", "imposers": ("CN",), "targets": ("*",)}

    (event,) = await placed(
        line,
        told("Xinhua", day("2025-11-07"), dates=until("2026-11-10"), **pause),
        told("Reuters", day("2025-11-07", 15), dates=until("2026-11-09"), **pause),
    )

    assert [str(date.moment) for date in event.facts.dates] == ["2026-11-10"]
    assert [conflict.said for conflict in conflicts.conflicts(event)] == [(("2026-11-10", ("Xinhua",)), ("2026-11-09", ("Reuters",)))]
    assert await line.kinds() == ["new"]


async def test_two_notices_of_one_day_are_two_events_whatever_numbers_outlets_count(line: Line) -> None:
    listing = {"action": "list_add", "stage": "published", "products": ("chips",), "agency": "BIS", **TIGHTEN}
    inspur, loongson = ((Company(id=name, role="listed"),) for name in ("Inspur", "Loongson"))

    events = await placed(
        line,
        told("BIS", day("2025-03-25", 12), tier=0, instruments=("90 FR 14046",), companies=inspur, **listing),
        told("BIS ", day("2025-03-25", 13), tier=0, instruments=("90 FR 14051",), companies=loongson, **listing),
        told("Reuters", day("2025-03-25", 14), title="US adds 80 firms, Inspur units among them", companies=inspur, **listing),
        told("AP", day("2025-03-25", 15), title="A dozen Loongson affiliates blacklisted", companies=loongson, **listing),
    )

    assert [[source.outlet for source in event.sources] for event in events] == [["BIS", "Reuters"], ["BIS ", "AP"]]


async def test_a_joint_measure_told_from_each_side_is_one_event_of_all_its_states(line: Line) -> None:
    joint = {"stage": "announced", "action": "tighten", "direction": "tighten", "products": ("chip_equipment",)}

    (event,) = await placed(
        line,
        told("Reuters", day("2027-03-24", 13), imposers=("US", "JP"), **joint),
        told("Nikkei", day("2027-03-24", 14), imposers=("JP", "US"), **joint),
        told("CNA", day("2027-03-24", 15), imposers=("TW", "US"), **joint),
    )

    assert event.facts.imposers == ("US", "JP", "TW")


async def test_a_rumour_joins_the_report_that_confirms_it_and_a_denial_corrects_both(line: Line) -> None:
    grant = {"action": "licence_grant", "products": ("MI350",), "companies": (Company(id="AMD"),), **LOOSEN}
    at = day("2027-03-23", 3)

    (event,) = await placed(
        line,
        told("Forum", at, tier=3, stage="rumour", **grant),
        told("Bloomberg", at + timedelta(hours=17), stage="reported", **grant),
        told("White House", at + timedelta(hours=20), tier=0, stage="announced", **(grant | {"action": "clarify", "direction": "neutral"})),
    )

    assert [source.outlet for source in event.sources] == ["Bloomberg", "Forum", "White House"]
    assert await line.kinds() == ["new", "correction"]


async def test_news_that_comes_again_and_out_of_order_within_ten_minutes_is_told_once_and_alike(line: Line) -> None:
    at, curb = day("2025-04-15"), {"stage": "reported", "action": "tighten", **TIGHTEN, **h20()}
    first = told("Bloomberg", at, **curb)
    second = told("Daily", at + timedelta(minutes=4), tier=2, **(curb | {"severity": 5}))
    third = told("EDGAR", at + timedelta(minutes=9), tier=0, **(curb | {"stage": "announced", "agency": "BIS"}))

    (event,) = await placed(line, third, second, first, third, first)

    assert event.facts == retold((first, second, third))
    assert {source.outlet for source in event.sources} == {"Bloomberg", "Daily", "EDGAR"}
    assert line.outcomes["repeated"] == 2
