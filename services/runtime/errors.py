"""Errors by what should happen next. The worker loop obeys the class; nobody parses a message.

Foreign exceptions are translated into these once, at the edge that owns the library, with the cause chained.
A message is a sentence a stranger can act on; it never holds a secret or a person's address.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from services.runtime.broker import Partition


class ChipwireError(Exception):
    """Base of every error that is ours."""


class Malformed(ChipwireError):
    """The bytes do not fit the contract. The record becomes a dead letter."""


class Rejected(ChipwireError):
    """Understood, and never doable however often it is tried. Dead letter, or a delivery's final failure."""


class Unavailable(ChipwireError):
    """A dependency does not answer now. Wait, rewind, back off; the process is not ready but alive."""

    def __init__(self, message: str, *, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Misconfigured(ChipwireError):
    """What people wrote cannot be used. Do not start, or keep the last good set.

    `problems` holds every problem found, one sentence each, naming file, line and what was expected.
    """

    def __init__(self, *problems: str) -> None:
        self.problems = tuple(dict.fromkeys(problems))  # one mistake can stand in the way of several readers
        super().__init__("\n".join(self.problems))


class Lost(ChipwireError):
    """A commit came too late: the partitions belong to someone else now, who will repeat their work."""

    def __init__(self, partitions: Iterable[Partition]) -> None:
        self.partitions = frozenset(partitions)
        super().__init__(f"lost {', '.join(sorted(map(str, self.partitions)))} before the commit")


class StopLoss(ChipwireError):
    """Too many records in a row could not be handled: a bad release, not bad data. The process exits with 3."""
