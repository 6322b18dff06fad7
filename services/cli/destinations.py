"""`chipwire destinations`: erase one, for good."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from pathlib import Path

    from services.store.erasure import Erased

verbs = typer.Typer(rich_markup_mode=None, no_args_is_help=True)


@verbs.callback()
def _group() -> None:
    """A group, also while it has one verb."""


@verbs.command("erase")
def erase(
    destination: Annotated[str, typer.Argument(metavar="ACCOUNT/ID", help="Such as desk/ana.", show_default=False)],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Erase a destination: its address, subscriptions, deliveries, attempts and files are deleted, and the address is never sent to again.

    Prints the proof as JSON. Take it out of subscriptions.yaml first: applying the file would ask for it anew.
    """
    from services.cli.common import print_json, runtime_settings
    from services.cli.deliveries import key_of
    from services.cli.events import opened_store
    from services.cli.subscriptions import settings_of
    from services.notifier import subscriptions
    from services.runtime.clock import SystemClock
    from services.runtime.errors import Rejected
    from services.store import erasure

    key = key_of(destination)
    if not yes:
        typer.confirm(f"Erase everything of {destination}? It cannot be brought back", abort=True)
    _, notifier = settings_of()
    with opened_store(runtime_settings()) as store:
        cipher, secret = subscriptions.open_keys(notifier, store), subscriptions.suppression_key(notifier, store)
        erased = store.run_sync(lambda db: erasure.erase(db, key, cipher, suppression_key=secret, now=SystemClock().now()))
        if erased is None:
            raise Rejected(f"there is no destination {destination!r}; `chipwire subscriptions list` shows those that are")
        files = _remove_files(subscriptions.outbox_of(notifier, store), erased)
    print_json(_proof(erased, files))


def _remove_files(outbox: Path, erased: Erased) -> int:
    """Mails that were kept as files, and drafts of them. How many there were."""
    removed = 0
    for delivery in erased.delivery_ids:
        for file in (*outbox.glob(f"{delivery}.eml"), *outbox.glob(f".{delivery}.*")):
            file.unlink(missing_ok=True)
            removed += 1
    return removed


def _proof(erased: Erased, files: int) -> dict[str, Any]:
    return {
        "erased": f"{erased.destination.account_id}/{erased.destination.id}",
        "kind": erased.kind,
        "at": erased.erased_at.isoformat(),
        "deliveries": len(erased.delivery_ids),
        "attempts": erased.attempts,
        "subscriptions": list(erased.subscriptions),
        "files": files,
        "suppressed": erased.digest,
    }
