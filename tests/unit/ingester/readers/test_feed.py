import resource
from typing import Any

import pytest

from schemas.config.source import Source
from services.ingester.entry import Entry, Page, Reading
from services.ingester.readers import feed
from services.runtime.errors import Malformed

URL = "https://news.example/feeds/all"


def read(body: str | bytes, *, content_type: str | None = None, **fields: Any) -> Reading:
    page = Page(body if isinstance(body, bytes) else body.encode(), URL, content_type)
    return feed.read(page, Source.model_validate({"id": "wire", "title": "Wire", "tier": 2, "reader": "feed", "url": URL} | fields))


def rss(*items: str) -> str:
    return f'<rss version="2.0"><channel><title>Wire</title><language>en-us</language>{"".join(items)}</channel></rss>'


def only(reading: Reading) -> Entry:
    (entry,) = reading.entries
    return entry


def test_an_empty_feed_is_healthy() -> None:
    assert read(rss()).entries == ()


def test_xml_that_is_no_feed_is_malformed() -> None:
    with pytest.raises(Malformed, match="no feed: its root is <opml>"):
        read("<opml version='2.0'><body/></opml>")


@pytest.mark.parametrize(
    "declaration",
    [
        "<!DOCTYPE rss [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;'>]>",
        "<!DOCTYPE rss [<!ENTITY a SYSTEM 'file:///etc/passwd'>]>",
        "<!DOCTYPE rss [<!entity % p SYSTEM 'http://169.254.169.254/'> %p;]>",
    ],
)
def test_entity_declarations_are_refused(declaration: str) -> None:
    with pytest.raises(Malformed, match="entities"):
        read(declaration + rss("<item><title>&b;</title></item>"))


def test_entity_declarations_are_refused_in_other_encodings_too() -> None:
    bomb = '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE rss [<!ENTITY a "b">]>' + rss("<item><title>&a;</title></item>")

    with pytest.raises(Malformed, match="entities"):
        read(bomb.encode("utf-16"))


def test_entities_of_html_are_understood_though_no_feed_declares_them() -> None:
    assert only(read(rss("<item><title>Caf&eacute; & more</title></item>"))).title == "Café & more"


@pytest.mark.parametrize("encoding", ["shift_jis", "euc-kr", "gb18030", "windows-1251", "utf-16", "utf-8-sig"])
def test_a_feed_may_be_in_any_encoding_it_names(encoding: str) -> None:
    words = {"shift_jis": "半導体", "euc-kr": "반도체", "gb18030": "芯片", "windows-1251": "чипы"}.get(encoding, "شريحة")
    name = encoding.removesuffix("-sig")
    body = f'<?xml version="1.0" encoding="{name}"?>{rss(f"<item><title>{words}</title></item>")}'.encode(encoding)

    assert words == only(read(body)).title


def test_the_encoding_of_the_response_counts_where_the_feed_names_none() -> None:
    body = rss("<item><title>чипы</title></item>").encode("windows-1251")

    assert only(read(body, content_type="text/xml; charset=windows-1251")).title == "чипы"


def test_a_charset_that_nobody_knows_is_ignored() -> None:
    assert only(read(rss("<item><title>чипы</title></item>"), content_type="text/xml; charset=bogus")).title == "чипы"


def test_prefixes_that_a_broken_feed_never_declared_are_understood() -> None:
    assert only(read(rss("<item><title>t</title><dc:date>2026-03-01</dc:date></item>"))).published == "2026-03-01"


def test_an_encoding_that_nobody_knows_is_malformed_or_guessed_but_never_breaks() -> None:
    body = b'<?xml version="1.0" encoding="x-martian"?>' + rss("<item><title>News</title></item>").encode()

    assert only(read(body)).title == "News"


def test_the_language_that_a_feed_claims_counts_only_where_the_source_says_none() -> None:
    body = rss("<item><title>خبر</title></item>")

    assert only(read(body)).language == "en-us"
    assert None is only(read(body, language="ar")).language


def test_the_language_of_an_entry_always_counts() -> None:
    body = '<feed xmlns="http://www.w3.org/2005/Atom"><entry xml:lang="ja"><title>t</title></entry></feed>'

    assert only(read(body, language="en")).language == "ja"


def test_the_summary_is_taken_before_the_whole_content() -> None:
    item = "<item><title>t</title><content:encoded>long</content:encoded><description>short</description></item>"
    body = rss(item).replace("<rss", '<rss xmlns:content="http://purl.org/rss/1.0/modules/content/"')

    assert only(read(body)).text == "short"


def test_the_outlet_that_an_item_names_is_kept() -> None:
    assert only(read(rss('<item><title>t</title><source url="https://dongan.example">Dongan</source></item>'))).outlet == "Dongan"


def test_entries_beyond_the_most_are_left_out_and_told() -> None:
    reading = read(rss("<item><title>t</title></item>" * (feed.MOST_ENTRIES + 1)))

    assert len(reading.entries) == feed.MOST_ENTRIES
    assert len(reading.problems) == 1


def test_a_hundred_thousand_entries_cost_little_memory() -> None:
    body = rss("<item><title>t</title><link>https://news.example/1</link><description>words</description></item>" * 100_000).encode()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    read(body)

    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64_000  # kilobytes


def test_a_title_beyond_ten_megabytes_is_refused() -> None:
    with pytest.raises(Malformed, match="too long"):
        read(rss(f"<item><title>{'x' * 12_000_000}</title></item>"))


def test_a_feed_that_breaks_off_gives_what_it_had() -> None:
    whole = rss("<item><title>first</title></item>", "<item><title>second</title></item>")

    assert [entry.title for entry in read(whole[: whole.index("second")]).entries if entry.title] == ["first"]


def test_a_feed_nested_without_end_is_malformed() -> None:
    with pytest.raises(Malformed):
        read("<rss>" + "<a>" * 100_000)
