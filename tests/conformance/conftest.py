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
from nova_lite.virt import ceph
from nova_lite.virt import interface
from nova_lite.virt import load
from nova_lite.virt.libvirt import cephauth
from nova_lite.virt.libvirt import connection
from nova_lite.virt.libvirt.disks import parents
from tests.conformance import factories

LIBVIRT_SOCKET = pathlib.Path("/run/libvirt/libvirt-sock")
SERVICES_TOOL = pathlib.Path(__file__).parents[2] / "tools" / "services"
MIB = 2**20
POOLS = ("vms", "images")


class Lab:
    """A driver, and volumes and servers for it."""

    def __init__(self, name, path, cluster=None):
        """``cluster`` is where local disks are, instead of in files."""
        self.name = name
        self.path = path
        self.cluster = cluster
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
            **self._rbd_options(),
            **overrides,
        }
        self.conf = conf_module.new(files=[], **options)
        driver = load.load(self.conf)
        driver.host.start()
        return driver

    def _rbd_options(self):
        if self.cluster is None:
            return {}
        return {
            "libvirt__images_type": "rbd",
            "libvirt__images_rbd_ceph_conf": self.cluster.access.conf_path,
            "libvirt__rbd_user": "nova",
            "libvirt__rbd_destroy_volume_retry_interval_s": 0.1,
        }

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
        image_id = str(uuid.uuid4())
        if self.cluster is not None:
            return interface.RootImage(
                image_id, str(self.glance_image(path, image_id)), "raw", size_mib * MIB
            )
        return interface.RootImage(image_id, str(path), "raw", size_mib * MIB)

    def glance_image(self, path, image_id):
        """A raw file as Glance keeps it in Ceph."""
        with self.cluster.pool("images") as images:
            images.import_file(path, image_id)
            images.create_snapshot(image_id, "snap", protect=True)
        return ceph.Snapshot("images", image_id, "snap")

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
        if self.cluster is not None:
            connected = connection.Connection(self.conf.libvirt.connection_uri, self.conf.host)
            auth = cephauth.CephAuth(self.conf, cephauth.cluster_of(self.conf), connected)
            connected.remove_secret(auth.secret_uuid)
            connected.close()


def images_of(cluster, pool):
    with cluster.pool(pool) as opened:
        return set(opened.list_images())


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
def new_lab(name, cluster=None):
    # Not pytest's own folder: QEMU's user may not enter that one.
    path = pathlib.Path(tempfile.mkdtemp(prefix="nova-lite-conformance-", dir="/var/tmp"))
    path.chmod(0o755)
    lab = Lab(name, path, cluster)
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


@pytest.fixture(scope="session")
def ceph_conf():
    """Of the Ceph cluster that the environment names, or of one of our own."""
    pytest.importorskip("rbd", reason="no Ceph bindings: tools/install ceph")
    if "CEPH_CONF" in os.environ:
        yield os.environ["CEPH_CONF"]
        return
    if not shutil.which("ceph-mon"):
        pytest.skip("Ceph is not installed: tools/install ceph")
    work_dir = pathlib.Path(tempfile.mkdtemp(prefix="nova-lite-ceph-", dir="/var/tmp"))
    work_dir.chmod(0o755)
    services = [str(SERVICES_TOOL), "--work-dir", str(work_dir)]
    subprocess.run([*services, "start", "ceph"], check=True, timeout=120)
    try:
        lines = (work_dir / "services.env").read_text().splitlines()
        yield dict(line.split("=", 1) for line in lines)["CEPH_CONF"]
    finally:
        subprocess.run([*services, "clean", "ceph"], check=True, timeout=60)
        shutil.rmtree(work_dir)


@pytest.fixture
def cluster(ceph_conf):
    """The cluster as its administrator sees it; images of others stay."""
    cluster = ceph.Cluster(ceph.Access(ceph_conf, "admin"))
    before = {pool: images_of(cluster, pool) for pool in POOLS}
    yield cluster
    for pool in POOLS:
        with cluster.pool(pool) as opened:
            made = [name for name in opened.list_images() if name not in before[pool]]
            # Clones first.
            for image in sorted(made, key=lambda name: name.startswith(parents.PREFIX)):
                opened.remove(image, attempts=40, interval_s=1.0)


@pytest.fixture
def rbd_lab(libvirtd, cluster):
    with new_lab("libvirt", cluster) as lab:
        yield lab


@pytest.fixture(params=["fake", "libvirt", "rbd"])
def storage_lab(request):
    """Every kind of local disks."""
    if request.param != "fake":
        request.getfixturevalue("libvirtd")
    cluster = request.getfixturevalue("cluster") if request.param == "rbd" else None
    with new_lab("fake" if request.param == "fake" else "libvirt", cluster) as lab:
        yield lab
