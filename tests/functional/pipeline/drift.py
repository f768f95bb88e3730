"""Every kind of drift, made for real in a world: what a person, a bug or a lost
message does behind nova_lite's back."""

import collections.abc
import dataclasses
import datetime
import typing
import uuid

import sqlalchemy as sa

from nova_lite import context
from nova_lite import exceptions
from nova_lite import states
from nova_lite.db.models import api
from nova_lite.db.models import cell
from nova_lite.db.queries import allocations
from nova_lite.db.queries import operations
from nova_lite.virt import fake
from nova_lite.volume import creation
from tests.fixtures import pipeline

STRANGER = "11111111-2222-4333-8444-555555555555"
AWAY = exceptions.RemoteServiceError(service="Cinder", reason="it is away")


@dataclasses.dataclass
class Scene:
    """Two servers at rest: ``server_id`` on host a with ``volume_id``, ``other_id``
    on host b with ``other_volume_id``; and ``spare_id``, a volume of nobody."""

    world: pipeline.World
    server_id: str
    volume_id: str
    other_id: str
    other_volume_id: str
    spare_id: str

    @classmethod
    def prepared(cls, world: pipeline.World) -> "Scene":
        image_id = world.image()
        ids = []
        for zone in ("a", "b"):
            server_id = world.boot(image=image_id, availability_zone=f"nova:{zone}")
            volume_id = world.volume()
            world.attach(server_id, volume_id)
            world.wait(lambda v=volume_id: world.volume_status(v) == "in-use", "the attach")
            ids += [server_id, volume_id]
        world.wait(world.is_quiet, "rest")
        return cls(world, *ids, world.volume())

    @property
    def here(self) -> fake.World:
        """What host a has."""
        return typing.cast(fake.World, self.world.hosts["a"].driver.world)

    @property
    def guest(self) -> fake.FakeGuest:
        return self.here.guest(self.server_id)

    def in_cell(self, statement: sa.Executable) -> typing.Any:
        with self.world.database.cell.write() as tx:
            return tx.execute(statement)

    def in_api(self, statement: sa.Executable) -> typing.Any:
        with self.world.database.api.write() as tx:
            return tx.execute(statement)

    def set_server(self, **values: object) -> None:
        table = cell.instances
        self.in_cell(table.update().where(table.c.uuid == self.server_id).values(**values))

    def set_device(self, **values: object) -> None:
        table = cell.block_device_mapping
        self.in_cell(table.update().where(table.c.volume_id == self.volume_id).values(**values))

    def device(self, volume_id: str | None = None) -> typing.Any:
        table = cell.block_device_mapping
        wanted = volume_id or self.volume_id
        return self.in_cell(table.select().where(table.c.volume_id == wanted)).one()

    def set_volume_status(self, volume_id: str, status: str) -> None:
        action = {"os-reset_status": {"status": status}}
        self.world.cinder("POST", f"/volumes/{volume_id}/action", action)

    def attach_in_cinder(self, server_id: str, volume_id: str) -> str:
        """An attachment that nobody else hears of; its id."""
        body = {"attachment": {"volume_uuid": volume_id, "instance_uuid": server_id}}
        return str(self.world.cinder("POST", "/attachments", body)["attachment"]["id"])

    def delete_in_cinder(self, attachment_id: str) -> None:
        """As a service may, and a user may not while a server has the volume."""
        client = self.world.collector().cinder
        client.delete_attachment(context.admin_context(), attachment_id)

    def deleted_server(self) -> str:
        """A server that existed; its id."""
        server_id = self.world.boot(image=self.world.image())
        self.world.delete(server_id)
        self.world.wait(self.world.is_quiet, "the end of it")
        return server_id


Seed = collections.abc.Callable[[Scene], None]
SEEDS: dict[str, Seed] = {}


def seed(function: Seed) -> Seed:
    """The function's name is the kind's."""
    SEEDS[function.__name__.replace("_", "-")] = function
    return function


# Sources


@seed
def host_silent(scene: Scene) -> None:
    scene.world.declare_down("b")


@seed
def host_unreadable(scene: Scene) -> None:
    scene.world.hosts["a"].faults.fail(
        "inventory.folders", exceptions.HypervisorError(reason="the disk is broken")
    )


@seed
def cinder_silent(scene: Scene) -> None:
    scene.world.conf.set_override("endpoint_url", "http://127.0.0.1:9/v3", "cinder")


# Guests


@seed
def guest_twice(scene: Scene) -> None:
    scene.world.hosts["b"].driver.world.guests[scene.server_id] = scene.guest


@seed
def guest_elsewhere(scene: Scene) -> None:
    elsewhere = scene.world.hosts["b"].driver.world
    elsewhere.guests[scene.server_id] = scene.here.guests.pop(scene.server_id)
    elsewhere.local_disks[scene.server_id] = scene.here.local_disks.pop(scene.server_id)


@seed
def guest_missing(scene: Scene) -> None:
    del scene.here.guests[scene.server_id]


def _stray_guest(scene: Scene, server_id: str) -> None:
    scene.here.guests[server_id] = fake.FakeGuest(server_id, states.PowerState.RUNNING)
    scene.here.local_disks[server_id] = {}


@seed
def guest_of_deleted_server(scene: Scene) -> None:
    _stray_guest(scene, scene.deleted_server())


@seed
def guest_of_nobody(scene: Scene) -> None:
    _stray_guest(scene, STRANGER)


@seed
def power_state(scene: Scene) -> None:
    scene.guest.power_state = states.PowerState.SHUTDOWN


# Disks


@seed
def disk_file_missing(scene: Scene) -> None:
    scene.here.local_disks[scene.server_id].clear()


@seed
def definition_differs(scene: Scene) -> None:
    scene.guest.undefined.append(scene.volume_id)


@seed
def files_of_deleted_server(scene: Scene) -> None:
    scene.here.local_disks[scene.deleted_server()] = {"vda": "disk"}


@seed
def files_of_nobody(scene: Scene) -> None:
    scene.here.local_disks[STRANGER] = {"vda": "disk"}


@seed
def files_elsewhere(scene: Scene) -> None:
    """Of a server that could not be built, and is on no host."""
    world = scene.world
    for host in world.hosts.values():
        host.faults.fail("guests.spawn", exceptions.HypervisorError(reason="no"))
    server_id = world.create(image=world.image())
    assert world.settled(server_id)["status"] == "ERROR"
    world.wait(world.is_quiet, "the end of it")
    scene.here.local_disks[server_id] = {"vda": "disk"}


@seed
def leftover_files(scene: Scene) -> None:
    scene.here.local_disks[scene.server_id]["part"] = "disk.0123456789ab.part"


# Devices


@seed
def volume_missing(scene: Scene) -> None:
    scene.delete_in_cinder(scene.device().attachment_id)
    scene.world.cinder("DELETE", f"/volumes/{scene.volume_id}")
    scene.world.wait(
        lambda: scene.world.volume_status(scene.volume_id) is None, "the volume to be gone"
    )


@seed
def attachment_missing(scene: Scene) -> None:
    scene.delete_in_cinder(scene.device().attachment_id)


@seed
def attachment_differs(scene: Scene) -> None:
    """The two servers' attachments are exchanged."""
    mine, others = scene.device(), scene.device(scene.other_volume_id)
    table = cell.block_device_mapping
    for device, attachment_id in ((mine, others.attachment_id), (others, mine.attachment_id)):
        scene.in_cell(
            table.update().where(table.c.id == device.id).values(attachment_id=attachment_id)
        )


@seed
def attachment_shared(scene: Scene) -> None:
    """And the other server's own one is gone."""
    others = scene.device(scene.other_volume_id).attachment_id
    scene.set_device(attachment_id=others)
    mine = [
        item["id"]
        for item in scene.world.cinder("GET", "/attachments?all_tenants=1")["attachments"]
        if item["volume_id"] == scene.volume_id
    ]
    scene.delete_in_cinder(mine[0])


@seed
def attachment_not_completed(scene: Scene) -> None:
    """A second attachment took the place of the first one and was never completed."""
    attachment_id = scene.attach_in_cinder(scene.server_id, scene.volume_id)
    scene.delete_in_cinder(scene.device().attachment_id)
    scene.set_device(attachment_id=attachment_id)


@seed
def device_unfinished(scene: Scene) -> None:
    """D1: a detach that Cinder did not let end."""
    faults = scene.world.hosts["a"].faults
    faults.fail("cinder.delete_attachment", AWAY)
    scene.world.detach(scene.server_id, scene.volume_id)
    scene.world.wait(
        lambda: faults.calls.count("cinder.delete_attachment") == 3 and scene.world.is_quiet(),
        "three tries",
    )
    faults.clear()


@seed
def disk_not_in_guest(scene: Scene) -> None:
    del scene.guest.volumes[scene.volume_id]


@seed
def disk_unknown(scene: Scene) -> None:
    scene.guest.volumes[scene.spare_id] = "vdz"


@seed
def connection_of_nobody(scene: Scene) -> None:
    scene.here.connected[scene.spare_id] = [scene.server_id]


# Volumes


@seed
def attachment_of_nobody(scene: Scene) -> None:
    """The dangling attachments of LP 2019078 (D16)."""
    scene.attach_in_cinder(scene.server_id, scene.spare_id)


@seed
def volume_status(scene: Scene) -> None:
    """D20: an administrator "repaired" the volume."""
    scene.set_volume_status(scene.volume_id, "available")


@seed
def volume_held_by_nobody(scene: Scene) -> None:
    scene.set_volume_status(scene.spare_id, "detaching")


@seed
def volume_on_two_servers(scene: Scene) -> None:
    """D20: what followed the administrator's repair."""
    scene.set_volume_status(scene.volume_id, "available")
    attachment_id = scene.attach_in_cinder(scene.other_id, scene.volume_id)
    scene.world.cinder("POST", f"/attachments/{attachment_id}/action", {"os-complete": None})
    values = dict(scene.device()._mapping)
    values.update(
        id=None, uuid=str(uuid.uuid4()), instance_uuid=scene.other_id, device_name="/dev/vdz"
    )
    values.update(attachment_id=attachment_id)
    scene.in_cell(cell.block_device_mapping.insert().values(values))
    other = scene.world.hosts["b"].driver.world
    other.guests[scene.other_id].volumes[scene.volume_id] = "vdz"
    other.connected[scene.volume_id] = [scene.other_id]


@seed
def volume_left_behind(scene: Scene) -> None:
    """I10: Cinder did not delete it with its server."""
    world = scene.world
    server_id = world.boot(pipeline.new_root(world.image()), availability_zone="nova:a")
    world.hosts["a"].faults.fail("cinder.delete_volume", AWAY)
    world.delete(server_id)
    world.wait(world.is_quiet, "the end of it")
    world.hosts["a"].faults.clear()


@seed
def volume_not_adopted(scene: Scene) -> None:
    """D18: Cinder made it, its answer was lost, and another one was made."""
    scene.world.volume(metadata={creation.DEVICE_KEY: scene.device().uuid})


@seed
def volume_unattached(scene: Scene) -> None:
    """D31: of a server that was deleted, and whose volume was to be kept."""
    world = scene.world
    root = pipeline.new_root(world.image(), delete_on_termination=False)
    world.delete(world.boot(root))
    world.wait(world.is_quiet, "the end of it")


# Servers


@seed
def task_of_nobody(scene: Scene) -> None:
    """I6."""
    scene.set_server(task_state="deleting", operation_id=str(uuid.uuid4()))


@seed
def operation_silent(scene: Scene) -> None:
    """Begun on a host that went away for good."""
    long_ago = datetime.datetime(2000, 1, 1)
    operation = operations.new(
        context.admin_context(), scene.server_id, "detach_volume", "gone", operations.STEP_BEGUN
    )
    operation.heartbeat_at = operation.started_at = long_ago
    scene.world.database.cell.transact(operations.insert, context.admin_context(), [operation])


@seed
def quota_of_nobody(scene: Scene) -> None:
    values = {
        "instance_uuid": STRANGER, "cell_id": 1, "project_id": "demo", "user_id": "alice",
        "vcpus": 1, "memory_mib": 64, "created_at": datetime.datetime(2026, 1, 1),
    }  # fmt: skip
    scene.in_api(api.instance_mappings.insert().values(values))


@seed
def quota_not_charged(scene: Scene) -> None:
    table = api.instance_mappings
    scene.in_api(table.delete().where(table.c.instance_uuid == scene.server_id))


# The ledger


def _node_of(scene: Scene, host: str) -> str:
    table = api.compute_nodes
    return str(scene.in_api(sa.select(table.c.uuid).where(table.c.host == host)).scalar())


def claim(scene: Scene, consumer_uuid: str, host: str) -> None:
    """What a small server takes of a host."""
    held = allocations.Resources(1, 64, 1)
    scene.world.database.api.transact(
        allocations.claim, consumer_uuid, _node_of(scene, host), held
    )


@seed
def allocation_of_nobody(scene: Scene) -> None:
    """D24."""
    claim(scene, STRANGER, "a")


@seed
def allocation_missing(scene: Scene) -> None:
    scene.world.database.api.transact(allocations.release, scene.server_id)


@seed
def allocation_differs(scene: Scene) -> None:
    """D24: it is claimed where the server once was."""
    scene.world.database.api.transact(allocations.release, scene.server_id)
    claim(scene, scene.server_id, "b")


@seed
def ledger_count(scene: Scene) -> None:
    scene.in_api(api.compute_nodes.update().values(vcpus_used=api.compute_nodes.c.vcpus_used + 1))
