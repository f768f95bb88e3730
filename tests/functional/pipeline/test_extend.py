"""A volume grows while a server has it (RULES B7, extend)."""

from nova_lite import exceptions
from nova_lite import states
from tests.fixtures import pipeline

GIB = 2**30


def told_sizes(world: pipeline.World, server_id: str) -> dict[str, int]:
    guest = world.hosts["a"].driver.world.guests[server_id]
    return dict(guest.sizes_bytes)


def test_the_guest_and_the_record_have_the_new_size(one_host: pipeline.World) -> None:
    server_id, volume_id = one_host.boot(image=one_host.image()), one_host.volume()
    one_host.attached(server_id, volume_id)
    one_host.extend(volume_id, 3)
    one_host.wait(one_host.is_quiet, "the extend")
    assert told_sizes(one_host, server_id) == {volume_id: 3 * GIB}
    assert one_host.device(server_id, volume_id).volume_size == 3
    one_host.check([volume_id])


def test_a_server_that_is_off_gets_it_at_its_next_start(one_host: pipeline.World) -> None:
    """Only the record is changed: the disk is opened at its new size."""
    server_id, volume_id = one_host.boot(image=one_host.image()), one_host.volume()
    one_host.attached(server_id, volume_id)
    one_host.nova("POST", f"/servers/{server_id}/action", {"os-stop": None})
    one_host.settled(server_id)
    one_host.extend(volume_id, 2)
    one_host.wait(one_host.is_quiet, "the extend")
    assert told_sizes(one_host, server_id) == {}
    assert one_host.device(server_id, volume_id).volume_size == 2
    one_host.check([volume_id])


def test_both_servers_of_a_shared_volume_are_told(world: pipeline.World) -> None:
    volume_id, image_id = world.volume(multiattach=True), world.image()
    servers = [world.boot(image=image_id) for _ in range(2)]
    for server_id in servers:
        world.attached(server_id, volume_id)
    world.extend(volume_id, 2)
    world.wait(
        lambda: all(world.device(server_id, volume_id).volume_size == 2 for server_id in servers),
        "both to know",
    )
    world.wait(world.is_quiet, "the end of it")
    world.check([volume_id])


def test_a_guest_that_cannot_grow_is_an_error_of_the_action(one_host: pipeline.World) -> None:
    server_id, volume_id = one_host.boot(image=one_host.image()), one_host.volume()
    one_host.attached(server_id, volume_id)
    one_host.hosts["a"].faults.fail("volumes.extend", exceptions.HypervisorError(reason="no"))
    one_host.extend(volume_id, 2)
    one_host.wait(one_host.is_quiet, "the end of it")
    entry = one_host.journal()[-1]
    assert (entry[0], entry[1]) == ("extend_volume", "error")
    assert one_host.device(server_id, volume_id).volume_size == 2  # as Cinder says
    assert one_host.volume_status(volume_id) == "in-use"
    one_host.check([volume_id])


def test_a_waiting_cinder_hears_that_it_went_well(one_host: pipeline.World) -> None:
    server_id, volume_id = one_host.boot(image=one_host.image()), one_host.volume()
    one_host.attached(server_id, volume_id)
    one_host.extend_by_guest(server_id, volume_id, 2)
    one_host.wait(one_host.is_quiet, "the extend")
    assert told_sizes(one_host, server_id) == {volume_id: 2 * GIB}
    volume = one_host.cinder("GET", f"/volumes/{volume_id}")["volume"]
    assert (volume["status"], volume["size"]) == ("in-use", 2)
    one_host.check([volume_id])


def test_a_waiting_cinder_hears_that_it_went_wrong(one_host: pipeline.World) -> None:
    server_id, volume_id = one_host.boot(image=one_host.image()), one_host.volume()
    one_host.attached(server_id, volume_id)
    one_host.hosts["a"].faults.fail("volumes.extend", exceptions.HypervisorError(reason="no"))
    one_host.extend_by_guest(server_id, volume_id, 2)
    one_host.wait(one_host.is_quiet, "the extend")
    volume = one_host.cinder("GET", f"/volumes/{volume_id}")["volume"]
    assert (volume["status"], volume["size"]) == ("error_extending", 1)


def test_an_extend_that_no_host_takes_is_over_with_a_reason(one_host: pipeline.World) -> None:
    """And Cinder, if it waits for it, hears so."""
    server_id, volume_id = one_host.boot(image=one_host.image()), one_host.volume()
    one_host.attached(server_id, volume_id)
    one_host.hosts["a"].bury()
    one_host.extend(volume_id, 2)
    one_host.declare_down("a")
    one_host.time_passes()
    entry = one_host.journal()[-1]
    assert (entry[0], entry[1]) == ("extend_volume", "error")
    assert "the server's host does not answer" in entry[5]


def test_an_extend_never_brings_back_what_an_attach_has_changed(
    one_host: pipeline.World,
) -> None:
    """The device is read anew when the host begins: the one that was sent is of
    before the attach had ended."""
    server_id, volume_id = one_host.boot(image=one_host.image()), one_host.volume()
    host = one_host.hosts["a"]
    release = host.faults.hang("volumes.plug", times=1)
    one_host.attach(server_id, volume_id)
    one_host.wait(lambda: "volumes.plug" in host.faults.calls, "the attach to be under way")
    event = {"name": "volume-extended", "server_uuid": server_id, "tag": volume_id}
    one_host.nova("POST", "/os-server-external-events", {"events": [event]})
    release()
    one_host.wait(one_host.is_quiet, "both")
    assert one_host.device(server_id, volume_id).phase == states.DevicePhase.COMPLETE
    one_host.check([volume_id])


def test_a_setting_made_during_an_attach_is_kept(one_host: pipeline.World) -> None:
    """delete_on_termination (2.85) and the host's own record do not undo each other."""
    server_id, volume_id = one_host.boot(image=one_host.image()), one_host.volume()
    host = one_host.hosts["a"]
    release = host.faults.hang("volumes.plug", times=1)
    one_host.attach(server_id, volume_id)
    one_host.wait(lambda: "volumes.plug" in host.faults.calls, "the attach to be under way")
    path = f"/servers/{server_id}/os-volume_attachments/{volume_id}"
    body = {"volumeAttachment": {"volumeId": volume_id, "delete_on_termination": True}}
    one_host.nova("PUT", path, body)
    release()
    one_host.wait(one_host.is_quiet, "the attach")
    device = one_host.device(server_id, volume_id)
    assert (device.phase, device.delete_on_termination) == ("complete", True)
    one_host.check([volume_id])
