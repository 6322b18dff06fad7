"""What alembic runs: every missing revision, on the connection and in the transaction that `services.store.migrate` hands over."""

from __future__ import annotations

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext

from services.store.engine import Instant


def _render(kind: str, thing: Any, autogenerate: AutogenContext) -> str | Literal[False]:
    """Our own column type, as a new revision spells it."""
    if kind == "type" and isinstance(thing, Instant):
        autogenerate.imports.add("from services.store.engine import Instant")
        return "Instant()"
    return False


context.configure(connection=context.config.attributes["connection"], target_metadata=context.config.attributes["metadata"], render_item=_render)
with context.begin_transaction():
    context.run_migrations()
