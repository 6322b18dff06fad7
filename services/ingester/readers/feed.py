"""RSS 0.9x and 2.0, RSS 1.0 (RDF) and Atom, straight from the XML, entry by entry, so that a huge feed costs no more than its first entries.

A broken feed is read a second time, forgivingly: bare ampersands, HTML's entities and unclosed tags repaired, the parser told to carry on. Entity declarations
are refused: no feed needs them, bombs do.
"""

from __future__ import annotations

import re
from dataclasses import replace
from html.entities import html5
from io import BytesIO
from typing import Any

from lxml import etree  # type: ignore[import-untyped]  # lxml ships no types

from schemas.config.source import Source
from services.ingester.entry import Entry, Page, Reading
from services.ingester.readers.webpage import is_web_page
from services.runtime.errors import Malformed

MOST_ENTRIES = 2_000
MOST_REPAIRS = 50_000

_ENTITY = re.compile(rb"<!ENTITY\b", re.IGNORECASE)
_AMPERSAND = re.compile(rb"&(?!(?:amp|lt|gt|quot|apos|#[0-9]{1,7}|#x[0-9a-fA-F]{1,6});)(?:(?P<name>[a-zA-Z][a-zA-Z0-9]{0,30});)?")
_VOID = re.compile(rb"<(br|hr|img|wbr)\b[^<>]*>", re.IGNORECASE)
_DECLARED = re.compile(rb"""\s*<\?xml[^>]{0,200}\bencoding=""")
_SAFE = {"resolve_entities": False, "no_network": True, "load_dtd": False, "huge_tree": False, "remove_comments": True, "remove_pis": True}
_ROOTS = {"rss", "RDF", "feed"}
_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
_BASE = "{http://www.w3.org/XML/1998/namespace}base"
_CORE = {None, "http://purl.org/rss/1.0/", "http://my.netscape.com/rdf/simple/0.9/", "http://www.w3.org/2005/Atom", "http://purl.org/atom/ns#"}
_PREFIXES: dict[str | None, str] = {"http://purl.org/dc/elements/1.1/": "dc", "http://purl.org/rss/1.0/modules/content/": "content"}

Fields = dict[str, list[Any]]


def read(page: Page, source: Source) -> Reading:
    """Reads the entries in the feed's order. Raises Malformed if this is no feed."""
    if is_web_page(page.body):
        raise Malformed("a web page, where a feed was expected")
    if _ENTITY.search(page.body.replace(b"\0", b"")):
        raise Malformed("the feed declares XML entities, which are refused")
    try:
        return _read(page, source)
    except etree.XMLSyntaxError as exc:
        return _read_forgivingly(page, source, str(exc))


def _read(page: Page, source: Source, *, recover: bool = False) -> Reading:
    encoding = None if _DECLARED.match(page.body.removeprefix(b"\xef\xbb\xbf")) else _known(page.charset)
    events = etree.iterparse(BytesIO(page.body.lstrip()), events=("end",), tag=("{*}item", "{*}entry"), encoding=encoding, recover=recover, **_SAFE)
    entries: list[Entry] = []
    for _, element in events:
        if _name(element)[0] not in _CORE:
            continue
        if len(entries) == MOST_ENTRIES:
            return Reading(tuple(entries), (f"entries after the first {MOST_ENTRIES} left out",))
        entries.append(_entry(element, page.url, source))
        element.clear()
    if events.root is None:
        raise Malformed("no XML element in it")
    root = _name(events.root)[1].rpartition(":")[2]
    if root not in _ROOTS:
        raise Malformed(f"XML, but no feed: its root is <{root}>")
    return Reading(tuple(entries))


def _read_forgivingly(page: Page, source: Source, why: str) -> Reading:
    try:
        reading = _read(replace(page, body=_repaired(page.body)), source, recover=True)
    except (etree.XMLSyntaxError, ValueError) as exc:
        raise Malformed(f"no XML: {why}") from exc
    if not reading.entries:
        raise Malformed(f"broken XML, and no entries to be had: {why}")
    return reading


def _repaired(body: bytes) -> bytes:
    """Ampersands that begin no reference are escaped, names that only HTML knows become numbers, and tags that HTML never closes are closed.

    Right in every encoding that extends ASCII.
    """
    return _AMPERSAND.sub(lambda match: _reference(match["name"]), _VOID.sub(rb"<\1/>", body, count=MOST_REPAIRS), count=MOST_REPAIRS)


def _reference(name: bytes | None) -> bytes:
    letters = html5.get(f"{name.decode()};") if name else None
    if letters is None:
        return b"&amp;" if name is None else b"&amp;%s;" % name
    return "".join(f"&#{ord(letter)};" for letter in letters).encode()


def _known(charset: str | None) -> str | None:
    """The charset, if the parser can read it. Servers name all sorts."""
    try:
        etree.XMLParser(encoding=charset)
    except LookupError:
        return None
    return charset


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
        space, name = _name(child)
        if space in _CORE:
            fields.setdefault(name, []).append(child)
        elif prefix := _PREFIXES.get(space):
            fields.setdefault(f"{prefix}:{name}", []).append(child)
    return fields


def _name(element: Any) -> tuple[str | None, str]:
    """Namespace and local name. Broken feeds use prefixes that they never declared: these stay part of the name, as people would read it."""
    space, _, name = element.tag.rpartition("}")
    return space[1:] or None, name


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
    return next((text for child in element if _name(child)[1] == "name" and (text := _text(child))), None) if len(element) else _text(element)


def _feed_language(element: Any) -> str | None:
    parent = element.getparent()
    return next((tag for ancestor in element.iterancestors() if (tag := ancestor.get(_LANG))), None) or (
        parent.findtext("language") if parent is not None else None
    )
