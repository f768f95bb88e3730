"""Nothing that opens a door is told to anybody who need not know it."""

import pathlib

from tests.realcloud import cloud as clouds
from tests.realcloud import conftest


def test_secrets_stay_secret(
    cloud: clouds.Cloud, guest_images: conftest.GuestImages, flavor: str
) -> None:
    """SECURITY (CVE-2015-8749, OSSN-0085): keys of Ceph, passwords of services and
    users, tokens and a server's administrator password are in no log of nova_lite
    (with debug on), no fault, no action, no process's arguments and no domain's XML."""
    connection = cloud.connection()
    secrets = _known_secrets(cloud)
    server = connection.compute.create_server(
        name="secretive",
        flavor_id=flavor,
        image_id="",
        networks="none",
        block_device_mapping=[
            {
                "uuid": guest_images.raw,
                "source_type": "image",
                "destination_type": "volume",
                "volume_size": 1,
                "boot_index": 0,
                "delete_on_termination": True,
            }
        ],
    )
    secrets["the server's password"] = server.admin_password
    server = connection.compute.wait_for_server(server, interval=0.5, wait=240)
    volume = connection.block_storage.create_volume(size=1, name="secretive")
    connection.block_storage.wait_for_status(volume, "available", interval=0.5, wait=120)
    connection.compute.create_volume_attachment(server, volume_id=volume.id)
    connection.block_storage.wait_for_status(volume, "in-use", interval=0.5, wait=120)
    secrets["the user's token"] = connection.auth_token

    places = {
        f"log {path.name}": path.read_text(errors="replace")
        for path in (cloud.directory / "logs").glob("nova-*.log")
    }
    places["domain"] = cloud.domains()[server.id]
    places["processes"] = _arguments_of_processes()
    for table in ("instance_faults", "instance_actions", "instance_actions_events"):
        places[table] = str(cloud.sql("nova_lite_cell", f"SELECT * FROM {table}"))
    connection.compute.delete_server(server)
    connection.compute.wait_for_delete(server, interval=0.5, wait=120)
    connection.block_storage.delete_volume(volume)
    told = [
        f"{secret} in {place}"
        for place, text in places.items()
        for secret, value in secrets.items()
        if value in text
    ]
    assert told == []


def _known_secrets(cloud: clouds.Cloud) -> dict[str, str]:
    """By what they open."""
    found = {}
    for path in pathlib.Path(cloud.env["CEPH_CONF"]).parent.glob("*.keyring"):
        for line in path.read_text().splitlines():
            if line.strip().startswith("key = "):
                found[f"the key in {path.name}"] = line.partition("=")[2].strip()
    for line in pathlib.Path(cloud.env["REALCLOUD_NOVA_CONF"]).read_text().splitlines():
        option, _, value = line.partition(" = ")
        if option == "password":
            found["the password of user nova"] = value
    for line in (cloud.directory / "openrc-demo").read_text().splitlines():
        if "OS_PASSWORD=" in line:
            found["the password of user demo"] = line.partition("=")[2]
    assert len(found) > 4
    return found


def _arguments_of_processes() -> str:
    text = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text.append(path.read_bytes().decode(errors="replace"))
        except OSError:
            continue  # it ended meanwhile
    return "\n".join(text)
