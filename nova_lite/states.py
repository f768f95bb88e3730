"""The names of every state a server, a task and a volume device can be in.

The strings are Nova's, since they are visible in the Compute API
(``OS-EXT-STS:vm_state``, ``OS-EXT-STS:task_state``). What may follow what is in
:mod:`nova_lite.transitions`; this module only gives names and a sentence each.
"""

import enum


class VmState(enum.StrEnum):
    """The stable state of a server: what it is when nothing is going on."""

    BUILDING = "building"
    """Never ran yet: its first build is under way, or waits to be."""
    ACTIVE = "active"
    """Runs."""
    STOPPED = "stopped"
    """Defined on its host, not running."""
    PAUSED = "paused"
    """Its processors are halted, its memory is kept."""
    SUSPENDED = "suspended"
    """Its memory is saved to disk."""
    RESCUED = "rescued"
    """Runs from a rescue image."""
    RESIZED = "resized"
    """Runs in its new size, waiting for confirm or revert."""
    SHELVED = "shelved"
    """Stopped, with its image saved; still on its host."""
    SHELVED_OFFLOADED = "shelved_offloaded"
    """Saved and on no host."""
    SOFT_DELETED = "soft-delete"
    """Deleted by its owner, can still be restored."""
    DELETED = "deleted"
    """Gone."""
    ERROR = "error"
    """Something failed; its fault says what."""


class TaskState(enum.StrEnum):
    """The transition under way. None (no task) is a server at rest."""

    SCHEDULING = "scheduling"
    """A host is being chosen."""
    BLOCK_DEVICE_MAPPING = "block_device_mapping"
    """Its host prepares the block devices."""
    SPAWNING = "spawning"
    """The hypervisor creates the guest."""
    DELETING = "deleting"
    """It is being removed."""
    POWERING_OFF = "powering-off"
    """It is asked to shut down, and made to."""
    POWERING_ON = "powering-on"
    """It is being started again."""
    IMAGE_SNAPSHOT_PENDING = "image_snapshot_pending"
    """An image of it is asked for."""
    IMAGE_SNAPSHOT = "image_snapshot"
    """Its root disk's content is being fixed."""
    IMAGE_PENDING_UPLOAD = "image_pending_upload"
    """What was fixed is being made a file."""
    IMAGE_UPLOADING = "image_uploading"
    """The image service gets it."""


class PowerState(enum.IntEnum):
    """What the hypervisor said last. Observed, never assumed."""

    NOSTATE = 0
    RUNNING = 1
    PAUSED = 3
    SHUTDOWN = 4
    CRASHED = 6
    SUSPENDED = 7


class DevicePhase(enum.StrEnum):
    """How far a volume device has come. Internal: not visible in the API."""

    RESERVED = "reserved"
    """Cinder holds the volume for this server; no host is connected."""
    CONNECTED = "connected"
    """The host has connection information and may have the device."""
    PLUGGED = "plugged"
    """The guest has the disk."""
    COMPLETE = "complete"
    """Cinder was told so: the volume is in-use."""
    UNPLUGGING = "unplugging"
    """The guest was asked to let go."""
    DISCONNECTED = "disconnected"
    """The host let go; only the Cinder attachment is left."""


class OperationStatus(enum.StrEnum):
    """How an entry of the journal (an instance action) stands."""

    RUNNING = "running"
    """Somebody owns it, or must take it over."""
    SUCCESS = "success"
    """Done."""
    ERROR = "error"
    """Failed, and its clean-up is done."""
