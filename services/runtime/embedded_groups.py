"""Who reads which lane of the embedded broker. All in memory: members live and die with the process, only what they commit is kept in the file."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from services.runtime.broker import Partition
from services.runtime.embedded_log import Lane


@dataclass(eq=False, slots=True)
class Hold:
    """A member's right to one lane, and where it reads next. A lane that changes hands gets a new one, so an old one fences off a late commit."""

    lane: Lane
    position: int


@dataclass(eq=False, slots=True)
class Member:
    """A live subscription. `wake` is set when there may be something to read."""

    topics: frozenset[str]
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    holds: dict[Partition, Hold] = field(default_factory=dict)


@dataclass(eq=False, slots=True)
class Group:
    """A consumer group: where it stands in each lane (the next offset to read, as committed), and its live members."""

    stands: dict[Lane, int] = field(default_factory=dict)
    members: list[Member] = field(default_factory=list)

    def divide(self, lanes: Mapping[str, Sequence[Lane]]) -> None:
        """Gives every lane to one member. A lane that stays where it is keeps its hold; the others start at what was committed."""
        for member, mine in zip(self.members, shares(lanes, [member.topics for member in self.members]), strict=True):
            member.holds = {lane.partition: member.holds.get(lane.partition) or Hold(lane, self.stands.setdefault(lane, 0)) for lane in mine}
            member.wake.set()

    def behind(self, topic: str, ends: Mapping[int, int]) -> bool:
        """Whether it has something of the topic still to read."""
        return any(ends[lane.id] > offset for lane, offset in self.stands.items() if lane.partition.topic == topic)


def shares(lanes: Mapping[str, Sequence[Lane]], wishes: Sequence[Iterable[str]]) -> list[list[Lane]]:
    """The lanes of each topic dealt out evenly among those who wish to read it; one share for each wish, in the same order."""
    dealt: list[list[Lane]] = [[] for _ in wishes]
    for topic, of_topic in lanes.items():
        readers = [share for share, wish in zip(dealt, wishes, strict=True) if topic in wish]
        for turn, lane in enumerate(of_topic):
            if readers:
                readers[turn % len(readers)].append(lane)
    return dealt
