"""Many rows as one parameter: a JSON list that the database reads as a table.

    given = Given(id=sa.Text(), token=sa.Text())
    table = given.table(dialect)              in a statement, made once
    db.execute(statement, given.rows(dialect, rows))

A thousand rows are then one statement, one round trip and one step, where `executemany` makes a thousand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from services.store.engine import Instant

_INSTANT = Instant()
_SQLITE = sqlite.dialect()
_ROWS = "rows"


class Given:
    """Columns by name and type. A statement can read one such table, whose name in it is `given`."""

    def __init__(self, **columns: sa.types.TypeEngine[Any]) -> None:
        self._columns = columns

    def table(self, dialect: str) -> sa.FromClause:
        """The rows, in a statement of this dialect."""
        rows = sa.bindparam(_ROWS, type_=sa.Text)
        if dialect == "postgresql":
            columns = [sa.column(name, kind) for name, kind in self._columns.items()]
            return sa.func.json_to_recordset(sa.cast(rows, sa.JSON)).table_valued(*columns, name="given").render_derived(with_types=True)
        each = sa.func.json_each(rows).table_valued(sa.column("value", sa.Text), name="each")
        return sa.select(*(sa.func.json_extract(each.c.value, f"$.{name}", type_=kind).label(name) for name, kind in self._columns.items())).subquery("given")

    def rows(self, dialect: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
        """The parameter of a statement with such a table."""
        if dialect == "postgresql":
            return {_ROWS: orjson.dumps(rows).decode()}
        return {_ROWS: orjson.dumps(rows, default=_as_sqlite_keeps_it, option=orjson.OPT_PASSTHROUGH_DATETIME).decode()}


def _as_sqlite_keeps_it(value: object) -> object:
    if isinstance(value, datetime):
        return _INSTANT.process_bind_param(value, _SQLITE)
    raise TypeError(f"a {type(value).__name__} cannot be given to a statement")
