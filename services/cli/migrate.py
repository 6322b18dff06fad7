"""`chipwire migrate`: brings the store to what this release needs."""

from __future__ import annotations


def migrate() -> None:
    """Bring the store's tables to what this release needs. PostgreSQL is migrated by this alone; SQLite also at every start."""
    from services.cli.common import runtime_settings
    from services.store import migrate as revisions
    from services.store.engine import Store

    store = Store.open(runtime_settings().store_url)
    try:
        done = revisions.upgrade(store, by_hand=True)
    finally:
        store.close_sync()
    print(f"the store is {'now ' if done else 'already '}at revision {revisions.head()}")
