"""The one table of what may be done to a server, and what follows.

Each :class:`Transition` is an edge: from which stable states an action is
allowed, which ``task_state`` shows while it is under way, what the server is
afterwards, and **what to do if the process that did it died**. The API's 409,
the compare-and-swap in the database, restart recovery and the diagram in the
docs all read this table. The rows follow Nova's rules for the same actions.
"""

import dataclasses
import enum
import typing

from nova_lite import exceptions
from nova_lite import states

VmState = states.VmState
TaskState = states.TaskState


class Restart(enum.StrEnum):
    """What becomes of an operation whose process died in the middle."""

    RETRY = "retry"
    """Undo what was done and do it again, as long as attempts are left."""
    RESUME = "resume"
    """Do it again from the start: every step accepts that it is done already."""
    ROLL_BACK = "roll back"
    """Undo what was done; the server is as it was before."""


class HasState(typing.Protocol):
    """Anything with a server's states."""

    uuid: str
    vm_state: str
    task_state: str | None


@dataclasses.dataclass(frozen=True)
class Transition:
    """One action. ``None`` in ``vm_states`` or ``task_states`` means any;
    ``None`` in ``doing``, ``success`` and ``failure`` means unchanged."""

    action: str
    vm_states: frozenset[VmState] | None
    task_states: frozenset[TaskState | None] | None
    doing: tuple[TaskState, ...]
    success: VmState | None
    failure: VmState | None
    restart: Restart
    shown: str | None = None
    """What the API calls the action, if it is not its own name."""
    steps: tuple[str, ...] = ()
    """The steps of an action that always has the same ones, in order: how far it is."""
    rereads_devices: bool = False
    """Whether the volume it is about, or any if it is about none, may have changed
    since it was sent: the host is given the devices anew when it begins."""

    @property
    def name(self) -> str:
        """The action's name for users."""
        return self.shown or self.action

    def check(self, instance: HasState) -> None:
        """Refuse unless the server's state allows the action.

        :raises nova_lite.exceptions.InstanceInvalidState: it does not.
        """
        for attribute, allowed in (
            ("vm_state", self.vm_states),
            ("task_state", self.task_states),
        ):
            state = getattr(instance, attribute)
            if allowed is not None and state not in allowed:
                raise exceptions.InstanceInvalidState(
                    action=self.name,
                    instance_uuid=instance.uuid,
                    attribute=attribute,
                    state=state,
                )

    @property
    def takes_task_state(self) -> bool:
        """Whether the action owns the whole server while it runs."""
        return bool(self.doing)

    @property
    def is_always_allowed(self) -> bool:
        """Whether no state of the server forbids it."""
        return self.vm_states is None and self.task_states is None


_AT_REST: frozenset[TaskState | None] = frozenset({None})
_HAS_IMAGE = frozenset({VmState.ACTIVE, VmState.STOPPED, VmState.PAUSED, VmState.SUSPENDED})
_HAS_VOLUMES = frozenset(
    {
        VmState.ACTIVE,
        VmState.PAUSED,
        VmState.STOPPED,
        VmState.RESIZED,
        VmState.SOFT_DELETED,
    }
)

# A new server gets a host, its block devices and a guest. A died build is
# undone and tried again: the volumes stay reserved for it all the time.
CREATE = Transition(
    "create",
    vm_states=frozenset({VmState.BUILDING}),
    task_states=frozenset(
        {TaskState.SCHEDULING, TaskState.BLOCK_DEVICE_MAPPING, TaskState.SPAWNING}
    ),
    doing=(TaskState.SCHEDULING, TaskState.BLOCK_DEVICE_MAPPING, TaskState.SPAWNING),
    success=VmState.ACTIVE,
    failure=VmState.ERROR,
    restart=Restart.RETRY,
)

# Deleting is allowed from everywhere and wins over whatever else runs; it can
# be repeated until it is done.
DELETE = Transition(
    "delete",
    vm_states=None,
    task_states=None,
    doing=(TaskState.DELETING,),
    success=VmState.DELETED,
    failure=VmState.ERROR,
    restart=Restart.RESUME,
)

# A volume is plugged in beside whatever the server does; only the volume's
# own phase moves. Half-way is no state to stay in: undone.
ATTACH_VOLUME = Transition(
    "attach_volume",
    vm_states=_HAS_VOLUMES,
    task_states=_AT_REST,
    doing=(),
    success=None,
    failure=None,
    restart=Restart.ROLL_BACK,
    steps=("reserve", "connect_volume", "plug", "complete_attachment"),
)

# Once the guest was asked to let go the way is forward: asking twice is
# harmless.
DETACH_VOLUME = Transition(
    "detach_volume",
    vm_states=_HAS_VOLUMES,
    task_states=_AT_REST,
    doing=(),
    success=None,
    failure=None,
    restart=Restart.RESUME,
    steps=("unplug", "release_volume"),
    rereads_devices=True,
)

# Cinder has made an attached volume larger and says so, whatever the server does
# then: its host waits for its turn. Telling the guest twice is harmless.
EXTEND_VOLUME = Transition(
    "extend_volume",
    vm_states=None,
    task_states=None,
    doing=(),
    success=None,
    failure=None,
    restart=Restart.RESUME,
    steps=("read_volume", "extend_disk"),
    rereads_devices=True,
)

# Cinder moves a volume to another back end: the guest's disk is copied to a new
# volume while it runs. Until the guest is on the new one there is a way back, and
# none after that.
SWAP_VOLUME = Transition(
    "swap_volume",
    vm_states=frozenset({VmState.ACTIVE, VmState.PAUSED, VmState.RESIZED}),
    task_states=_AT_REST,
    doing=(),
    success=None,
    failure=None,
    restart=Restart.ROLL_BACK,
    steps=(
        "reserve",
        "connect_volume",
        "copy",
        "complete_attachment",
        "release_volume",
        "complete_migration",
    ),
    rereads_devices=True,
)

# The guest is asked, then made, to shut down; its definition stays. One that is
# off already is success, so it can be done again.
STOP = Transition(
    "stop",
    vm_states=frozenset({VmState.ACTIVE, VmState.ERROR}),
    task_states=_AT_REST,
    doing=(TaskState.POWERING_OFF,),
    success=VmState.STOPPED,
    failure=None,
    restart=Restart.RESUME,
)

# One that runs already is success. A volume may have been detached while it waited
# for its turn, and be another server's by now.
START = Transition(
    "start",
    vm_states=frozenset({VmState.STOPPED}),
    task_states=_AT_REST,
    doing=(TaskState.POWERING_ON,),
    success=VmState.ACTIVE,
    failure=None,
    restart=Restart.RESUME,
    rereads_devices=True,
)

# The local root disk becomes an image. Half an image is none: it is deleted.
CREATE_IMAGE = Transition(
    "create_image",
    vm_states=_HAS_IMAGE,
    task_states=_AT_REST,
    doing=(
        TaskState.IMAGE_SNAPSHOT_PENDING,
        TaskState.IMAGE_SNAPSHOT,
        TaskState.IMAGE_PENDING_UPLOAD,
        TaskState.IMAGE_UPLOADING,
    ),
    success=None,
    failure=None,
    restart=Restart.ROLL_BACK,
    shown="createImage",
)

# The same for a server that boots from a volume: its volumes get a snapshot each, and
# the image names them. Cinder does the work, so the server's task is not taken.
SNAPSHOT_VOLUMES = Transition(
    "snapshot_volumes",
    vm_states=_HAS_IMAGE,
    task_states=_AT_REST,
    doing=(),
    success=None,
    failure=None,
    restart=Restart.ROLL_BACK,
    shown="createImage",
)

TABLE = {
    transition.action: transition
    for transition in (
        CREATE,
        DELETE,
        ATTACH_VOLUME,
        DETACH_VOLUME,
        EXTEND_VOLUME,
        SWAP_VOLUME,
        STOP,
        START,
        CREATE_IMAGE,
        SNAPSHOT_VOLUMES,
    )
}
