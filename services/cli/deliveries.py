"""`chipwire deliveries`: what was sent to whom and how that went; once more, or not now."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from services.cli.moments import moment

if TYPE_CHECKING:
    from collections.abc import Callable

    from services.store.accounts import DestinationKey
    from services.store.delivery import Attempt, Delivery
    from services.store.engine import Connection

T = TypeVar("T")

verbs = typer.Typer(rich_markup_mode=None, no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
Since = Annotated[datetime | None, typer.Option(help="Not before this moment (UTC).", parser=moment, metavar="DATE")]
At = Annotated[str | None, typer.Option("--destination", metavar="ACCOUNT/ID", help="Only this destination, such as desk/hook.")]
Channel = Annotated[str | None, typer.Option(help="Only what goes this way, such as webhook or email.")]


@verbs.command("list")
def list_deliveries(
    destination: At = None,
    event: Annotated[str | None, typer.Option(help="Only those about this event.")] = None,
    state: Annotated[str | None, typer.Option(help="Only those in this state: pending, sending, sent, failed, superseded or withheld.")] = None,
    since: Since = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    as_json: Json = False,
) -> None:
    """List deliveries, the newest first."""
    from services.cli.common import print_json, print_table
    from services.store import delivery

    key = _key(destination)
    found = _looked(
        lambda db: delivery.list_deliveries(
            db,
            key.account_id if key else None,
            destination_id=key.id if key else None,
            event_id=event,
            state=_state(state),
            since=since,
            limit=limit,
        )
    )
    if as_json:
        for one in found:
            print_json(_as_json(one))
    elif found:
        print_table(("delivery", "to", "alert", "kind", "state", "why", "attempts", "number", "made"), [_as_row(one) for one in found])
    else:
        print("no deliveries")


@verbs.command("show")
def show(delivery_id: Annotated[str, typer.Argument(metavar="ID", help="As `deliveries list` shows it, or a webhook-id.")], as_json: Json = False) -> None:
    """Show one delivery and every attempt at it."""
    from services.cli.common import print_json, print_table
    from services.runtime.errors import Rejected
    from services.store import delivery

    found = _looked(lambda db: delivery.find(db, delivery_id))
    if found is None:
        raise Rejected(f"no delivery has the id {delivery_id!r}; `chipwire deliveries list` shows what there is")
    one, tried = found
    if as_json:
        print_json(_as_json(one) | {"tried": [_attempt_json(attempt) for attempt in tried]})
        return
    for name, value in _as_json(one).items():
        print(f"{name}: {value}")
    print_table(("attempt", "began", "ended", "outcome", "reason", "status", "again at"), [tuple(_attempt_json(attempt).values()) for attempt in tried])


@verbs.command("replay")
def replay(
    ids: Annotated[list[str] | None, typer.Argument(metavar="ID...", help="As `deliveries list` shows them.", show_default=False)] = None,
    since: Since = None,
    failed: Annotated[bool, typer.Option("--failed", help="Only those that failed.")] = False,
    destination: At = None,
) -> None:
    """Send deliveries once more: those named, or all that ended since a moment. A receiver sees the same id and number, and a header that says so."""
    from services.runtime.errors import Rejected
    from services.store.replay import replay as send_again

    if not ids and since is None and not failed:
        raise typer.BadParameter("name the deliveries, or say --since or --failed")
    key = _key(destination)
    again = _done(lambda db: send_again(db, _now(), ids=ids or None, since=since, destination=key, failed_only=failed))
    if ids and (left := sorted(set(ids) - set(again))):
        raise Rejected(f"sent once more: {len(again)}; not {', '.join(left)}: there is none such, or it was neither sent nor has it failed")
    print(f"sent once more: {len(again)}")


@verbs.command("pause")
def pause(destination: At = None, channel: Channel = None, why: Annotated[str, typer.Option(help="Told to whoever looks.")] = "by hand") -> None:
    """Put the send brake on: for everything, a channel or a destination. What waits stays in the queue; what is being sent is finished."""
    from services.store import accounts, brakes

    scope, key = _scope(destination, channel), _key(destination)
    if key and not _looked(lambda db: accounts.exists(db, key)):
        raise typer.BadParameter(f"there is no destination {destination!r}; `chipwire subscriptions list` shows those that are")
    done = _done(lambda db: brakes.pause(db, scope, why, _now()))
    print(f"paused: {scope}" if done else f"already paused: {scope}")


@verbs.command("resume")
def resume(destination: At = None, channel: Channel = None) -> None:
    """Take the send brake off again."""
    from services.store import brakes

    scope = _scope(destination, channel)
    done = _done(lambda db: brakes.resume(db, scope))
    print(f"resumed: {scope}" if done else f"not paused: {scope}")


@verbs.command("brakes")
def list_brakes(as_json: Json = False) -> None:
    """List the send brakes that are on."""
    from services.cli.common import print_json, print_table
    from services.store import brakes

    found = _looked(brakes.list_brakes)
    if as_json:
        for one in found:
            print_json({"scope": one.scope, "why": one.why, "since": one.since.isoformat()})
    elif found:
        print_table(("for", "why", "since"), [(one.scope, one.why, _shown(one.since)) for one in found])
    else:
        print("nothing is paused")


def _looked(work: Callable[[Connection], T]) -> T:
    from services.cli.common import runtime_settings
    from services.cli.events import opened_store

    with opened_store(runtime_settings()) as store:
        return store.read_sync(work)


def _done(work: Callable[[Connection], T]) -> T:
    """Does it, and wakes the notifiers of other processes, where there is a way; otherwise they look within a second."""
    from services.cli.common import runtime_settings
    from services.cli.events import opened_store
    from services.notifier.deliver import DELIVERIES
    from services.store.wake import notify

    def and_wake(db: Connection) -> T:
        done = work(db)
        notify(db, DELIVERIES)
        return done

    with opened_store(runtime_settings()) as store:
        return store.run_sync(and_wake)


def _key(written: str | None) -> DestinationKey | None:
    return None if written is None else key_of(written)


def key_of(written: str) -> DestinationKey:
    """`desk/hook` as the destination `hook` of the account `desk`. Raises BadParameter."""
    from services.store.accounts import DestinationKey

    account_id, slash, one = written.partition("/")
    if not (account_id and slash and one):
        raise typer.BadParameter(f"{written!r} is no destination; expected ACCOUNT/ID, such as desk/hook")
    return DestinationKey(account_id, one)


def _scope(destination: str | None, channel: str | None) -> str:
    from schemas.config.subscriptions import KINDS
    from services.store import brakes

    if destination and channel:
        raise typer.BadParameter("say --destination or --channel, not both")
    if channel and channel not in KINDS:
        raise typer.BadParameter(f"{channel!r} is no channel; expected one of {', '.join(KINDS)}")
    key = _key(destination)
    return brakes.destination(key) if key else brakes.channel(channel) if channel else brakes.ALL


def _state(written: str | None) -> str | None:
    from services.store.delivery import STATES

    if written is not None and written not in STATES:
        raise typer.BadParameter(f"{written!r} is no state; expected one of {', '.join(STATES)}")
    return written


def _now() -> datetime:
    from services.runtime.clock import SystemClock

    return SystemClock().now()


def _shown(at: datetime | None) -> str:
    return "" if at is None else f"{at:%Y-%m-%d %H:%M:%S}"


def _as_row(one: Delivery) -> tuple[object, ...]:
    to = f"{one.destination.account_id}/{one.destination.id}"
    return one.id, to, one.alert_id, one.kind, one.state, one.why, one.attempts, one.sequence, _shown(one.created_at)


def _as_json(one: Delivery) -> dict[str, Any]:
    return {
        "id": one.id,
        "account": one.destination.account_id,
        "destination": one.destination.id,
        "alert": one.alert_id,
        "kind": one.kind,
        "state": one.state,
        "why": one.why,
        "attempts": one.attempts,
        "replays": one.replays,
        "sequence": one.sequence,
        "language": one.language,
        "reasons": list(one.reasons),
        "created_at": _iso(one.created_at),
        "due_at": _iso(one.due_at),
        "ended_at": _iso(one.ended_at),
    }


def _attempt_json(one: Attempt) -> dict[str, Any]:
    return {
        "number": one.number,
        "started_at": _iso(one.started_at),
        "ended_at": _iso(one.ended_at),
        "outcome": one.outcome,
        "reason": one.reason,
        "status": one.status,
        "retry_at": _iso(one.retry_at),
    }


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
