from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.events.base import Moment
from schemas.events.signal import ACTIONS, DIRECTIONS, STAGES, Company, FactDate, PolicySignal
from services.notifier import keys, likeness, threads
from services.notifier.threads import Advanced, Corrected, Held, Joined, Left, Opened, Reversed, Unplaced, Withdrawn
from tests import make
from tests.placing import Desk

APRIL_9 = datetime(2025, 4, 9, 21, 0, tzinfo=UTC)
NVIDIA = (Company(id="NVIDIA", role="seller"),)


def told(outlet: str, at: datetime = APRIL_9, *, tier: int = 1, language: str = "en", item: dict[str, Any] | None = None, **fields: Any) -> PolicySignal:
    """What `outlet` tells at that time, seen five minutes later."""
    defaults = {
        "url": f"https://{outlet}.example/{at:%m%d%H}",
        "outlet": outlet,
        "tier": tier,
        "published": Moment.of(at),
        "observed_at": at + timedelta(minutes=5),
    }
    return make.signal(make.item_header(**(defaults | {"language": language} | (item or {}))), **fields)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def licence_needed(outlet: str = "Bloomberg", at: datetime = APRIL_9 + timedelta(days=6), **fields: Any) -> PolicySignal:
    """15 April 2025: a licence is needed for H20 after all."""
    return told(outlet, at, **({"action": "tighten", "direction": "tighten", "stage": "announced", "severity": 5} | fields))


def test_the_first_report_opens_an_event_named_after_its_facts(desk: Desk) -> None:
    opened = desk.place(told("NPR"))

    assert isinstance(opened, Opened)
    assert (opened.event.slug, opened.event.version, opened.changes, opened.fresh) == ("us-2025-h20-shelve", 1, ("opened",), True)


def test_one_story_in_five_languages_is_one_event_with_one_origin(desk: Desk) -> None:
    desk.place(told("NPR"))

    for hours, language in enumerate(("ar", "zh-Hans", "ko", "de"), 1):
        assert isinstance(desk.place(told(f"paper-{language}", APRIL_9 + timedelta(hours=hours), tier=2, language=language, origin="NPR")), Joined)

    (event,) = desk.events.values()
    assert (len(event.sources), event.origins) == (5, 1)


def test_opposite_acts_by_two_states_on_one_day_are_two_events(desk: Desk) -> None:
    eased = told("Reuters", action="loosen", stage="published", products=("H200",))
    blocked = told("Xinhua", action="restrict_import", direction="tighten", products=("H200",), imposers=("CN",), targets=("US",))

    assert [type(desk.place(signal)) for signal in (eased, blocked)] == [Opened, Opened]


def test_a_reversal_within_hours_is_a_new_event_linked_back_and_fresh(desk: Desk) -> None:
    first = desk.place(told("NPR"))
    assert isinstance(first, Opened)

    undone = desk.place(licence_needed(at=APRIL_9 + timedelta(hours=3)))

    assert isinstance(undone, Reversed)
    assert undone.fresh
    assert [(relation.event, relation.relation) for relation in undone.event.relations] == [(first.event.id, "reverses")]


def test_a_dropped_plan_undoes_no_list_entry_of_the_same_products(desk: Desk) -> None:
    listed = told("Gazette", action="list_add", direction="tighten", stage="published", products=("ai_accelerators",), companies=())

    assert isinstance(desk.place(listed), Opened)
    assert isinstance(desk.place(told("NPR", APRIL_9 + timedelta(hours=2), companies=())), Opened)


def test_a_dropped_plan_undoes_no_rule_that_is_in_force(desk: Desk) -> None:
    rule = told("Gazette", APRIL_9 - timedelta(days=20), action="tighten", direction="tighten", stage="in_force")

    assert isinstance(desk.place(rule), Opened)
    assert isinstance(desk.place(told("NPR")), Opened)


def test_a_removal_from_the_list_undoes_the_entry_of_the_same_firm(desk: Desk) -> None:
    firm = (Company(id="YMTC", role="listed"),)
    desk.place(told("Gazette", action="list_add", direction="tighten", stage="published", products=(), companies=firm))

    removal = told("Gazette", APRIL_9 + timedelta(days=20), tier=0, action="list_remove", stage="published", products=(), companies=firm)

    assert isinstance(desk.place(removal), Reversed)


def test_a_slow_rewrite_of_the_older_story_joins_the_older_event(desk: Desk) -> None:
    old = desk.place(told("NPR"))
    desk.place(licence_needed())

    late = desk.place(told("Portal", APRIL_9 + timedelta(days=8), tier=2, origin="NPR"))

    assert isinstance(late, Joined)
    assert isinstance(old, Opened)
    assert late.event.id == old.event.id


def test_one_report_in_the_wrong_direction_does_not_split_those_that_follow(desk: Desk) -> None:
    first = desk.place(told("Reuters", action="loosen", stage="announced"))
    desk.place(told("Misread", APRIL_9 + timedelta(hours=1), action="tighten", direction="tighten", stage="announced"))

    other_word = desk.place(told("AP", APRIL_9 + timedelta(hours=2), action="licence_grant", stage="announced"))

    assert isinstance(first, Opened)
    assert isinstance(other_word, Joined)
    assert other_word.event.id == first.event.id


def test_an_old_report_that_is_seen_late_does_not_reverse_what_came_after_it(desk: Desk) -> None:
    desk.place(licence_needed())

    assert isinstance(desk.place(told("Daily", APRIL_9)), Held)


def test_a_reversal_by_one_trade_paper_waits_for_a_second_origin(desk: Desk) -> None:
    desk.place(told("NPR"))

    assert isinstance(desk.place(licence_needed("The Register", tier=2)), Held)
    assert isinstance(desk.place(licence_needed("The Register mirror", tier=2, origin="The Register")), Held)
    assert isinstance(desk.place(licence_needed("TrendForce", tier=2)), Reversed)


def test_what_was_undone_can_be_done_again(desk: Desk) -> None:
    imposed = desk.place(told("Reuters", action="tighten", direction="tighten", stage="announced"))
    lifted = desk.place(told("Bloomberg", APRIL_9 + timedelta(hours=4), action="rescind", stage="announced"))
    again = desk.place(told("Kyodo", APRIL_9 + timedelta(hours=8), action="reinstate", direction="tighten", stage="announced"))

    assert [type(each) for each in (imposed, lifted, again)] == [Opened, Reversed, Reversed]
    assert isinstance(again, Reversed)
    assert isinstance(lifted, Reversed)
    assert again.event.relations[0].event == lifted.event.id


def test_a_suspension_names_what_it_suspends(desk: Desk) -> None:
    desk.place(told("BIS", tier=0, action="tighten", direction="tighten", stage="in_force", instruments=("90 FR 47201",), products=(), companies=()))

    paused = desk.place(
        told("BIS", APRIL_9 + timedelta(days=300), tier=0, action="suspend", stage="published", instruments=("90 FR 47201",), products=(), companies=())
    )

    assert isinstance(paused, Reversed)
    assert paused.event.relations[0].relation == "suspends"


@pytest.mark.parametrize(("fields", "reason"), [({"tier": 3}, "aggregator"), ({"tier": 1, "stage": "rumour"}, "rumour")])
def test_what_may_not_open_an_event_is_held_for_a_day(desk: Desk, fields: dict[str, Any], reason: str) -> None:
    signal = told("Blog", **fields)

    placement = desk.place(signal)

    assert isinstance(placement, Held)
    assert placement.until == signal.item.observed_at + timedelta(hours=24)
    assert reason in placement.reason


def test_an_aggregator_joins_but_changes_nothing(desk: Desk) -> None:
    desk.place(told("NPR"))

    joined = desk.place(told("Aggregator", tier=3, stage="announced", severity=5, targets=("CN", "RU")))

    assert isinstance(joined, Joined)
    assert joined.event.facts.stage == "reported"
    assert joined.event.facts.targets == ("CN",)


@pytest.mark.parametrize(
    ("tier", "stage", "expected"),
    [(2, "announced", Joined), (1, "announced", Advanced), (1, "published", Joined), (0, "published", Advanced), (0, "in_force", Advanced)],
)
def test_a_stage_is_raised_only_by_a_tier_that_may_raise_it(desk: Desk, tier: int, stage: str, expected: type) -> None:
    desk.place(told("NPR"))

    assert isinstance(desk.place(told("Other", APRIL_9 + timedelta(hours=2), tier=tier, stage=stage)), expected)


@pytest.mark.parametrize(
    ("fields", "change"),
    [
        ({"targets": ("CN", "RU")}, "target_added"),
        ({"products": ("H20", "MI308")}, "product_added"),
        ({"companies": (*NVIDIA, Company(id="Inspur", role="listed"))}, "party_added"),
        ({"dates": (FactDate(kind="effective", moment=Moment.parse("2025-05-01")),)}, "date_set"),
    ],
)
def test_a_leading_source_adds_what_is_material_and_a_trade_paper_does_not(desk: Desk, fields: dict[str, Any], change: str) -> None:
    desk.place(told("NPR"))

    trade = desk.place(told("Trade", tier=2, **fields))
    leading = desk.place(told("Reuters", **fields))

    assert isinstance(trade, Joined)
    assert isinstance(leading, Advanced)
    assert leading.changes == (change,)


def test_a_severity_rises_with_the_fact_that_brings_it_and_not_by_an_outlets_wording(desk: Desk) -> None:
    desk.place(told("NPR"))

    assert isinstance(desk.place(told("Reuters", APRIL_9 + timedelta(hours=1), severity=4)), Joined)
    advanced = desk.place(told("AP", APRIL_9 + timedelta(hours=2), severity=4, targets=("CN", "RU")))
    gazette = desk.place(told("BIS", APRIL_9 + timedelta(hours=3), tier=0, severity=5))

    assert isinstance(advanced, Advanced)
    assert advanced.changes == ("target_added", "severity_raised")
    assert isinstance(gazette, Advanced)
    assert (gazette.changes, gazette.event.facts.severity) == (("severity_raised",), 5)


def test_a_date_that_moves_is_told_but_a_difference_of_one_day_is_not(desk: Desk) -> None:
    def until(day: str) -> tuple[FactDate, ...]:
        return (FactDate(kind="expires", moment=Moment.parse(day)),)

    desk.place(told("NPR", dates=until("2026-11-09")))

    assert isinstance(desk.place(told("Reuters", dates=until("2026-11-10"))), Joined)
    moved = desk.place(told("AP", dates=until("2027-02-01")))
    assert isinstance(moved, Advanced)
    assert moved.changes == ("date_moved",)


def test_since_when_a_measure_has_been_in_force_is_no_news(desk: Desk) -> None:
    today = (FactDate(kind="effective", moment=Moment.parse("2025-04-09")),)
    desk.place(told("Gazette", tier=0, stage="in_force"))

    joined = desk.place(told("Reuters", APRIL_9 + timedelta(hours=1), dates=today))

    assert isinstance(joined, Joined)
    assert joined.event.facts.dates == today


def test_the_exact_name_of_a_product_told_by_its_group_is_no_news(desk: Desk) -> None:
    desk.place(told("NPR", products=("ai_accelerators",)))

    joined = desk.place(told("Reuters", products=("H20",)))

    assert isinstance(joined, Joined)
    assert "H20" in joined.event.facts.products


def test_the_same_firm_and_group_but_another_product_is_another_event(desk: Desk) -> None:
    desk.place(told("NPR", products=("H20",)))

    assert isinstance(desk.place(told("Reuters", products=("H200",))), Opened)


def test_two_documents_of_one_day_are_two_events(desk: Desk) -> None:
    first, second = (
        told("BIS", tier=0, stage="published", products=(), companies=(), instruments=(number,), item={"url": number})
        for number in ("91 FR 1684", "91 FR 1702")
    )

    assert [type(desk.place(signal)) for signal in (first, second)] == [Opened, Opened]


def test_a_document_is_the_same_however_it_is_written_and_however_late_it_is_told(desk: Desk) -> None:
    desk.place(told("BIS", tier=0, stage="published", instruments=("91 FR 1684",)))

    joined = desk.place(told("Law firm", APRIL_9 + timedelta(days=200), tier=2, stage="published", instruments=("91 Fr. 1684",), products=(), companies=()))

    assert isinstance(joined, Joined)
    assert "instrument:91fr1684" in joined.why_joined


def test_a_signal_without_an_imposer_is_matched_by_product_and_firm(desk: Desk) -> None:
    desk.place(told("NPR"))

    assert isinstance(desk.place(told("Portal", tier=2, imposers=())), Joined)


def test_context_attaches_to_an_event_and_opens_none(desk: Desk) -> None:
    assert isinstance(desk.place(told("Analyst", verdict="context")), Unplaced)

    desk.place(told("NPR"))
    joined = desk.place(told("Analyst", verdict="context"))

    assert isinstance(joined, Joined)
    assert joined.event.origins == 1
    assert joined.event.sources[-1].verdict == "context"


def test_a_denial_corrects_the_report_and_halves_its_confidence(desk: Desk) -> None:
    desk.place(told("NPR", confidence=0.6))

    denied = desk.place(told("White House", APRIL_9 + timedelta(hours=5), tier=0, action="clarify", direction="neutral", stage="announced"))

    assert isinstance(denied, Corrected)
    assert denied.changes == ("denied",)
    assert denied.event.facts.confidence == 0.3
    assert isinstance(desk.place(told("Reuters", APRIL_9 + timedelta(hours=6), action="clarify", direction="neutral", stage="announced")), Joined)


def test_an_event_is_withdrawn_when_its_only_item_is_judged_no(desk: Desk) -> None:
    first = told("NPR")
    desk.place(first)

    withdrawn = desk.place(first.model_copy(update={"verdict": "no"}))

    assert isinstance(withdrawn, Withdrawn)
    assert (withdrawn.event.status, withdrawn.event.changes, withdrawn.fresh) == ("withdrawn", ("withdrawn",), True)


def test_an_event_that_stands_on_others_loses_a_source_silently(desk: Desk) -> None:
    first = told("NPR")
    desk.place(first)
    desk.place(told("Reuters"))

    left = desk.place(first.model_copy(update={"verdict": "no"}))

    assert isinstance(left, Left)
    assert [source.outlet for source in left.event.sources] == ["Reuters"]


def test_an_event_does_not_stand_on_aggregators_alone(desk: Desk) -> None:
    first = told("NPR")
    desk.place(first)
    desk.place(told("Aggregator", tier=3))

    assert isinstance(desk.place(first.model_copy(update={"verdict": "no"})), Withdrawn)


def test_a_new_verdict_that_turns_the_only_item_round_is_a_correction(desk: Desk) -> None:
    first = told("NPR")
    desk.place(first)

    corrected = desk.place(first.model_copy(update={"facts": make.facts(action="tighten", direction="tighten")}))

    assert isinstance(corrected, Corrected)
    assert corrected.changes == ("direction_corrected",)
    assert corrected.event.facts.direction == "tighten"


def test_a_page_rewritten_to_tell_the_opposite_leaves_the_old_event_and_opens_the_reversal(desk: Desk) -> None:
    page = told("Live blog")
    desk.place(page)
    desk.place(told("NPR"))

    later = {"observed_at": APRIL_9 + timedelta(days=6), "published": Moment.of(APRIL_9 + timedelta(days=6))}
    turned = desk.place(
        page.model_copy(update={"item": page.item.model_copy(update=later), "facts": make.facts(action="tighten", direction="tighten", stage="announced")})
    )

    assert isinstance(turned, Reversed)


@pytest.mark.parametrize(
    ("item", "fresh"),
    [
        ({}, True),
        ({"backfill": True}, False),
        ({"replay": True}, False),
        ({"published": Moment.of(APRIL_9 - timedelta(days=8))}, False),
        ({"published": Moment.of(APRIL_9 - timedelta(days=8)), "tier": 0}, True),
        ({"published": Moment.parse("2025-04")}, True),
        ({"published": None}, True),
    ],
)
def test_only_what_is_new_is_pushed(desk: Desk, item: dict[str, Any], fresh: bool) -> None:
    opened = desk.place(told("NPR", item=item))

    assert isinstance(opened, Opened)
    assert opened.fresh is fresh


def test_a_revision_counts_from_when_the_item_was_first_seen(desk: Desk) -> None:
    first = told("NPR")
    desk.place(first)

    revised = first.item.model_copy(update={"observed_at": APRIL_9 + timedelta(days=9)})
    advanced = desk.place(make.signal(revised, stage="announced"))

    assert isinstance(advanced, Advanced)
    assert advanced.fresh


@pytest.mark.parametrize(
    ("fields", "outlets", "expected"),
    [
        ({"severity": 4, "stage": "announced"}, 1, 4),
        ({"severity": 4, "stage": "reported"}, 1, 3),
        ({"severity": 4, "stage": "reported"}, 2, 4),
        ({"severity": 1, "stage": "reported"}, 1, 1),
        ({"severity": 5, "stage": "in_force", "dates": (FactDate(kind="effective", moment=Moment.parse("2026-03-04")),)}, 1, 5),
        ({"severity": 3, "stage": "published", "dates": (FactDate(kind="effective", moment=Moment.parse("2026-03-04")),)}, 1, 4),
        ({"severity": 3, "stage": "published", "dates": (FactDate(kind="effective", moment=Moment.parse("2026-03-14")),)}, 1, 3),
    ],
)
def test_an_alert_ranks_by_severity_haste_and_solitude(fields: dict[str, Any], outlets: int, expected: int) -> None:
    assert threads.rank(make.event(origins=outlets, **fields), make.NOW) == expected


def test_evidence_is_quoted_up_to_three_hundred_characters_of_a_source(desk: Desk) -> None:
    words = tuple(make.evidence("x" * 120, start=at, end=at + 120) for at in (0, 120, 240))

    opened = desk.place(told("NPR", evidence=words))

    assert isinstance(opened, Opened)
    assert len(opened.event.sources[0].evidence) == 2


_SIGNALS = st.builds(
    lambda hours, tier, **facts: told(f"outlet{hours}", APRIL_9 + timedelta(hours=hours), tier=tier, **facts),
    hours=st.integers(0, 2000),
    tier=st.integers(0, 3),
    verdict=st.sampled_from(("alert", "alert", "context", "no")),
    action=st.sampled_from(ACTIONS),
    direction=st.sampled_from(DIRECTIONS),
    stage=st.sampled_from(STAGES),
    imposers=st.sampled_from(((), ("US",), ("CN",), ("US", "JP"))),
    targets=st.sampled_from(((), ("CN",), ("*",), ("RU",))),
    products=st.sampled_from(((), ("H20",), ("H200",), ("ai_accelerators",), ("gallium", "rare_earths"), ("magnets", "rare_earths"), ("chips",))),
    companies=st.sampled_from(((), NVIDIA, (Company(id="AMD"),))),
    instruments=st.sampled_from(((), ("91 FR 1684",), ("MOFCOM 70/2025",), ("15 CFR 744.11",))),
    agency=st.sampled_from((None, "BIS")),
)


@given(st.lists(_SIGNALS, max_size=12))
def test_versions_ascend_one_by_one_and_an_item_tells_an_event_once(signals: Sequence[PolicySignal]) -> None:
    desk = Desk()
    versions: dict[str, int] = {}

    for signal in signals:
        desk.place(signal)

    for event in desk.told:
        assert event.version == versions.get(event.id, 0) + 1
        assert len({source.item for source in event.sources}) == len(event.sources)
        versions[event.id] = event.version


@given(_SIGNALS, _SIGNALS)
def test_a_signal_shares_a_key_with_every_event_it_is_like(one: PolicySignal, other: PolicySignal) -> None:
    event = make.event(facts=one.facts, sources=(make.event_source(one.item),))

    if likeness.likeness(likeness.profile_of_signal(other), likeness.profile_of_event(event)):
        assert keys.wanted(other).all & keys.index(event)
