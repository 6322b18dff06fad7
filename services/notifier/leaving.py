"""Unsubscribing by one click (RFC 8058), and what mail servers report back.

    POST /u/TOKEN        the mail program's click, or the button of the page -> the destination takes no alerts any more
    GET /u/TOKEN         a page with a button: programs that look at links must not unsubscribe anybody
    POST /v1/bounces     a delivery report (RFC 3464) -> addresses that do not exist are suppressed

A token names a destination and carries a keyed hash, so that nobody can make one. Its key is its own and is never changed: old mails keep working.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Sequence
from html import escape

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from services.notifier import bounce
from services.notifier.suppressed import Suppressed
from services.runtime.clock import Clock
from services.runtime.errors import Unavailable
from services.store import accounts
from services.store.accounts import DestinationKey
from services.store.engine import Store

TAG = 16
"""Bytes of the hash in a token."""

_PAGE = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
    '<meta name="robots" content="noindex"><meta name="color-scheme" content="light dark"><title>{title}</title></head>'
    '<body style="font-family:sans-serif;max-width:32em;margin:3em auto;padding:0 1em;line-height:1.5"><h1>{title}</h1>{body}</body></html>'
)
_HEADERS = {"cache-control": "no-store", "referrer-policy": "no-referrer", "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'"}


class Leaving:
    """Makes the addresses at which readers unsubscribe, and reads them."""

    def __init__(self, key: bytes, public_url: str) -> None:
        self._key = key
        self._public_url = public_url.rstrip("/")

    def url(self, account_id: str, destination_id: str) -> str:
        """Where the reader of this destination unsubscribes."""
        return f"{self._public_url}/u/{self.token(DestinationKey(account_id, destination_id))}"

    def token(self, key: DestinationKey) -> str:
        """The destination and its hash, as it stands in a URL."""
        named = "\n".join(key).encode()
        return base64.urlsafe_b64encode(self._tag(named) + named).decode().rstrip("=")

    def read(self, token: str) -> DestinationKey | None:
        """The destination of a token; None when we did not make it."""
        try:
            raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        except (ValueError, binascii.Error):
            return None
        tag, named = raw[:TAG], raw[TAG:]
        if not hmac.compare_digest(tag, self._tag(named)):
            return None
        return DestinationKey(*named.decode().split("\n"))

    def _tag(self, named: bytes) -> bytes:
        return hmac.digest(self._key, b"unsubscribe\n" + named, "sha256")[:TAG]


class Doors:
    """The routes."""

    def __init__(self, store: Store, leaving: Leaving, suppressed: Suppressed, clock: Clock, *, bounce_token: str) -> None:
        self._store = store
        self._leaving = leaving
        self._suppressed = suppressed
        self._clock = clock
        self._bounce_token = bounce_token

    def routes(self) -> Sequence[BaseRoute]:
        """Unsubscribing always; reports only where a token is set."""
        reports = [Route("/v1/bounces", self._bounces, methods=["POST"])] if self._bounce_token else []
        return [Route("/u/{token}", self._ask, methods=["GET"]), Route("/u/{token}", self._leave, methods=["POST"]), *reports]

    async def _ask(self, request: Request) -> Response:
        if self._leaving.read(request.path_params["token"]) is None:
            return _page(404, "This link is not valid", "<p>It may have been cut. The link in the mail works.</p>")
        button = '<form method="post"><button style="font-size:1.1em;padding:.5em 1em">Unsubscribe</button></form>'
        return _page(200, "Unsubscribe from chipwire alerts?", f"<p>No alerts will be sent to this address any more.</p>{button}")

    async def _leave(self, request: Request) -> Response:
        key = self._leaving.read(request.path_params["token"])
        if key is None:
            return _page(404, "This link is not valid", "<p>It may have been cut. The link in the mail works.</p>")
        now = self._clock.now()
        try:
            await self._store.run(lambda db: accounts.disable(db, key, "unsubscribed", now))
        except Unavailable:
            return _page(503, "Not now", "<p>Please try again in a minute.</p>")
        return _page(200, "You are unsubscribed", "<p>No alerts will be sent to this address any more.</p>")

    async def _bounces(self, request: Request) -> Response:
        given = request.headers.get("authorization", "").removeprefix("Bearer ").strip()
        if not hmac.compare_digest(given.encode(), self._bounce_token.encode()):
            return JSONResponse({"error": "expected Authorization: Bearer and CHIPWIRE_NOTIFIER_BOUNCE_TOKEN"}, 401)
        mail = await _read(request)
        if mail is None:
            return JSONResponse({"error": f"a report has at most {bounce.LARGEST} bytes"}, 413)
        gone = [report for report in bounce.reports(mail) if report.for_good and report.bounce is bounce.Bounce.NO_MAILBOX]
        try:
            for report in gone:
                await self._suppressed.add(report.recipient, report.bounce)
        except Unavailable:
            return JSONResponse({"error": "the database is away; send it again"}, 503)
        return JSONResponse({"suppressed": len(gone)})


async def _read(request: Request) -> bytes | None:
    """The body, or None when it is too large."""
    body = bytearray()
    async for portion in request.stream():
        body += portion
        if len(body) > bounce.LARGEST:
            return None
    return bytes(body)


def _page(status: int, title: str, body: str) -> Response:
    return HTMLResponse(_PAGE.format(title=escape(title), body=body), status, _HEADERS)
