"""A news item as we keep it. One item (source + URL) has revisions (its content over time)."""

from __future__ import annotations

from pydantic import AwareDatetime, Field

from schemas.events.base import Event, Moment


class ItemHeader(Event):
    """What travels on with a verdict: where the item came from and when, without its text."""

    id: str = Field(description="Source id and canonical URL (or guid), hashed: the same item has the same id for ever.")
    revision: str = Field(description="Hash of title and text: changes when the source rewrites the item.")
    source: str = Field(description="Id of the source it was read from.")
    outlet: str | None = Field(default=None, description="Who published it, as people call them.")
    url: str | None = None
    tier: int = Field(default=2, description="0 gazette, agency page, filing; 1 leading agency or paper; 2 national or trade press; 3 aggregator, rewrite.")
    jurisdiction: str | None = Field(default=None, description="ISO 3166 code of the body that published it, or of the outlet's seat.")
    language: str | None = Field(default=None, description="BCP 47 tag as the source says it, a hint only.")
    title: str | None = None
    published: Moment | None = Field(default=None, description="As the source says it.")
    observed_at: AwareDatetime = Field(description="When this revision was first seen by us. Revisions are ordered by it.")
    backfill: bool = Field(default=False, description="Found on the first successful visit of its source: history, told to nobody.")
    revised: bool = Field(default=False, description="An earlier revision of this item was published before.")
    replay: bool = Field(default=False, description="Sent again on purpose: placed and shown, never pushed.")


class NewsItem(ItemHeader):
    """One revision of one news item. Judge it from its title and text alone: often the text is only a lead, sometimes the title is missing."""

    text: str = Field(default="", description="Summary, lead or full text; plain text.")
    authors: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()

    def header(self) -> ItemHeader:
        """The item without its text."""
        return ItemHeader.model_validate(self.model_dump(include=set(ItemHeader.model_fields)))
