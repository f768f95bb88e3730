"""What the stories of this folder do: as a user without privileges, over the APIs."""

import collections.abc
import dataclasses
import re
import typing

from tests.realcloud import cloud as clouds

BOOT_TIMEOUT_S = 300.0
GUEST_TIMEOUT_S = 300.0
"""A guest without a processor of its own is slow, and slower beside other tests."""
SERIAL_CHARACTERS = 20
"""So much of a disk's serial virtio-blk shows."""
VOLUME_VERSION = "3.66"
"""Of Cinder's API: what ``openstack`` asks for, too."""

Body: typing.TypeAlias = dict[str, typing.Any]


@dataclasses.dataclass(frozen=True)
class Answer:
    """Of an HTTP request."""

    status: int
    body: Body


@dataclasses.dataclass(frozen=True)
class Payload:
    """What the guest says about the random bytes of a disk."""

    read: str
    """Sum of the bytes that somebody left before, ``-`` if nobody did."""
    state: str
    """``intact``, ``damaged`` or ``-``."""
    wrote: str
    """Sum of the bytes that are there now, ``-`` if it only read."""


@dataclasses.dataclass(frozen=True)
class GuestDisk:
    """A disk as the guest sees it."""

    name: str
    size_bytes: int
    filesystem: str
    label: str


class Guest:
    """What a guest told on its serial console since it was switched on."""

    BOOTED = "NOVA-LITE-GUEST: booted\n"

    def __init__(self, cloud: clouds.Cloud, server_id: str, boot: int = 1) -> None:
        """:param boot: how often it will have been switched on; the log has them all."""
        self._compute = cloud.connection(clouds.ADMIN).compute
        self._server_id = server_id
        self._boot = boot

    def boots(self) -> list[str]:
        """What it told at each of its boots so far."""
        output = self._compute.get_server_console_output(self._server_id)["output"]
        return str(output or "").replace("\r", "").split(self.BOOTED)[1:]

    def text(self) -> str:
        """All that it told at this boot."""
        return "".join(self.boots()[self._boot - 1 : self._boot])

    def wait(self, pattern: str, count: int = 1) -> list[re.Match[str]]:
        """Its lines that match, once there are ``count`` that are whole."""

        def look() -> list[re.Match[str]]:
            found = list(re.finditer(rf"NOVA-LITE-GUEST: {pattern}\n", self.text()))
            return found if len(found) >= count else []

        what = f"{count} times '{pattern}' on the console of {self._server_id}"
        try:
            found = clouds.wait_for(look, what, GUEST_TIMEOUT_S)
        except AssertionError as error:
            raise AssertionError(f"{error}; it says:\n{self.text()[-1500:]}") from None
        return typing.cast(list[re.Match[str]], found)

    def root_serial(self) -> str:
        """Serial of the disk that it booted from, as far as it is shown."""
        return self.wait(r"root-disk \S+ serial (\S+) size \d+")[0][1]

    def disk(self, volume_id: str, count: int = 1) -> GuestDisk:
        """A volume as it was seen when it came last, which is the ``count``-th time."""
        serial = re.escape(volume_id[:SERIAL_CHARACTERS])
        pattern = rf"disk-added (\S+) serial {serial}\S* size (\d+) fs (\S+) label (\S+)"
        line = self.wait(pattern, count)[-1]
        return GuestDisk(line[1], int(line[2]), line[3], line[4])

    def payload(self, name: str, count: int = 1) -> Payload:
        """The ``count``-th thing that it said about the bytes on a disk."""
        lines = self.wait(rf"payload {name} read (\S+) (\S+) wrote (\S+)", count)
        return Payload(*lines[count - 1].groups())

    def removed(self, name: str, count: int = 1) -> None:
        """Return when it noticed that a disk went."""
        self.wait(f"disk-removed {name}", count)


class Lab:
    """Verbs; those that make something return its id when it is ready."""

    def __init__(self, cloud: clouds.Cloud, flavor: str) -> None:
        self.cloud = cloud
        self.flavor = flavor
        self._boots: dict[str, int] = {}

    def compute(
        self,
        method: str,
        path: str,
        body: Body | None = None,
        *,
        version: str = "2.100",
        user: str = clouds.USER,
    ) -> Answer:
        """A request to nova_lite, whatever it answers."""
        adapter = self.cloud.connection(user).compute
        return _asked(adapter, method, path, body, version)

    def block_storage(
        self,
        method: str,
        path: str,
        body: Body | None = None,
        *,
        version: str = VOLUME_VERSION,
        user: str = clouds.USER,
    ) -> Answer:
        """A request to Cinder, whatever it answers."""
        adapter = self.cloud.connection(user).block_storage
        return _asked(adapter, method, path, body, version)

    # Servers

    def order(
        self,
        name: str,
        *,
        image: str = "",
        devices: collections.abc.Sequence[Body] = (),
        flavor: str | None = None,
        zone: str = clouds.CEPH_ZONE,
        **more: object,
    ) -> Answer:
        """``POST /servers``, without networks; ``zone`` is of one compute host."""
        server: Body = {
            "name": name,
            "flavorRef": flavor or self.flavor,
            "imageRef": image,
            "networks": "none",
            "availability_zone": zone,
            **more,
        }
        if devices:
            server["block_device_mapping_v2"] = list(devices)
        return self.compute("POST", "/servers", {"server": server})

    def boot(self, name: str, **how: typing.Any) -> str:
        """Order a server and wait until it is ACTIVE; parameters as :meth:`order`."""
        answer = self.order(name, **how)
        assert answer.status == 202, answer
        return self.active(answer.body["server"]["id"])

    def active(self, server_id: str) -> str:
        """Return the id when the server is ACTIVE and nothing is under way."""
        server = self.settled(server_id)
        assert server["status"] == "ACTIVE", server.get("fault")
        return server_id

    def settled(self, server_id: str, timeout_s: float = BOOT_TIMEOUT_S) -> Body:
        """The server, when nothing is under way any more."""

        def settled() -> Body | None:
            server = self.server(server_id)
            is_building = server["status"] == "BUILD" or server["OS-EXT-STS:task_state"]
            return None if is_building else server

        return typing.cast(Body, clouds.wait_for(settled, f"{server_id} to settle", timeout_s))

    def server(self, server_id: str) -> Body:
        """As the administrator sees it."""
        answer = self.compute("GET", f"/servers/{server_id}", user=clouds.ADMIN)
        assert answer.status == 200, answer
        return typing.cast(Body, answer.body["server"])

    def delete(self, *server_ids: str) -> None:
        """Delete servers and wait until they are gone."""
        for server_id in server_ids:
            assert self.compute("DELETE", f"/servers/{server_id}").status == 204
        for server_id in server_ids:
            self._gone(lambda path: self.compute("GET", path), f"/servers/{server_id}")

    def act(self, server_id: str, action: str, body: Body | None = None) -> Answer:
        """``POST /servers/ID/action``; the answer was 2xx."""
        answer = self.compute("POST", f"/servers/{server_id}/action", {action: body})
        assert 200 <= answer.status < 300, answer
        return answer

    def stop(self, server_id: str) -> None:
        """Switch it off and wait."""
        self.act(server_id, "os-stop")
        assert self.settled(server_id)["status"] == "SHUTOFF"

    def start(self, server_id: str) -> None:
        """Switch it on and wait; :meth:`guest` is what it tells from now on."""
        self._boots[server_id] = len(self.guest(server_id).boots()) + 1
        self.act(server_id, "os-start")
        self.active(server_id)

    def guest(self, server_id: str) -> Guest:
        """The system inside."""
        return Guest(self.cloud, server_id, self._boots.get(server_id, 1))

    def events(self, server_id: str, action: str) -> dict[str, Body]:
        """Step -> event of the last action of that name, which has ended."""

        def ended() -> dict[str, Body]:
            events = self._last_action(server_id, action).get("events")
            if not events or any(event["finish_time"] is None for event in events):
                return {}
            return {event["event"]: event for event in events}

        return typing.cast(dict[str, Body], clouds.wait_for(ended, f"{action} to end", 60.0))

    def under_way(self, server_id: str) -> list[str]:
        """Steps of the server's last action that have not ended, such as ``connect_volume``."""
        events = self._last_action(server_id).get("events", [])
        return [event["event"] for event in events if event["finish_time"] is None]

    def _last_action(self, server_id: str, action: str | None = None) -> Body:
        path = f"/servers/{server_id}/os-instance-actions"
        listed = self.compute("GET", path, user=clouds.ADMIN).body.get("instanceActions", [])
        rows = [row for row in listed if action in (None, row["action"])]
        if not rows:
            return {}
        last = max(rows, key=lambda row: row["start_time"])["request_id"]
        shown = self.compute("GET", f"{path}/{last}", user=clouds.ADMIN).body
        return typing.cast(Body, shown["instanceAction"])

    # Volumes

    def volume(self, name: str, *, size_gib: int | None = 1, **more: object) -> str:
        """Make a volume; ``more`` as ``imageRef``, ``snapshot_id``, ``volume_type``."""
        body: Body = {"name": name, **more}
        if size_gib is not None:
            body["size"] = size_gib
        answer = self.block_storage("POST", "/volumes", {"volume": body})
        assert answer.status == 202, answer
        return self.until(answer.body["volume"]["id"], "available")

    def encrypted_volume(self, name: str, attempts: int = 20) -> str:
        """Make an empty encrypted volume. Cinder runs qemu-img, which now and then cannot
        measure how fast a key is stretched ("Unable to get accurate CPU usage"): chance,
        and then the volume is in error."""
        for _ in range(attempts):
            body = {"volume": {"name": name, "size": 1, "volume_type": "luks"}}
            answer = self.block_storage("POST", "/volumes", body)
            assert answer.status == 202, answer
            volume_id = str(answer.body["volume"]["id"])
            if self.until_settled(volume_id) == "available":
                return volume_id
            self.drop(volume_id)
        raise AssertionError(f"Cinder made no encrypted volume in {attempts} attempts")

    def facts(self, volume_id: str) -> Body:
        """A volume as Cinder shows it."""
        answer = self.block_storage("GET", f"/volumes/{volume_id}")
        assert answer.status == 200, answer
        return typing.cast(Body, answer.body["volume"])

    def until(self, volume_id: str, status: str, timeout_s: float = 90.0) -> str:
        """Return the volume's id when it has the status."""

        def there() -> bool:
            now = self.facts(volume_id)["status"]
            is_lost = now.startswith("error") and not status.startswith("error")
            assert not is_lost, f"volume {volume_id} is {now}"
            return bool(now == status)

        clouds.wait_for(there, f"volume {volume_id} to be {status}", timeout_s)
        return volume_id

    def until_settled(self, volume_id: str, timeout_s: float = 240.0) -> str:
        """The volume's status, when it is no transitional one any more."""

        def settled() -> str | None:
            now = str(self.facts(volume_id)["status"])
            return now if now in ("available", "in-use") or now.startswith("error") else None

        return str(clouds.wait_for(settled, f"volume {volume_id} to settle", timeout_s))

    def extend(self, volume_id: str, size_gib: int) -> None:
        """Make a volume larger that a server has."""
        body = {"os-extend": {"new_size": size_gib}}
        answer = self.block_storage("POST", f"/volumes/{volume_id}/action", body)
        assert answer.status == 202, answer
        clouds.wait_for(lambda: self.facts(volume_id)["size"] == size_gib, "Cinder to extend it")
        self.until(volume_id, "in-use")

    def drop(self, *volume_ids: str) -> None:
        """Delete volumes and wait until they are gone."""
        for volume_id in volume_ids:
            assert self.block_storage("DELETE", f"/volumes/{volume_id}").status == 202
        for volume_id in volume_ids:
            self.volume_gone(volume_id)

    def volume_gone(self, volume_id: str) -> None:
        """Return when Cinder does not know it any more."""
        self._gone(lambda path: self.block_storage("GET", path), f"/volumes/{volume_id}")

    def snapshot(self, volume_id: str) -> str:
        """Make a snapshot of a volume, even of one in use."""
        body = {"snapshot": {"volume_id": volume_id, "name": "story", "force": True}}
        answer = self.block_storage("POST", "/snapshots", body)
        assert answer.status == 202, answer
        path = f"/snapshots/{answer.body['snapshot']['id']}"
        clouds.wait_for(
            lambda: self.block_storage("GET", path).body["snapshot"]["status"] == "available",
            "the snapshot",
        )
        return str(answer.body["snapshot"]["id"])

    def drop_snapshot(self, snapshot_id: str) -> None:
        """Delete a snapshot and wait until it is gone."""
        path = f"/snapshots/{snapshot_id}"
        assert self.block_storage("DELETE", path).status == 202
        self._gone(lambda path: self.block_storage("GET", path), path)

    def attachments(self, volume_id: str) -> list[Body]:
        """Of a volume, as Cinder lists them for the administrator."""
        answer = self.block_storage(
            "GET", f"/attachments/detail?all_tenants=1&volume_id={volume_id}", user=clouds.ADMIN
        )
        return typing.cast(list[Body], answer.body["attachments"])

    # Both

    def try_attach(self, server_id: str, volume_id: str, **more: object) -> Answer:
        """``POST …/os-volume_attachments``, whatever it answers."""
        body = {"volumeAttachment": {"volumeId": volume_id, **more}}
        return self.compute("POST", f"/servers/{server_id}/os-volume_attachments", body)

    def attach(self, server_id: str, volume_id: str, **more: object) -> str:
        """Attach and wait; its name without ``/dev/``, as nova_lite gave it."""
        answer = self.try_attach(server_id, volume_id, **more)
        assert answer.status == 200, answer
        steps = self.events(server_id, "attach_volume")
        assert {step["result"] for step in steps.values()} == {"Success"}, steps
        self.until(volume_id, "in-use")
        return str(answer.body["volumeAttachment"]["device"]).removeprefix("/dev/")

    def try_detach(self, server_id: str, volume_id: str) -> Answer:
        """``DELETE …/os-volume_attachments/ID``, whatever it answers."""
        path = f"/servers/{server_id}/os-volume_attachments/{volume_id}"
        return self.compute("DELETE", path)

    def detach(self, server_id: str, volume_id: str) -> None:
        """Detach and wait until the server does not list it any more."""
        answer = self.try_detach(server_id, volume_id)
        assert answer.status == 202, answer
        clouds.wait_for(
            lambda: volume_id not in self.volumes_of(server_id), f"{volume_id} to be detached"
        )

    def volumes_of(self, server_id: str) -> dict[str, Body]:
        """Volume -> attachment, as nova_lite lists them."""
        answer = self.compute("GET", f"/servers/{server_id}/os-volume_attachments")
        assert answer.status == 200, answer
        return {row["volumeId"]: row for row in answer.body["volumeAttachments"]}

    def disk_of(self, server_id: str, volume_id: str) -> "typing.Any":
        """The libvirt element of a volume's disk, None if the guest has none."""
        return next(
            (
                disk
                for disk in clouds.parsed(self.cloud.domains()[server_id]).iter("disk")
                if disk.findtext("serial") == volume_id
            ),
            None,
        )

    @staticmethod
    def _gone(get: collections.abc.Callable[[str], Answer], path: str) -> None:
        clouds.wait_for(lambda: get(path).status == 404, f"{path} to be gone", 120.0)


def _asked(adapter: typing.Any, method: str, path: str, body: Body | None, version: str) -> Answer:
    answer = adapter.request(path, method, json=body, microversion=version, raise_exc=False)
    try:
        parsed = answer.json() if answer.content else {}
    except ValueError:
        parsed = {"text": answer.text}
    return Answer(answer.status_code, parsed)


def new_volume(
    source_type: str,
    uuid: str | None = None,
    *,
    boot_index: int = -1,
    keep: bool = False,
    **more: object,
) -> Body:
    """A ``block_device_mapping_v2`` entry with a volume as destination; it is deleted
    with the server unless it is to be kept."""
    entry: Body = {
        "source_type": source_type,
        "destination_type": "volume",
        "boot_index": boot_index,
        "delete_on_termination": not keep,
        **more,
    }
    if uuid is not None:
        entry["uuid"] = uuid
    if source_type in ("image", "blank"):
        entry.setdefault("volume_size", 1)
    return entry


def image_disk(image_id: str) -> Body:
    """A ``block_device_mapping_v2`` entry with a local root disk from an image."""
    return {
        "source_type": "image",
        "destination_type": "local",
        "boot_index": 0,
        "uuid": image_id,
        "delete_on_termination": True,
    }
