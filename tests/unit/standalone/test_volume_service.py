"""The embedded volume service beyond the contract: files, images, faults, restarts."""

import contextlib
import json
import os
import pathlib
import struct
import subprocess
import threading
import typing
import uuid
from unittest import mock

import pytest
import requests

from nova_lite import concurrency
from nova_lite import conf as nova_lite_conf
from nova_lite import exceptions
from nova_lite.standalone import volume_files
from nova_lite.standalone import volume_records
from nova_lite.volume import creation
from nova_lite.volume import keys
from tests.fixtures import embedded

PATIENCE = creation.Patience(timeout_s=60, timeout_per_gib_s=5)


@pytest.fixture(name="service")
def fixture_service(tmp_path: pathlib.Path) -> typing.Iterator[embedded.Services]:
    with embedded.services(str(tmp_path)) as service:
        yield service


def make(service: embedded.Services, **fields: typing.Any) -> str:
    volume = service.cinder.create_volume(service.ctxt, 1, name="", description="", **fields)
    creation.wait_until_available(service.ctxt, service.cinder, volume, patience=PATIENCE)
    return volume.id


def request(
    service: embedded.Services, method: str, path: str, body: object = None, **headers: str
) -> requests.Response:
    return requests.request(
        method,
        f"{service.volume_url}{path}",
        json=body,
        headers={"X-Project-Id": "demo", "X-Roles": "member"} | headers,
        timeout=10,
    )


def test_files_are_sparse_and_go(service: embedded.Services, tmp_path: pathlib.Path) -> None:
    volume_id = make(service)
    path = tmp_path / "volumes" / f"volume-{volume_id}"
    assert path.stat().st_size == volume_files.GIB
    assert path.stat().st_blocks * 512 < 1024 * 1024
    service.cinder.delete_volume(service.ctxt, volume_id)
    assert not list((tmp_path / "volumes").iterdir())


def test_data_pass_through_snapshot_and_clone(
    service: embedded.Services, tmp_path: pathlib.Path
) -> None:
    source_id = make(service)
    data = os.urandom(100_000)
    with (tmp_path / "volumes" / f"volume-{source_id}").open("r+b") as file:
        file.seek(5_000_000)
        file.write(data)
    snapshot_id = service.snapshot(source_id)
    copy_id = make(service, snapshot_id=snapshot_id)
    with (tmp_path / "volumes" / f"volume-{copy_id}").open("rb") as file:
        file.seek(5_000_000)
        assert file.read(len(data)) == data
    copy = tmp_path / "volumes" / f"volume-{copy_id}"
    assert copy.stat().st_blocks * 512 < 10_000_000


def test_a_qcow2_image_becomes_a_raw_volume(
    service: embedded.Services, tmp_path: pathlib.Path
) -> None:
    raw, qcow2 = tmp_path / "disk.raw", tmp_path / "disk.qcow2"
    data = os.urandom(200_000)
    raw.write_bytes(data + bytes(1024 * 1024 - len(data)))
    subprocess.run(
        ["qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(raw), str(qcow2)],
        check=True,
        timeout=60,
    )
    image_id = service.upload(qcow2.read_bytes(), disk_format="qcow2")
    volume_id = make(service, image_id=image_id)
    with (tmp_path / "volumes" / f"volume-{volume_id}").open("rb") as file:
        assert file.read(len(data)) == data
    assert os.path.getsize(tmp_path / "volumes" / f"volume-{volume_id}") == volume_files.GIB


def evil_qcow2(backing_offset: int = 0, features: int = 0, size: int = 1024 * 1024) -> bytes:
    header = b"QFI\xfb" + struct.pack(">IQIIQ", 3, backing_offset, 0, 16, size)
    return header.ljust(72, b"\0") + struct.pack(">Q", features) + bytes(1000)


@pytest.mark.parametrize(
    ("data", "disk_format"),
    [
        (evil_qcow2(backing_offset=200), "qcow2"),
        (evil_qcow2(features=1 << 2), "qcow2"),
        (evil_qcow2(size=volume_files.GIB + 1), "qcow2"),
        (b"not qcow2 at all" * 10, "qcow2"),
        (b"# Disk DescriptorFile" * 10, "vmdk"),
    ],
    ids=["backing file", "external data", "too large", "something else", "vmdk"],
)
def test_a_dangerous_image_ends_in_error(
    service: embedded.Services, tmp_path: pathlib.Path, data: bytes, disk_format: str
) -> None:
    """CVE-2024-32498 and its kin: refused before any tool opens it."""
    image_id = service.upload(data, disk_format=disk_format)
    with pytest.raises(exceptions.VolumeNotCreated, match="error"):
        make(service, image_id=image_id)
    assert not list((tmp_path / "volumes").iterdir())


def test_an_image_that_is_not_there_ends_in_error(service: embedded.Services) -> None:
    with pytest.raises(exceptions.VolumeNotCreated, match="error"):
        make(service, image_id=str(uuid.uuid4()))


@contextlib.contextmanager
def downloading(service: embedded.Services, disk_format: str = "raw") -> typing.Iterator[str]:
    """A volume whose image is on its way as long as the context lasts; yields its id."""
    image_id = service.upload(bytes(1024), disk_format=disk_format)
    convert, go_on = volume_files.VolumeFiles.convert, threading.Event()

    def held(self: volume_files.VolumeFiles, *args: typing.Any) -> None:
        assert concurrency.wait_until(go_on.is_set, 20)
        convert(self, *args)

    with mock.patch.object(volume_files.VolumeFiles, "convert", held):
        volume = service.cinder.create_volume(
            service.ctxt, 1, name="", description="", image_id=image_id
        )
        assert concurrency.wait_until(lambda: status_of(service, volume.id) == "downloading", 10)
        yield volume.id
        go_on.set()


def status_of(service: embedded.Services, volume_id: str) -> str:
    return service.cinder.get_volume(service.ctxt, volume_id).status


def test_a_volume_reserved_while_it_is_filled_stays_so(service: embedded.Services) -> None:
    """Regression: it became ``available`` under its server, for the next one to take. No
    guest gets it before its data are there."""
    cinder, ctxt, server = service.cinder, service.ctxt, str(uuid.uuid4())
    with downloading(service) as volume_id:
        with pytest.raises(exceptions.InvalidVolume):
            cinder.create_attachment(ctxt, volume_id, server, {"host": "h1"})
        assert status_of(service, volume_id) == "downloading"
        attachment = cinder.create_attachment(ctxt, volume_id, server)
        assert status_of(service, volume_id) == "reserved"
        with pytest.raises(exceptions.RemoteConflict):
            cinder.update_attachment(ctxt, attachment.id, {"host": "h1"}, "/dev/vdb")
        with pytest.raises(exceptions.RemoteConflict):
            cinder.complete_attachment(ctxt, attachment.id)
    assert concurrency.wait_until(lambda: cinder.get_volume(ctxt, volume_id).bootable, 10)
    assert status_of(service, volume_id) == "reserved"
    with pytest.raises(exceptions.InvalidVolume):
        cinder.create_attachment(ctxt, volume_id, str(uuid.uuid4()))
    cinder.update_attachment(ctxt, attachment.id, {"host": "h1"}, "/dev/vdb")
    cinder.complete_attachment(ctxt, attachment.id)
    assert status_of(service, volume_id) == "in-use"
    cinder.begin_detaching(ctxt, volume_id)
    cinder.delete_attachment(ctxt, attachment.id)
    assert status_of(service, volume_id) == "available"


def test_a_reservation_given_up_too_early_makes_no_volume_whole(
    service: embedded.Services,
) -> None:
    with downloading(service) as volume_id:
        attachment = service.cinder.create_attachment(service.ctxt, volume_id, str(uuid.uuid4()))
        service.cinder.delete_attachment(service.ctxt, attachment.id)
        assert status_of(service, volume_id) == "downloading"
    assert concurrency.wait_until(lambda: status_of(service, volume_id) == "available", 10)


def test_a_reserved_volume_without_an_image_ends_in_error(service: embedded.Services) -> None:
    """Also when the reservation is given up; an administrator may know better."""
    with downloading(service, "qcow2") as volume_id:
        attachment = service.cinder.create_attachment(service.ctxt, volume_id, str(uuid.uuid4()))
    assert concurrency.wait_until(lambda: status_of(service, volume_id) == "error", 10)
    service.cinder.delete_attachment(service.ctxt, attachment.id)
    assert status_of(service, volume_id) == "error"
    reset = {"os-reset_status": {"status": "available"}}
    path = f"/v3/volumes/{volume_id}/action"
    assert request(service, "POST", path, reset, **{"X-Roles": "admin"}).status_code == 202
    with service.guest_with(volume_id):
        assert status_of(service, volume_id) == "in-use"


def test_a_restart_settles_what_was_under_way(tmp_path: pathlib.Path) -> None:
    conf = nova_lite_conf.new(files=[], standalone__data_path=str(tmp_path))
    volumes = volume_records.VolumeStore(conf)
    for status in ("creating", "downloading", "deleting", "available", "reserved"):
        volume = {"id": status, "status": status, "project_id": "p"}
        if status == "reserved":
            volume["making"] = "downloading"
        volumes.records.put("volume", volume)
        volumes.files.create_blank(volumes.path("volume", status), 1)
    download = pathlib.Path(volume_files.download_path(volumes.path("volume", "downloading")))
    download.touch()
    volumes.records.close()
    again = volume_records.VolumeStore(conf)
    assert {v["id"]: v["status"] for v in again.records.list("volume")} == {
        "creating": "error",
        "downloading": "error",
        "available": "available",
        "reserved": "error",
    }
    assert not os.path.exists(again.path("volume", "deleting"))
    assert not download.exists()


def test_extend_and_its_refusals(service: embedded.Services, tmp_path: pathlib.Path) -> None:
    volume_id = make(service)
    action = f"/v3/volumes/{volume_id}/action"
    assert request(service, "POST", action, {"os-extend": {"new_size": 1}}).status_code == 400
    assert request(service, "POST", action, {"os-extend": {"new_size": 3}}).status_code == 202
    assert service.cinder.get_volume(service.ctxt, volume_id).size_gib == 3
    path = tmp_path / "volumes" / f"volume-{volume_id}"
    assert path.stat().st_size == 3 * volume_files.GIB
    assert request(service, "POST", action, {"os-fly": {}}).status_code == 400


def test_a_read_only_volume_says_so(service: embedded.Services) -> None:
    """S204."""
    volume_id = make(service)
    action = f"/v3/volumes/{volume_id}/action"
    request(service, "POST", action, {"os-update_readonly_flag": {"readonly": True}})
    info = service.cinder.initialize_connection(service.ctxt, volume_id, {"host": "h"})
    assert info["data"]["access_mode"] == "ro"


def test_administration_needs_the_role(service: embedded.Services) -> None:
    volume_id = make(service)
    body = {"os-reset_status": {"status": "error"}}
    action = f"/v3/volumes/{volume_id}/action"
    assert request(service, "POST", action, body).status_code == 403
    assert request(service, "POST", action, body, **{"X-Roles": "admin"}).status_code == 202
    assert service.cinder.get_volume(service.ctxt, volume_id).status == "error"


def test_a_user_cannot_detach_by_the_legacy_calls(service: embedded.Services) -> None:
    """Bug 2004555."""
    volume_id = make(service)
    service.cinder.attach_volume(service.ctxt, volume_id, str(uuid.uuid4()), "/dev/vdb")
    for body in ({"os-detach": {}}, {"os-terminate_connection": {"connector": {}}}):
        answer = request(service, "POST", f"/v3/volumes/{volume_id}/action", body)
        assert answer.status_code == 409
        assert "Compute API" in answer.json()["conflictingRequest"]["message"]
    service.cinder.detach_volume(service.ctxt, volume_id)
    assert service.cinder.get_volume(service.ctxt, volume_id).status == "available"


def test_the_project_may_be_in_the_path(service: embedded.Services) -> None:
    volume_id = make(service)
    assert request(service, "GET", f"/v3/demo/volumes/{volume_id}").status_code == 200
    assert request(service, "GET", "/v3/demo/volumes/detail").json()["volumes"]


def test_microversions(service: embedded.Services) -> None:
    name = "OpenStack-API-Version"
    answer = request(service, "GET", "/v3/volumes", **{name: "volume 3.72"})
    assert answer.status_code == 406
    answer = request(service, "GET", "/v3/volumes", **{name: "volume 3.x"})
    assert answer.status_code == 400
    answer = request(service, "GET", "/v3/volumes", **{name: "volume latest"})
    assert answer.headers[name] == "volume 3.71"
    assert request(service, "GET", "/v3/attachments").status_code == 404
    assert requests.get(service.volume_url, timeout=10).status_code == 300


def test_lists_are_filtered_and_paged(service: embedded.Services) -> None:
    ids = [make(service) for _ in range(3)]
    first = request(service, "GET", "/v3/volumes/detail?limit=2&sort=created_at:asc").json()
    assert [v["id"] for v in first["volumes"]] == ids[:2]
    href = first["volumes_links"][0]["href"].removeprefix(service.volume_url)
    assert [v["id"] for v in request(service, "GET", href).json()["volumes"]] == ids[2:]
    assert request(service, "GET", "/v3/volumes?status=error").json()["volumes"] == []
    assert request(service, "GET", "/v3/volumes?marker=no").status_code == 400


def test_delay_and_the_nth_call(service: embedded.Services) -> None:
    volume_id = make(service)
    service.clear()
    service.fault("volumes.show", "fail", nth=2, status=503)
    service.cinder.get_volume(service.ctxt, volume_id)
    with pytest.raises(exceptions.RemoteServiceError):
        service.cinder.get_volume(service.ctxt, volume_id)
    service.fault("volumes.show", "delay", seconds=0.01)
    service.cinder.get_volume(service.ctxt, volume_id)
    assert [call["status"] for call in service.calls()] == [200, 503, 200]


def test_there_are_no_faults_unless_asked_for(tmp_path: pathlib.Path) -> None:
    overrides = {"standalone__fault_injection": False}
    with embedded.services(str(tmp_path), **overrides) as service:
        assert requests.get(f"{service.volume_url}/_calls", timeout=10).status_code == 404
        assert requests.post(f"{service.image_url}/_faults", timeout=10).status_code == 404


def test_a_volume_deleted_while_it_is_made_leaves_no_file(
    service: embedded.Services, tmp_path: pathlib.Path
) -> None:
    image_id = service.upload(b"x" * 1000)
    service.fault("images.download", "delay", seconds=0.3)
    volume = service.cinder.create_volume(
        service.ctxt, 1, name="", description="", image_id=image_id
    )
    action = f"/v3/volumes/{volume.id}/action"
    answer = request(service, "POST", action, {"os-force_delete": {}}, **{"X-Roles": "admin"})
    assert answer.status_code == 202
    assert concurrency.wait_until(
        lambda: "images.download" in [c["kind"] for c in service.image_calls() if c["status"]], 10
    )
    assert concurrency.wait_until(lambda: not list((tmp_path / "volumes").iterdir()), 10)


def encryption_of(service: embedded.Services, volume_id: str) -> dict[str, typing.Any]:
    answer = request(service, "GET", f"/v3/volumes/{volume_id}/encryption")
    return typing.cast(dict[str, typing.Any], answer.json())


def test_an_encrypted_volume_says_how(service: embedded.Services, tmp_path: pathlib.Path) -> None:
    """S201: LUKS that the key of the key manager opens; the key goes with the last copy."""
    assert encryption_of(service, make(service)) == {"encryption_key_id": None}
    volume_id = make(service, volume_type="local-luks")
    assert service.cinder.get_volume(service.ctxt, volume_id).encrypted
    metadata = service.cinder.get_encryption(service.ctxt, volume_id)
    assert metadata is not None
    assert (metadata.provider, metadata.control_location) == ("luks", "front-end")
    passphrase = keys.VolumeKeys(service.conf).passphrase(service.ctxt, metadata.key_id)
    assert opened_size(tmp_path / "volumes" / f"volume-{volume_id}", passphrase) == 2**30

    snapshot_id = service.snapshot(volume_id)
    service.cinder.get_snapshot(service.ctxt, snapshot_id)
    copy_id = make(service, snapshot_id=snapshot_id)
    copied = encryption_of(service, copy_id)
    assert copied["encryption_key_id"] == metadata.key_id
    service.cinder.delete_volume(service.ctxt, copy_id)
    assert opened_size(tmp_path / "volumes" / f"volume-{volume_id}", passphrase) == 2**30
    request(service, "DELETE", f"/v3/snapshots/{snapshot_id}")
    service.cinder.delete_volume(service.ctxt, volume_id)
    assert list((tmp_path / "keys").iterdir()) == []


def test_an_encrypted_volume_grows_and_is_filled(
    service: embedded.Services, tmp_path: pathlib.Path
) -> None:
    data = os.urandom(102_400)
    image_id = service.upload(data, disk_format="raw")
    volume_id = make(service, image_id=image_id, volume_type="local-luks")
    path = tmp_path / "volumes" / f"volume-{volume_id}"
    key_id = encryption_of(service, volume_id)["encryption_key_id"]
    passphrase = keys.VolumeKeys(service.conf).passphrase(service.ctxt, key_id)
    plain = tmp_path / "plain"
    tool = ["qemu-img", "dd", "-O", "raw", *KEY, "--image-opts", "bs=102400", "count=1"]
    subprocess.run(
        [*tool, f"if=driver=luks,key-secret=key,file.filename={path}", f"of={plain}"],
        input=passphrase,
        check=True,
        timeout=60,
    )
    assert plain.read_bytes() == data
    assert data[:1000] not in path.read_bytes()[:10_000_000]
    body = {"os-extend": {"new_size": 2}}
    assert request(service, "POST", f"/v3/volumes/{volume_id}/action", body).status_code == 202
    assert opened_size(path, passphrase) == 2 * 2**30


@pytest.mark.parametrize("wanted", ["local", "local-luks"])
def test_plain_and_encrypted_do_not_mix(service: embedded.Services, wanted: str) -> None:
    other = "local" if wanted == "local-luks" else "local-luks"
    snapshot_id = service.snapshot(make(service, volume_type=other))
    body = {"volume": {"size": 1, "snapshot_id": snapshot_id, "volume_type": wanted}}
    answer = request(service, "POST", "/v3/volumes", body)
    assert answer.status_code == 400
    assert "do not mix" in answer.text


KEY = ("--object", "secret,id=key,file=/dev/stdin")


def opened_size(path: pathlib.Path, passphrase: bytes) -> int:
    """The size of what a LUKS file holds; the key must fit."""
    options = f"driver=luks,key-secret=key,file.filename={path}"
    done = subprocess.run(
        ["qemu-img", "info", "--output=json", *KEY, "--image-opts", options],
        input=passphrase,
        capture_output=True,
        check=True,
        timeout=60,
    )
    return int(json.loads(done.stdout)["virtual-size"])
