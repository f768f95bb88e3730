"""Secrets stay where they belong; conftest looks for them after the whole run, too."""

from tests.realcloud import canaries
from tests.realcloud import cloud as clouds
from tests.realcloud import conftest
from tests.realcloud import lab as labs

ADMIN_PASSWORD = "canary-admin-3f9c21"


def test_nobody_tells_a_secret(
    cloud: clouds.Cloud, lab: labs.Lab, guest_images: conftest.GuestImages
) -> None:
    """S136, S154, S197 and OSSN-0085: while a server with an encrypted volume is built, has a
    volume attached and detached, and a build of it fails, no password, token, cephx key or
    volume key is in a message beside the field made for it, in a domain's XML, in what the API
    tells, or in a database."""
    watched = canaries.Canaries(cloud)
    watched.add("password of the server", ADMIN_PASSWORD)
    with canaries.Messages(cloud) as messages:
        encrypted = lab.encrypted_volume("encrypted")
        server = lab.boot(
            "guarded",
            image=guest_images.raw,
            devices=[
                labs.image_disk(guest_images.raw),
                labs.new_volume("volume", encrypted),
            ],
            config_drive=True,
            adminPass=ADMIN_PASSWORD,
        )
        volume = lab.volume("plain")
        lab.attach(server, volume)
        found = watched.in_domains()
        guest = lab.guest(server)
        guest.disk(volume)
        lab.detach(server, volume)
        told = [lab.compute("GET", f"/servers/{server}", user=clouds.ADMIN).body]
        told += [lab.events(server, action) for action in ("create", "attach_volume")]
        sent = messages.of_nova_lite()
    assert any("build_and_run_instance" in message for message in sent)
    found |= watched.found_in("messages", "\n".join(sent))
    found |= watched.found_in("answers of the API", repr(told))
    found |= watched.in_databases() | watched.in_logs()
    assert not found
    lab.delete(server)
    lab.drop(volume)
