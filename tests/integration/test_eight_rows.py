"""The table of destinations and sources, each row with a real guest.

Everything is asked for through the unmodified ``openstack`` client; what a disk
really is, the guest says on its console: name, serial, size, file system.
"""

import collections.abc
import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import typing
import urllib.request
import xml.etree.ElementTree

import openstack_session
import pytest

from tests.integration import cluster as clusters

GIB = 2**30
MIB = 2**20
GUEST_TIMEOUT_S = 120.0
SERIAL_CHARACTERS = 20
FLAVOR = ("--ram", "256", "--vcpus", "1")


@dataclasses.dataclass(frozen=True)
class SeenDisk:
    """A disk as the guest sees it."""

    name: str
    serial: str
    size_bytes: int
    filesystem: str | None
    label: str | None

    def is_volume(self, volume_id: str) -> bool:
        return len(self.serial) >= SERIAL_CHARACTERS and volume_id.startswith(self.serial)


class Console:
    """What a guest said so far."""

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path

    def find(self, pattern: str) -> list[re.Match[str]]:
        """Its lines that match, without one that is being written."""
        if not self._path.exists():
            return []
        text = self._path.read_text(errors="replace").replace("\r", "")
        return list(re.finditer(rf"NOVA-LITE-GUEST: {pattern}\n", text))

    def wait(self, pattern: str, count: int = 1) -> list[re.Match[str]]:
        try:
            clusters.wait_for(
                lambda: len(self.find(pattern)) >= count, f"{count} {pattern}", GUEST_TIMEOUT_S
            )
        except clusters.NotInTime as error:
            tail = self._path.read_text(errors="replace")[-2000:]
            raise clusters.NotInTime(f"{error}; {self._path} says:\n{tail}") from None
        return self.find(pattern)

    def root(self) -> SeenDisk:
        (line,) = self.wait(r"root-disk (\S+) serial (\S+) size (\d+)")
        return SeenDisk(line[1], line[2], int(line[3]), None, None)

    def others(self, count: int) -> dict[str, SeenDisk]:
        lines = self.wait(r"disk-added (\S+) serial (\S+) size (\d+) fs (\S+) label (\S+)", count)
        return {line[1]: SeenDisk(line[1], line[2], int(line[3]), *line.group(4, 5))
                for line in lines}  # fmt: skip

    def marker(self, name: str) -> tuple[str, str]:
        """What an earlier boot had left there (or ``-``), and what this one left."""
        (line,) = self.wait(rf"marker {name} read (\S+) wrote (\S+)")
        return line[1], line[2]

    def payload(self, name: str) -> tuple[str, str, str]:
        """The checksum that was on a disk (or ``-``), whether its data are ``intact``,
        and the checksum of what this boot wrote."""
        (line,) = self.wait(rf"payload {name} read (\S+) (\S+) wrote (\S+)")
        return line[1], line[2], line[3]


class Lab:
    """The cluster, its client, and what all tests start from."""

    def __init__(self, cluster: clusters.Cluster) -> None:
        self.cluster = cluster
        self.client = openstack_session.OpenStackSession(
            pathlib.Path(sys.executable).with_name("openstack"),
            cluster.clouds_yaml,
            clusters.CLOUD,
        )
        self.instances = cluster.state / "instances"
        self.image_path = pathlib.Path(
            subprocess.run(
                [str(clusters.CHECKOUT / "tools" / "guest-image")],
                check=True,
                capture_output=True,
                text=True,
                timeout=300,
            ).stdout.splitlines()[-1]
        )
        self.image = self.upload("guest", self.image_path)
        # Data that cannot be taken for a root: guests find theirs by its label.
        self.data_path = cluster.home / "data.raw"
        self.data_path.write_bytes(os.urandom(3 * MIB))
        self.data_image = self.upload("data", self.data_path)
        self.client.json("flavor", "create", *FLAVOR, "--disk", "1", "plain")
        self.client.json(
            "flavor",
            "create",
            *FLAVOR,
            *("--disk", "1", "--ephemeral", "1", "--swap", "64"),
            "eight",
        )

    def upload(self, name: str, path: pathlib.Path, disk_format: str = "raw") -> str:
        image = self.client.json(
            *("image", "create", name, "--disk-format", disk_format),
            *("--container-format", "bare", "--file", str(path)),
        )
        return str(image["id"])

    def server(self, name: str, *words: str, flavor: str = "eight") -> str:
        """``openstack server create``; the id of the server, which is ACTIVE."""
        server_id = str(self.start(name, *words, flavor=flavor)["id"])
        self.wait_active(server_id)
        return server_id

    def start(self, name: str, *words: str, flavor: str = "eight") -> typing.Any:
        return self.client.json(
            "server", "create", "--flavor", flavor, "--no-network", *words, name
        )

    def wait_active(self, server_id: str) -> None:
        server = self.cluster.wait_settled(server_id, GUEST_TIMEOUT_S)
        assert server["status"] == "ACTIVE", server.get("fault")

    def volume(self, name: str, *words: str, size_gib: int = 1) -> str:
        """``openstack volume create``; the id of the volume, which is available."""
        size = ("--size", str(size_gib)) if "--snapshot" not in words else ()
        volume_id = str(self.client.json("volume", "create", *size, *words, name)["id"])
        clusters.wait_for(
            lambda: self.volume_facts(volume_id)["status"] == "available", f"volume {name}"
        )
        return volume_id

    def snapshot(self, name: str, volume_id: str) -> str:
        snapshot = self.client.json("volume", "snapshot", "create", "--volume", volume_id, name)
        path = f"/snapshots/{snapshot['id']}"
        clusters.wait_for(
            lambda: (
                self.cluster.ok("GET", path, service="volume")["snapshot"]["status"] == "available"
            ),
            f"snapshot {name}",
        )
        return str(snapshot["id"])

    def volume_facts(self, volume_id: str) -> clusters.Body:
        return typing.cast(
            clusters.Body,
            self.cluster.ok("GET", f"/volumes/{volume_id}", service="volume")["volume"],
        )

    def volume_exists(self, volume_id: str) -> bool:
        return self.cluster.request("GET", f"/volumes/{volume_id}", service="volume")[0] == 200

    def volumes_of(self, server_id: str) -> dict[str, str]:
        """Device (``vdb``) -> volume, as the client lists them."""
        rows = self.client.json("server", "volume", "list", server_id)
        return {row["Device"].removeprefix("/dev/"): row["Volume ID"] for row in rows}

    def console(self, server_id: str) -> Console:
        return Console(self.instances / server_id / "console.log")

    def delete(self, *server_ids: str) -> None:
        self.client.run("server", "delete", *server_ids)
        for server_id in server_ids:
            clusters.wait_for(
                lambda server_id=server_id: self.cluster.server(server_id) is None,
                f"{server_id} to be gone",
            )

    def checksum(self, volume_id: str) -> str:
        """Of as much of a volume as the data image is long."""
        (path,) = self.cluster.state.glob(f"standalone/**/volume-{volume_id}")
        with path.open("rb") as file:
            return hashlib.sha1(file.read(self.data_path.stat().st_size)).hexdigest()


@pytest.fixture(scope="module")
def lab(services: clusters.Services) -> collections.abc.Iterator[Lab]:
    """One cluster for all tests here; each leaves nothing behind."""
    with new_lab(services) as lab:
        yield lab


@contextlib.contextmanager
def new_lab(services: clusters.Services) -> collections.abc.Iterator[Lab]:
    """A cluster whose servers are deleted in the end."""
    if subprocess.run(
        ["virsh", "-c", "qemu:///system", "version"], capture_output=True, timeout=30
    ).returncode:
        pytest.skip("libvirt does not run (tools/services start libvirt)")
    home = pathlib.Path(tempfile.mkdtemp(prefix="nova-lite-rows-", dir="/var/tmp"))
    home.chmod(0o755)
    try:
        with clusters.Cluster(home, services, driver="libvirt") as cluster:
            lab = Lab(cluster)
            try:
                yield lab
            finally:
                lab.client.close()
                for server in cluster.ok("GET", "/servers")["servers"]:
                    cluster.request("DELETE", f"/servers/{server['id']}")
                clusters.wait_for(
                    lambda: not cluster.ok("GET", "/servers")["servers"], "servers to be gone"
                )
    finally:
        shutil.rmtree(home, ignore_errors=True)


def qemu_facts(path: pathlib.Path, disk_format: str) -> typing.Any:
    """qemu-img about a file that a guest has open."""
    done = subprocess.run(
        ["qemu-img", "info", "-U", "--output=json", "-f", disk_format, str(path)],
        check=True,
        capture_output=True,
        timeout=30,
    )
    return json.loads(done.stdout)


def domain_disks(server_id: str) -> list[xml.etree.ElementTree.Element]:
    done = subprocess.run(
        ["virsh", "-c", "qemu:///system", "dumpxml", server_id],
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
    )
    return xml.etree.ElementTree.fromstring(done.stdout).findall("devices/disk")


def attribute(element: xml.etree.ElementTree.Element, path: str, name: str) -> str | None:
    found = element.find(path)
    return None if found is None else found.get(name)


def test_every_row_as_a_data_device(lab: Lab) -> None:
    """S61-S68, S73, S85-S91, S99-S108, S110: one server with a device of every row, in
    order: root, ephemeral, swap, then volumes, whose content is that of their source."""
    golden = lab.volume("golden", "--image", "data")
    snapshot = lab.snapshot("golden-snapshot", golden)
    existing = lab.volume("existing")
    server_id = lab.server(
        "every-row",
        *("--image", "guest", "--ephemeral", "size=1,format=ext3", "--swap", "64"),
        *("--block-device", f"source_type=volume,uuid={existing},destination_type=volume"),
        "--block-device",
        f"source_type=snapshot,uuid={snapshot},destination_type=volume,delete_on_termination=true",
        "--block-device",
        f"source_type=image,uuid={lab.data_image},destination_type=volume,volume_size=1,"
        "delete_on_termination=true",
        *("--block-device", "source_type=blank,destination_type=volume,volume_size=2"),
    )
    devices = lab.volumes_of(server_id)
    assert sorted(devices) == ["vdd", "vde", "vdf", "vdg"]
    from_snapshot, from_image, blank = devices["vde"], devices["vdf"], devices["vdg"]
    assert devices["vdd"] == existing

    console = lab.console(server_id)
    assert console.root() == SeenDisk("vda", "-", GIB, None, None)
    seen = console.others(6)
    assert seen["vdb"] == SeenDisk("vdb", "-", GIB, "ext3", "ephemeral0")
    assert seen["vdc"] == SeenDisk("vdc", "-", 64 * MIB, "swap", "-")
    for name, volume_id in devices.items():
        assert seen[name].is_volume(volume_id), (seen[name], volume_id)
        assert seen[name].filesystem == "none"
    assert [seen[name].size_bytes // GIB for name in sorted(devices)] == [1, 1, 1, 2]
    assert int(console.wait(r"swap vdc KiB (\d+)")[0][1]) == 64 * 1024 - 4
    assert console.marker("vdb")[0] == console.marker("vdd")[0] == console.marker("vdg")[0] == "-"

    content = hashlib.sha1(lab.data_path.read_bytes()).hexdigest()
    assert lab.checksum(from_snapshot) == lab.checksum(from_image) == content
    assert lab.volume_facts(from_snapshot)["snapshot_id"] == snapshot
    assert lab.volume_facts(blank)["name"] == f"{server_id}-blank-vol"
    _check_local_files(lab, server_id)

    lab.delete(server_id)
    assert not (lab.instances / server_id).exists()
    for volume_id, stays in (
        (existing, True), (blank, True), (from_snapshot, False), (from_image, False)
    ):  # fmt: skip
        assert lab.volume_exists(volume_id) == stays
    lab.client.run("volume", "snapshot", "delete", snapshot)
    clusters.wait_for(
        lambda: not lab.cluster.ok("GET", "/snapshots", service="volume")["snapshots"], "snapshot"
    )
    lab.client.run("volume", "delete", existing, blank, golden)


def _check_local_files(lab: Lab, server_id: str) -> None:
    """Of a guest that runs."""
    folder, base = lab.instances / server_id, lab.instances / "_base"
    assert {path.name for path in folder.iterdir()} == {
        "console.log", "disk", "disk.eph0", "disk.info", "disk.swap"
    }  # fmt: skip
    recorded = json.loads((folder / "disk.info").read_text())
    image_base = hashlib.sha1(lab.image.encode()).hexdigest()
    expected = {
        "disk": (GIB, image_base, lab.image_path.stat().st_size),
        "disk.eph0": (GIB, "ephemeral_1_ext3", GIB),
        "disk.swap": (64 * MIB, "swap_64", 64 * MIB),
    }
    for name, (size_bytes, base_name, base_bytes) in expected.items():
        facts = qemu_facts(folder / name, "qcow2")
        assert facts["virtual-size"] == size_bytes
        assert facts["backing-filename"] == str(base / base_name)
        assert qemu_facts(base / base_name, "raw")["virtual-size"] == base_bytes
        assert recorded[str(folder / name)] == "qcow2"
    disks = domain_disks(server_id)
    assert [disk.find("target").get("dev") for disk in disks] == [  # type: ignore[union-attr]
        "vda", "vdb", "vdc", "vdd", "vde", "vdf", "vdg"
    ]  # fmt: skip
    for disk in disks[:3]:
        assert (disk.get("type"), disk.get("device")) == ("file", "disk")
        assert attribute(disk, "driver", "name") == "qemu"
        assert attribute(disk, "driver", "type") == "qcow2"
        assert attribute(disk, "driver", "cache") == "none"
        assert attribute(disk, "target", "bus") == "virtio"
    assert [attribute(disk, "boot", "order") for disk in disks] == ["1"] + [None] * 6


def test_every_row_as_the_root(lab: Lab) -> None:
    """S30-S33, S51, S63-S66, S69, S70, S72, S76, S95-S97: guests that run from a volume
    of each source. A blank root boots nothing, and the firmware goes on to index 1;
    SeaBIOS does so only if that is a device of another type (S70), hence the CD."""
    golden = lab.volume("golden-root", "--image", "guest")
    snapshot = lab.snapshot("golden-root-snapshot", golden)
    servers = {
        "volume": lab.start("from-volume", "--volume", golden, flavor="plain")["id"],
        "snapshot": lab.start("from-snapshot", "--snapshot", snapshot, flavor="plain")["id"],
        "image": lab.start(
            "from-image", "--image", "guest", "--boot-from-volume", "1", "--swap", "32"
        )["id"],
        "blank": lab.start(
            "from-blank",
            "--block-device",
            "source_type=blank,destination_type=volume,volume_size=1,boot_index=0,"
            "device_type=cdrom,disk_bus=scsi,delete_on_termination=true",
            "--block-device",
            f"source_type=image,uuid={lab.image},destination_type=volume,volume_size=1,"
            "boot_index=1,delete_on_termination=true",
            flavor="plain",
        )["id"],
    }
    for server_id in servers.values():
        lab.wait_active(server_id)
    roots = {}
    for source, server_id in servers.items():
        devices = lab.volumes_of(server_id)
        root = lab.console(server_id).root()
        assert root.name == "vda"
        assert root.is_volume(devices[root.name])
        assert root.size_bytes == GIB
        roots[source] = devices[root.name]
        assert not (lab.instances / server_id / "disk").exists()
    assert roots["volume"] == golden
    cd, disk = domain_disks(servers["blank"])
    assert (cd.get("device"), attribute(cd, "boot", "order")) == ("cdrom", "1")
    assert (disk.get("device"), attribute(disk, "boot", "order")) == ("disk", "2")
    swap = lab.console(servers["image"]).others(2)["vdc"]
    assert (swap.filesystem, swap.size_bytes) == ("swap", 32 * MIB)
    assert {path.name for path in (lab.instances / servers["image"]).iterdir()} == {
        "console.log", "disk.eph0", "disk.info", "disk.swap"
    }  # fmt: skip
    left, written = lab.console(servers["volume"]).marker("root")
    assert left == "-"
    # The last thing that it writes, on a file system without a journal.
    lab.console(servers["volume"]).payload("root")
    lab.delete(*servers.values())
    assert not any((lab.instances / server_id).exists() for server_id in servers.values())
    assert lab.volume_exists(roots["image"])
    assert not lab.volume_exists(roots["blank"])

    again = lab.server("from-volume-again", "--volume", golden, flavor="plain")
    assert lab.console(again).marker("root")[0] == written, "the data are intact (S97)"
    lab.delete(again)
    lab.client.run("volume", "snapshot", "delete", snapshot)
    clusters.wait_for(
        lambda: not lab.cluster.ok("GET", "/snapshots", service="volume")["snapshots"], "snapshot"
    )
    lab.client.run("volume", "delete", golden, roots["snapshot"], roots["image"])


def test_two_servers_at_once_share_nothing(lab: Lab) -> None:
    """S63-S68 with min_count 2: each server has disks and volumes of its own, over
    one image that was fetched once."""
    lab.start(
        "twins",
        *("--image", "guest", "--ephemeral", "size=1", "--swap", "16", "--min", "2", "--max", "2"),
        "--block-device",
        f"source_type=image,uuid={lab.data_image},destination_type=volume,volume_size=1,"
        "delete_on_termination=true",
        "--block-device",
        "source_type=blank,destination_type=volume,volume_size=1,delete_on_termination=true",
    )
    twins = [server["id"] for server in lab.cluster.ok("GET", "/servers?name=twins")["servers"]]
    assert len(twins) == 2
    volumes: set[str] = set()
    markers = set()
    for server_id in twins:
        lab.wait_active(server_id)
        devices = lab.volumes_of(server_id)
        console = lab.console(server_id)
        assert console.root().name == "vda"
        seen = console.others(4)
        assert [seen[name].filesystem for name in ("vdb", "vdc", "vdd", "vde")] == [
            "ext4", "swap", "none", "none"
        ]  # fmt: skip
        assert all(seen[name].is_volume(volume) for name, volume in devices.items())
        assert {console.marker(name)[0] for name in ("root", "vdb", "vde")} == {"-"}
        markers.add(console.marker("vdb")[1])
        volumes.update(devices.values())
    assert len(volumes) == 4
    assert len(markers) == 2
    lab.delete(*twins)
    assert not any(lab.volume_exists(volume_id) for volume_id in volumes)


def test_buses_and_kinds_of_devices(lab: Lab) -> None:
    """S48, S50, S51, S60: a SCSI disk on a virtio-scsi controller shows its whole
    serial; a volume as a CD is one to the guest."""
    disk, cd = lab.volume("on-scsi"), lab.volume("as-cd", "--image", "data")
    server_id = lab.server(
        "buses",
        *("--image", "guest"),
        "--block-device",
        f"source_type=volume,uuid={disk},destination_type=volume,disk_bus=scsi",
        "--block-device",
        f"source_type=volume,uuid={cd},destination_type=volume,disk_bus=scsi,device_type=cdrom",
        flavor="plain",
    )
    devices = lab.volumes_of(server_id)
    assert set(devices) == {"sda", "sdb"}
    seen = lab.console(server_id).others(2)
    assert seen["sda"].serial == disk
    assert seen["sr0"].serial in (cd, "-")
    assert seen["sr0"].size_bytes == GIB
    lab.delete(server_id)
    lab.client.run("volume", "delete", disk, cd)


@pytest.mark.parametrize("filesystem", ["ext2", "ext4", "xfs"])
def test_file_systems_of_ephemeral_disks(lab: Lab, filesystem: str) -> None:
    """S47: really made, and found by the guest."""
    if shutil.which(f"mkfs.{filesystem}", path=f"{os.environ['PATH']}:/usr/sbin") is None:
        pytest.skip(f"no mkfs.{filesystem} (tools/install hypervisor)")
    server_id = lab.server(
        filesystem, "--image", "guest", "--ephemeral", f"size=1,format={filesystem}"
    )
    seen = lab.console(server_id).others(1)["vdb"]
    assert (seen.filesystem, seen.label) == (filesystem, "ephemeral0")
    lab.delete(server_id)


def image_downloads(lab: Lab) -> int:
    """How often anybody fetched an image so far."""
    url = f"http://127.0.0.1:{lab.cluster.ports['image']}/_calls"
    with urllib.request.urlopen(url, timeout=30) as answer:
        calls = json.load(answer)["calls"]
    return sum(1 for call in calls if call["kind"] == "images.download")


def test_four_boots_of_one_image_fetch_it_once(lab: Lab) -> None:
    """S99, S103: they all want it at the same moment."""
    image = lab.upload("fresh", lab.image_path)
    before = image_downloads(lab)
    lab.start("four", "--image", "fresh", "--min", "4", "--max", "4", flavor="plain")
    four = [server["id"] for server in lab.cluster.ok("GET", "/servers?name=four")["servers"]]
    assert len(four) == 4
    for server_id in four:
        lab.wait_active(server_id)
    assert image_downloads(lab) - before == 1
    base = hashlib.sha1(image.encode()).hexdigest()
    for server_id in four:
        facts = qemu_facts(lab.instances / server_id / "disk", "qcow2")
        assert facts["backing-filename"] == str(lab.instances / "_base" / base)
    lab.delete(*four)
    assert sorted(path.name for path in lab.instances.iterdir()) == ["_base"]


def test_a_compute_killed_while_it_fetches_an_image(lab: Lab) -> None:
    """kill -9 in the middle of a real download: the next run fetches it again, and
    the server that waited for it comes up."""
    image = lab.upload("slow", lab.image_path)
    fault = {"kind": "images.download", "action": "hang", "seconds": 60}
    request = urllib.request.Request(
        f"http://127.0.0.1:{lab.cluster.ports['image']}/_faults",
        data=json.dumps(fault).encode(),
        headers={"Content-Type": "application/json"},
    )
    urllib.request.urlopen(request, timeout=30).close()
    before = image_downloads(lab)
    server_id = str(lab.start("waits", "--image", "slow", flavor="plain")["id"])
    clusters.wait_for(lambda: image_downloads(lab) > before, "the download to begin")
    lab.cluster.daemons["compute"].kill()
    lab.cluster.daemons["compute"].restart()
    lab.wait_active(server_id)
    assert image_downloads(lab) - before == 2
    base = lab.instances / "_base" / hashlib.sha1(image.encode()).hexdigest()
    assert base.read_bytes() == lab.image_path.read_bytes()
    assert not list((lab.instances / "_base").glob("*.part"))
    lab.delete(server_id)
