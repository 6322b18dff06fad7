"""One suite that every reader passes: the same three stories in its own format, and what must be refused in any."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.config.source import Source
from services.ingester.entry import Page
from services.ingester.normalize import to_items
from services.ingester.readers import READERS
from services.runtime.errors import Malformed
from tests.make import NOW

FEEDS = Path(__file__).parent.parent / "data" / "feeds"
URL = "https://news.example/feeds/all"
SAME_STORIES: Mapping[str, str] = {
    "rss2.xml": "feed",
    "rss091.xml": "feed",
    "rdf.xml": "feed",
    "atom.xml": "feed",
    "broken.xml": "feed",
    "feed.json": "jsonfeed",
    "lines.jsonl": "jsonl",
}
PAGE = b"<!DOCTYPE html>\n<html><head><title>This domain is for sale</title></head><body>Sign in</body></html>"


def source(reader: str) -> Source:
    return Source(id="wire", title="Wire", tier=2, reader=reader, url=URL)


def test_every_reader_is_in_the_suite() -> None:
    assert set(READERS) == set(SAME_STORIES.values())


@pytest.mark.parametrize("name", SAME_STORIES)
def test_the_same_stories_come_out_of_every_format(name: str) -> None:
    reader = SAME_STORIES[name]

    reading = READERS[reader](Page((FEEDS / name).read_bytes(), URL), source(reader))
    items = to_items(reading.entries, source(reader), NOW)

    assert [item.title for item in items] == ["Halle & Söhne: Ausfuhr von Chips genehmigt", "反導体の輸出規制を見直し", "تعليق القيود على تصدير الرقائق"]
    assert [item.url for item in items] == ["https://news.example/1", "https://news.example/2?id=7", "https://news.example/3"]
    assert [item.text for item in items] == ["Die Behörde stimmte zu.", "省令を改める。", "قال مسؤولان إن التعليق يبدأ فورا."]
    assert items[0].published is not None
    assert items[0].published.at.isoformat() == "2026-03-01T08:00:00+00:00"
    assert not reading.problems


@pytest.mark.parametrize("reader", READERS)
def test_a_web_page_is_not_an_empty_feed(reader: str) -> None:
    with pytest.raises(Malformed, match="a web page"):
        READERS[reader](Page(PAGE, URL, "text/html"), source(reader))


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("body", [b"Service unavailable", b"{]", b"<a><b></a>", b"\x1f\x8b\x08\x00rubbish", b"null", b"[1, 2]"])
def test_rubbish_is_malformed(reader: str, body: bytes) -> None:
    with pytest.raises(Malformed):
        READERS[reader](Page(body, URL), source(reader))


@pytest.mark.parametrize("reader", READERS)
@given(body=st.binary(max_size=200) | st.text(alphabet="<>/!?[]{}\"'&;=:,rsfedchanlitmxykv01 \n", max_size=200).map(str.encode))
def test_no_bytes_break_a_reader(reader: str, body: bytes) -> None:
    try:
        reading = READERS[reader](Page(body, URL), source(reader))
    except Malformed:
        return
    to_items(reading.entries, source(reader), NOW)


@pytest.mark.parametrize("name", SAME_STORIES)
@given(data=st.data())
def test_a_damaged_page_gives_what_is_left_or_is_malformed(name: str, data: st.DataObject) -> None:
    whole, reader = (FEEDS / name).read_bytes(), SAME_STORIES[name]
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, min(len(whole), start + 400)))
    damaged = whole[:start] + data.draw(st.binary(max_size=20)) + whole[end:]

    try:
        reading = READERS[reader](Page(damaged, URL), source(reader))
    except Malformed:
        return
    assert len(to_items(reading.entries, source(reader), NOW)) <= 4
