"""The same suite for every driver: ``lab`` is one with a place to work in."""

import contextlib
import os
import pathlib
import shutil
import subprocess
import tempfile
import uuid

import pytest

from nova_lite import concurrency
from nova_lite import conf as conf_module
from nova_lite.virt import interface
from nova_lite.virt import load
from tests.conformance import factories

LIBVIRT_SOCKET = pathlib.Path("/run/libvirt/libvirt-sock")
MIB = 2**20


class Lab:
    """A driver, and volumes and servers for it."""

    def __init__(self, name, path):
        self.name = name
        self.path = path
        self.driver = self.new_driver()

    def new_driver(self, **overrides):
        """As after a restart of the compute process."""
        options = {
            "default__state_path": str(self.path / "state"),
            "default__host": "conformance",
            "compute__driver": self.name,
            "fake__persist": True,
            "libvirt__virt_type": "qemu",
            "libvirt__num_pcie_ports": 8,
            "libvirt__device_detach_attempts": 2,
            "libvirt__device_detach_timeout_s": 1.0,
            **overrides,
        }
        self.conf = conf_module.new(files=[], **options)
        driver = load.load(self.conf)
        driver.host.start()
        return driver

    def volume(self, name="vdb", size_mib=4, **kwargs):
        """A volume as Cinder would hand it over."""
        volume_id = str(uuid.uuid4())
        path = self.path / f"volume-{volume_id}"
        with path.open("wb") as file:
            file.truncate(size_mib * MIB)
        return factories.volume_device(name, path=path, volume_id=volume_id, **kwargs)

    def plug(self, instance_uuid, volume):
        """Connect the host, and give the guest the volume."""
        self.driver.volumes.connect(volume["connection_info"], instance_uuid)
        self.driver.volumes.plug(instance_uuid, volume)

    def root_image(self, size_mib=4):
        """An image as the cache would hand it over."""
        path = self.path / f"image-{uuid.uuid4()}"
        with path.open("wb") as file:
            file.truncate(size_mib * MIB)
        return interface.RootImage(str(uuid.uuid4()), str(path), "raw", size_mib * MIB)

    def spawn(
        self,
        *volumes,
        root_image=None,
        instance=None,
        image_meta=None,
        config_drive=None,
        **block_devices,
    ):
        """A running server; returns its UUID. ``config_drive`` makes the files of
        its config drive from the places of its devices."""
        instance = instance or factories.instance()
        info = factories.block_device_info(volumes=volumes, **block_devices)
        wanted = (instance, image_meta or factories.image_meta(), info, root_image)
        for volume in volumes:
            self.driver.volumes.connect(volume["connection_info"], instance.uuid)
        self.driver.disks.create(instance, info, root_image)
        if config_drive is not None:
            files = config_drive(self.driver.guests.device_places(*wanted))
            self.driver.disks.write_config_drive(instance.uuid, files)
        self.driver.guests.spawn(*wanted)
        return instance.uuid

    def serials(self, instance_uuid):
        disks = self.driver.volumes.list_disks(instance_uuid)
        return [disk.serial for disk in disks if disk.serial]

    def clear(self):
        for guest in self.driver.guests.list_guests():
            self.driver.guests.destroy(guest.instance_uuid)
        for instance_uuid in self.driver.disks.list_instances():
            self.driver.disks.remove(instance_uuid)


@contextlib.contextmanager
def daemon(*command, log):
    """A daemon in the foreground of a process of ours, ended afterwards."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


def libvirt_answers():
    command = ["virsh", "-c", "qemu:///system", "version"]
    try:
        return subprocess.run(command, capture_output=True, timeout=30).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


@pytest.fixture(scope="session")
def libvirtd(tmp_path_factory):
    """A libvirtd that answers: the one that runs, or one of our own."""
    if LIBVIRT_SOCKET.exists() and libvirt_answers():
        yield
        return
    if os.geteuid() != 0 or not (shutil.which("libvirtd") and shutil.which("virtlogd")):
        pytest.skip("libvirtd does not run and cannot be started here")
    logs = tmp_path_factory.mktemp("libvirt")
    with (
        daemon("virtlogd", log=logs / "virtlogd.log"),
        daemon("libvirtd", log=logs / "libvirtd.log"),
    ):
        assert concurrency.wait_until(libvirt_answers, 30, 0.2), (
            logs / "libvirtd.log"
        ).read_text()
        yield


@contextlib.contextmanager
def new_lab(name):
    # Not pytest's own folder: QEMU's user may not enter that one.
    path = pathlib.Path(tempfile.mkdtemp(prefix="nova-lite-conformance-", dir="/var/tmp"))
    path.chmod(0o755)
    lab = Lab(name, path)
    try:
        yield lab
    finally:
        lab.clear()
        shutil.rmtree(path)


@pytest.fixture(params=["fake", "libvirt"])
def lab(request):
    if request.param == "libvirt":
        request.getfixturevalue("libvirtd")
    with new_lab(request.param) as lab:
        yield lab


@pytest.fixture
def libvirt_lab(libvirtd):
    with new_lab("libvirt") as lab:
        yield lab
