"""The life of one server that boots from a volume, as a user sees it.

The same story is told by ``tools/quickstart`` (all-in-one) and by the
integration test (four daemons): only through the ``openstack`` client.
"""

import dataclasses
import datetime
import re
import time
import typing

from openstack_session import CommandFailed
from openstack_session import OpenStackSession

VIRTIO_SERIAL_CHARACTERS = 20
"""virtio-blk cuts a serial there; virtio-scsi shows all of it."""
FLAVOR = "nova-lite.tiny"


class Mismatch(Exception):
    """The cloud answered, but not what it should; the message says what."""


@dataclasses.dataclass(frozen=True)
class Timeouts:
    """How long each thing may take, in seconds."""

    boot_s: float = 90.0
    guest_s: float = 60.0
    volume_s: float = 60.0


@dataclasses.dataclass(frozen=True)
class Step:
    """One step of an operation's journal."""

    name: str
    result: str
    start_ms: float
    """Since the request."""
    duration_ms: float | None
    """None while it runs."""


class Scenario:
    """Each method is one act of the story, and checks that it worked."""

    def __init__(
        self,
        openstack: OpenStackSession,
        prefix: str,
        *,
        timeouts: Timeouts | None = None,
        waiting: typing.Callable[[str], None] | None = None,
    ) -> None:
        """``prefix`` makes the names; ``waiting`` hears what is waited for."""
        self.openstack = openstack
        self.prefix = prefix
        self.timeouts = timeouts or Timeouts()
        self._waiting = waiting or (lambda what: None)
        self.image_id: str | None = None
        self.server_id: str | None = None
        self.root_volume_id: str | None = None
        self.data_volume_id: str | None = None

    def upload_image(self, path: str) -> str:
        """Upload the guest's raw image and return its id."""
        image = self.openstack.json(
            *("image", "create", f"{self.prefix}-guest"),
            *("--disk-format", "raw", "--container-format", "bare", "--file", path),
        )
        self.image_id = str(image["id"])
        self._until(
            lambda: self._status("image", self.image_id) == "active",
            self.timeouts.volume_s,
            "the image to become active",
        )
        return self.image_id

    def ensure_flavor(self) -> None:
        """Make the small flavor unless it is there."""
        names = [flavor["Name"] for flavor in self.openstack.json("flavor", "list", "--all")]
        if FLAVOR not in names:
            self.openstack.json(
                "flavor", "create", "--ram", "256", "--vcpus", "1", "--disk", "1", FLAVOR
            )

    def create_server(self) -> str:
        """Boot from a new volume made from the image; returns when it is ACTIVE."""
        server = self.openstack.json(
            *("server", "create", "--image", f"{self.prefix}-guest", "--flavor", FLAVOR),
            *("--boot-from-volume", "1", "--delete-on-termination", "--no-network"),
            f"{self.prefix}-server",
        )
        self.server_id = str(server["id"])
        self._until(self._is_active, self.timeouts.boot_s, "the server to become ACTIVE")
        volumes = self._volumes_of_server()
        if len(volumes) != 1:
            raise Mismatch(f"the server should have one volume and has {len(volumes)}")
        self.root_volume_id = volumes[0]
        return self.server_id

    def root_disk_line(self) -> str:
        """The guest's line about its root disk, whose serial is the volume's id."""
        line = self._console_line(r"(root-disk \S+ serial (\S+)[^\r\n]*)")
        self._same_serial(line, self.root_volume_id)
        return line.group(1)

    def create_volume(self) -> str:
        """Make the second volume; returns when it is available."""
        volume = self.openstack.json("volume", "create", "--size", "1", f"{self.prefix}-data")
        self.data_volume_id = str(volume["id"])
        self._until_volume("available")
        return self.data_volume_id

    def attach(self) -> str:
        """Plug the second volume in; the guest's line about it, with its serial."""
        self.openstack.run(
            "server", "add", "volume", f"{self.prefix}-server", f"{self.prefix}-data"
        )
        self._until_volume("in-use")
        line = self._console_line(r"(disk-added (\S+) serial (\S+)[^\r\n]*)", serial=3)
        self._same_serial(line, self.data_volume_id, group=3)
        return line.group(1)

    def detach(self) -> str:
        """Unplug it; the guest's line about it."""
        self.openstack.run(
            "server", "remove", "volume", f"{self.prefix}-server", f"{self.prefix}-data"
        )
        self._until_volume("available")
        # Cinder hears of it before the server forgets the volume.
        self._until(
            lambda: self.data_volume_id not in self._volumes_of_server(),
            self.timeouts.volume_s,
            "the server to list the detached volume no more",
        )
        return self._console_line(r"(disk-removed \S+)").group(1)

    def timeline(self, action: str = "create") -> list[Step]:
        """The steps of one of the server's operations, in order."""
        assert self.server_id is not None
        events = self.openstack.json("server", "event", "list", self.server_id)
        requests = [event["Request ID"] for event in events if event["Action"] == action]
        if not requests:
            raise Mismatch(f"the server has no event '{action}'")
        shown = self.openstack.json("server", "event", "show", self.server_id, requests[0])
        # The first step may be written before the operation's own row.
        began = min(_moment(row["start_time"]) for row in (shown, *shown["events"]))
        steps = []
        for event in shown["events"]:
            start, finish = _moment(event["start_time"]), event.get("finish_time")
            steps.append(
                Step(
                    name=event["event"],
                    result=event.get("result") or "running",
                    start_ms=(start - began).total_seconds() * 1000,
                    duration_ms=(
                        (_moment(finish) - start).total_seconds() * 1000 if finish else None
                    ),
                )
            )
        return sorted(steps, key=lambda step: step.start_ms)

    def delete_server(self) -> None:
        """Delete; returns when the server and its root volume are gone."""
        assert self.server_id is not None
        self.openstack.run("server", "delete", self.server_id)
        self._until(
            lambda: self.server_id not in self._ids("server"),
            self.timeouts.boot_s,
            "the server to be gone",
        )
        self._until(
            lambda: self.root_volume_id not in self._ids("volume"),
            self.timeouts.volume_s,
            "the root volume to be gone",
        )

    def delete_rest(self) -> None:
        """Delete the second volume and the image."""
        assert self.data_volume_id is not None
        assert self.image_id is not None
        self.openstack.run("volume", "delete", self.data_volume_id)
        self._until(
            lambda: self.data_volume_id not in self._ids("volume"),
            self.timeouts.volume_s,
            "the second volume to be gone",
        )
        self.openstack.run("image", "delete", self.image_id)

    def abandon(self) -> list[str]:
        """After a failure: delete what the story made; returns what would not go."""
        kept = []
        for kind, identity in (
            ("server", self.server_id),
            ("volume", self.data_volume_id),
            ("image", self.image_id),
        ):
            if identity is None:
                continue
            try:
                self._delete_if_there(kind, identity)
            except (CommandFailed, Mismatch) as error:
                kept.append(f"{kind} {identity} ({error})")
        return kept

    def _delete_if_there(self, kind: str, identity: str) -> None:
        if identity in self._ids(kind):
            self.openstack.run(kind, "delete", identity)
            self._until(lambda: identity not in self._ids(kind), 20.0, f"the {kind} to be gone")

    def _is_active(self) -> bool:
        assert self.server_id is not None
        server = self.openstack.json("server", "show", self.server_id)
        if server["status"] == "ERROR":
            fault = server.get("fault") or {}
            raise Mismatch(f"the server went to ERROR: {fault.get('message', 'no reason given')}")
        return bool(server["status"] == "ACTIVE")

    def _volumes_of_server(self) -> list[str]:
        assert self.server_id is not None
        listed = self.openstack.json("server", "volume", "list", self.server_id)
        return [row["Volume ID"] for row in listed]

    def _ids(self, kind: str) -> list[str]:
        return [row["ID"] for row in self.openstack.json(kind, "list")]

    def _status(self, kind: str, identity: str | None) -> str:
        assert identity is not None
        status = str(self.openstack.json(kind, "show", identity)["status"])
        if status.startswith("error"):
            raise Mismatch(f"{kind} {identity} has the status {status}")
        return status

    def _until_volume(self, status: str) -> None:
        self._until(
            lambda: self._status("volume", self.data_volume_id) == status,
            self.timeouts.volume_s,
            f"the volume to be {status}",
        )

    def _console_line(self, pattern: str, serial: int | None = None) -> re.Match[str]:
        """The guest's last line that matches, once there is one that is whole."""
        assert self.server_id is not None
        found: list[re.Match[str]] = []

        def look() -> bool:
            text = self.openstack.run("console", "log", "show", str(self.server_id))
            # The client ends the text with a newline also if the guest is still
            # writing the line; a carriage return comes only from the guest.
            found[:] = re.finditer(rf"NOVA-LITE-GUEST: {pattern}\r", text)
            if serial is not None:
                wanted = str(self.data_volume_id)
                found[:] = [line for line in found if wanted.startswith(line.group(serial))]
            return bool(found)

        self._until(look, self.timeouts.guest_s, "the guest to say so on its console")
        return found[-1]

    @staticmethod
    def _same_serial(line: re.Match[str], volume_id: str | None, group: int = 2) -> None:
        serial = line.group(group)
        if not str(volume_id).startswith(serial) or len(serial) < VIRTIO_SERIAL_CHARACTERS:
            raise Mismatch(f"the guest's disk has the serial {serial}, not {volume_id}")

    def _until(self, condition: typing.Callable[[], bool], timeout_s: float, what: str) -> None:
        deadline = time.monotonic() + timeout_s
        pause_s = 0.1
        while not condition():
            if time.monotonic() > deadline:
                raise Mismatch(f"waited {timeout_s:.0f} s in vain for {what}")
            self._waiting(what)
            time.sleep(pause_s)
            pause_s = min(pause_s * 1.5, 1.0)


def _moment(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text.removesuffix("Z"))
