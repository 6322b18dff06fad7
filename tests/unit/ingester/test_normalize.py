from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.config.source import Source
from schemas.events.news import NewsItem
from services.ingester.entry import Entry
from services.ingester.normalize import to_item, to_items
from services.runtime.errors import Malformed
from tests.make import NOW

ENTRY = Entry(
    title="US eases <b>H20</b> rule",
    text="<p>Two people said so.</p>",
    guid="g-1",
    url="/a?utm_source=rss",
    base="https://news.example/rss",
    published="2026-03-02T09:00:00Z",
)


def source(**fields: Any) -> Source:
    return Source.model_validate(
        {"id": "wire", "title": "Wire", "publisher": "The Wire", "tier": 1, "reader": "feed", "url": "https://news.example/rss"} | fields
    )


def item(**fields: Any) -> NewsItem:
    return to_item(replace(ENTRY, **fields), source(), NOW)


def test_an_entry_becomes_an_item() -> None:
    made = to_item(ENTRY, source(language="en"), NOW)

    assert (made.title, made.text) == ("US eases H20 rule", "Two people said so.")
    assert (made.source, made.outlet, made.tier, made.language) == ("wire", "The Wire", 1, "en")
    assert made.url == "https://news.example/a"
    assert made.observed_at == NOW
    assert not made.backfill
    assert not made.revised


def test_the_same_page_is_the_same_item_however_it_is_linked() -> None:
    assert item().id == item(url="https://NEWS.example:443/a#top", guid="another").id


def test_other_words_are_another_revision_of_the_same_item() -> None:
    before, after = item(), item(text="Three people said so.")

    assert before.id == after.id
    assert before.revision != after.revision


def test_another_date_is_no_other_revision() -> None:
    assert item().revision == item(published="2026-03-02T09:20:00Z").revision


def test_another_source_has_another_item() -> None:
    assert item().id != to_item(ENTRY, source(id="other"), NOW).id


def test_the_guid_decides_where_the_source_says_so() -> None:
    by_guid = source(identity="guid")

    assert to_item(ENTRY, by_guid, NOW).id == to_item(replace(ENTRY, url="/moved"), by_guid, NOW).id


def test_without_url_and_guid_the_title_decides() -> None:
    assert item(url=None, guid=None).id == item(url=None, guid=None, text="Rewritten.").id
    assert item(url=None, guid=None).id != item(url=None, guid=None, title="Else").id


def test_entries_of_one_page_are_told_apart_by_their_guids() -> None:
    live_blog = [replace(ENTRY, guid=f"g-{number}", title=f"Update {number}") for number in range(3)]

    assert len({made.id for made in to_items(live_blog, source(), NOW)}) == 3


def test_an_entry_that_stands_twice_is_one_item() -> None:
    assert len(to_items([ENTRY, ENTRY], source(), NOW)) == 1


def test_entries_without_words_are_left_out() -> None:
    assert to_items([Entry(title=" ", text="<img src='x'>", url="https://news.example/a")], source(), NOW) == []


def test_a_single_entry_without_words_is_malformed() -> None:
    with pytest.raises(Malformed):
        to_item(Entry(title="<br>"), source(), NOW)


def test_the_outlet_at_the_end_of_a_title_is_taken_off() -> None:
    made = to_item(replace(ENTRY, title="芯片出口 - 新规 - 东岸财经"), source(outlet_in_title=True, publisher=None), NOW)

    assert (made.title, made.outlet) == ("芯片出口 - 新规", "东岸财经")


def test_the_language_of_the_entry_goes_before_that_of_the_source() -> None:
    assert to_item(replace(ENTRY, language="ja"), source(language="en"), NOW).language == "ja"


def test_title_and_text_have_caps() -> None:
    made = item(title="t" * 5_000, text="x" * 50_000)

    assert (len(made.title or ""), len(made.text)) == (1_000, 20_000)


@pytest.mark.parametrize("written", [None, "soon", "1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_no_date_makes_an_item_missed(written: str | None) -> None:
    made = item(published=written)

    assert made.published is None or made.published.at <= NOW


def test_history_is_marked() -> None:
    assert to_item(ENTRY, source(), NOW, backfill=True).backfill


@given(
    st.builds(
        Entry,
        title=st.text(max_size=30),
        text=st.text(max_size=60),
        guid=st.none() | st.text(max_size=10),
        url=st.none() | st.text(max_size=30),
        published=st.text(max_size=20),
    )
)
def test_any_entry_with_words_is_an_item_that_survives_the_wire(entry: Entry) -> None:
    for made in to_items([entry], source(), NOW + timedelta(days=1)):
        assert made == NewsItem.model_validate_json(made.model_dump_json())
