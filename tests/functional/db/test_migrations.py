"""Models and migrations agree, on all three databases."""

import concurrent.futures
import typing

import pytest
import sqlalchemy as sa
from alembic import autogenerate
from alembic.runtime import migration

from nova_lite import exceptions
from nova_lite.db import migrations
from nova_lite.db.models import api
from nova_lite.db.models import cell

METADATA = {"api": api.metadata, "cell": cell.metadata}


def differences(url: str, branch: migrations.Branch) -> list[typing.Any]:
    """What alembic would still have to do."""
    ours = METADATA[branch].tables

    def is_ours(thing: typing.Any, name: str, kind: str, *_rest: object) -> bool:
        return kind != "table" or name in ours

    engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
    with engine.connect() as connection:
        context = migration.MigrationContext.configure(
            connection,
            opts={
                "compare_type": True,
                "compare_server_default": True,
                "include_object": is_ours,
            },
        )
        return autogenerate.compare_metadata(context, METADATA[branch])


def tables(url: str) -> set[str]:
    engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
    with engine.connect() as connection:
        return set(sa.inspect(connection).get_table_names())


@pytest.mark.parametrize("branch", migrations.BRANCHES)
def test_models_and_migrations_agree(url: str, branch: migrations.Branch) -> None:
    for revision in migrations.revisions(branch):
        migrations.upgrade(url, branch, revision)
        assert migrations.current(url, branch) == revision
    assert migrations.current(url, branch) == migrations.head(branch)
    assert differences(url, branch) == []


@pytest.mark.parametrize("branch", migrations.BRANCHES)
def test_the_comparison_sees_a_difference(url: str, branch: migrations.Branch) -> None:
    """A comparison that never finds anything would prove nothing."""
    migrations.upgrade(url, branch)
    table, column, index = {
        "api": ("services", "disabled_reason", "ix_allocations_node_uuid"),
        "cell": ("instances", "hostname", "ix_instances_host"),
    }[branch]
    engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
    on = f" ON {index.removeprefix('ix_').split('_')[0]}" if "mysql" in url else ""
    with engine.begin() as connection:
        connection.execute(sa.text(f"ALTER TABLE {table} DROP COLUMN {column}"))
        connection.execute(sa.text(f"DROP INDEX {index}{on}"))
    found = {difference[0] for difference in differences(url, branch)}
    assert found == {"add_column", "add_index"}


def test_both_branches_live_in_one_database(url: str) -> None:
    for branch in migrations.BRANCHES:
        assert migrations.upgrade(url, branch) is None
    for branch in migrations.BRANCHES:
        assert migrations.current(url, branch) == migrations.head(branch)
        assert differences(url, branch) == []
    assert tables(url) == {
        *api.metadata.tables,
        *cell.metadata.tables,
        "nova_lite_api_version",
        "nova_lite_cell_version",
    }


def test_four_upgrades_at_once_do_it_once(url: str) -> None:
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: migrations.upgrade(url, "api"), range(4)))
    assert migrations.current(url, "api") == migrations.head("api")
    assert differences(url, "api") == []


def test_a_database_of_a_newer_release_is_left_alone(url: str) -> None:
    migrations.upgrade(url, "cell")
    engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE nova_lite_cell_version SET version_num = '9999'"))
    with pytest.raises(exceptions.DatabaseTooNew, match="revision 9999 and this release knows"):
        migrations.upgrade(url, "cell")
