import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.config.template import KINDS
from schemas.events.base import Moment
from schemas.events.event import PolicyEvent, Relation
from schemas.events.signal import Amount, Company, FactDate
from services.notifier.render import QUOTED, Rendered, one_line, quotation, render_text
from services.notifier.render_digest import render_digest
from services.notifier.wording import load_templates
from services.runtime.config_files import ConfigDir
from tests import make

TEMPLATES = load_templates(ConfigDir())
FSI, PDI, RLO, ZWNJ = "\u2068", "\u2069", "\u202e", "\u200c"


def rendered(event: PolicyEvent | None = None, *, kind: str = "new", **options) -> Rendered:
    return render_text(event or make.event(), kind=kind, templates=TEMPLATES, **options)


def sourced(**fields) -> PolicyEvent:
    """An event told by one source."""
    quotes = fields.pop("quotes", ())
    return make.event(sources=(make.event_source(make.item_header(**fields), evidence=tuple(make.evidence(text, field="text") for text in quotes)),))


def test_an_alert_tells_the_whole_story():
    event = make.event(
        version=2,
        changes=("stage_raised", "date_set"),
        stage="published",
        agency="BIS",
        targets=("CN", "MO"),
        via=("MY",),
        products=("H20", "gallium"),
        companies=(Company(id="NVIDIA", role="seller"), Company(id="SKhynix")),
        instruments=("91 FR 1684",),
        dates=(FactDate(kind="effective", moment=Moment.parse("2026-03-10")), FactDate(kind="expires", moment=Moment.parse("2026-11"))),
        amounts=(Amount(value=15, kind="revenue_share"), Amount(value=5.5e9, currency="USD", kind="charge")),
        conditions=("case by case",),
        motive="retaliation",
        relations=(Relation(event="01OLD", relation="reverses"), Relation(event="01GONE", relation="implements")),
        sources=(make.event_source(origin="NPR"),),
        origins=1,
    )
    older = make.event(id="01OLD", slug="us-2025-h20-curbs", action="tighten", direction="tighten", stage="announced")

    alert = rendered(event, kind="reversal", reasons=["chips: products has any of H20"], related=[older])

    assert alert.subject == "PUBLISHED: US drops planned export curbs on NVIDIA H20 and gallium to China and Macau (SK hynix) (reverses earlier alert)"
    assert alert.text == (
        """\
PUBLISHED: US drops planned export curbs on NVIDIA H20 and gallium to China and Macau (SK hynix)

This reverses a measure that was alerted before.

Stage: the text is in the official gazette or on the agency's own site
Direction: looser
Imposed by: US (Bureau of Industry and Security)
Aimed at: China; Macau
Via: Malaysia
Products: NVIDIA H20 and gallium
Companies: NVIDIA (seller); SK hynix
Legal texts: 91 FR 1684
Dates: effective 2026-03-10; expires 2026-11
Amounts: 15 % of revenue; charge of 5,500,000,000 USD
Conditions: case by case
Motive: retaliation
Weight: severity 3 of 5, confidence 70%

What changed
- it has come a stage further
- a date was set

Related
- reverses: ANNOUNCED: US tightens export controls on NVIDIA H20 to China [us-2025-h20-curbs]
- implements: 01GONE

Evidence (sources: 1, independent: 1)
- Example Wire; citing NPR; English; 2026-03-02 09:25 UTC
  “US drops plan to curb exports of the H20 chip to China”
  https://news.example/2026/03/h20

Why you got this
- chips: products has any of H20

News monitoring by chipwire, not legal advice. Quotes are in the original language.
Event us-2026-h20-shelve, version 2 (01JQ8ZK5V6T7M3N9R2C4X1B0AG)
"""
    )


@pytest.mark.parametrize("language", TEMPLATES)
def test_what_is_not_known_is_not_mentioned(language):
    nothing = dict.fromkeys(("imposers", "targets", "products", "companies"), ()) | dict.fromkeys(("action", "direction", "stage", "severity", "confidence"))

    text = rendered(make.event(sources=(), **nothing), language=language).text

    assert "None" not in text
    assert not [line for line in text.splitlines() if line.rstrip().endswith(":")]
    assert "\n\n\n" not in text


def test_a_report_says_that_the_law_is_unchanged():
    assert "Stage: a report by a known outlet; the law is unchanged" in rendered().text


@pytest.mark.parametrize(
    ("kind", "subject", "notice"),
    [
        ("new", "REPORTED: US", None),
        ("update", "REPORTED: US drops planned export curbs on NVIDIA H20 to China (update)", "Update to an alert"),
        ("correction", "CORRECTION: REPORTED: US", "an earlier alert on this event was wrong"),
        ("withdrawal", "WITHDRAWN ALERT: REPORTED: US", "Please do not rely on it"),
    ],
)
def test_each_kind_of_alert_says_what_it_is(kind, subject, notice):
    alert = rendered(kind=kind)

    assert alert.subject.startswith(subject)
    assert notice is None or notice in alert.text


def test_a_first_alert_does_not_tell_what_changed():
    assert "What changed" not in rendered(make.event(changes=("opened", "date_set"))).text


def test_the_best_sources_come_first_and_five_are_shown():
    sources = [
        make.event_source(make.item_header(tier=tier, outlet=f"Outlet {n}", url=f"https://{n}.example/")) for n, tier in enumerate((3, 2, 0, 1, 2, 3, 1))
    ]

    lines = rendered(make.event(sources=tuple(sources), origins=4)).text.splitlines()

    assert [line.split(";")[0] for line in lines if line.startswith("- Outlet")] == ["- Outlet 2", "- Outlet 3", "- Outlet 6", "- Outlet 1", "- Outlet 4"]
    assert "Evidence (sources: 7, independent: 4)" in lines


def test_a_source_without_a_date_is_dated_when_it_was_first_seen():
    assert "Example Wire; English; 2026-03-02 09:30 UTC" in rendered(sourced(published=None)).text


def test_a_day_stays_a_day():
    assert "Example Wire; English; 2026-02-28\n" in rendered(sourced(published=Moment.parse("2026-02-28", "Asia/Shanghai"))).text


# --- quotations


def test_a_quotation_is_the_title_and_the_passages_it_does_not_hold():
    event = sourced(title="US drops curbs on H20", quotes=["drops curbs", "two people said", "two people said"])

    assert quotation(event.sources[0]) == "US drops curbs on H20 … two people said"


def test_no_source_is_quoted_beyond_its_limit():
    event = sourced(title="word " * 1_000_000, quotes=["more " * 1_000])

    assert len(quotation(event.sources[0])) <= QUOTED


@pytest.mark.parametrize(
    ("language", "title"),
    [
        ("ar", "واشنطن تتراجع عن خطة لتقييد تصدير رقائق H20 إلى الصين (NPR)"),
        ("he", "וושינגטון נסוגה מהתוכנית להגביל את יצוא H20 לסין"),
        ("fa", f"واشنگتن برنامهٔ محدودیت صادرات H20 به چین را کنار می{ZWNJ}گذارد"),
    ],
)
def test_a_quote_that_runs_from_right_to_left_stands_in_an_isolate(language, title):
    text = rendered(sourced(title=title, language=language)).text

    assert f"  “{FSI}{title}{PDI}”\n" in text


def test_an_english_alert_on_english_news_holds_no_direction_marks():
    assert not set(rendered().text) & {FSI, PDI}


def test_an_arabic_alert_sets_latin_words_apart_and_leaves_links_alone():
    text = rendered(language="ar").text

    assert f"- {FSI}Example Wire{PDI}؛ الإنجليزية؛" in text
    assert f"«{FSI}US drops plan to curb exports of the H20 chip to China{PDI}»" in text
    assert "\n  https://news.example/2026/03/h20\n" in text
    assert rendered(language="ar").direction == "rtl"


# --- hostile material


def test_a_title_cannot_add_a_line_or_turn_the_text_around():
    event = sourced(title=f"Chips\r\nBcc: everyone@example.org\n\n{RLO}esaeler{FSI}\0\x1b[31m\u2028end")

    assert "  “Chips Bcc: everyone@example.org esaeler [31m end”\n" in rendered(event).text


def test_a_subject_is_one_short_line():
    alert = rendered(make.event(products=("a\r\nBcc: x", "b" * 10_000)))

    assert len(alert.subject) <= 200
    assert alert.subject == one_line(alert.subject)
    assert "\n" not in alert.subject


@pytest.mark.parametrize(
    "url",
    ["javascript:alert(1)", "https://x.example/\r\nEvil", "https://x.example/a b", f"https://x.example/{RLO}gpj.exe", "https://x.example/" + "a" * 600, None],
)
def test_only_what_can_be_followed_as_it_stands_is_a_link(url):
    text = rendered(sourced(url=url)).text

    assert "x.example" not in text
    assert "javascript" not in text


anything = st.text(st.characters(), max_size=400)  # lone surrogates as well


@given(
    title=anything,
    outlet=anything,
    passage=anything,
    reason=anything,
    condition=anything,
    word=anything,
    kind=st.sampled_from(KINDS),
    language=st.sampled_from(sorted(TEMPLATES)),
)
def test_whatever_others_write_the_alert_keeps_its_lines_and_its_direction(title, outlet, passage, reason, condition, word, kind, language):
    source = make.event_source().model_copy(
        update={"title": f"x{title}", "outlet": f"x{outlet}", "evidence": (make.evidence("y").model_copy(update={"text": passage}),)}
    )
    event = make.event(sources=()).model_copy(update={"sources": (source,)})
    words = dict.fromkeys(("imposers", "targets", "via", "products"), (f"x{word}",)) | {"agency": f"x{word}"}
    firm = Company(id="q").model_copy(update={"id": f"x{word}"})
    facts = event.facts.model_copy(update={"conditions": (f"x{condition}",), "companies": (firm,), **words})

    alert = rendered(event.model_copy(update={"facts": facts}), kind=kind, language=language, reasons=[f"x{reason}"])
    plain = rendered(make.event(conditions=("x",), companies=(Company(id="x"),), via=("x",)), kind=kind, language=language, reasons=["x"])

    lines = alert.text.split("\n")
    assert len(lines) == len(plain.text.split("\n"))
    assert all(line.count(FSI) == line.count(PDI) for line in lines)
    assert {unicodedata.category(letter) for letter in alert.text} & {"Cc", "Cs", "Zl", "Zp"} <= {"Cc"}
    assert not [letter for letter in alert.text if unicodedata.category(letter) == "Cc" and letter != "\n"]
    assert not set(alert.text) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u200e\u200f\u061c")
    assert alert.subject == one_line(alert.subject)
    alert.text.encode()


def test_a_digest_tells_every_alert_in_a_few_lines_and_ends_with_why() -> None:
    first = make.event(sources=(make.event_source(make.item_header(title="The ministry drops the plan")),))
    second = make.event(id="E2", products=("gallium",), stage="announced")

    told = render_digest([("new", first), ("update", second)], reasons=("mine: everything",), templates=TEMPLATES)

    assert told.subject.startswith("Digest (2): REPORTED: US drops planned export curbs")
    lines = told.text.splitlines()
    assert lines[0] == "Alerts in this digest: 2"
    assert lines[2].startswith("1. REPORTED: ")
    assert "   Example Wire; “The ministry drops the plan”" in lines
    assert "   https://news.example/2026/03/h20" in lines
    assert any(line.startswith("2. ANNOUNCED: ") for line in lines)
    assert "   Update to an alert you had before." in lines
    assert lines[-4:] == ["Why you got this", "- mine: everything", "", "News monitoring by chipwire, not legal advice. Quotes are in the original language."]


def test_a_digest_keeps_hostile_words_on_their_line() -> None:
    hostile = make.event_source(make.item_header(title="a\r\nBcc: x@example.com\x1b[31m\u202e", url="https://news.example/a\nb"))

    told = render_digest([("new", make.event(sources=(hostile,)))], templates=TEMPLATES)

    assert not {"\r", "\x1b", "\u202e"} & set(told.text + told.subject)
    assert "\nBcc" not in told.text
    assert "a\nb" not in told.text
