"""What a guest reads from its config drive, asked for through the unmodified client."""

import collections.abc
import hashlib
import pathlib
import re
import subprocess
import sys

import openstack_session
import pytest
import scenario

from tests.integration import cluster as clusters

PASSWORD = "canary-8d41f0aa"
USER_DATA = b"#cloud-config\nhostname: web\n"
IMAGE = "guestview-guest"


class User:
    """A person with the ``openstack`` client and a folder of files."""

    def __init__(
        self, cluster: clusters.Cluster, client: openstack_session.OpenStackSession
    ) -> None:
        self.cluster = cluster
        self.client = client
        self.folder = cluster.home

    def file(self, name: str, content: bytes) -> str:
        path = self.folder / name
        path.write_bytes(content)
        return str(path)

    def ssh_key(self) -> str:
        """A new key made by ssh-keygen; the file of its public half."""
        path = self.folder / "id"
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-N", "", "-C", "me", "-f", str(path)],
            check=True,
            timeout=60,
        )
        return f"{path}.pub"

    def keypairs(self) -> dict[str, str]:
        """Fingerprints by name."""
        rows = self.client.json("keypair", "list")
        return {row["Name"]: row["Fingerprint"] for row in rows}

    def status(self, server_id: str) -> str:
        return str(self.client.json("server", "show", server_id)["status"])

    def console(self, server_id: str, pattern: str) -> re.Match[str]:
        """The console's line that matches, once it is there."""

        def look() -> re.Match[str] | None:
            text = self.client.run("console", "log", "show", server_id)
            return re.search(f"NOVA-LITE-GUEST: {pattern}", text.replace("\r", ""))

        found: re.Match[str] = clusters.wait_for(look, f"{pattern!r} on the console", 90.0)
        return found


@pytest.fixture
def user(
    libvirt_cluster: clusters.Cluster, monkeypatch: pytest.MonkeyPatch
) -> collections.abc.Iterator[User]:
    # Tags of devices came with 2.32, and keys that only are imported with 2.92.
    monkeypatch.setenv("OS_COMPUTE_API_VERSION", "2.96")
    client = openstack_session.OpenStackSession(
        pathlib.Path(sys.executable).with_name("openstack"),
        libvirt_cluster.clouds_yaml,
        clusters.CLOUD,
    )
    yield User(libvirt_cluster, client)
    client.close()


def keep_keypairs(user: User) -> str:
    """Create, list, show and delete keypairs; returns the key of the one that stays."""
    client, public_key = user.client, user.ssh_key()
    client.run("keypair", "create", "--public-key", public_key, "mine")
    private_key = user.folder / "made"
    client.run("keypair", "create", "--private-key", str(private_key), "made")
    assert "OPENSSH PRIVATE KEY" in private_key.read_text()
    listed = user.keypairs()
    assert set(listed) == {"mine", "made"}
    said = subprocess.run(
        ["ssh-keygen", "-l", "-E", "md5", "-f", public_key],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    ).stdout
    assert f"MD5:{listed['mine']} " in said
    shown = client.json("keypair", "show", "mine")
    assert (shown["name"], shown["type"], shown["fingerprint"]) == ("mine", "ssh", listed["mine"])
    text = pathlib.Path(public_key).read_text()
    assert client.run("keypair", "show", "--public-key", "mine").strip() == text.strip()
    client.run("keypair", "delete", "made")
    assert set(user.keypairs()) == {"mine"}
    return text


def create_server(user: User, image_id: str) -> str:
    new_volume = "destination_type=volume,volume_size=1,delete_on_termination=true"
    server = user.client.json(
        *("server", "create", "--flavor", scenario.FLAVOR, "--no-network"),
        *(
            "--block-device",
            f"uuid={image_id},source_type=image,boot_index=0,tag=root,{new_volume}",
        ),
        *("--block-device", f"source_type=blank,boot_index=-1,tag=data,{new_volume}"),
        *("--config-drive", "True", "--key-name", "mine", "--password", PASSWORD),
        *("--user-data", user.file("user-data", USER_DATA), "web"),
    )
    server_id = str(server["id"])
    clusters.wait_for(lambda: user.status(server_id) == "ACTIVE", "the server", 90.0)
    return server_id


def test_a_guest_reads_who_it_is(user: User) -> None:
    """S59: tags and serials reach the guest; S136, S154: so does the password, and
    no daemon logs it, although all log at debug level."""
    client, cluster = user.client, user.cluster
    image = subprocess.run(
        [str(clusters.CHECKOUT / "tools" / "guest-image")],
        check=True,
        capture_output=True,
        text=True,
        timeout=300,
    ).stdout.splitlines()[-1]
    story = scenario.Scenario(client, "guestview")
    image_id = story.upload_image(image)
    story.ensure_flavor()
    key = keep_keypairs(user)
    with pytest.raises(openstack_session.CommandFailed, match="Invalid key_name provided"):
        client.json(
            *("server", "create", "--flavor", scenario.FLAVOR, "--no-network"),
            *("--image", IMAGE, "--key-name", "made", "refused"),
        )

    server_id = create_server(user, image_id)
    shown = client.json("server", "show", server_id)
    assert (shown["config_drive"], shown["key_name"]) in (("True", "mine"), (True, "mine"))
    attached = client.json("server", "volume", "list", server_id)
    volumes = {row["Tag"]: row["Volume ID"] for row in attached}
    user_data, password = (
        hashlib.sha256(text).hexdigest()[:16] for text in (USER_DATA, PASSWORD.encode())
    )
    user.console(
        server_id,
        f"config-drive on=sr0 uuid={server_id} hostname=web keys=mine devices=root,data "
        f"user-data={user_data} admin-pass={password}",
    )
    user.console(server_id, f"config-drive-key mine {re.escape(key.strip())}")
    for tag, disk in (("root", "vda"), ("data", "vdb")):
        user.console(
            server_id,
            f"config-drive-device tag={tag} path=/dev/{disk} bus=pci address=[0-9a-f:.]+ "
            f"serial={volumes[tag]} is={disk}",
        )
    folder = cluster.state / "instances" / server_id
    assert (folder / "disk.config").exists()

    client.run("server", "delete", server_id)
    clusters.wait_for(lambda: cluster.server(server_id) is None, "the server to be gone", 60.0)
    assert not folder.exists()
    assert cluster.ok("GET", "/volumes/detail?all_tenants=1", service="volume")["volumes"] == []
    for log in cluster.logs.iterdir():
        assert PASSWORD not in log.read_text(errors="replace"), log
