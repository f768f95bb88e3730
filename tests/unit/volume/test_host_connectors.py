"""What os-brick is asked to do, by its documented contract: these kernels have no
iSCSI or NVMe initiator, no NFS and no kernel RBD, so os-brick's own classes are
autospecced here and nothing is really connected."""

import collections.abc
import json
import os
import pathlib
import typing
from unittest import mock

import pytest
from os_brick import exception as brick_exception
from os_brick.initiator import connector as brick
from os_brick.initiator.connectors import iscsi
from os_brick.initiator.connectors import rbd
from os_brick.privileged import rootwrap
from os_brick.remotefs import remotefs
from oslo_concurrency import lockutils
from oslo_concurrency import processutils

from nova_lite import concurrency
from nova_lite import conf as conf_module
from nova_lite import exceptions
from nova_lite import mounts
from nova_lite.volume import connector

ALWAYS = {"host": "h1", "ip": "127.0.0.1", "multipath": False, "do_local_attach": False}
DATA = {"target_iqn": "iqn.x:1", "target_portal": "127.0.0.1:3260", "target_lun": 1}
CANARY = "canary-4b8e"


@pytest.fixture(name="conf")
def fixture_conf(tmp_path: pathlib.Path) -> typing.Any:
    return conf_module.new(files=[], default__state_path=str(tmp_path), default__host="h1")


@pytest.fixture(name="host")
def fixture_host(conf: typing.Any) -> connector.HostConnectors:
    return connector.HostConnectors(conf, ALWAYS)


@pytest.fixture(name="mounted")
def fixture_mounted(monkeypatch: pytest.MonkeyPatch) -> list[pathlib.Path]:
    """Where something is mounted, by the kernel's table."""
    paths: list[pathlib.Path] = []
    monkeypatch.setattr(
        mounts,
        "table",
        lambda: [mounts.Mount("7", "0:7", each, "nfs4 server:/ rw") for each in paths],
    )
    return paths


@pytest.fixture(name="factory")
def fixture_factory() -> collections.abc.Iterator[typing.Any]:
    """Makes os-brick's connectors."""
    with mock.patch.object(brick.InitiatorConnector, "factory", autospec=True) as factory:
        made = mock.create_autospec(iscsi.ISCSIConnector, instance=True)
        made.connect_volume.return_value = {"type": "block", "path": "/dev/sdx"}
        factory.return_value = made
        yield factory


def test_connect_and_disconnect(host: connector.HostConnectors, factory: typing.Any) -> None:
    assert host.connect("ISCSI", DATA) == {"type": "block", "path": "/dev/sdx"}
    factory.assert_called_with(
        "ISCSI",
        "sudo",
        use_multipath=False,
        conn=DATA,
        nfs_mount_point_base=mock.ANY,
        nfs_mount_options=None,
    )
    factory.return_value.connect_volume.assert_called_once_with(DATA)
    connected = DATA | {"device_path": "/dev/sdx", "multipath_id": "3600a"}
    host.disconnect("ISCSI", connected)
    factory.return_value.disconnect_volume.assert_called_once_with(
        connected, {"path": "/dev/sdx", "multipath_id": "3600a"}, force=True
    )


def test_a_connection_whose_device_nobody_knows_is_ended_too(
    host: connector.HostConnectors, factory: typing.Any
) -> None:
    """The process died between the host's answer and our record of it."""
    host.disconnect("ISCSI", DATA)
    factory.return_value.disconnect_volume.assert_called_once_with(DATA, None, force=True)


@pytest.mark.parametrize(
    "error",
    [
        brick_exception.VolumeDeviceNotFound(device=CANARY),
        brick_exception.BrickException(f"login with {CANARY}"),
        processutils.ProcessExecutionError(cmd=f"iscsiadm -v {CANARY}", stderr=CANARY),
        OSError(f"{CANARY}"),
    ],
)
def test_errors_are_ours_and_without_secrets(
    host: connector.HostConnectors, factory: typing.Any, error: Exception
) -> None:
    factory.return_value.connect_volume.side_effect = error
    with pytest.raises(exceptions.VolumeNotConnected) as caught:
        host.connect("ISCSI", DATA | {"auth_password": CANARY})
    assert CANARY not in str(caught.value)
    assert type(error).__name__ in str(caught.value)


def test_what_takes_too_long_is_given_up(
    host: connector.HostConnectors, conf: typing.Any, factory: typing.Any
) -> None:
    conf.set_override("os_brick_timeout_s", 1.0, "libvirt")
    factory.return_value.connect_volume.side_effect = lambda _: concurrency.sleep(60)
    with pytest.raises(exceptions.VolumeNotConnected, match=r"1\.0 s"):
        host.connect("ISCSI", DATA)


@pytest.mark.parametrize("protocol", ["ISCSI", "NVMEOF", "NFS", "RBD"])
def test_os_brick_knows_the_protocols(host: connector.HostConnectors, protocol: str) -> None:
    """Its own factory, for real."""
    host._set_up()
    data = {"export": "127.0.0.1:/x"}
    made = host._of(protocol, data)
    assert callable(made.connect_volume)


class TestRbdOfTheKernel:
    """S209, S221: os-brick's own connector, over a host that only notes its commands."""

    DATA: typing.ClassVar[dict[str, typing.Any]] = {
        "name": "volumes/volume-1",
        "hosts": ["10.0.0.1", "fd00::1"],
        "ports": ["6789", "6789"],
        "auth_username": "cinder",
        "do_local_attach": True,
    }
    WHO = ("--id", "cinder", "--mon_host", "10.0.0.1:6789,[fd00::1]:6789")

    @pytest.fixture(name="commands")
    def fixture_commands(self) -> collections.abc.Iterator[list[tuple[str, ...]]]:
        commands: list[tuple[str, ...]] = []

        def execute(_self: object, *command: str, **_how: object) -> tuple[str, str]:
            commands.append(command)
            mapped = [{"id": "0", "pool": "volumes", "name": "volume-1", "device": "/dev/rbd0"}]
            return json.dumps(mapped), ""

        with mock.patch.object(rbd.RBDConnector, "_execute", autospec=True, side_effect=execute):
            yield commands

    def test_mapped(self, host: connector.HostConnectors, commands: list[tuple[str, ...]]) -> None:
        found = host.connect("RBD", self.DATA)
        assert (found["path"], found["type"]) == ("/dev/rbd/volumes/volume-1", "block")
        assert commands == [
            ("which", "rbd"),
            ("rbd", "map", "volume-1", "--pool", "volumes", *self.WHO),
        ]

    def test_mapped_already(
        self, host: connector.HostConnectors, commands: list[tuple[str, ...]]
    ) -> None:
        with (
            mock.patch.object(rbd.os.path, "islink", autospec=True, return_value=True),
            mock.patch.object(rbd.os.path, "exists", autospec=True, return_value=True),
        ):
            found = host.connect("RBD", self.DATA)
        assert found["path"] == "/dev/rbd/volumes/volume-1"
        assert commands == [("which", "rbd")]

    def test_unmapped(
        self, host: connector.HostConnectors, commands: list[tuple[str, ...]]
    ) -> None:
        host.disconnect("RBD", {**self.DATA, "device_path": "/dev/rbd/volumes/volume-1"})
        assert commands[-1] == ("rbd", "unmap", "/dev/rbd0", *self.WHO)


class TestProperties:
    """S194."""

    def test_a_host_without_initiators_asks_nobody(self, host: connector.HostConnectors) -> None:
        with (
            mock.patch.object(connector.shutil, "which", autospec=True, return_value=None),
            mock.patch.object(brick, "get_connector_properties", autospec=True) as asked,
        ):
            found = host.properties()
        asked.assert_not_called()
        assert found == ALWAYS | {"initiator": "iqn.2008-11.org.linux-kvm:h1"}

    def test_os_bricks_answer_is_kept(
        self, host: connector.HostConnectors, conf: typing.Any
    ) -> None:
        conf.set_override("rbd_local_attach", True, "libvirt")
        answer = {"initiator": "iqn.real", "nqn": "nqn.x", "host": "other", "ip": "10.0.0.1"}
        with (
            mock.patch.object(connector.shutil, "which", autospec=True, return_value="/x"),
            mock.patch.object(
                brick, "get_connector_properties", autospec=True, return_value=answer
            ) as asked,
        ):
            first, second = host.properties(), host.properties()
        asked.assert_called_once()
        assert first == second
        assert first == ALWAYS | {
            "initiator": "iqn.real",
            "nqn": "nqn.x",
            "do_local_attach": True,
        }


@pytest.mark.parametrize(("wanted", "expected"), [("host", True), ("qemu", False)])
def test_who_logs_in_may_be_said(
    host: connector.HostConnectors, conf: typing.Any, wanted: str, expected: bool
) -> None:
    """S184."""
    conf.set_override("iscsi_initiator", wanted, "libvirt")
    assert host.has_iscsi_initiator is expected


EXPORT = "127.0.0.1:/share"


@pytest.fixture(name="share")
def fixture_share(conf: typing.Any) -> pathlib.Path:
    """Where os-brick mounts the export."""
    base = conf.libvirt.nfs_mount_point_base
    client = remotefs.RemoteFsClient("nfs", "sudo", nfs_mount_point_base=base)
    found = pathlib.Path(client.get_mount_point(EXPORT))
    found.mkdir(parents=True)
    return found


def test_a_share_that_is_mounted_is_unmounted(
    host: connector.HostConnectors, share: pathlib.Path, mounted: list[pathlib.Path]
) -> None:
    mounted.append(share)
    with mock.patch.object(rootwrap, "execute", autospec=True) as execute:
        host.unmount(EXPORT)
    execute.assert_called_once_with("umount", str(share), run_as_root=True, root_helper="sudo")
    assert not share.exists()


def test_a_share_that_is_not_mounted_is_let_alone(
    host: connector.HostConnectors, share: pathlib.Path
) -> None:
    with mock.patch.object(rootwrap, "execute", autospec=True) as execute:
        for _ in range(2):
            host.unmount(EXPORT)
    execute.assert_not_called()
    assert not share.exists()


def test_a_share_whose_server_is_gone_is_not_looked_at(
    host: connector.HostConnectors,
    share: pathlib.Path,
    mounted: list[pathlib.Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever asks its file system for anything waits for ever."""
    mounted.append(share)
    looked_at = []

    def watched(real: typing.Any) -> typing.Any:
        def look(path: typing.Any, *args: typing.Any, **kwargs: typing.Any) -> typing.Any:
            looked_at.append(str(path))
            return real(path, *args, **kwargs)

        return look

    for name in ("stat", "lstat", "open", "scandir"):
        monkeypatch.setattr(os, name, watched(getattr(os, name)))
    with mock.patch.object(rootwrap, "execute", autospec=True) as execute:
        execute.side_effect = processutils.ProcessExecutionError
        with pytest.raises(exceptions.VolumeNotConnected):
            host.unmount(EXPORT)
    assert [path for path in looked_at if path.startswith(str(share))] == []


def test_shared_targets_have_a_place_for_their_lock(
    conf: typing.Any, tmp_path: pathlib.Path
) -> None:
    """S193, S215: os-brick's lock is a file."""
    connector.set_lock_path(conf)
    assert lockutils.get_lock_path(lockutils.CONF) == str(tmp_path / "locks")
