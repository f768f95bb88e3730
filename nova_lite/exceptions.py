"""Every error nova_lite raises on purpose.

An exception is a fact and its class name says which. The message template is
what a person reads, so it names the thing and, where there is something to do,
says what. ``http_status`` is the answer the API gives when the error reaches
it; the API alone turns exceptions into HTTP.
"""

import typing


class NovaLiteError(Exception):
    """Base of all expected errors.

    :param message: text to use instead of the class's template.
    :param facts: values for the template; kept in :attr:`facts`. JSON values,
        so that the error can cross a process border whole.
    """

    template: typing.ClassVar[str] = "An unknown error occurred."
    http_status: typing.ClassVar[int] = 500
    is_for_users: typing.ClassVar[bool] = True
    """False if the text may hold what only administrators should see."""
    is_temporary: typing.ClassVar[bool] = False
    """True if the same may well succeed later: somebody is away."""

    def __init__(self, message: str | None = None, **facts: object) -> None:
        self.facts = facts
        self.message = message or self.template.format(**facts)
        super().__init__(self.message)

    @property
    def kwargs(self) -> dict[str, object]:
        """The facts, under the name that oslo.messaging sends along."""
        return self.facts


# Bad requests


class InvalidInput(NovaLiteError):
    """The request cannot be understood or is not allowed as it stands."""

    template = "Invalid input: {reason}"
    http_status = 400


class Forbidden(NovaLiteError):
    """Policy does not allow it."""

    template = "Policy doesn't allow {action} to be performed."
    http_status = 403


class QuotaExceeded(NovaLiteError):
    """The project has used up a quota."""

    template = (
        "Quota exceeded for {resource}: Requested {requested}, "
        "but already used {used} of {limit} {resource}"
    )
    http_status = 403


class Conflict(NovaLiteError):
    """The thing exists, but not in a state that allows this."""

    template = "{reason}"
    http_status = 409


class InstanceInvalidState(Conflict):
    """The server's state does not allow the operation."""

    template = "Cannot '{action}' instance {instance_uuid} while it is in {attribute} {state}"


class OperationInProgress(Conflict):
    """The same is being done to the server already."""

    template = "Instance {instance_uuid}: '{action}' is in progress already."


class HostUnavailable(Conflict):
    """The server's host does not answer; its name is for administrators."""

    template = "The host of instance {instance_uuid} is down; try again when it is up."


# Not found


class NotFound(NovaLiteError):
    """Base of everything that is not there."""

    template = "Resource could not be found."
    http_status = 404


class InstanceNotFound(NotFound):
    """No such server, or not one this project may see."""

    template = "Instance {instance_uuid} could not be found."


class FlavorNotFound(NotFound):
    """No such flavor."""

    template = "Flavor {flavor_id} could not be found."


class HostNotFound(NotFound):
    """No such compute host."""

    template = "Compute host {host} could not be found."


class ServiceNotFound(NotFound):
    """No such service."""

    template = "Service {service_id} could not be found."


class ImageNotFound(NotFound):
    """Glance does not know the image, or will not show it to this user."""

    template = "Image {image_id} could not be found."


class VolumeNotFound(NotFound):
    """Cinder does not know the volume, or will not show it to this user."""

    template = "Volume {volume_id} could not be found."


class SnapshotNotFound(NotFound):
    """Cinder does not know the snapshot."""

    template = "Snapshot {snapshot_id} could not be found."


class AttachmentNotFound(NotFound):
    """Cinder does not know the attachment."""

    template = "Attachment {attachment_id} could not be found."


# Block devices and volumes


class InvalidBlockDevice(InvalidInput):
    """A block device mapping that cannot be honoured."""

    template = "Block Device Mapping is Invalid: {reason}"


class InvalidVolume(InvalidInput):
    """A volume that exists but cannot be used this way."""

    template = "Invalid volume: {reason}"


class VolumeNotCreated(NovaLiteError):
    """A new volume did not become available."""

    template = (
        "Volume {volume_id} did not finish being created: "
        "status is {status} after {waited_s:.0f} seconds. {reason}"
    )


class SnapshotNotCreated(NovaLiteError):
    """A new snapshot of a volume did not become available."""

    template = (
        "Snapshot {snapshot_id} of volume {volume_id} did not finish being created: "
        "status is {status} after {waited_s:.0f} seconds."
    )


class DeviceDetachRefused(NovaLiteError):
    """The guest would not let go of a disk."""

    template = "The guest did not release {device} after {attempts} attempts."


class VolumeCopyStopped(NovaLiteError):
    """A guest's disk was being copied to another volume, and that was given up."""

    template = "The copy of {device} to another volume was given up after {copied_percent} %."


# Remote services


class RemoteServiceError(NovaLiteError):
    """Another service failed, timed out or cannot be reached."""

    template = "{service} failed: {reason}"
    http_status = 503
    is_temporary = True


class RpcTimeout(RemoteServiceError):
    """One of our own daemons did not answer a message in time."""

    template = "{service} did not answer '{method}' in time"


class RemoteConflict(RemoteServiceError):
    """Another service refused because of the state of the thing."""

    template = "{service} refused: {reason}"
    http_status = 409
    is_temporary = False


# Scheduling and building


class NoValidHost(NovaLiteError):
    """No host passes every rule.

    The message is for users (counts a rule); ``facts['verdicts']`` has the
    verdict a host as a list of dicts, for administrators.
    """

    template = "No valid host was found. {reason}"


class ClaimFailed(NovaLiteError):
    """The host no longer has room for the server."""

    template = "Insufficient compute resources: {reason}"


class MaxRetriesExceeded(NoValidHost):
    """Every host that was tried failed to build the server."""

    template = "Exceeded maximum number of retries ({attempts}). Last error: {reason}"


class BuildAborted(NovaLiteError):
    """The build cannot succeed on any host."""

    template = "Build of instance {instance_uuid} aborted: {reason}"


class OperationSuperseded(NovaLiteError):
    """Somebody else owns the operation now, or it is over: stop quietly."""

    template = "Operation {operation_id} is not ours to do any more."


# Hypervisor


class GuestNotFound(NotFound):
    """The hypervisor has no such guest."""

    template = "Guest {instance_uuid} does not exist on this host."


class HypervisorUnavailable(NovaLiteError):
    """The connection to the hypervisor is lost."""

    template = "Connection to the hypervisor is broken on host {host}: {reason}"
    http_status = 503
    is_temporary = True
    is_for_users = False


class HypervisorError(NovaLiteError):
    """The hypervisor refused or failed something."""

    template = "The hypervisor failed: {reason}"
    is_for_users = False


class VolumeNotConnected(NovaLiteError):
    """This host could not be connected to a volume, or disconnected from it."""

    template = "The host failed with a volume by {transport}: {reason}"
    is_for_users = False


class UnsupportedByDriver(NovaLiteError):
    """The hypervisor driver lacks the capability."""

    template = "The hypervisor driver does not support {capability}."
    http_status = 400


# Images and local disks


class ImageUnacceptable(InvalidInput):
    """An image that must not or cannot be used."""

    template = "Image {image_id} is unacceptable: {reason}"


class FlavorDiskTooSmall(InvalidInput):
    """The image is larger than the root disk it should fill."""

    template = (
        "Image {image_id} needs a disk of {virtual_size_bytes} bytes, "
        "but the flavor's root disk has {root_gib} GiB."
    )


class DiskToolFailed(NovaLiteError):
    """A program that works on disk files (qemu-img, mkfs) failed.

    ``reason`` is the program's own words and may name host paths: for logs
    and administrators.
    """

    template = "{tool} failed: {reason}"
    is_for_users = False


# Ceph


class CephError(NovaLiteError):
    """Ceph refused or failed something."""

    template = "Ceph failed: {reason}"
    is_for_users = False


class CephUnavailable(CephError):
    """The cluster cannot be reached, or does not answer in time."""

    template = "The Ceph cluster of {conf_path} cannot be used: {reason}"
    is_temporary = True
    http_status = 503


class RbdImageNotFound(CephError):
    """The pool has no such image or snapshot."""

    template = "RBD image {image} does not exist."


class RbdImageExists(CephError):
    """The pool has an image of that name already."""

    template = "RBD image {image} exists already."


class RbdImageBusy(CephError):
    """Somebody has the image open, or had until a moment ago."""

    template = "RBD image {image} is in use: {reason}"


class RbdImageHasClones(CephError):
    """Other images are clones of the image's snapshots."""

    template = "RBD image {image} has clones: {clones}"


# Databases


class DatabaseTooNew(NovaLiteError):
    """A newer release has migrated the database."""

    template = (
        "The {branch} database is at revision {current} and this release knows {known}: "
        "install the newer release again, or restore a backup from before the upgrade."
    )


class DatabaseUrlInvalid(NovaLiteError):
    """An option is no URL of a database. The URL holds a password and is not told."""

    template = (
        "{option} in section [database] cannot be understood: it must be like "
        "mysql+pymysql://USER:PASSWORD@HOST/DATABASE, with an @ in the password written %40"
    )
