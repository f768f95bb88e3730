"""Creates of one project at the same time, on databases that have many writers."""

import concurrent.futures

import pytest
import sqlalchemy as sa
from oslo_utils import timeutils

from nova_lite import exceptions
from nova_lite.db import session
from nova_lite.db.models import api as api_models
from nova_lite.db.queries import quotas
from tests.fixtures import databases
from tests.functional.api import conftest


@pytest.mark.parametrize("backend", ["mysql", "postgresql"])
def test_parallel_creates_keep_the_quota(backend: str) -> None:
    """SECURITY, quota race: exactly as many as the quota allows, however many ask."""
    with databases.fresh_url(backend) as url:
        conf = databases.conf_of(url, quota__instances=5)
        database = session.Database(conf)
        api_models.metadata.create_all(database.api.engine)

        def record(tx: session.Connection) -> None:
            quotas.lock(tx, "demo")
            each = quotas.Amount(1, 1, 1)
            quotas.room_for(tx, conf, "demo", each=each, least=1, most=1)
            tx.execute(
                sa.insert(api_models.instance_mappings).values(
                    instance_uuid=conftest.new_uuid(),
                    project_id="demo",
                    user_id="u",
                    vcpus=1,
                    memory_mib=1,
                    created_at=timeutils.utcnow(),
                )
            )

        def create(_number: int) -> bool:
            try:
                database.api.transact(record)
            except exceptions.QuotaExceeded:
                return False
            return True

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            accepted = list(pool.map(create, range(24), timeout=60))
        database.dispose()
    assert accepted.count(True) == 5
