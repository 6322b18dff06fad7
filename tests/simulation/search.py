"""Runs seeds, and makes those that fail small: what can be left out without the failure going away is left out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.simulation.checker import problems
from tests.simulation.plan import Plan
from tests.simulation.world import Room, World

CASES = Path(__file__).parent / "cases.txt"
"""Seeds that once failed, one a line: the seed, what can be left out of it, and what it had found."""


@dataclass(frozen=True)
class Failure:
    """A seed that breaks a promise."""

    seed: int
    without: tuple[str, ...]
    problems: tuple[str, ...]
    log: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join((f"seed {self.seed} breaks {len(self.problems)} promises:", *(f"  {one}" for one in self.problems[:10]), f"again: {self.command}"))

    @property
    def command(self) -> str:
        """How to see it again."""
        without = f" --without {','.join(self.without)}" if self.without else ""
        return f"python -m tests.simulation --replay {self.seed}{without}"


@dataclass(frozen=True)
class KeptCase:
    """A line of the file of cases."""

    seed: int
    without: tuple[str, ...]
    found: str

    @classmethod
    def read(cls) -> list[KeptCase]:
        """All of them."""
        lines = [line.split("\t") for line in CASES.read_text("utf-8").splitlines() if line and not line.startswith("#")]
        return [cls(int(seed), tuple(part for part in without.split(",") if part != "-"), found) for seed, without, found in lines]


class Search:
    """Runs plans, one after the other, in one process."""

    def __init__(self, room: Room) -> None:
        self._room = room

    @classmethod
    @contextmanager
    def open(cls) -> Iterator[Search]:
        with TemporaryDirectory() as directory, Room(Path(directory)).open() as room:
            yield cls(room)

    @property
    def log(self) -> list[str]:
        """What the last run said."""
        return self._room.log

    def run(self, seed: int, without: Iterable[str] = ()) -> Failure | None:
        """One seed, without some of its parts. None when every promise was kept."""
        left_out = tuple(sorted(without))
        evidence = World(Plan.of(seed).without(left_out), self._room).run()
        found = problems(evidence)
        return Failure(seed, left_out, tuple(found), tuple(evidence.log)) if found else None

    def shrink(self, failure: Failure) -> Failure:
        """The same promise broken by as few parts as can be found in one pass over them."""
        promise = failure.problems[0].split(":")[0]
        for part in Plan.of(failure.seed).parts:
            if part in failure.without:
                continue
            smaller = self.run(failure.seed, (*failure.without, part))
            if smaller is not None and any(one.startswith(f"{promise}:") for one in smaller.problems):
                failure = smaller
        return failure
