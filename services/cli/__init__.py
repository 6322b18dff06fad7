"""The `chipwire` command: one module per group of verbs, wired here.

A module of verbs imports typer and nothing heavy at its top: `chipwire --help` answers at once, and a verb pays only for what it uses.
"""

from __future__ import annotations

import sys
from typing import Annotated, NoReturn

import typer

from services.cli import classify, dead, deliveries, demo, destinations, evaluate, events, listen, migrate, model, rules, run, subscriptions, topics
from services.runtime.errors import ChipwireError, Misconfigured, Unavailable
from services.runtime.exit_codes import ExitCode


def main() -> NoReturn:
    """The console script. Errors of ours are sentences on stderr, and the exit code says what kind they are."""
    try:
        command()()
    except Misconfigured as exc:
        _leave(ExitCode.MISUSED, *exc.problems)
    except Unavailable as exc:
        _leave(ExitCode.AWAY, str(exc))
    except ChipwireError as exc:
        _leave(ExitCode.FAILED, str(exc))
    except BrokenPipeError:  # the reader of a pipe, such as `head`, has seen enough
        sys.stderr.close()
        sys.exit(ExitCode.DONE)
    except OSError as exc:  # a directory that cannot be made, a file that cannot be written
        _leave(ExitCode.MISUSED, f"{exc.filename or 'a file'} cannot be used: {exc.strerror or exc}")
    sys.exit(ExitCode.DONE)


def command() -> typer.Typer:
    """All verbs. The plain help costs a third of the ornate one."""
    chipwire = typer.Typer(
        name="chipwire",
        help="Know within seconds when a government changes the rules on chip exports.",
        rich_markup_mode=None,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    chipwire.callback()(_options)
    chipwire.command("run")(run.run)
    chipwire.command("listen")(listen.listen)
    chipwire.command("demo")(demo.demo)
    chipwire.command("classify")(classify.classify)
    chipwire.command("evaluate")(evaluate.evaluate)
    chipwire.add_typer(rules.verbs, name="rules", help="The rules that judge news.")
    chipwire.add_typer(model.verbs, name="model", help="The model that scores news: how it is made.")
    chipwire.add_typer(events.verbs, name="events", help="What is known: events in versions.")
    chipwire.add_typer(subscriptions.verbs, name="subscriptions", help="Who is told what, where.")
    chipwire.add_typer(deliveries.verbs, name="deliveries", help="What was sent to whom; once more, or not now.")
    chipwire.add_typer(destinations.verbs, name="destinations", help="Mailboxes and endpoints: a new secret, a challenge, erased for good.")
    chipwire.add_typer(topics.verbs, name="topics", help="The topics of the line.")
    chipwire.add_typer(dead.verbs, name="dead", help="Records that could not be handled.")
    chipwire.command("migrate")(migrate.migrate)
    return chipwire


def _print_version(wanted: bool) -> None:
    if wanted:
        from services.runtime.metrics import chipwire_version

        print(f"chipwire {chipwire_version()}")
        raise typer.Exit


def _options(_version: Annotated[bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and stop.")] = False) -> None:
    """Options of the command itself."""


def _leave(code: ExitCode, *sentences: str) -> NoReturn:
    print(*sentences, sep="\n", file=sys.stderr)
    sys.exit(code)
