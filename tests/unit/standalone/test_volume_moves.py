"""The embedded volume service tells the compute service of volumes that grow and
move, and does with its records what Cinder does (RULES B6, B7)."""

import contextlib
import pathlib
import subprocess
import threading
import typing
import uuid
from unittest import mock

import pytest
import requests

from nova_lite import concurrency
from nova_lite import exceptions
from nova_lite.standalone import compute_calls
from nova_lite.standalone import volume_files
from nova_lite.standalone import volume_migration
from nova_lite.standalone import volume_records
from nova_lite.volume import creation
from tests.fixtures import embedded

PATIENCE = creation.Patience(timeout_s=20, timeout_per_gib_s=5)
CONNECTOR = {"host": "h1", "ip": "127.0.0.1"}
LOCAL, SECOND = volume_records.HOSTS


class Cloud:
    """The service, an attached volume, and what the compute API was asked."""

    def __init__(self, service: embedded.Services, compute: mock.NonCallableMagicMock) -> None:
        self.service, self.compute = service, compute
        self.ctxt = service.ctxt.elevated()
        self.server = str(uuid.uuid4())
        self.volume_id = self.make()

    @contextlib.contextmanager
    def restarted(self, tmp_path: pathlib.Path) -> typing.Iterator[None]:
        """The service, as one finds it that starts after this one was killed now."""
        copy, service = f"{tmp_path}-copy", self.service
        subprocess.run(
            ["cp", "-a", "--sparse=always", str(tmp_path), copy], check=True, timeout=60
        )
        try:
            with embedded.services(copy) as self.service:
                yield
        finally:
            self.service = service

    def make(self, **fields: typing.Any) -> str:
        client, ctxt = self.service.cinder, self.service.ctxt
        body = {"volume": {"size": 1, **fields}}
        made = self.service.ask("volume", "POST", "/volumes", json=body).json()["volume"]
        volume = client.get_volume(ctxt, made["id"])
        creation.wait_until_available(ctxt, client, volume, patience=PATIENCE)
        return volume.id

    def snapshot(self) -> int:
        return self.service.ask(
            *("volume", "POST", "/snapshots"),
            json={"snapshot": {"volume_id": self.volume_id, "force": True}},
        ).status_code

    def attach(self, volume_id: str) -> str:
        client, ctxt = self.service.cinder, self.service.ctxt
        attachment = client.create_attachment(ctxt, volume_id, self.server, CONNECTOR)
        client.complete_attachment(ctxt, attachment.id)
        return attachment.id

    def act(self, body: object, version: str = "3.71", roles: str = "admin") -> int:
        return requests.post(
            f"{self.service.volume_url}/v3/volumes/{self.volume_id}/action",
            json=body,
            headers={
                "X-Project-Id": "demo",
                "X-Roles": roles,
                "OpenStack-API-Version": f"volume {version}",
            },
            timeout=10,
        ).status_code

    def volumes(self) -> list[str]:
        return [volume.id for volume in self.service.cinder.list_all_volumes(self.ctxt)]

    def shown(self, volume_id: str | None = None) -> typing.Any:
        path = f"/v3/volumes/{volume_id or self.volume_id}"
        headers = {"X-Project-Id": "demo"}
        answer = requests.get(self.service.volume_url + path, headers=headers, timeout=10)
        return answer.json()["volume"] if answer.ok else None

    def asked(self, what: typing.Any) -> typing.Any:
        assert concurrency.wait_until(lambda: what.called, 10)
        return what.call_args.args


@pytest.fixture(name="cloud")
def fixture_cloud(tmp_path: pathlib.Path) -> typing.Iterator[Cloud]:
    compute = mock.create_autospec(compute_calls.ComputeApi, instance=True)
    with (
        mock.patch.object(compute_calls, "ComputeApi", autospec=True, return_value=compute),
        embedded.services(str(tmp_path)) as service,
    ):
        yield Cloud(service, compute)


@contextlib.contextmanager
def copying() -> typing.Iterator[None]:
    """Copies that began in the context do not end before it does."""
    copy, copied, go_on = volume_files.VolumeFiles.copy, threading.Event(), threading.Event()

    def held(self: volume_files.VolumeFiles, *args: typing.Any, **options: typing.Any) -> None:
        copy(self, *args, **options)
        copied.set()
        assert concurrency.wait_until(go_on.is_set, 20)

    with mock.patch.object(volume_files.VolumeFiles, "copy", held):
        try:
            yield
            assert concurrency.wait_until(copied.is_set, 10)
        finally:
            go_on.set()


def test_an_attached_volume_grows_and_its_server_is_told(cloud: Cloud) -> None:
    """From 3.42 on."""
    cloud.attach(cloud.volume_id)
    assert cloud.act({"os-extend": {"new_size": 2}}, version="3.41") == 400
    assert cloud.act({"os-extend": {"new_size": 2}}, version="3.42") == 202
    document, servers = cloud.asked(cloud.compute.tell_extended)
    assert (document["id"], servers) == (cloud.volume_id, [cloud.server])
    assert (cloud.shown()["status"], cloud.shown()["size"]) == ("in-use", 2)


def test_a_free_volume_grows_and_nobody_is_told(cloud: Cloud) -> None:
    assert cloud.act({"os-extend": {"new_size": 2}}) == 202
    cloud.compute.tell_extended.assert_not_called()


@pytest.mark.parametrize(
    ("failed", "status", "size"), [(False, "in-use", 2), (True, "error_extending", 1)]
)
def test_completing_an_extend(cloud: Cloud, failed: bool, status: str, size: int) -> None:
    cloud.attach(cloud.volume_id)
    done = {"os-extend_volume_completion": {"error": failed}}
    assert cloud.act(done) == 400
    requests.post(
        f"{cloud.service.volume_url}/v3/volumes/{cloud.volume_id}/metadata",
        json={"metadata": {"extend_new_size": "2"}},
        headers={"X-Project-Id": "demo"},
        timeout=10,
    )
    assert cloud.act({"os-reset_status": {"status": "extending"}}) == 202
    assert cloud.act(done, roles="member") == 403
    cloud.service.cinder.complete_extend(cloud.ctxt, cloud.volume_id, failed=failed)
    shown = cloud.shown()
    assert (shown["status"], shown["size"]) == (status, size)
    assert "extend_new_size" not in shown["metadata"]


def test_a_free_volume_moves_by_itself(cloud: Cloud, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "volumes" / f"volume-{cloud.volume_id}"
    with path.open("r+b") as file:
        file.write(b"data")
    assert cloud.act({"os-migrate_volume": {"host": SECOND}}) == 202
    assert concurrency.wait_until(lambda: cloud.shown()["migration_status"] == "success", 10)
    assert cloud.shown()["os-vol-host-attr:host"] == SECOND
    (left,) = (tmp_path / "volumes").iterdir()
    assert left != path
    with left.open("rb") as file:
        assert file.read(4) == b"data"
    cloud.service.cinder.delete_volume(cloud.service.ctxt, cloud.volume_id)
    assert not list((tmp_path / "volumes").iterdir())


def test_nobody_touches_a_volume_while_it_is_copied(cloud: Cloud, tmp_path: pathlib.Path) -> None:
    """Regression: it stayed ``available``, and at the end of the copy the file went from
    under a guest that was attached meanwhile."""
    path = tmp_path / "volumes" / f"volume-{cloud.volume_id}"
    with path.open("r+b") as file:
        file.write(b"data")
    reserve = {"os-reserve": {}}
    with copying():
        assert cloud.act({"os-migrate_volume": {"host": SECOND}}) == 202
        assert cloud.shown()["status"] == "maintenance"
        with pytest.raises(exceptions.InvalidVolume):
            cloud.attach(cloud.volume_id)
        for body in (
            reserve,
            {"os-attach": {"instance_uuid": cloud.server, "mountpoint": "/dev/vdb"}},
            {"os-initialize_connection": {"connector": CONNECTOR}},
            {"os-extend": {"new_size": 2}},
            {"os-migrate_volume": {"host": SECOND}},
        ):
            assert cloud.act(body) == 400, body
        assert cloud.snapshot() == 400
        with pytest.raises(exceptions.InvalidVolume):
            cloud.service.cinder.delete_volume(cloud.ctxt, cloud.volume_id)
    assert concurrency.wait_until(lambda: cloud.shown()["migration_status"] == "success", 10)
    assert (cloud.shown()["status"], cloud.shown()["size"]) == ("available", 1)
    (left,) = (tmp_path / "volumes").iterdir()
    with left.open("rb") as file:
        assert file.read(4) == b"data"
    assert cloud.act(reserve) == 202


def test_a_copy_that_failed_leaves_the_volume_free(cloud: Cloud, tmp_path: pathlib.Path) -> None:
    problem = volume_files.Unusable("there is no room")
    with mock.patch.object(volume_files.VolumeFiles, "copy", autospec=True, side_effect=problem):
        assert cloud.act({"os-migrate_volume": {"host": SECOND}}) == 202
        assert concurrency.wait_until(lambda: cloud.shown()["migration_status"] == "error", 10)
    assert cloud.shown()["status"] == "available"
    assert [path.name for path in (tmp_path / "volumes").iterdir()] == [
        f"volume-{cloud.volume_id}"
    ]


def test_what_a_server_moves_has_one_size_and_one_server(cloud: Cloud) -> None:
    """Regression: what a volume has gained since the move began was lost with the old file."""
    cloud.volume_id = cloud.make(multiattach=True)
    cloud.attach(cloud.volume_id)
    assert cloud.act({"os-migrate_volume": {"host": SECOND}}) == 202
    cloud.asked(cloud.compute.swap)
    assert cloud.shown()["status"] == "in-use"
    assert cloud.act({"os-extend": {"new_size": 2}}) == 400
    assert cloud.act({"os-reserve": {}}) == 400
    assert cloud.snapshot() == 400
    cloud.server = str(uuid.uuid4())
    with pytest.raises(exceptions.InvalidVolume):
        cloud.attach(cloud.volume_id)


def test_an_attached_volume_is_moved_by_the_compute_service(cloud: Cloud) -> None:
    """The new attachment becomes the old volume's, which keeps its id."""
    client, ctxt = cloud.service.cinder, cloud.ctxt
    old_attachment = cloud.attach(cloud.volume_id)
    assert cloud.act({"os-migrate_volume": {"host": SECOND}}) == 202
    document, server, new_id = cloud.asked(cloud.compute.swap)
    assert (document["id"], server) == (cloud.volume_id, cloud.server)
    assert cloud.shown(new_id)["migration_status"] == f"target:{cloud.volume_id}"
    client.begin_detaching(ctxt, cloud.volume_id)
    assert cloud.shown()["status"] == "in-use"
    new_attachment = cloud.attach(new_id)
    client.delete_attachment(ctxt, old_attachment)
    kept = client.complete_migration(ctxt, cloud.volume_id, new_id, failed=False)
    assert kept == cloud.volume_id
    assert cloud.shown(new_id) is None
    assert client.get_attachment(ctxt, new_attachment).volume_id == cloud.volume_id
    assert (cloud.shown()["status"], cloud.shown()["migration_status"]) == ("in-use", "success")


def test_a_move_that_failed_leaves_the_old_volume(cloud: Cloud) -> None:
    cloud.attach(cloud.volume_id)
    cloud.act({"os-migrate_volume": {"host": SECOND}})
    _, _, new_id = cloud.asked(cloud.compute.swap)
    client, ctxt = cloud.service.cinder, cloud.ctxt
    client.complete_migration(ctxt, cloud.volume_id, new_id, failed=True)
    assert cloud.shown(new_id) is None
    assert (cloud.shown()["status"], cloud.shown()["migration_status"]) == ("in-use", "error")
    assert cloud.shown()["os-vol-host-attr:host"] == LOCAL


def test_a_compute_service_that_refuses_ends_the_move(cloud: Cloud) -> None:
    cloud.attach(cloud.volume_id)
    cloud.compute.swap.side_effect = requests.HTTPError("409")
    cloud.act({"os-migrate_volume": {"host": SECOND}})
    assert concurrency.wait_until(lambda: cloud.shown()["migration_status"] == "error", 10)
    assert cloud.shown()["status"] == "in-use"


def test_a_restart_gives_up_a_copy(cloud: Cloud, tmp_path: pathlib.Path) -> None:
    """Regression: neither of the two volumes could ever be deleted."""
    with copying():
        assert cloud.act({"os-migrate_volume": {"host": SECOND}}) == 202
        assert concurrency.wait_until(lambda: len(cloud.volumes()) == 2, 10)
        with cloud.restarted(tmp_path):
            assert cloud.volumes() == [cloud.volume_id]
            shown = cloud.shown()
            assert (shown["status"], shown["migration_status"]) == ("available", "error")
            files = pathlib.Path(f"{tmp_path}-copy", "volumes")
            assert [path.name for path in files.iterdir()] == [f"volume-{cloud.volume_id}"]
            cloud.service.cinder.delete_volume(cloud.ctxt, cloud.volume_id)
            assert not list(files.iterdir())


def test_a_restart_gives_up_what_no_server_has_begun(cloud: Cloud, tmp_path: pathlib.Path) -> None:
    cloud.attach(cloud.volume_id)
    assert cloud.act({"os-migrate_volume": {"host": SECOND}}) == 202
    cloud.asked(cloud.compute.swap)
    with cloud.restarted(tmp_path):
        assert cloud.volumes() == [cloud.volume_id]
        assert cloud.shown()["status"] == "in-use"
        assert cloud.shown()["migration_status"] == "error"


@pytest.mark.parametrize("turned", [False, True])
def test_a_restart_keeps_what_a_server_moves(
    cloud: Cloud, tmp_path: pathlib.Path, turned: bool
) -> None:
    """Also when the guest is on the new volume only: there are its data."""
    client, ctxt = cloud.service.cinder, cloud.ctxt
    old_attachment = cloud.attach(cloud.volume_id)
    assert cloud.act({"os-migrate_volume": {"host": SECOND}}) == 202
    _, _, new_id = cloud.asked(cloud.compute.swap)
    cloud.attach(new_id)
    if turned:
        client.delete_attachment(ctxt, old_attachment)
    with cloud.restarted(tmp_path):
        client = cloud.service.cinder
        if not turned:
            client.delete_attachment(ctxt, old_attachment)
        client.complete_migration(ctxt, cloud.volume_id, new_id, failed=False)
        assert cloud.volumes() == [cloud.volume_id]
        shown = cloud.shown()
        assert (shown["status"], shown["migration_status"]) == ("in-use", "success")
        (left,) = pathlib.Path(f"{tmp_path}-copy", "volumes").iterdir()
        assert left.name == f"volume-{new_id}"


def test_an_answer_that_is_lost_ends_no_move(cloud: Cloud) -> None:
    """Regression: the new volume was removed under the guest that moved there."""

    def begin(volume: typing.Any, server: str, new_id: str) -> None:
        cloud.attach(new_id)
        raise requests.Timeout

    cloud.attach(cloud.volume_id)
    cloud.compute.swap.side_effect = begin
    with mock.patch.object(volume_migration.LOG, "warning", autospec=True) as warning:
        assert cloud.act({"os-migrate_volume": {"host": SECOND}}) == 202
        _, _, new_id = cloud.asked(cloud.compute.swap)
        cloud.asked(warning)
    cloud.service.cinder.complete_migration(cloud.ctxt, cloud.volume_id, new_id, failed=False)
    assert cloud.shown()["migration_status"] == "success"


def test_an_administrator_ends_a_move(cloud: Cloud, tmp_path: pathlib.Path) -> None:
    """As in Cinder, where no force deletes what migrates. Regression: it had no effect."""
    with copying():
        assert cloud.act({"os-migrate_volume": {"host": SECOND}}) == 202
        assert cloud.act({"os-force_delete": {}}) == 400
        for wrong in ({}, {"migration_status": "target:x"}, {"migration_status": 1}):
            assert cloud.act({"os-reset_status": wrong}) == 400
        assert cloud.act({"os-reset_status": {"migration_status": "None"}}) == 202
        assert cloud.shown()["migration_status"] is None
        assert cloud.shown()["status"] == "maintenance"
        assert cloud.act({"os-reset_status": {"status": "Available"}}) == 202
        cloud.service.cinder.delete_volume(cloud.ctxt, cloud.volume_id)
    assert concurrency.wait_until(lambda: not cloud.volumes(), 10)
    assert concurrency.wait_until(lambda: not list((tmp_path / "volumes").iterdir()), 10)


def test_moves_that_are_refused(cloud: Cloud) -> None:
    assert cloud.act({"os-migrate_volume": {"host": LOCAL}}) == 400
    assert cloud.act({"os-migrate_volume": {"host": "nowhere"}}) == 400
    assert cloud.act({"os-migrate_volume": {"host": SECOND}}, roles="member") == 403
    completion = {"new_volume": cloud.make(), "error": False}
    assert cloud.act({"os-migrate_volume_completion": completion}) == 400
    cloud.attach(cloud.volume_id)
    assert cloud.act({"os-migrate_volume": {"host": SECOND}}) == 202
    cloud.asked(cloud.compute.swap)
    assert cloud.act({"os-migrate_volume": {"host": SECOND}}) == 400
