"""How an option gives a moment."""

from __future__ import annotations

from datetime import UTC, datetime

import typer


def moment(text: str) -> datetime:
    """A day or a time, in UTC where it names no zone. Raises BadParameter."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no date; expected one such as 2026-11-24 or 2026-11-24T18:30") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
