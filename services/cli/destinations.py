"""`chipwire destinations`: a new secret for one, a challenge to one, one erased for good; new numbers for all after a restore."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from services.store.erasure import Erased

verbs = typer.Typer(rich_markup_mode=None, no_args_is_help=True)


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


@verbs.command("rotate")
def rotate(
    destination: Annotated[str, typer.Argument(metavar="ACCOUNT/ID", help="Such as desk/hook.", show_default=False)],
    grace: Annotated[str, typer.Option(help="How long the secret before signs beside the new one.")] = "24h",
) -> None:
    """Give a webhook a new secret. It is written into its secret_file; requests carry both signatures until the grace is over.

    To change it by hand, change the file or the variable: then the secret before signs for 24 h too.
    """
    from pydantic import TypeAdapter, ValidationError

    from schemas.config.duration import Duration
    from services.cli.common import runtime_settings
    from services.cli.deliveries import key_of
    from services.cli.events import opened_store
    from services.cli.subscriptions import settings_of
    from services.notifier import subscriptions
    from services.runtime.clock import SystemClock
    from services.runtime.config_files import ConfigDir
    from services.runtime.errors import Rejected
    from services.store import accounts

    key, runtime = key_of(destination), runtime_settings()
    try:
        wait = TypeAdapter(Duration).validate_python(grace)
    except ValidationError as exc:
        raise typer.BadParameter(f"{grace!r} is no time; expected such as 24h or 0s") from exc
    file = subscriptions.secret_file_of(ConfigDir(runtime.config), key)
    _, notifier = settings_of()
    secret = subscriptions.new_secret()
    with opened_store(runtime) as store:
        cipher = subscriptions.open_keys(notifier, store)
        subscriptions.write_secret(file, secret)  # first: should the rest fail, the next reload takes it from here
        if not store.run_sync(lambda db: accounts.rotate(db, key, secret, cipher, grace=wait, now=SystemClock().now())):
            raise Rejected(f"there is no webhook {destination!r}; `chipwire subscriptions list` shows what there is")
    typer.echo(f"{file} holds the new secret of {destination}; give it to the receiver within {grace}")


@verbs.command("verify")
def verify(destination: Annotated[str, typer.Argument(metavar="ACCOUNT/ID", help="Such as desk/hook.", show_default=False)]) -> None:
    """Ask a webhook to say a word back. One that does not takes no alerts until it does."""
    from services.cli.common import runtime_settings, wait_for
    from services.cli.deliveries import key_of
    from services.cli.events import opened_store
    from services.cli.subscriptions import settings_of
    from services.notifier import subscriptions
    from services.notifier.channels.challenge import challenge
    from services.runtime.clock import SystemClock
    from services.runtime.errors import Rejected
    from services.runtime.http import HttpClient
    from services.store import accounts

    key, runtime, clock = key_of(destination), runtime_settings(), SystemClock()
    _, notifier = settings_of()

    async def ask(address: str, secret: str, headers: Mapping[str, str]) -> str | None:
        async with HttpClient(allow=runtime.allowed, proxy=runtime.egress) as http:
            return await challenge(http, clock, address=address, secret=secret, headers=headers, deadline=notifier.webhook_deadline)

    with opened_store(runtime) as store:
        cipher = subscriptions.open_keys(notifier, store)
        found = store.read_sync(lambda db: accounts.opened(db, key, cipher))
        if found is None or found.secret is None:
            raise Rejected(f"there is no webhook {destination!r}; `chipwire subscriptions list` shows what there is")
        problem = wait_for(ask(found.address, found.secret, found.headers))
        store.run_sync(lambda db: accounts.set_verified(db, key, clock.now(), verified=problem is None))
    if problem is not None:
        raise Rejected(f"{destination} is not verified and takes no alerts: {problem}")
    typer.echo(f"{destination} is verified")


@verbs.command("restored")
def restored(yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """Say that the database was restored from a backup: the numbers of every destination start again under a higher epoch, so that receivers can tell.

    Once for each restore, before the notifier starts. What waited in the backup is sent under its old id.
    """
    from services.cli.common import runtime_settings
    from services.cli.events import opened_store
    from services.runtime.clock import SystemClock
    from services.store import accounts

    if not yes:
        typer.confirm("Was the database restored from a backup, and is every notifier stopped? All receivers are told of a new epoch", abort=True)
    with opened_store(runtime_settings()) as store:
        begun = store.run_sync(lambda db: accounts.begin_epoch(db, SystemClock().now()))
    typer.echo(f"a new epoch begins at {begun} destination{'' if begun == 1 else 's'}")


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
