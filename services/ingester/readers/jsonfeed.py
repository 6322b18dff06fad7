"""JSON Feed 1.0 and 1.1 (jsonfeed.org/version/1.1): authors and dates as written; HTML and plain text both taken."""

from __future__ import annotations

from typing import Any

import orjson

from schemas.config.source import Source
from services.ingester.entry import Entry, Page, Reading
from services.ingester.readers.webpage import is_web_page
from services.runtime.errors import Malformed

MOST_ENTRIES = 2_000


def read(page: Page, source: Source) -> Reading:
    """Reads the items. Raises Malformed if this is no JSON Feed."""
    feed = _feed(page.body)
    items = [item for item in feed["items"] if isinstance(item, dict)]
    language = None if source.language else _text(feed.get("language"))
    entries = tuple(_entry(item, page.url, language) for item in items[:MOST_ENTRIES])
    left_out = len(feed["items"]) - len(entries)
    return Reading(entries, (f"{left_out} of {len(feed['items'])} items left out",) if left_out else ())


def _feed(body: bytes) -> dict[str, Any]:
    if is_web_page(body):
        raise Malformed("a web page, where a JSON feed was expected")
    try:
        feed = orjson.loads(body.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as exc:
        raise Malformed(f"no JSON: {exc.msg}") from exc
    if not isinstance(feed, dict) or "://jsonfeed.org/version/" not in str(feed.get("version")) or not isinstance(feed.get("items"), list):
        raise Malformed("JSON, but no JSON Feed: expected version and items")
    return feed


def _entry(item: dict[str, Any], base: str, language: str | None) -> Entry:
    return Entry(
        title=_text(item.get("title")),
        text=_text(item.get("summary")) or _text(item.get("content_text")) or _text(item.get("content_html")),
        guid=_text(item.get("id")),
        url=_text(item.get("url")) or _text(item.get("external_url")),
        base=base,
        published=_text(item.get("date_published")) or _text(item.get("date_modified")),
        language=_text(item.get("language")) or language,
        authors=_names(item.get("authors") or [item.get("author")]),
        categories=tuple(filter(None, map(_text, _list(item.get("tags"))))),
    )


def _names(people: Any) -> tuple[str, ...]:
    return tuple(name for person in _list(people) if isinstance(person, dict) and (name := _text(person.get("name"))))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str | None:
    """Feeds put numbers where strings belong (ids above all)."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) and value.strip() else None
