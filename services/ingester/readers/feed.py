"""RSS 0.9x and 2.0, RSS 1.0 (RDF) and Atom.

Well-formed feeds are read straight from the XML, entry by entry, so that a huge one costs no more than its first entries;
broken ones by feedparser, which forgives much and costs fifty times as much. Entity declarations are refused: no feed needs them, bombs do.
"""

from __future__ import annotations

import re
from io import BytesIO
from typing import Any

from lxml import etree  # type: ignore[import-untyped]  # lxml ships no types

from schemas.config.source import Source
from services.ingester.entry import Entry, Page, Reading
from services.ingester.readers.webpage import is_web_page
from services.runtime.errors import Malformed

MOST_ENTRIES = 2_000
MOST_FORGIVEN = 2_000_000
"""Bytes of a broken feed that are worth feedparser's time."""

_ENTITY = re.compile(rb"<!ENTITY\b", re.IGNORECASE)
_DECLARED = re.compile(rb"""\s*<\?xml[^>]{0,200}\bencoding=""")
_SAFE = {"resolve_entities": False, "no_network": True, "load_dtd": False, "huge_tree": False, "remove_comments": True, "remove_pis": True}
_ROOTS = {"rss", "RDF", "feed"}
_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
_BASE = "{http://www.w3.org/XML/1998/namespace}base"
_CORE = {None, "http://purl.org/rss/1.0/", "http://my.netscape.com/rdf/simple/0.9/", "http://www.w3.org/2005/Atom", "http://purl.org/atom/ns#"}
_PREFIXES = {"http://purl.org/dc/elements/1.1/": "dc", "http://purl.org/rss/1.0/modules/content/": "content"}

Fields = dict[str, list[Any]]


def read(page: Page, source: Source) -> Reading:
    """Reads the entries in the feed's order. Raises Malformed if this is no feed."""
    if is_web_page(page.body):
        raise Malformed("a web page, where a feed was expected")
    if _ENTITY.search(page.body.replace(b"\0", b"")):
        raise Malformed("the feed declares XML entities, which are refused")
    try:
        entries, whole = _read_strictly(page, source)
    except etree.XMLSyntaxError as exc:
        entries, whole = _read_tolerantly(page, str(exc))
    return Reading(tuple(entries), () if whole else (f"entries after the first {MOST_ENTRIES} left out",))


def _read_strictly(page: Page, source: Source) -> tuple[list[Entry], bool]:
    encoding = None if _DECLARED.match(page.body.removeprefix(b"\xef\xbb\xbf")) else page.charset
    events = etree.iterparse(BytesIO(page.body.lstrip()), events=("end",), tag=("{*}item", "{*}entry"), encoding=encoding, **_SAFE)
    entries: list[Entry] = []
    for _, element in events:
        if etree.QName(element).namespace not in _CORE:
            continue
        if len(entries) == MOST_ENTRIES:
            return entries, False
        entries.append(_entry(element, page.url, source))
        element.clear()
    if etree.QName(events.root).localname not in _ROOTS:
        raise Malformed(f"XML, but no feed: its root is <{etree.QName(events.root).localname}>")
    return entries, True


def _entry(element: Any, url: str, source: Source) -> Entry:
    fields = _fields(element)
    return Entry(
        title=_first(fields, "title"),
        text=_first(fields, "description", "summary", "content:encoded", "content"),
        guid=_first(fields, "guid", "id"),
        url=_link(fields),
        base=next((base for ancestor in (element, *element.iterancestors()) if (base := ancestor.get(_BASE))), url),
        published=_first(fields, "pubDate", "published", "issued", "dc:date", "updated", "modified"),
        language=element.get(_LANG) or (None if source.language else _feed_language(element)),
        outlet=_text(fields["source"][0]) if "source" in fields and not len(fields["source"][0]) else None,
        authors=tuple(filter(None, (_author(each) for name in ("author", "dc:creator") for each in fields.get(name, ())))),
        categories=tuple(filter(None, (each.get("term") or _text(each) for name in ("category", "dc:subject") for each in fields.get(name, ())))),
    )


def _fields(element: Any) -> Fields:
    """Children by name. Core names are bare whatever the dialect; Dublin Core and content have their usual prefix; all else is left."""
    fields: Fields = {}
    for child in element.iterchildren(tag=etree.Element):
        name = etree.QName(child)
        if name.namespace in _CORE:
            fields.setdefault(name.localname, []).append(child)
        elif prefix := _PREFIXES.get(name.namespace):
            fields.setdefault(f"{prefix}:{name.localname}", []).append(child)
    return fields


def _first(fields: Fields, *names: str) -> str | None:
    return next((text for name in names for element in fields.get(name, ()) if (text := _text(element))), None)


def _text(element: Any) -> str | None:
    inside = etree.tostring(element, encoding="unicode", method="html", with_tail=False) if len(element) else element.text
    return inside if inside and inside.strip() else None


def _link(fields: Fields) -> str | None:
    """RSS writes the address as text, Atom as href of the alternate link; a guid counts where it says that it is one."""
    links = fields.get("link", [])
    alternate = [link for link in links if link.get("rel", "alternate") == "alternate"]
    for link in (*alternate, *links):
        if address := link.get("href") or _text(link):
            return str(address)
    permalink = next((guid for guid in fields.get("guid", ()) if guid.get("isPermaLink", "true") == "true"), None)
    address = None if permalink is None else _text(permalink)
    return address if address and address.strip().startswith(("http://", "https://")) else None


def _author(element: Any) -> str | None:
    return next((text for child in element if etree.QName(child).localname == "name" and (text := _text(child))), None) if len(element) else _text(element)


def _feed_language(element: Any) -> str | None:
    parent = element.getparent()
    return next((tag for ancestor in element.iterancestors() if (tag := ancestor.get(_LANG))), None) or (
        parent.findtext("language") if parent is not None else None
    )


def _read_tolerantly(page: Page, why: str) -> tuple[list[Entry], bool]:
    if len(page.body) > MOST_FORGIVEN:
        raise Malformed(f"no well-formed XML, and too large to forgive: {why}")
    import feedparser  # type: ignore[import-untyped]  # only broken feeds need it; it ships no types

    feed = feedparser.parse(BytesIO(page.body), response_headers={"content-type": page.content_type or "", "content-location": page.url}, sanitize_html=False)
    if not feed.entries and not feed.version:
        raise Malformed(f"neither RSS nor Atom: {why}")
    return [_tolerated(each, page.url) for each in feed.entries[:MOST_ENTRIES]], len(feed.entries) <= MOST_ENTRIES


def _tolerated(each: Any, base: str) -> Entry:
    content = each.get("content") or [{}]
    return Entry(
        title=each.get("title"),
        text=each.get("summary") or content[0].get("value"),
        guid=each.get("id"),
        url=each.get("link"),
        base=base,
        published=each.get("published") or each.get("updated"),
        authors=tuple(filter(None, [each.get("author")])),
        categories=tuple(tag["term"] for tag in each.get("tags", ()) if tag.get("term")),
    )
