"""A source: one YAML file says where news comes from, how it is read, how often it is visited, and what a healthy visit looks like."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator, model_validator

from schemas.config.base import Config
from schemas.config.duration import Duration

SOURCE_ID = r"^[a-z0-9]+(?:[-.][a-z0-9]+)*$"


class Expectation(Config):
    """What a healthy source does. Silence is the failure nobody sees, so say how often it should speak."""

    at_least_one_in: Duration | None = Field(default=None, description="The source is called silent when it brought nothing new for so long.")
    at_most: int | None = Field(
        default=None, ge=1, description="New items in one visit above which the visit is called suspicious. They are taken all the same."
    )


class Source(Config):
    """Where news comes from."""

    id: str = Field(pattern=SOURCE_ID, max_length=64, description="For ever: item ids are made from it.")
    title: str = Field(min_length=1, description="What people call this feed.")
    publisher: str | None = Field(default=None, description="The outlet or body behind it, as named in alerts.")
    jurisdiction: str | None = Field(default=None, pattern="^[A-Z]{2}$", description="ISO 3166 code of the body, or of the outlet's seat.")
    tier: int = Field(ge=0, le=3, description="0 gazette, agency page, filing; 1 leading agency or paper; 2 national or trade press; 3 aggregator, rewrite.")
    language: str | None = Field(default=None, description="BCP 47 tag; goes before what the feed claims, for feeds often lie.")
    zone: str | None = Field(default=None, description="IANA time zone of dates that name none.")
    reader: Literal["feed", "jsonfeed", "jsonl", "push"] = Field(
        description="feed: RSS, Atom or RDF; jsonfeed: JSON Feed 1.x; jsonl: one pushed item a line; push: not visited, lends its tier, outlet and language to pushes."
    )
    url: str = Field(default="", description="http(s), or file: for a JSONL file on this machine. None for push.")
    every: Duration = Field(default=timedelta(minutes=5), ge=timedelta(seconds=1), description="Time between visits; each is moved by a tenth at random.")
    enabled: bool = True
    verified: bool = Field(default=False, description="Somebody has seen this address answer as described.")
    backfill: bool = Field(default=True, description="What the first successful visit finds is history: placed and shown, told to nobody.")
    conditional: bool = Field(default=True, description="Ask with ETag and Last-Modified. Turn off where a server says 'not modified' and is wrong.")
    identity: Literal["url", "guid"] = Field(default="url", description="What makes an entry the same entry. guid where several share one URL, or URLs change.")
    outlet_in_title: bool = Field(
        default=False, description='Titles end with " - Outlet", as those of news search engines do: take it off and keep it as the outlet.'
    )
    expect: Expectation = Expectation()

    @field_validator("zone")
    @classmethod
    def _is_a_zone(cls, value: str | None) -> str | None:
        try:
            return value and ZoneInfo(value).key
        except (ZoneInfoNotFoundError, ValueError) as exc:
            raise ValueError("expected an IANA time zone such as Asia/Tokyo") from exc

    @model_validator(mode="after")
    def _has_an_address(self) -> Self:
        parts = urlsplit(self.url)
        if self.reader == "push":
            if self.url:
                raise ValueError("url: a pushed source has none")
        elif parts.scheme == "file":
            if self.reader != "jsonl":
                raise ValueError("url: file: is for the jsonl reader only")
        elif parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("url: expected http://, https:// or file:")
        return self

    @property
    def visited(self) -> bool:
        """Whether it is us who fetch it."""
        return self.reader != "push"
