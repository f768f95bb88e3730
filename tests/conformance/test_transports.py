"""Every transport that this kind of machine can run, with a guest that reads back
what it wrote: RBD from a real Ceph, iSCSI from a real target through QEMU's own
initiator, and LUKS on a file and on RBD. The others: tests/unit/virt/libvirt/volumes.
"""

import contextlib
import logging
import pathlib
import re
import shutil
import subprocess
import uuid

import pytest
import supervised

from nova_lite import concurrency
from nova_lite import conf as conf_module
from nova_lite import exceptions
from nova_lite.image import convert
from nova_lite.volume import keys
from tests.conformance import conftest
from tests.conformance import test_guest_system
from tests.conformance.test_guest_system import guest_image  # noqa: F401

SIZE_MIB = 16
PASSPHRASE = b"canary-passphrase-7f3d"
CHAP_PASSWORD = "canary-chap-91c2"


@pytest.fixture
def host(libvirtd, caplog):
    """Everything that is logged is searched for secrets afterwards."""
    caplog.set_level(logging.DEBUG)
    with conftest.new_lab("libvirt") as lab:
        yield lab
    for canary in (PASSPHRASE.decode(), CHAP_PASSWORD):
        assert canary not in caplog.text


def device_of(transport, volume_id, **data):
    return {
        "connection_info": {
            "driver_volume_type": transport,
            "serial": volume_id,
            "data": {"access_mode": "rw", **data},
        },
        "mount_device": "/dev/vdb",
        "attachment_id": str(uuid.uuid4()),
        "boot_index": None,
        "delete_on_termination": False,
        "device_type": "disk",
        "disk_bus": None,
        "guest_format": None,
    }


def virsh(*arguments):
    command = ["virsh", "-c", "qemu:///system", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout


def secrets(owner):
    """UUIDs of the secrets that libvirt has of a volume, or of who else is in their
    usage names. Of others, it may get and lose some at any time."""
    listed = re.findall(r"^ *([0-9a-f]{8}-[0-9a-f-]{27}) +(.*)$", virsh("secret-list"), re.M)
    return {secret_uuid for secret_uuid, usage in listed if owner in usage}


def command_lines():
    lines = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            lines.append(path.read_bytes())
    return b"\n".join(lines)


def use_twice(host, image, device, encryption=None):
    """Plug, write, unplug, disconnect; and once more to read what was written.
    Nothing of the volume is left then."""
    host.driver = host.new_driver(libvirt__device_detach_timeout_s=20.0, **host.options)
    booted = test_guest_system.Booted(host, image)
    info, volume_id = device["connection_info"], device["connection_info"]["serial"]
    found = None
    for found_then in ("- -", "{sum} intact"):
        host.driver.volumes.connect(info, booted.uuid, encryption)
        host.driver.volumes.plug(booted.uuid, device)
        # The sum with what ends it: the line may be half written yet.
        payload = rf"payload vdb read {found_then.format(sum=found)} wrote ([0-9a-f]{{64}})\s"
        found = booted.wait_for(payload, test_guest_system.BOOT_TIMEOUT_S)[1]
        booted.wait_for(f"disk-added vdb serial {volume_id[:20]} size {SIZE_MIB * 2**20}")
        _no_secret_is_seen(booted.uuid)
        host.driver.volumes.unplug(booted.uuid, volume_id)
        host.driver.volumes.disconnect(info, booted.uuid)
        assert host.driver.volumes.users(volume_id) == frozenset()
        assert secrets(volume_id) == set()


def _no_secret_is_seen(instance_uuid):
    """Not by who sees the domain, and not by who sees the processes."""
    seen = virsh("dumpxml", "--security-info", instance_uuid).encode() + command_lines()
    assert PASSPHRASE not in seen
    assert CHAP_PASSWORD.encode() not in seen


class TestRbd:
    """S184, S197, S198, S210, S220: a network disk, no device and no file on the host."""

    @pytest.fixture
    def volume(self, host, ceph_conf):
        """An empty image, as Cinder exports it."""
        volume_id = str(uuid.uuid4())
        name = f"volumes/volume-{volume_id}"
        self.rbd(ceph_conf, "create", name, "--size", f"{SIZE_MIB}M")
        yield device_of("rbd", volume_id, **rbd_data(ceph_conf, name))
        self.rbd(ceph_conf, "rm", "--no-progress", name)

    @pytest.fixture(autouse=True)
    def options(self, host, ceph_conf):
        host.options = {
            "libvirt__images_rbd_ceph_conf": ceph_conf,
            "libvirt__rbd_secret_uuid": str(uuid.uuid4()),
        }
        yield
        for name in self.secrets(host):
            virsh("secret-undefine", name)

    @staticmethod
    def secrets(host):
        """Those of the user of Ceph that was made up for the test."""
        return secrets(host.options["libvirt__rbd_secret_uuid"])

    @staticmethod
    def rbd(ceph_conf, *arguments):
        command = ["rbd", "-c", ceph_conf, "--id", "admin", *arguments]
        subprocess.run(command, check=True, capture_output=True, timeout=60)

    def test_a_guest_uses_it(self, host, guest_image, volume, ceph_conf):  # noqa: F811
        use_twice(host, guest_image, volume)
        # The key is the host's: the secret that was made of its keyring stays.
        assert self.secrets(host) == {host.options["libvirt__rbd_secret_uuid"]}
        keyring = pathlib.Path(ceph_conf).with_name("ceph.client.cinder.keyring").read_text()
        (key,) = re.findall(r"key = (\S+)", keyring)
        assert key.encode() not in command_lines()
        assert not list(pathlib.Path("/tmp").glob("brickrbd_*"))

    def test_an_encrypted_one(self, host, guest_image, volume, ceph_conf):  # noqa: F811
        """S201: the guest sees plaintext, Ceph does not."""
        name = volume["connection_info"]["data"]["name"]
        luks_file = host.path / "luks"
        make_luks(luks_file, SIZE_MIB)
        self.rbd(ceph_conf, "rm", "--no-progress", name)
        self.rbd(ceph_conf, "import", "--no-progress", str(luks_file), name)
        volume["connection_info"]["data"]["encrypted"] = True
        use_twice(host, guest_image, volume, keys.Encryption("luks", PASSPHRASE))
        assert self.secrets(host) == {host.options["libvirt__rbd_secret_uuid"]}
        exported = host.path / "exported"
        self.rbd(ceph_conf, "export", "--no-progress", name, str(exported))
        assert_is_ciphertext(exported)

    def test_without_a_key_nothing_is_left(self, host, volume, tmp_path):
        """S207: and the message says what to do."""
        user = str(uuid.uuid4())
        volume["connection_info"]["data"]["auth_username"] = "nobody"
        host.driver = host.new_driver(**host.options)
        with pytest.raises(exceptions.VolumeNotConnected, match=r"no secret .* client\.nobody"):
            host.driver.volumes.connect(volume["connection_info"], user)
        host.driver.volumes.disconnect(volume["connection_info"], user)
        assert host.driver.volumes.users(volume["connection_info"]["serial"]) == frozenset()


def rbd_data(ceph_conf, name):
    text = pathlib.Path(ceph_conf).read_text()
    host, port = re.findall(r"v2:([0-9.]+):(\d+)", text)[0]
    return {
        "name": name,
        "hosts": [host],
        "ports": [port],
        "cluster_name": "ceph",
        "auth_enabled": True,
        "auth_username": "cinder",
        "secret_type": "ceph",
        "secret_uuid": None,
        "discard": True,
    }


class TestLuksFile:
    """S201, S208."""

    @pytest.fixture(autouse=True)
    def options(self, host):
        host.options = {}

    def test_a_guest_uses_it(self, host, guest_image):  # noqa: F811
        device = host.volume("vdb", size_mib=1)
        path = pathlib.Path(device["connection_info"]["data"]["device_path"])
        make_luks(path, SIZE_MIB)
        device["connection_info"]["data"]["encrypted"] = True
        encryption = keys.Encryption("luks", PASSPHRASE)
        use_twice(host, guest_image, device, encryption)
        assert_is_ciphertext(path)

    def test_the_wrong_key_gives_the_guest_nothing(self, host):
        device = host.volume("vdb", size_mib=1)
        make_luks(pathlib.Path(device["connection_info"]["data"]["device_path"]), SIZE_MIB)
        device["connection_info"]["data"]["encrypted"] = True
        server = host.spawn(host.volume("vda"))
        serial = device["connection_info"]["serial"]
        wrong = keys.Encryption("luks", b"wrong")
        host.driver.volumes.connect(device["connection_info"], server, wrong)
        assert len(secrets(serial)) == 1
        with pytest.raises(exceptions.HypervisorError):
            host.driver.volumes.plug(server, device)
        host.driver.volumes.disconnect(device["connection_info"], server)
        assert secrets(serial) == set()
        assert serial not in host.serials(server)

    def test_a_guest_starts_again_after_libvirt_forgot_the_key(self, host):
        """As after its restart: who connects the volume again has it kept again."""
        device = host.volume("vdb", size_mib=1)
        info, serial = device["connection_info"], device["connection_info"]["serial"]
        make_luks(pathlib.Path(info["data"]["device_path"]), SIZE_MIB)
        info["data"]["encrypted"] = True
        encryption = keys.Encryption("luks", PASSPHRASE)
        server = host.spawn(host.volume("vda"))
        host.driver.volumes.connect(info, server, encryption)
        host.driver.volumes.plug(server, device)
        host.driver.power.power_off(server, 0)
        (forgotten,) = secrets(serial)
        virsh("secret-undefine", forgotten)
        with pytest.raises(exceptions.HypervisorError):
            host.driver.power.power_on(server)
        host.driver.volumes.connect(info, server, encryption)
        host.driver.volumes.plug(server, device)
        host.driver.power.power_on(server)
        assert serial in host.serials(server)

    @pytest.mark.parametrize("encryption", [None, keys.Encryption("plain", PASSPHRASE)])
    def test_no_guest_ever_gets_ciphertext(self, host, encryption):
        """CVE-2017-18191."""
        device = host.volume("vdb")
        device["connection_info"]["data"]["encrypted"] = True
        server = host.spawn(host.volume("vda"))
        with pytest.raises(exceptions.InvalidVolume, match="encrypted"):
            host.driver.volumes.connect(device["connection_info"], server, encryption)
        with pytest.raises(exceptions.HypervisorError):
            host.driver.volumes.plug(server, device)


def make_luks(path, size_mib):
    """Full of zeros: what was never written would decrypt to noise."""
    path.unlink(missing_ok=True)
    zeros = path.with_name("zeros")
    with zeros.open("wb") as file:
        file.truncate(size_mib * 2**20)
    qemu_img = convert.QemuImg(conf_module.new(files=[]))
    qemu_img.create_luks(path, size_mib * 2**20, PASSPHRASE)
    qemu_img.convert_to_luks(zeros, "raw", path, PASSPHRASE)


def assert_is_ciphertext(path):
    content = path.read_bytes()
    assert content.startswith(b"LUKS\xba\xbe")
    assert b"nova-lite:" not in content


class Target:
    """An iSCSI target in user space, with one unit behind a password."""

    iqn = "iqn.2026-11.test.nova-lite:target"

    def __init__(self, path, port, control):
        self.portal = f"127.0.0.1:{port}"
        self.control = control
        disk = path / "unit"
        with disk.open("wb") as file:
            file.truncate(SIZE_MIB * 2**20)
        target = ("--mode", "target", "--tid", "1")
        account = ("--mode", "account", "--user", "guest")
        self.admin("--op", "new", *target, "-T", self.iqn)
        unit = ("--mode", "logicalunit", "--tid", "1", "--lun", "1")
        self.admin("--op", "new", *unit, "-b", str(disk))
        self.admin("--op", "new", *account, "--password", CHAP_PASSWORD)
        self.admin("--op", "bind", *account, "--tid", "1")
        self.admin("--op", "bind", *target, "-I", "ALL")

    def admin(self, *arguments):
        command = ["tgtadm", "-C", self.control, "--lld", "iscsi", *arguments]
        return subprocess.run(
            command, check=True, capture_output=True, text=True, timeout=30
        ).stdout

    def sessions(self):
        shown = self.admin("--op", "show", "--mode", "target")
        return re.findall(r"Initiator: (\S+)", shown)


@pytest.fixture
def target(host):
    if not (shutil.which("tgtd") and shutil.which("tgtadm")):
        pytest.skip("tgt is not installed")
    port = supervised.free_port()
    # Names its socket, which other targets of this machine must not have.
    control = str(port)
    command = ["tgtd", "-f", "-C", control, "--iscsi", f"portal=127.0.0.1:{port}"]

    def answers():
        show = ["tgtadm", "-C", control, "--op", "show", "--mode", "sys"]
        return subprocess.run(show, capture_output=True, timeout=30).returncode == 0

    with conftest.daemon(*command, log=host.path / "tgtd.log"):
        assert concurrency.wait_until(answers, 10, 0.1), (host.path / "tgtd.log").read_text()
        try:
            yield Target(host.path, port, control)
        finally:
            # It does not end by a signal while it serves anything.
            admin = ["tgtadm", "-C", control, "--lld", "iscsi", "--op", "delete"]
            subprocess.run([*admin, "--mode", "target", "--tid", "1", "--force"], timeout=30)
            subprocess.run([*admin, "--mode", "system"], timeout=30)


class TestIscsi:
    """QEMU's own initiator, for hosts that have none (S184)."""

    @pytest.fixture(autouse=True)
    def options(self, host):
        host.options = {"libvirt__iscsi_initiator": "qemu"}

    def device(self, target, password=CHAP_PASSWORD):
        return device_of(
            "iscsi",
            str(uuid.uuid4()),
            target_iqn=target.iqn,
            target_portal=target.portal,
            target_lun=1,
            auth_method="CHAP",
            auth_username="guest",
            auth_password=password,
        )

    def test_a_guest_uses_it(self, host, guest_image, target):  # noqa: F811
        """With CHAP; the secret goes with the connection, the session with the disk."""
        use_twice(host, guest_image, self.device(target))
        assert concurrency.wait_until(lambda: target.sessions() == [], 10)

    def test_who_logs_in_is_who_cinder_was_told_of(self, host, target):
        host.driver = host.new_driver(**host.options)
        server = host.spawn(host.volume("vda"))
        host.plug(server, self.device(target))
        assert target.sessions() == [host.driver.volumes.connector()["initiator"]]

    def test_a_wrong_password_leaves_nothing(self, host, target):
        """S207."""
        host.driver = host.new_driver(**host.options)
        server = host.spawn(host.volume("vda"))
        device = self.device(target, password="wrong-but-long-enough")
        info = device["connection_info"]
        host.driver.volumes.connect(info, server)
        assert len(secrets(info["serial"])) == 1
        with pytest.raises(exceptions.HypervisorError) as caught:
            host.driver.volumes.plug(server, device)
        assert "wrong-but-long-enough" not in str(caught.value)
        host.driver.volumes.disconnect(info, server)
        assert secrets(info["serial"]) == set()
        assert info["serial"] not in host.serials(server)
