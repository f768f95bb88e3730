"""The whole API over WSGI, on SQLite, with its neighbours played by checked mocks."""

import collections.abc
import dataclasses
import pathlib
import typing
import uuid
from unittest import mock

import falcon.testing
import pytest
import sqlalchemy as sa
from oslo_utils import timeutils

import nova_lite.conf
from nova_lite import exceptions
from nova_lite import objects
from nova_lite.api import app
from nova_lite.db import session
from nova_lite.db.models import api as api_models
from nova_lite.db.queries import block_devices
from nova_lite.db.queries import build_requests
from nova_lite.db.queries import instances
from nova_lite.db.queries import services
from nova_lite.image import glance
from nova_lite.rpc import compute
from nova_lite.rpc import conductor
from nova_lite.rpc import scheduler
from nova_lite.volume import cinder
from nova_lite.volume import records
from tests.fixtures import answers
from tests.fixtures import databases
from tests.fixtures import hosts

LATEST = "2.100"


def new_uuid() -> str:
    return str(uuid.uuid4())


class Api:
    """A client of the API, and what is behind it."""

    def __init__(self, folder: pathlib.Path, *, settings: str = "", **overrides: object) -> None:
        """``settings`` is text of a configuration file; ``overrides`` as
        :func:`nova_lite.conf.new` takes them."""
        file = folder / "nova-lite.conf"
        file.write_text(settings)
        values: dict[str, object] = {
            "default__state_path": str(folder),
            "api__auth_strategy": "noauth",
            "database__api_connection": f"sqlite:///{folder}/api.sqlite",
            "database__connection": f"sqlite:///{folder}/cell.sqlite",
        }
        self.conf = nova_lite.conf.new(files=[str(file)], **values | overrides)
        self.database = session.Database(self.conf)
        databases.create_tables(self.database)
        self.conductor = mock.create_autospec(conductor.ConductorClient, instance=True)
        self.scheduler = mock.create_autospec(scheduler.SchedulerClient, instance=True)
        self.compute = mock.create_autospec(compute.ComputeClient, instance=True)
        self.cinder = mock.create_autospec(cinder.CinderClient, instance=True)
        self.glance = mock.create_autospec(glance.GlanceClient, instance=True)
        self.volumes: dict[str, records.Volume] = {}
        self.snapshots: dict[str, records.Snapshot] = {}
        self.volume_types: list[records.VolumeType] = []
        self.images: dict[str, objects.ImageMeta] = {}
        self.attachments: dict[str, str] = {}
        self.cinder.get_volume.side_effect = self._get_volume
        self.cinder.get_snapshot.side_effect = self._get_snapshot
        self.cinder.list_volume_types.side_effect = lambda _ctxt: list(self.volume_types)
        self.cinder.create_attachment.side_effect = self._create_attachment
        self.cinder.delete_attachment.side_effect = self._delete_attachment
        self.cinder.snapshot_quota.return_value = records.SnapshotQuota(limit=10, used=0)
        self.glance.get_image.side_effect = self._get_image
        self.glance.image_url.side_effect = lambda _ctxt, image_id: f"http://g/images/{image_id}"
        self.glance.location_urls.return_value = []
        self.cinder.list_attachments.return_value = []
        self.cinder.get_attachment.side_effect = self._get_attachment
        self.compute.get_inventory.side_effect = self._get_inventory
        self.app = app.make_app(
            app.Services(
                self.conf,
                self.database,
                self.conductor,
                self.scheduler,
                self.compute,
                self.cinder,
                self.glance,
            )
        )
        # Falcon reads the application's signature; keystonemiddleware has none.
        self.client = falcon.testing.TestClient(lambda environ, start: self.app(environ, start))

    # Requests

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        version: str | None = LATEST,
        headers: collections.abc.Mapping[str, str] | None = None,
    ) -> falcon.testing.Result:
        sent = dict(headers or {})
        if version is not None:
            sent.setdefault("OpenStack-API-Version", f"compute {version}")
        result = self.client.simulate_request(method, f"/v2.1{path}", json=body, headers=sent)
        answers.check(method, path, body, result)
        return result

    def raw(self, method: str, path: str, **kwargs: typing.Any) -> falcon.testing.Result:
        return self.client.simulate_request(method, path, **kwargs)

    def get(self, path: str, **kwargs: typing.Any) -> typing.Any:
        result = self.call("GET", path, **kwargs)
        assert result.status_code == 200, result.text
        return result.json

    # The world

    def flavor(self, flavor_id: str = "1", **fields: object) -> str:
        body = {"name": f"f{flavor_id}", "ram": 512, "vcpus": 1, "disk": 10, "id": flavor_id}
        result = self.call("POST", "/flavors", {"flavor": body | fields})
        assert result.status_code == 200, result.text
        return flavor_id

    def image(self, **fields: object) -> str:
        image_id = str(fields.pop("id", new_uuid()))
        values: dict[str, object] = {"id": image_id, "status": "active", "size_bytes": 1024}
        self.images[image_id] = objects.ImageMeta(**values | fields)
        return image_id

    def volume(self, **fields: typing.Any) -> str:
        values: dict[str, typing.Any] = {
            "id": new_uuid(), "status": "available", "size_gib": 2, "bootable": True,
            "multiattach": False, "availability_zone": "nova", "volume_type": None,
            "image_metadata": {}, "attachments": (), "service_uuid": None,
            "shared_targets": False, "encrypted": False, "name": "v",
        }  # fmt: skip
        volume = records.Volume(**values | fields)
        self.volumes[volume.id] = volume
        return volume.id

    def snapshot(self, volume_id: str, size_gib: int = 2, status: str = "available") -> str:
        snapshot = records.Snapshot(new_uuid(), volume_id, size_gib, status, "s")
        self.snapshots[snapshot.id] = snapshot
        return snapshot.id

    def host(self, name: str = "host1", *, zone: str | None = "nova") -> objects.Service:
        service = objects.Service(
            host=name, binary=services.COMPUTE_BINARY, availability_zone=zone
        )
        with self.database.api.write() as tx:
            return services.report(tx, service)

    def node(self, host: str = "host1") -> objects.ComputeNode:
        """What the compute of a host reports."""
        with self.database.api.write() as tx:
            return hosts.report(tx, hosts.node(host, hypervisor_hostname=host))

    def silence(self, host: str) -> None:
        """The host's heartbeat stopped long ago."""
        table = api_models.services
        long_ago = timeutils.utcnow().replace(year=2000)
        with self.database.api.write() as tx:
            tx.execute(sa.update(table).where(table.c.host == host).values(last_seen_up=long_ago))

    def create(self, version: str = LATEST, **fields: object) -> falcon.testing.Result:
        body: dict[str, object] = {"name": "vm", "flavorRef": "1"}
        if version not in ("2.1", "2.36"):
            body["networks"] = "none"
        return self.call("POST", "/servers", {"server": body | fields}, version=version)

    def asked_for(self, **fields: object) -> str:
        """A server that no conductor has built yet."""
        result = self.create(**{"imageRef": self.image(), **fields})
        assert result.status_code == 202, result.text
        return str(result.json["server"]["id"])

    def server(self, host: str | None = "host1", **fields: object) -> str:
        """A server that runs."""
        server_id = self.asked_for()
        self.build(server_id, host, **fields)
        return server_id

    def build(self, server_id: str, host: str | None = "host1", **fields: object) -> None:
        """Do what conductor and compute do, as far as the databases show it."""
        with self.database.api.read() as tx:
            wish = build_requests.get(tx, server_id)
        assert wish is not None
        instance = wish.instance
        values = {"vm_state": "active", "task_state": None, "host": host, "node": host}
        values |= {"root_device_name": "/dev/vda", "availability_zone": "nova"}
        values |= {"launched_at": timeutils.utcnow()} | fields
        for name, value in values.items():
            setattr(instance, name, value)
        for device in wish.block_devices.objects:
            if device.is_root:
                device.device_name = "/dev/vda"
            if device.is_volume:
                device.phase = "complete"
        with self.database.cell.write() as tx:
            instances.insert(tx, [instance])
            block_devices.add(tx, wish.block_devices.objects)
        with self.database.api.write() as tx:
            table = api_models.build_requests
            tx.execute(table.delete().where(table.c.instance_uuid == server_id))

    def count(self, table: sa.Table) -> int:
        scope = self.database.api if table.metadata is api_models.metadata else self.database.cell
        with scope.read() as tx:
            return int(tx.scalar(sa.select(sa.func.count()).select_from(table)) or 0)

    # What the mocks do

    def _get_volume(self, _ctxt: object, volume_id: str) -> records.Volume:
        if volume_id not in self.volumes:
            raise exceptions.VolumeNotFound(volume_id=volume_id)
        return self.volumes[volume_id]

    def _get_snapshot(self, _ctxt: object, snapshot_id: str) -> records.Snapshot:
        if snapshot_id not in self.snapshots:
            raise exceptions.SnapshotNotFound(snapshot_id=snapshot_id)
        return self.snapshots[snapshot_id]

    def _get_attachment(self, _ctxt: object, attachment_id: str) -> records.Attachment:
        if attachment_id not in self.attachments:
            raise exceptions.AttachmentNotFound(attachment_id=attachment_id)
        volume_id = self.attachments[attachment_id]
        return records.Attachment(attachment_id, volume_id, None, "reserved", None)

    def _get_inventory(
        self, _ctxt: object, host: str, _instance_uuid: str | None
    ) -> objects.HostInventory:
        return objects.HostInventory(host=host, node_uuid=new_uuid())

    def _get_image(self, _ctxt: object, image_id: str) -> objects.ImageMeta:
        if image_id not in self.images:
            raise exceptions.ImageNotFound(image_id=image_id)
        return self.images[image_id]

    def _create_attachment(
        self, _ctxt: object, volume_id: str, instance_uuid: str
    ) -> records.Attachment:
        volume = self._get_volume(None, volume_id)
        if volume.status != "available":
            raise exceptions.InvalidVolume(reason=f"status is {volume.status}")
        self.volumes[volume_id] = dataclasses.replace(volume, status="reserved")
        attachment = records.Attachment(new_uuid(), volume_id, instance_uuid, "reserved", None)
        self.attachments[attachment.id] = volume_id
        return attachment

    def _delete_attachment(self, _ctxt: object, attachment_id: str) -> None:
        volume_id = self.attachments.pop(attachment_id, None)
        if volume_id is not None:
            volume = self.volumes[volume_id]
            self.volumes[volume_id] = dataclasses.replace(volume, status="available")


@pytest.fixture
def api(tmp_path: pathlib.Path) -> collections.abc.Iterator[Api]:
    """The API with one flavor, ``1``: 512 MiB, 1 processor, 10 GiB."""
    made = Api(tmp_path)
    made.flavor()
    yield made
    made.database.dispose()


@pytest.fixture
def make_api(
    tmp_path: pathlib.Path,
) -> collections.abc.Iterator[collections.abc.Callable[..., Api]]:
    """An API with configuration overrides of a test's own."""
    made: list[Api] = []

    def make(**overrides: object) -> Api:
        api = Api(tmp_path, **overrides)
        made.append(api)
        api.flavor()
        return api

    yield make
    for api in made:
        api.database.dispose()
