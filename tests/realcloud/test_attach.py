"""Volumes that are attached to and detached from servers, and what guests see of it."""

import typing

import pytest

from tests.realcloud import cloud as clouds
from tests.realcloud import conftest
from tests.realcloud import lab as labs


def _pair(lab: labs.Lab, image: str, *zones: str) -> tuple[str, str]:
    ordered = [lab.order(zone, image=image, zone=zone) for zone in zones]
    left, right = (lab.active(answer.body["server"]["id"]) for answer in ordered)
    return left, right


@pytest.fixture
def pair(lab: labs.Lab, guest_images: conftest.GuestImages) -> tuple[str, str]:
    """Two servers that run on one host."""
    return _pair(lab, guest_images.raw, clouds.CEPH_ZONE, clouds.CEPH_ZONE)


@pytest.fixture
def far_pair(lab: labs.Lab, guest_images: conftest.GuestImages) -> tuple[str, str]:
    """Two servers that run on two hosts."""
    return _pair(lab, guest_images.raw, clouds.CEPH_ZONE, clouds.FILES_ZONE)


def test_data_travels_with_its_volume(lab: labs.Lab, far_pair: tuple[str, str]) -> None:
    """S29, S197, S198, S206, S220: what one server writes another one reads on another host,
    whether they run or not when the volume comes and goes; S204: a read-only volume is one
    for the guest; 2.85: its fate at the end can be changed."""
    left, right = far_pair
    volume = lab.volume("traveller")
    name = lab.attach(left, volume, tag="data")
    assert lab.volumes_of(left)[volume]["tag"] == "data"
    guest = lab.guest(left)
    disk = guest.disk(volume)
    first = guest.payload(disk.name)
    assert (name, first.state) == (disk.name, "-")
    (attachment,) = lab.attachments(volume)
    assert (attachment["instance"], attachment["status"]) == (left, "attached")
    assert lab.volumes_of(left)[volume]["attachment_id"] == attachment["id"]
    source = lab.disk_of(left, volume).find("source")
    assert (source.get("protocol"), source.get("name")) == ("rbd", f"volumes/volume-{volume}")

    lab.detach(left, volume)
    guest.removed(disk.name)
    lab.until(volume, "available")
    assert lab.attachments(volume) == []
    lab.attach(right, volume)
    guest = lab.guest(right)
    second = guest.payload(guest.disk(volume).name)
    assert (second.read, second.state) == (first.wrote, "intact")

    _edit_termination(lab, right, volume)
    lab.stop(right)
    lab.detach(right, volume)
    lab.until(volume, "available")
    assert lab.disk_of(right, volume) is None
    lab.stop(left)
    lab.attach(left, volume)
    assert lab.disk_of(left, volume) is not None
    lab.start(left)
    guest = lab.guest(left)
    third = guest.payload(guest.disk(volume).name)
    assert (third.read, third.state) == (second.wrote, "intact")

    lab.detach(left, volume)
    lab.until(volume, "available")
    _set_readonly(lab, volume)
    lab.start(right)
    lab.attach(right, volume, delete_on_termination=True)
    assert lab.disk_of(right, volume).find("readonly") is not None
    guest = lab.guest(right)
    fourth = guest.payload(guest.disk(volume).name)
    assert (fourth.read, fourth.state, fourth.wrote) == (third.wrote, "intact", "-")
    lab.delete(left, right)
    lab.volume_gone(volume)


def _edit_termination(lab: labs.Lab, server_id: str, volume_id: str) -> None:
    path = f"/servers/{server_id}/os-volume_attachments/{volume_id}"
    for wanted in (True, False):
        body = {"volumeAttachment": {"volumeId": volume_id, "delete_on_termination": wanted}}
        assert lab.compute("PUT", path, body, version="2.84").status == 400
        assert lab.compute("PUT", path, body, version="2.85").status == 202
        assert lab.volumes_of(server_id)[volume_id]["delete_on_termination"] is wanted


def _set_readonly(lab: labs.Lab, volume_id: str) -> None:
    body = {"os-update_readonly_flag": {"readonly": True}}
    answer = lab.block_storage("POST", f"/volumes/{volume_id}/action", body)
    assert answer.status == 202, answer


def test_mistakes_change_nothing(
    cloud: clouds.Cloud, lab: labs.Lab, pair: tuple[str, str]
) -> None:
    """A volume twice, somebody else's, an unknown one, a compute service that is down:
    each is told apart, and the volume stays as it is. Who repeats a DELETE gets what
    he wants."""
    left, right = pair
    volume, other = lab.volume("one"), lab.volume("two")
    lab.attach(left, volume)
    _refused(lab.try_attach(left, volume), 400, "already attached")
    _refused(lab.try_attach(right, volume), 400, "already attached")
    unknown = "11111111-2222-4333-8444-555555555555"
    _refused(lab.try_attach(left, unknown), 404, unknown)
    _refused(lab.try_detach(right, volume), 404, volume)
    with _forced_down(lab):
        _refused(lab.try_attach(right, other), 409, "")
        _refused(lab.try_detach(left, volume), 409, "")
    assert [lab.facts(each)["status"] for each in (volume, other)] == ["in-use", "available"]
    assert len(lab.attachments(volume)) == 1

    answers = [lab.try_detach(left, volume).status for _ in range(4)]
    assert answers[0] == 202
    assert set(answers) <= {202, 404}
    lab.until(volume, "available")
    lab.delete(left, right)
    lab.drop(volume, other)


def _refused(answer: labs.Answer, status: int, reason: str) -> None:
    assert answer.status == status, answer
    (error,) = answer.body.values()
    assert reason in error["message"]


class _forced_down:  # noqa: N801  (reads as a statement)
    """The compute service is said to be down, as an operator's fencing does."""

    def __init__(self, lab: labs.Lab) -> None:
        self._lab = lab
        rows = lab.compute("GET", "/os-services", user=clouds.ADMIN).body["services"]
        computes = {row["host"]: row["id"] for row in rows if row["binary"] == "nova-compute"}
        self._service = computes[clouds.FIRST_HOST]

    def __enter__(self) -> None:
        self._put(True)

    def __exit__(self, *_: typing.Any) -> None:
        self._put(False)

    def _put(self, is_down: bool) -> None:
        path, body = f"/os-services/{self._service}", {"forced_down": is_down}
        answer = self._lab.compute("PUT", path, body, user=clouds.ADMIN)
        assert answer.status == 200, answer


def test_two_servers_share_a_volume(
    cloud: clouds.Cloud, lab: labs.Lab, pair: tuple[str, str]
) -> None:
    """One volume, two servers of one host: the second guest reads what the first one wrote;
    when one lets go the other one keeps its disk, and the last one disconnects."""
    left, right = pair
    volume = lab.volume("shared", volume_type="multiattach")
    image = f"volumes/volume-{volume}"
    guests = {server_id: lab.guest(server_id) for server_id in pair}
    lab.attach(left, volume)
    wrote = guests[left].payload(guests[left].disk(volume).name).wrote
    lab.attach(right, volume)
    disk = guests[right].disk(volume)
    seen = guests[right].payload(disk.name)
    assert (seen.read, seen.state) == (wrote, "intact")
    assert {row["instance"] for row in lab.attachments(volume)} == {left, right}
    assert lab.disk_of(left, volume).find("shareable") is not None
    assert _watchers(cloud, image) == 2

    lab.detach(left, volume)
    guests[left].removed(disk.name)
    assert lab.facts(volume)["status"] == "in-use"
    assert [row["instance"] for row in lab.attachments(volume)] == [right]
    clouds.wait_for(lambda: _watchers(cloud, image) == 1, "one to have let go")
    lab.stop(right)
    lab.start(right)
    again = lab.guest(right).payload(lab.guest(right).disk(volume).name)
    assert (again.read, again.state) == (seen.wrote, "intact")

    lab.detach(right, volume)
    lab.until(volume, "available")
    clouds.wait_for(lambda: _watchers(cloud, image) == 0, "the last one to have let go")
    assert not list(cloud.state.glob(f"*/volume_users/*{volume}*"))
    lab.delete(left, right)
    lab.drop(volume)


def _watchers(cloud: clouds.Cloud, image: str) -> int:
    return len(cloud.rbd("status", image)["watchers"])


def test_a_user_cannot_pull_a_volume_away(lab: labs.Lab, pair: tuple[str, str]) -> None:
    """CVE-2023-2088: a user's own DELETE of the attachment, terminate or force-detach in
    Cinder is refused while a server uses the volume, and the guest keeps its disk; nova_lite's
    own calls carry a service token and work."""
    left, right = pair
    volume = lab.volume("wanted")
    lab.attach(left, volume)
    guest = lab.guest(left)
    wrote = guest.payload(guest.disk(volume).name).wrote
    (attachment,) = lab.attachments(volume)
    answer = lab.block_storage("DELETE", f"/attachments/{attachment['id']}")
    assert answer.status == 409, answer
    connector = {"connector": {"host": clouds.FIRST_HOST}}
    detach = {"attachment_id": attachment["id"]}
    for action, body in (("os-terminate_connection", connector), ("os-detach", detach)):
        done = lab.block_storage("POST", f"/volumes/{volume}/action", {action: body})
        assert done.status == 409 or connector is body, (action, done)
    assert lab.facts(volume)["status"] == "in-use"
    assert [row["id"] for row in lab.attachments(volume)] == [attachment["id"]]

    lab.detach(left, volume)
    lab.until(volume, "available")
    lab.attach(right, volume)
    guest = lab.guest(right)
    payload = guest.payload(guest.disk(volume).name)
    assert (payload.read, payload.state) == (wrote, "intact")
    lab.delete(left, right)
    lab.until(volume, "available")
    lab.drop(volume)
