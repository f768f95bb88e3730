"""Run by test_costs: what each action costs, counted.

Prints JSON: for each action the messages (by method) and the SQL statements (by
first word) of all services together, from the request until nothing is under way.
The services share one process but not their databases' connections, and nothing
periodic runs meanwhile.
"""

from nova_lite import concurrency

concurrency.monkey_patch()

import collections.abc  # noqa: E402
import contextlib  # noqa: E402
import json  # noqa: E402
import pathlib  # noqa: E402
import sys  # noqa: E402
import typing  # noqa: E402

from nova_lite.db import session  # noqa: E402
from tests.fixtures import messages  # noqa: E402
from tests.fixtures import pipeline  # noqa: E402
from tests.fixtures import statements  # noqa: E402

Costs = dict[str, list[str]]


class Costing:
    """Does things to a world and counts."""

    def __init__(self, world: pipeline.World) -> None:
        self.world = world
        self.host = world.hosts["a"]
        self.costs: dict[str, Costs] = {}

    @contextlib.contextmanager
    def counting(self, action: str) -> collections.abc.Iterator[None]:
        """Count what the body causes, also after its end."""
        databases = (self.world.database, self.world.conductor.service._database)
        scopes: list[session.Scope] = [
            scope for database in databases for scope in (database.api, database.cell)
        ]
        with contextlib.ExitStack() as stack:
            said = stack.enter_context(messages.counted(self.world.bus))
            sql = [stack.enter_context(statements.counted(scope)) for scope in scopes]
            yield
            self._wait_idle(said)
        self.costs[action] = {"messages": said, "sql": [word for words in sql for word in words]}

    def _wait_idle(self, said: list[str]) -> None:
        """Until the host has told its last outcome, without asking a database."""
        last = ["finish_operation", "reply"]
        self.world.wait(
            lambda: said[-2:] == last and not self.host.service._tasks.active, "the end"
        )


def run(world: pipeline.World) -> dict[str, Costs]:
    """All actions, each with warm connections."""
    costing = Costing(world)
    image = world.image()
    world.delete(world.boot(image=image))
    root, second = world.volume(), world.volume()
    world.delete(world.boot(pipeline.bootable(root)))

    with costing.counting("boot from an image"):
        first_id = world.create(image=image)
    require(world, first_id)
    with costing.counting("boot from a volume"):
        server_id = world.create(pipeline.bootable(root))
    require(world, server_id)
    with costing.counting("attach a volume"):
        world.attach(server_id, second)
    with costing.counting("detach a volume"):
        world.detach(server_id, second)
    with costing.counting("delete with a volume"):
        world.nova("DELETE", f"/servers/{server_id}")
    with costing.counting("delete"):
        world.nova("DELETE", f"/servers/{first_id}")
    world.check([root, second])
    return costing.costs


def require(world: pipeline.World, server_id: str) -> None:
    server: typing.Any = world.server(server_id)
    assert server["status"] == "ACTIVE", server


if __name__ == "__main__":
    # Else what takes longer than a second would cost a message more.
    with pipeline.World(
        pathlib.Path(sys.argv[1]), compute__progress_interval_s=pipeline.NEVER_S
    ) as world:
        costs = run(world)
    print(json.dumps(costs))
