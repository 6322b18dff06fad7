"""Brings the store's tables to what this release needs.

SQLite is migrated at start, under its write lock. PostgreSQL is migrated by `chipwire migrate` only (expand, then contract a release later);
at start it is merely asked whether it is current, with one plain query. An empty store gets today's tables at once; alembic, a second to load,
brings older ones forward. That both ways end in the same tables is tested.
"""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, cast

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from services.runtime.errors import Misconfigured
from services.store.engine import Store, metadata

if TYPE_CHECKING:
    from alembic.config import Config

TABLE_MODULES = (
    "services.store.accounts",
    "services.store.brakes",
    "services.store.delivery",
    "services.store.digests",
    "services.store.ingest",
    "services.store.interventions",
    "services.store.leases",
    "services.store.notices",
    "services.store.suppression",
    "services.store.threads",
    "services.store.timers",
)
"""Every module that defines tables; the migrations are checked against them."""

_SCRIPTS = Path(__file__).parent / "migrations"


def upgrade(store: Store, *, by_hand: bool = False) -> bool:
    """At start: migrates SQLite, and checks PostgreSQL. `by_hand`, as `chipwire migrate` does, migrates both. Whether anything was done.

    Raises Misconfigured for a PostgreSQL store that is not current, and for any store that a newer release has migrated.
    """
    found, needed = revision(store), head()
    if found == needed:
        return False
    if found is not None and found > needed:
        raise Misconfigured(
            f"the store is at revision {found}, and this release knows only {needed}: run the newer release, or restore a backup from before it"
        )
    if store.dialect == "postgresql" and not by_hand:
        state = f"at revision {found}" if found else "empty"
        raise Misconfigured(f"the store is {state}, and this release needs {needed}: run `chipwire migrate` once, then start again")
    store.run_sync(_migrate)
    return True


def head() -> str:
    """The newest revision of this release."""
    return max((script.name[:4] for script in (_SCRIPTS / "versions").glob("[0-9]*.py")), default="")


def revision(store: Store) -> str | None:
    """The revision of the store; None while it is empty."""
    return store.read_sync(_revision)


def _revision(db: Connection) -> str | None:
    if not sa.inspect(db).has_table("alembic_version"):
        return None
    return db.execute(sa.text("SELECT version_num FROM alembic_version")).scalar_one_or_none()


def _migrate(db: Connection) -> None:
    """Whatever is missing, in one transaction. Whoever comes second, while this runs, waits and then finds nothing to do."""
    if db.dialect.name == "postgresql":
        db.execute(sa.text("SET LOCAL statement_timeout = 0"))
        db.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext('chipwire.migrate'))"))
    found = _revision(db)
    if found is None:
        _make_tables(db)
    elif found != head():
        bring_forward(db)


def _make_tables(db: Connection) -> None:
    import_tables()
    metadata.create_all(db)
    column = sa.Column("version_num", sa.String(32), nullable=False)
    version = sa.Table("alembic_version", sa.MetaData(), column, sa.PrimaryKeyConstraint("version_num", name="alembic_version_pkc"))
    version.create(db, checkfirst=True)
    db.execute(version.insert().values(version_num=head()))


def bring_forward(db: Connection) -> None:
    """Every missing revision, by alembic, on this connection and in its transaction."""
    from alembic import command

    command.upgrade(alembic_config(db), "head")


def import_tables() -> None:
    """After it, the metadata knows every table."""
    for module in TABLE_MODULES:
        importlib.import_module(module)


def alembic_config(db: Connection) -> Config:
    """How alembic finds the revisions and this connection, without an ini file."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = db
    config.attributes["metadata"] = metadata
    return config


def write_revision(message: str) -> Path:
    """For developers: writes the next revision from the difference between the tables in the code and those of the newest revision."""
    from alembic import command
    from alembic.script import Script

    import_tables()
    number = f"{int(head() or 0) + 1:04}"

    def write(db: Connection) -> Path:
        if head():
            bring_forward(db)
        script = command.revision(alembic_config(db), message, autogenerate=True, rev_id=number)
        return Path(cast("Script", script).path)

    path = Store.open("sqlite:///:memory:", threads=1).run_sync(write)
    path.write_text(re.sub(r" *# ### .*\n", "", path.read_text()))
    return path


if __name__ == "__main__":
    print(write_revision(" ".join(sys.argv[1:])))  # noqa: T201 a tool for developers: python -m services.store.migrate WHAT CHANGES
