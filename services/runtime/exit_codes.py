"""What the process tells whoever started it."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of every command."""

    DONE = 0
    FAILED = 1
    """The work ran and found failures."""
    MISUSED = 2
    """Wrong usage or configuration; nothing was started."""
    STOP_LOSS = 3
    """Too many bad records in a row: a bad release."""
    AWAY = 4
    """A dependency stayed away."""
    SECOND_SIGNAL = 130
    """Told to stop twice: stopped at once."""
