"""An entry -> an item: what the source worded becomes what we keep. Pure.

Ids are functions of content: the same entry has the same item id for ever, the same words the same revision. A date that changes makes no revision.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from schemas.config.source import Source
from schemas.events.news import NewsItem
from services.ingester import dates
from services.ingester.entry import Entry
from services.ingester.plain import one_line, plain
from services.ingester.urls import canonical
from services.runtime.errors import Malformed

LONGEST_TITLE = 1_000
LONGEST_TEXT = 20_000
_LONGEST_NAME = 200
_MOST_NAMES = 20


def to_item(entry: Entry, source: Source, observed_at: datetime, *, backfill: bool = False) -> NewsItem:
    """The item that the entry is. Raises Malformed for an entry without words."""
    item = _item(entry, source, observed_at, backfill=backfill)
    if item is None:
        raise Malformed("neither title nor text is left once markup is taken away")
    return item


def _item(entry: Entry, source: Source, observed_at: datetime, *, backfill: bool) -> NewsItem | None:
    title, outlet = _title(entry, source)
    text = plain(entry.text, LONGEST_TEXT)
    if not title and not text:
        return None
    url = canonical(entry.url, entry.base)
    return NewsItem(
        id=item_id(source, guid=entry.guid, url=url, title=title or text),
        revision=revision(title, text),
        source=source.id,
        outlet=outlet or source.publisher,
        url=url,
        tier=source.tier if entry.tier is None else entry.tier,
        jurisdiction=source.jurisdiction,
        language=(entry.language or source.language or "").strip()[:35] or None,
        title=title or None,
        published=dates.published(entry.published, zone=source.zone, observed_at=observed_at),
        observed_at=observed_at,
        backfill=backfill,
        text=text,
        authors=_names(entry.authors),
        categories=_names(entry.categories),
    )


def to_items(entries: Sequence[Entry], source: Source, observed_at: datetime, *, backfill: bool = False) -> list[NewsItem]:
    """The items of one visit, each once. Raises nothing: entries without words are left out.

    Entries that share a URL and have guids of their own are different news on one page (a live blog): there the guid decides.
    """
    made = [(entry, item) for entry in entries if (item := _item(entry, source, observed_at, backfill=backfill))]
    times = Counter(item.id for _, item in made)
    items = (_by_guid(item, entry, source) if times[item.id] > 1 and entry.guid else item for entry, item in made)
    return list({item.id: item for item in items}.values())


def item_id(source: Source, *, guid: str | None, url: str | None, title: str) -> str:
    """Source and URL, or guid where the source says so or there is no URL; where there is neither, the title must do."""
    first, second = (guid, url) if source.identity == "guid" else (url, guid)
    return _hash(source.id, (first or second or title).strip())


def revision(title: str, text: str) -> str:
    """Changes when the words do."""
    return _hash(title, text)


def _by_guid(item: NewsItem, entry: Entry, source: Source) -> NewsItem:
    return item.model_copy(update={"id": item_id(source, guid=entry.guid, url=None, title="")})


def _title(entry: Entry, source: Source) -> tuple[str, str | None]:
    title = one_line(entry.title, LONGEST_TITLE)
    outlet = one_line(entry.outlet, _LONGEST_NAME) or None
    if source.outlet_in_title and " - " in title:
        title, _, named = title.rpartition(" - ")
        outlet = named.strip() or outlet
    return title.strip(), outlet


def _names(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(filter(None, (one_line(name, _LONGEST_NAME) for name in names[:_MOST_NAMES])))


def _hash(*parts: str) -> str:
    return hashlib.blake2b("\x1f".join(parts).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
