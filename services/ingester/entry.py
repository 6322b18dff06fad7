"""An entry, as the source words it: strings only, nothing cleaned, nothing decided. `normalize` makes an item of it."""

from __future__ import annotations

from dataclasses import dataclass

from schemas.api.push import PushedItem


@dataclass(frozen=True, slots=True)
class Page:
    """What a visit brought home. `url` is the address that answered in the end; relative links hang on it."""

    body: bytes
    url: str
    content_type: str | None = None

    @property
    def charset(self) -> str | None:
        """The charset that the server names, if any."""
        for part in (self.content_type or "").split(";")[1:]:
            name, _, value = part.partition("=")
            if name.strip().lower() == "charset":
                return value.strip(" \"'").lower() or None
        return None


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry. `text` may hold HTML; `published` is any date as written; `url` may be relative to `base`."""

    title: str | None = None
    text: str | None = None
    guid: str | None = None
    url: str | None = None
    base: str | None = None
    published: str | None = None
    language: str | None = None
    outlet: str | None = None
    tier: int | None = None
    authors: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """What a reader made of a page: the entries in the page's order, and a sentence for each part it had to leave out."""

    entries: tuple[Entry, ...]
    problems: tuple[str, ...] = ()


def of_pushed(item: PushedItem) -> Entry:
    """A pushed item (or a line of a JSONL file, which has the same fields) as an entry."""
    return Entry(
        title=item.title,
        text=item.text,
        guid=item.id,
        url=item.url,
        published=item.published,
        language=item.language,
        outlet=item.outlet,
        tier=item.tier,
        authors=item.authors,
        categories=item.categories,
    )
