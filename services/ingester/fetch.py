"""One request to a source: conditional where that can be trusted, bounded in time and size; or one read of a local file."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from schemas.config.source import Source
from services.ingester.entry import Page
from services.ingester.schedule import retry_after
from services.runtime.errors import Malformed, Rejected, Unavailable
from services.runtime.http import HttpClient, Response
from services.store.ingest import SourceState

MOST_UNMODIFIED = 20
"""After so many "not modified" in a row the page is asked for whole: some servers keep saying so when it is not true."""

_REDIRECTS = 5
_ACCEPT = "application/atom+xml, application/rss+xml, application/feed+json, application/xml;q=0.9, application/json;q=0.9, */*;q=0.5"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may cost, and who asks."""

    deadline: timedelta
    max_body: int
    user_agent: str


@dataclass(frozen=True, slots=True)
class Fetched:
    """A page with the validators to ask with next time."""

    page: Page
    etag: str | None = None
    last_modified: str | None = None


async def fetch(source: Source, state: SourceState, http: HttpClient, limits: Limits, now: datetime) -> Fetched | None:
    """The page, or None if it was not modified. Raises Unavailable (try later), Rejected (the server refuses us) or Malformed (an answer that makes no sense)."""
    if source.url[:5].lower() == "file:":
        return await asyncio.to_thread(_read_file, source, state, limits)
    asked = _validators(source, state)
    headers = {"User-Agent": limits.user_agent, "Accept": _ACCEPT, **asked}
    answer = await http.request("GET", source.url, headers=headers, deadline=limits.deadline, max_body=limits.max_body, follow_redirects=_REDIRECTS)
    return _judged(answer, bool(asked), now)


def _validators(source: Source, state: SourceState) -> dict[str, str]:
    """After a failure we ask without validators, so that "not modified" cannot pass for a healthy visit."""
    if not source.conditional or state.failures or state.unmodified >= MOST_UNMODIFIED:
        return {}
    given = {"If-None-Match": state.etag, "If-Modified-Since": state.last_modified}
    return {name: value for name, value in given.items() if value}


def _judged(answer: Response, conditional: bool, now: datetime) -> Fetched | None:
    if answer.status == 200:
        page = Page(answer.body, str(answer.url), answer.headers.get("content-type"))
        return Fetched(page, _validator(answer.headers, "etag"), _validator(answer.headers, "last-modified"))
    if answer.status == 304:
        if conditional:
            return None
        raise Malformed('the server says "not modified" though it was asked without validators')
    if answer.status in (408, 425, 429) or answer.status >= 500:
        raise Unavailable(f"the server answers {answer.status}", retry_after=retry_after(answer.headers.get("retry-after"), now))
    raise Rejected(f"the server answers {answer.status}")


def _validator(headers: Mapping[str, str], name: str) -> str | None:
    """Kept as it came, unless it is absurdly long or cannot be sent back."""
    value = headers.get(name)
    return value if value and len(value) <= 500 and value.isascii() and value.isprintable() else None


def _read_file(source: Source, state: SourceState, limits: Limits) -> Fetched | None:
    path = Path(url2pathname(urlsplit(source.url).path))
    try:
        found = path.stat()
        version = f"{found.st_mtime_ns}-{found.st_size}"
        if found.st_size > limits.max_body:
            raise Rejected(f"{path} has {found.st_size} bytes; at most {limits.max_body} are read")
        if version == state.etag and not state.failures:
            return None
        return Fetched(Page(path.read_bytes(), source.url), etag=version)
    except OSError as exc:
        raise Unavailable(f"{path} cannot be read: {exc.strerror}") from exc
