"""The seam to os-brick: the only module that imports it, when it must.

Volumes whose targets are their own need no lock, and files on this host
(``local``), RBD images and NFS files have no targets at all.

os-brick waits for processes and privileged helpers by itself in ways that
let other green threads run; its locks belong to the thread that the daemon's green
threads share, so that, unlike C libraries, it must not be run in another one.
"""

import collections.abc
import contextlib
import os
import pathlib
import shlex
import shutil
import typing

from oslo_config import cfg

from nova_lite import concurrency
from nova_lite import exceptions
from nova_lite import mounts
from nova_lite.volume import records

TRANSPORTS_WITHOUT_TARGETS = frozenset({"local", "rbd", "nfs"})

Properties = dict[str, typing.Any]

_INITIATOR_TOOLS = ("iscsiadm", "nvme", "multipath")
"""Programs without which os-brick has nothing to tell of a host."""

_QEMU_IQN = "iqn.2008-11.org.linux-kvm:"
"""How QEMU's own initiator begins the name it gives itself."""


@contextlib.contextmanager
def guard_connection(volume: records.Volume) -> collections.abc.Iterator[None]:
    """Serialise connecting and disconnecting of volumes that share targets.

    Cinder's ``shared_targets``: false never locks, null (3.69) always, true
    unless the iSCSI initiator can scan by hand; os-brick knows the last.
    """
    if volume.shared_targets is False or volume.service_uuid is None:
        yield
        return
    from os_brick.initiator import utils

    device = {"service_uuid": volume.service_uuid, "shared_targets": volume.shared_targets}
    with utils.guard_connection(device):
        yield


def set_lock_path(conf: cfg.ConfigOpts) -> None:
    """Where the locks of :func:`guard_connection` and of os-brick are: other
    processes of this host that use the same directory respect them."""
    from oslo_concurrency import lockutils

    lockutils.set_defaults(os.path.join(conf.state_path, "locks"))


class HostConnectors:
    """This host's ways to connect to volumes by os-brick.

    :raises nova_lite.exceptions.VolumeNotConnected: by the methods that do
        something, with os-brick's reason without secrets.
    """

    def __init__(self, conf: cfg.ConfigOpts, always: Properties) -> None:
        """:param always: what the host is, whatever the storage."""
        self._conf = conf
        self._always = always
        self._properties: Properties | None = None
        self._is_set_up = False

    @property
    def has_iscsi_initiator(self) -> bool:
        """Whether the kernel and its tools can log in to iSCSI targets."""
        wanted: str = self._conf.libvirt.iscsi_initiator
        if wanted != "auto":
            return wanted == "host"
        modules = pathlib.Path("/lib/modules", os.uname().release)
        return shutil.which("iscsiadm") is not None and (
            pathlib.Path("/sys/class/iscsi_transport").is_dir()
            or any(modules.glob("kernel/drivers/scsi/iscsi_tcp.ko*"))
        )

    def properties(self) -> Properties:
        """This host's connector for Cinder (S194); it changes only with a restart."""
        if self._properties is None:
            options = self._conf.libvirt
            found = self._always | {
                "do_local_attach": options.rbd_local_attach,
                "multipath": options.volume_use_multipath,
            }
            if any(shutil.which(tool) for tool in _INITIATOR_TOOLS):
                found = self._of_os_brick() | found
            # Targets may let nobody in who has no name.
            found.setdefault("initiator", _QEMU_IQN + self._conf.host)
            self._properties = found
        return dict(self._properties)

    def connect(self, protocol: str, data: Properties) -> Properties:
        """Have os-brick connect this host; its ``device_info``, with ``path``.

        :param data: of the connection_info, with secrets.
        """
        with self._supervised(protocol, data):
            found = self._of(protocol, data).connect_volume(data)
        return typing.cast(Properties, found)

    def disconnect(self, protocol: str, data: Properties) -> None:
        """Undo :meth:`connect`. Not connected is success."""
        device = {
            key: value
            for key, value in (
                ("path", data.get("device_path")),
                ("multipath_id", data.get("multipath_id")),
            )
            if value
        }
        with self._supervised(protocol, data):
            # The guest has let go. A device that cannot be flushed must go all the
            # same: what is behind its name may soon be another's (CVE-2023-2088).
            self._of(protocol, data).disconnect_volume(data, device or None, force=True)

    def extend(self, protocol: str, data: Properties) -> None:
        """Have os-brick rescan the device of a volume that has grown."""
        with self._supervised(protocol, data):
            self._of(protocol, data).extend_volume(data)

    def unmount(self, export: str) -> None:
        """Unmount an NFS share that :meth:`connect` mounted. Not mounted is success."""
        from os_brick.privileged import rootwrap
        from os_brick.remotefs import remotefs

        base: str = self._conf.libvirt.nfs_mount_point_base
        with self._supervised("nfs", {}):
            self._set_up()
            client = remotefs.RemoteFsClient("nfs", self._root_helper, nfs_mount_point_base=base)
            path = pathlib.Path(client.get_mount_point(export))
            # The table has no links, and the last step must not be looked at.
            if mounts.is_mount_point(path.parent.resolve() / path.name):
                rootwrap.execute(
                    "umount", str(path), run_as_root=True, root_helper=self._root_helper
                )
            concurrency.in_native_thread(_remove_directory, path)

    def _of_os_brick(self) -> Properties:
        from os_brick.initiator import connector

        with self._supervised("connector", {}):
            self._set_up()
            found = connector.get_connector_properties(
                self._root_helper,
                self._conf.my_ip,
                self._conf.libvirt.volume_use_multipath,
                enforce_multipath=True,
                host=self._conf.host,
            )
        return typing.cast(Properties, found)

    def _of(self, protocol: str, data: Properties) -> typing.Any:
        """os-brick's connector of a protocol."""
        from os_brick.initiator import connector

        self._set_up()
        options = self._conf.libvirt
        return connector.InitiatorConnector.factory(
            protocol,
            self._root_helper,
            use_multipath=options.volume_use_multipath,
            conn=data,
            nfs_mount_point_base=options.nfs_mount_point_base,
            nfs_mount_options=options.nfs_mount_options,
        )

    @property
    def _root_helper(self) -> str:
        return str(self._conf.libvirt.root_helper)

    def _set_up(self) -> None:
        """Once a process, before os-brick does anything."""
        if self._is_set_up:
            return
        import os_brick
        from os_brick import privileged
        from oslo_privsep import priv_context

        set_lock_path(self._conf)
        # os-brick reads the process-wide configuration, not ours.
        os_brick.setup(cfg.CONF)
        if os.geteuid() == 0:
            # Nobody else needs to be asked for root's powers.
            privileged.default.set_client_mode(False)
            privileged.brick_privsep_hide_output.set_client_mode(False)
        else:
            priv_context.init(root_helper=shlex.split(self._root_helper))
        self._is_set_up = True

    @contextlib.contextmanager
    def _supervised(self, protocol: str, data: Properties) -> collections.abc.Iterator[None]:
        """Bounded in time, with errors of our own: os-brick's may quote commands
        with passwords in them."""
        from os_brick import exception
        from oslo_concurrency import processutils

        timeout_s: float = self._conf.libvirt.os_brick_timeout_s
        try:
            with concurrency.deadline(timeout_s):
                yield
        except concurrency.DeadlineExceeded:
            reason = f"it took longer than {timeout_s} s"
            raise exceptions.VolumeNotConnected(transport=protocol, reason=reason) from None
        except (
            exception.BrickException,
            processutils.ProcessExecutionError,
            OSError,
        ) as error:
            reason = _without_secrets(f"{type(error).__name__}: {error}", data)
            raise exceptions.VolumeNotConnected(transport=protocol, reason=reason) from None


def _remove_directory(path: pathlib.Path) -> None:
    """Gone is success."""
    with contextlib.suppress(FileNotFoundError):
        path.rmdir()


def _without_secrets(text: str, data: Properties) -> str:
    for key, value in data.items():
        if ("password" in key or key == "keyring") and isinstance(value, str) and value:
            text = text.replace(value, "***")
    return text
