"""Readers: bytes of one format -> entries. Pure; each raises Malformed for bytes that are not its format. A new reader is a file and one line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from schemas.config.source import Source
from services.ingester.entry import Page, Reading
from services.ingester.readers import feed, jsonfeed, jsonl

Reader = Callable[[Page, Source], Reading]

READERS: Mapping[str, Reader] = {
    "feed": feed.read,
    "jsonfeed": jsonfeed.read,
    "jsonl": jsonl.read,
}
