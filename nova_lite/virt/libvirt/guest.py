"""One libvirt domain behind a noun, in our words and errors."""

import collections.abc
import platform
import typing

from nova_lite import concurrency
from nova_lite import exceptions
from nova_lite import states
from nova_lite.virt.libvirt import xml
from nova_lite.virt.libvirt.xml import metadata
from nova_lite.virt.libvirt.xml import text

P = typing.ParamSpec("P")
R = typing.TypeVar("R")

VirDomain: typing.TypeAlias = typing.Any


def call(function: collections.abc.Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Run a libvirt function in a native thread.

    :raises nova_lite.exceptions.HypervisorUnavailable: the connection is lost.
    :raises nova_lite.exceptions.GuestNotFound: the domain is gone.
    :raises nova_lite.exceptions.HypervisorError: anything else libvirt says.
    """
    import libvirt

    try:
        return concurrency.in_kept_native_thread(function, *args, **kwargs)
    except libvirt.libvirtError as error:
        raise _translated(error) from error


def _translated(error: typing.Any) -> exceptions.NovaLiteError:
    import libvirt

    code = error.get_error_code()
    if code == libvirt.VIR_ERR_NO_DOMAIN:
        return exceptions.GuestNotFound(instance_uuid=error.get_str2() or "")
    broken = (libvirt.VIR_ERR_NO_CONNECT, libvirt.VIR_ERR_INVALID_CONN)
    if code in broken or error.get_error_domain() in (
        libvirt.VIR_FROM_RPC,
        libvirt.VIR_FROM_REMOTE,
    ):
        return exceptions.HypervisorUnavailable(host=platform.node(), reason=str(error))
    return exceptions.HypervisorError(reason=str(error), code=code)


class CopyProgress(typing.NamedTuple):
    """How far the copy of a disk is, in whatever unit."""

    done: int
    total: int
    """0 while it is not known."""

    @property
    def percent(self) -> int:
        """Whole percents; 100 is "all but what the guest writes just now"."""
        return 100 * self.done // self.total if self.total else 0


class Guest:
    """A defined domain. Names and UUIDs are kept by libvirt's client: free."""

    def __init__(self, domain: VirDomain) -> None:
        self._domain = domain

    @property
    def uuid(self) -> str:
        """The server's UUID."""
        return str(self._domain.UUIDString())

    @property
    def name(self) -> str:
        """The hypervisor's name."""
        return str(self._domain.name())

    def owner(self) -> str | None:
        """UUID of the compute node it belongs to, or None if it is not ours."""
        import libvirt

        try:
            found = call(
                self._domain.metadata,
                libvirt.VIR_DOMAIN_METADATA_ELEMENT,
                metadata.NAMESPACE,
            )
        except exceptions.HypervisorError as error:
            if error.facts.get("code") == libvirt.VIR_ERR_NO_DOMAIN_METADATA:
                return None
            raise
        return xml.Ownership.from_element(text.parse(found)).node_uuid

    def power_state(self) -> states.PowerState:
        """What the hypervisor says now."""
        import libvirt

        state, _reason = call(self._domain.state)
        return {
            libvirt.VIR_DOMAIN_RUNNING: states.PowerState.RUNNING,
            libvirt.VIR_DOMAIN_BLOCKED: states.PowerState.RUNNING,
            libvirt.VIR_DOMAIN_PAUSED: states.PowerState.PAUSED,
            # On its way down it still holds its disks.
            libvirt.VIR_DOMAIN_SHUTDOWN: states.PowerState.RUNNING,
            libvirt.VIR_DOMAIN_SHUTOFF: states.PowerState.SHUTDOWN,
            libvirt.VIR_DOMAIN_CRASHED: states.PowerState.CRASHED,
            libvirt.VIR_DOMAIN_PMSUSPENDED: states.PowerState.SUSPENDED,
        }.get(state, states.PowerState.NOSTATE)

    def is_active(self) -> bool:
        """Whether it has a QEMU process."""
        return bool(call(self._domain.isActive))

    def start(self) -> None:
        """Run it."""
        call(self._domain.create)

    def ask_to_shut_down(self) -> None:
        """Press its power button (ACPI)."""
        call(self._domain.shutdown)

    def stop(self) -> None:
        """Pull the plug; stopped is success."""
        import libvirt

        try:
            call(self._domain.destroy)
        except exceptions.HypervisorError as error:
            if error.facts.get("code") != libvirt.VIR_ERR_OPERATION_INVALID:
                raise

    def undefine(self) -> None:
        """Forget the definition, with whatever libvirt keeps beside it."""
        import libvirt

        call(
            self._domain.undefineFlags,
            libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
            | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
            | libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
            | libvirt.VIR_DOMAIN_UNDEFINE_NVRAM,
        )

    def live(self) -> xml.Domain | None:
        """What runs, or None when nothing does."""
        if not self.is_active():
            return None
        return xml.Domain.from_xml(call(self._domain.XMLDesc, 0))

    def persistent(self) -> xml.Domain:
        """What will run after the next start."""
        import libvirt

        return xml.Domain.from_xml(call(self._domain.XMLDesc, libvirt.VIR_DOMAIN_XML_INACTIVE))

    def attach(self, disk: xml.Disk, *, live: bool, persistent: bool) -> None:
        """Add a disk to what runs, to the definition, or both in one step."""
        call(
            self._domain.attachDeviceFlags, disk.to_xml(), _scope(live=live, persistent=persistent)
        )

    def redefine(self, disk: xml.Disk) -> None:
        """Change what the definition says of the disk with the same target."""
        call(self._domain.updateDeviceFlags, disk.to_xml(), _scope(live=False, persistent=True))

    def request_detach(self, alias: str) -> None:
        """Ask the running guest to let go of a device, and return at once:
        the answer comes as an event."""
        call(self._domain.detachDeviceAlias, alias, _scope(live=True, persistent=False))

    def forget(self, alias: str) -> None:
        """Take a device out of the definition."""
        call(self._domain.detachDeviceAlias, alias, _scope(live=False, persistent=True))

    def begin_backup(self, wanted: xml.Backup) -> None:
        """Have QEMU begin to copy a disk of the running guest, as it is now."""
        call(self._domain.backupBegin, wanted.to_xml(), None, 0)

    def backup(self) -> xml.Backup | None:
        """The copy under way, or None."""
        import libvirt

        try:
            return xml.Backup.from_xml(call(self._domain.backupGetXMLDesc, 0))
        except exceptions.HypervisorError as error:
            if error.facts.get("code") in (
                libvirt.VIR_ERR_NO_DOMAIN_BACKUP,
                libvirt.VIR_ERR_OPERATION_INVALID,
            ):
                # None runs, or the guest does not.
                return None
            raise

    def abort_job(self) -> None:
        """Stop the job under way; it may be over meanwhile."""
        import libvirt

        try:
            call(self._domain.abortJob)
        except exceptions.HypervisorError as error:
            if error.facts.get("code") != libvirt.VIR_ERR_OPERATION_INVALID:
                raise

    def require_completed_job(self) -> None:
        """:raises nova_lite.exceptions.HypervisorError: the last job did not succeed,
        or nobody knows: the guest does not run any more."""
        import libvirt

        ended = call(self._domain.jobStats, libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED)
        if ended.get("type") != libvirt.VIR_DOMAIN_JOB_COMPLETED:
            reason = ended.get(libvirt.VIR_DOMAIN_JOB_ERRMSG) or "it was stopped"
            raise exceptions.HypervisorError(reason=f"the job on {self.uuid} failed: {reason}")

    def disk_capacity(self, target: str) -> int:
        """The size of a disk as the running guest has it, in bytes."""
        capacity_bytes, _allocated, _physical = call(self._domain.blockInfo, target)
        return int(capacity_bytes)

    def resize_disk(self, target: str, size_bytes: int) -> None:
        """Have the running guest see another size of a disk."""
        import libvirt

        call(self._domain.blockResize, target, size_bytes, libvirt.VIR_DOMAIN_BLOCK_RESIZE_BYTES)

    def start_copy(self, target: str, destination: xml.Disk) -> None:
        """Begin to copy a disk of the running guest to where ``destination`` is, which
        exists; what the guest writes meanwhile goes there too."""
        import libvirt

        flags = libvirt.VIR_DOMAIN_BLOCK_COPY_REUSE_EXT
        # Else libvirt refuses it for guests that have a definition.
        flags |= libvirt.VIR_DOMAIN_BLOCK_COPY_TRANSIENT_JOB
        call(self._domain.blockCopy, target, destination.to_xml(), {}, flags)

    def copy_progress(self, target: str) -> CopyProgress | None:
        """How far the copy of a disk is; None if there is none."""
        found = call(self._domain.blockJobInfo, target, 0)
        return CopyProgress(found["cur"], found["end"]) if found else None

    def end_copy(self, target: str, *, pivot: bool) -> bool:
        """End the copy of a disk: ``pivot`` to the copy, or stay on the disk.

        :returns: False if it is too early for a pivot.
        """
        import libvirt

        flags = libvirt.VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT if pivot else 0
        try:
            call(self._domain.blockJobAbort, target, flags)
        except exceptions.HypervisorError as error:
            if pivot and error.facts.get("code") == libvirt.VIR_ERR_BLOCK_COPY_ACTIVE:
                return False
            raise
        return True

    def redefine_disk(self, disk: xml.Disk) -> None:
        """Change the disk of that target in the definition."""
        call(self._domain.updateDeviceFlags, disk.to_xml(), _scope(live=False, persistent=True))


def _scope(*, live: bool, persistent: bool) -> int:
    import libvirt

    flags = libvirt.VIR_DOMAIN_AFFECT_LIVE if live else 0
    return int(flags | (libvirt.VIR_DOMAIN_AFFECT_CONFIG if persistent else 0))
