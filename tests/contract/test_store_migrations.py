from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Connection

from services.runtime.errors import Misconfigured
from services.store import migrate
from services.store.engine import Store, metadata

ROOT = Path(__file__).parents[2]


def _differences(db: Connection) -> list[object]:
    migrate.import_tables()
    known = MigrationContext.configure(db, opts={"include_name": lambda name, kind, _parents: kind != "table" or name in metadata.tables})
    return list(compare_metadata(known, metadata))


async def test_the_revisions_make_exactly_the_tables_of_the_code(store_url: str) -> None:
    async with Store.open(store_url) as store:
        store.run_sync(migrate.bring_forward)

        assert store.read_sync(_differences) == []
        assert migrate.revision(store) == migrate.head()


async def test_an_empty_store_gets_the_same_tables_at_once(store_url: str) -> None:
    async with Store.open(store_url) as store:
        assert migrate.upgrade(store, by_hand=True) is True

        assert store.read_sync(_differences) == []
        assert migrate.revision(store) == migrate.head()


async def test_migrating_twice_does_nothing_the_second_time(store_url: str) -> None:
    async with Store.open(store_url) as store:
        migrate.upgrade(store, by_hand=True)

        assert migrate.upgrade(store, by_hand=True) is False
        assert migrate.upgrade(store) is False


async def test_two_that_migrate_at_once_both_come_through(store_url: str) -> None:
    async with Store.open(store_url) as one, Store.open(store_url) as other:
        await asyncio.gather(*(asyncio.to_thread(migrate.upgrade, store, by_hand=True) for store in (one, other)))

        assert migrate.revision(one) == migrate.head()


async def test_the_head_is_what_the_file_names_say(store_url: str) -> None:
    async with Store.open(store_url) as store:
        config = store.read_sync(migrate.alembic_config)

    assert ScriptDirectory.from_config(config).get_heads() == [migrate.head()]


async def test_a_store_of_a_newer_release_is_refused(store_url: str) -> None:
    async with Store.open(store_url) as store:
        migrate.upgrade(store, by_hand=True)
        store.run_sync(lambda db: db.execute(sa.text("UPDATE alembic_version SET version_num = '9999'")))

        with pytest.raises(Misconfigured, match=r"9999.*newer release"):
            migrate.upgrade(store)


async def test_sqlite_is_migrated_at_start(tmp_path: Path) -> None:
    async with Store.open(f"sqlite:///{tmp_path}/deep/store.db") as store:
        assert migrate.upgrade(store) is True


@pytest.mark.postgres
async def test_postgresql_is_never_migrated_at_start(postgres_url: str) -> None:
    async with Store.open(postgres_url) as store:
        with pytest.raises(Misconfigured, match=r"run `chipwire migrate` once"):
            migrate.upgrade(store)

        assert migrate.revision(store) is None


def test_neither_a_new_store_nor_a_current_one_loads_alembic(tmp_path: Path) -> None:
    check = f"import sys; from services.store import migrate; from services.store.engine import Store; print(migrate.upgrade(Store.open('sqlite:///{tmp_path}/s.db')), 'alembic' in sys.modules)"

    first, second = (subprocess.run([sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split() for _ in range(2))

    assert (first, second) == (["True", "False"], ["False", "False"])
