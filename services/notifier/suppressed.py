"""The addresses that are never sent to again, as the channels ask for them: whoever was erased, and what does not exist."""

from __future__ import annotations

from collections.abc import Collection

from services.notifier.together import Together
from services.runtime.clock import Clock
from services.store import suppression
from services.store.engine import Store


class Suppressed:
    """Looked up and added to in the store, under the key of the hashes. Raises Unavailable while the database is away."""

    def __init__(self, store: Store, key: bytes, clock: Clock) -> None:
        self._store = store
        self._key = key
        self._clock = clock
        self._reasons: Together[str, str] = Together(self._find)

    async def why(self, address: str) -> str | None:
        """Why an address is among them; None when it is not."""
        return await self._reasons.ask(suppression.digest_of(address, self._key))

    async def _find(self, digests: Collection[str]) -> dict[str, str]:
        return await self._store.read(lambda db: suppression.why_suppressed(db, digests))

    async def add(self, address: str, why: str) -> None:
        """From now on the address is never sent to again. Repeating it changes nothing."""
        digest, now = suppression.digest_of(address, self._key), self._clock.now()
        await self._store.run(lambda db: suppression.suppress(db, digest, why, now))
