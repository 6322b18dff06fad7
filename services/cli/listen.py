"""`chipwire listen`: a small receiver of webhooks, to try them out and to copy from.

It verifies the signature, drops what it has seen, tells gaps in the sequence and answers challenges. It keeps nothing.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from starlette.applications import Starlette

TOLERANCE = 300
"""Seconds by which the clock of the sender may differ: what is older may have been recorded and sent again by somebody else."""

LARGEST = 5_000_000
"""Bytes of a request."""

REMEMBERED = 10_000
"""Ids by which what comes twice is known."""


def listen(
    secret_file: Annotated[Path, typer.Argument(metavar="SECRET_FILE", help="The file with the secret of the webhook.", show_default=False)],
    port: Annotated[int, typer.Option(help="Where to listen, on this machine.")] = 9000,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Receive webhooks and show them: verified, each once, with what is missing between them."""
    import uvicorn

    receiver = _receiver(secret_file)
    typer.echo(f"listening on http://127.0.0.1:{port}/", err=True)
    uvicorn.run(app_of(receiver, lambda got: typer.echo(shown(got, as_json=as_json))), host="127.0.0.1", port=port, log_level="warning")


def _receiver(secret_file: Path) -> Receiver:
    from services.runtime.errors import Misconfigured

    try:
        return Receiver(secret_file.read_text("utf-8").split())
    except OSError as exc:
        raise Misconfigured(f"{secret_file} cannot be read: {exc.strerror}") from exc
    except ValueError as exc:
        raise Misconfigured(f"{secret_file} holds no secret; expected whsec_ and base64, a secret a line") from exc


class Forged(Exception):
    """A request that did not come from who has the secret, or is too old."""


@dataclass(frozen=True)
class Got:
    """A webhook that was verified. `missing` are the sequence numbers between the one before and this."""

    id: str
    body: Mapping[str, Any]
    duplicate: bool = False
    missing: range = range(0)
    new_epoch: bool = False


@dataclass
class Receiver:
    """Verifies, and remembers what came. Any of the secrets is good: so they can be changed without losing anything."""

    secrets: list[str]
    _seen: OrderedDict[str, None] = field(default_factory=OrderedDict)
    _at: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        self._keys = [base64.b64decode(secret.removeprefix("whsec_"), validate=True) for secret in self.secrets]
        if not all(self._keys) or not self._keys:
            raise ValueError("no secret")

    def take(self, headers: Mapping[str, str], body: bytes, now: float) -> Got:
        """The webhook. Raises Forged."""
        name, at = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
        if not at.isdecimal() or abs(int(at) - now) > TOLERANCE:
            raise Forged("the timestamp is missing or too far from now")
        signed = b".".join((name.encode(), at.encode(), body))
        if not any(self._signed(signed, one) for one in headers.get("webhook-signature", "").split()):
            raise Forged("no signature fits the secret")
        return self._place(name, json.loads(body))

    def _signed(self, signed: bytes, signature: str) -> bool:
        version, _, given = signature.partition(",")
        try:
            digest = base64.b64decode(given, validate=True)
        except binascii.Error:
            return False
        return version == "v1" and any(hmac.compare_digest(digest, hmac.digest(key, signed, "sha256")) for key in self._keys)

    def _place(self, name: str, body: Mapping[str, Any]) -> Got:
        if name in self._seen:
            return Got(name, body, duplicate=True)
        self._seen[name] = None
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        if "sequence" not in body:
            return Got(name, body)
        epoch, sequence, before = int(body["epoch"]), int(body["sequence"]), self._at
        if before is not None and epoch < before[0]:
            return Got(name, body)  # it took its number before the restore
        if before is None or epoch > before[0]:
            self._at = (epoch, sequence)
            return Got(name, body, new_epoch=before is not None)
        self._at = (epoch, max(before[1], sequence))
        return Got(name, body, missing=range(before[1] + 1, sequence))


def app_of(receiver: Receiver, show: Callable[[Got], None]) -> Starlette:
    """The receiver behind HTTP: 2xx only for what was verified."""
    import time

    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse, Response
    from starlette.routing import Route

    async def take(request: Request) -> Response:
        body = bytearray()
        async for portion in request.stream():
            body += portion
            if len(body) > LARGEST:
                return Response(status_code=413)
        try:
            got = receiver.take(request.headers, bytes(body), time.time())
        except Forged as exc:
            return JSONResponse({"error": str(exc)}, 401)
        if got.body.get("type") == "endpoint.challenge":
            return JSONResponse({"challenge": got.body.get("challenge")})
        show(got)
        return Response(status_code=204)

    return Starlette(routes=[Route("/{path:path}", take, methods=["POST"])])


def shown(got: Got, *, as_json: bool) -> str:
    """One line for a webhook: its kind where it is no new event, what it says, and whether something is missing before it. A number that comes late fills a gap."""
    from services.notifier.render import one_line

    missing = list(got.missing[:100])
    if as_json:
        return json.dumps({"id": got.id, "duplicate": got.duplicate, "missing": missing, "new_epoch": got.new_epoch, "body": got.body}, ensure_ascii=False)
    notes = [
        "seen before" if got.duplicate else "",
        "a new epoch: the sender was restored" if got.new_epoch else "",
        f"missing before it: {got.missing[0]} to {got.missing[-1]}" if got.missing else "",
    ]
    note = "; ".join(filter(None, notes))
    kind = one_line(str(got.body.get("kind", "new")))
    what = "" if kind == "new" else f"{kind}: "
    return f"{got.body.get('sequence', '-'):>6} {what}{one_line(str(got.body.get('headline', got.id)))}{f'  ({note})' if note else ''}"
