import collections.abc

import pytest

from nova_lite.db import session
from tests.fixtures import databases


@pytest.fixture(params=databases.BACKENDS)
def url(request: pytest.FixtureRequest) -> collections.abc.Iterator[str]:
    """An empty database on each of the three servers."""
    with databases.fresh_url(request.param) as fresh:
        yield fresh


@pytest.fixture
def database(url: str) -> collections.abc.Iterator[session.Database]:
    """A database with all tables on each of the three servers."""
    database = databases.database_at(url)
    databases.create_tables(database)
    yield database
    database.dispose()
