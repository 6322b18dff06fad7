"""What was made lately, and is asked for again and again."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Recent(Generic[K, V]):
    """At most `size` values by key; the one that was made first goes first."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._values: dict[K, V] = {}

    def get(self, key: K, make: Callable[[], V]) -> V:
        """The value of the key, made now if it is not here."""
        if key in self._values:
            return self._values[key]
        if len(self._values) >= self._size:
            del self._values[next(iter(self._values))]
        value = self._values[key] = make()
        return value
