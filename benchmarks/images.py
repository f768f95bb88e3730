"""How an image gets under a server's root disk: seconds and bytes of each path.

Run it as ``python benchmarks/images.py``; it needs a Ceph cluster (``CEPH_CONF``, as
``tools/services start ceph`` tells it) and no hypervisor. The image is downloaded over
HTTP from the embedded image service; what is measured is what a build does from
"fetch_image" to the end of "create_disks".
"""

import argparse
import collections.abc
import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import typing
import uuid

CHECKOUT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(CHECKOUT))

import requests  # noqa: E402

from benchmarks import machine  # noqa: E402
from nova_lite import conf as conf_module  # noqa: E402
from nova_lite import context  # noqa: E402
from nova_lite.image import glance  # noqa: E402
from nova_lite.standalone import image_service  # noqa: E402
from nova_lite.virt import ceph  # noqa: E402
from nova_lite.virt.libvirt import connection  # noqa: E402
from nova_lite.virt.libvirt.disks import stores  # noqa: E402
from tests.conformance import factories  # noqa: E402
from tests.fixtures import embedded  # noqa: E402

MIB = 2**20
CTXT = context.RequestContext(user_id="bench", project_id="bench", overwrite=False)


class Row(typing.NamedTuple):
    """One path, measured once."""

    path: str
    seconds: float
    downloaded_bytes: int
    converted_bytes: int
    imported_bytes: int


class Bench:
    """Images in an embedded service, and hosts that boot from them."""

    def __init__(self, folder: pathlib.Path, url: str, ceph_conf: str) -> None:
        self._folder = folder
        self._url = url
        self._ceph_conf = ceph_conf
        self.cluster = ceph.Cluster(ceph.Access(ceph_conf, "admin"))
        self._made: list[tuple[typing.Any, str]] = []

    def upload(self, path: pathlib.Path, disk_format: str) -> typing.Any:
        """An image of the embedded service."""
        body = {"name": "bench", "disk_format": disk_format, "container_format": "bare"}
        answer = requests.post(f"{self._url}/v2/images", json=body, headers=_HEADERS, timeout=30)
        answer.raise_for_status()
        image_id = answer.json()["id"]
        with path.open("rb") as file:
            requests.put(
                f"{self._url}/v2/images/{image_id}/file",
                data=file,
                headers=_HEADERS | {"Content-Type": "application/octet-stream"},
                timeout=600,
            ).raise_for_status()
        meta = factories.image_meta()
        meta.id, meta.disk_format = image_id, disk_format
        return meta

    def host(self, images_type: str) -> tuple[typing.Any, typing.Any]:
        """Images and disks of a host that has booted nothing yet."""
        state = self._folder / uuid.uuid4().hex
        conf = conf_module.new(
            files=[],
            default__state_path=str(state),
            glance__auth_type="none",
            glance__endpoint_url=self._url,
            glance__timeout_s=600.0,
            libvirt__images_type=images_type,
            libvirt__images_rbd_ceph_conf=self._ceph_conf,
            libvirt__rbd_user="nova",
        )
        self._glance = glance.GlanceClient(conf)
        connected = connection.Connection("test:///default", "bench")
        return stores.of(conf, connected, str(uuid.uuid4()))

    def measure(self, path: str, host: tuple[typing.Any, typing.Any], meta: typing.Any) -> Row:
        """From the image's id to the finished root disk."""
        images, disks = host
        instance = factories.instance(root_gib=20)
        began = time.perf_counter()
        image = images.ensure(
            CTXT, meta, self._glance.download, self._glance.rbd_urls, root_gib=20
        )
        line = disks.create(instance, factories.block_device_info(), image)
        seconds = time.perf_counter() - began
        self._made.append((disks, instance.uuid))
        copied = image.copied
        # A full copy is told by the disks: "123 bytes converted".
        words = line.split()
        more = int(words[0]) if words[1:] == ["bytes", "converted"] else 0
        return Row(
            path,
            seconds,
            copied.downloaded_bytes,
            copied.converted_bytes + more,
            copied.imported_bytes,
        )

    def clear(self, image_ids: collections.abc.Iterable[str]) -> None:
        """Nothing stays in the cluster."""
        for disks, instance_uuid in self._made:
            disks.remove(instance_uuid)
        for image_id in image_ids:
            with self.cluster.pool("vms") as vms, self.cluster.pool("images") as images:
                vms.remove(f"base.image.{image_id}")
                images.remove(image_id)


_HEADERS = {"X-Roles": "admin,member", "X-User-Id": "bench", "X-Project-Id": "bench"}


def rows(bench: Bench, raw: pathlib.Path, qcow2: pathlib.Path) -> list[Row]:
    """Every path, the slow ones first."""
    as_raw, as_qcow2 = bench.upload(raw, "raw"), bench.upload(qcow2, "qcow2")
    in_ceph = bench.upload(raw, "raw")
    with bench.cluster.pool("images") as images:
        images.import_file(raw, in_ceph.id)
        images.create_snapshot(in_ceph.id, "snap", protect=True)
    in_ceph.rbd_urls = [f"rbd://{bench.cluster.fsid()}/images/{in_ceph.id}/snap"]
    found = []
    try:
        for images_type in ("raw", "qcow2"):
            host = bench.host(images_type)
            for when in ("first boot on a host", "later boots"):
                found.append(bench.measure(f"{images_type} files, {when}", host, as_qcow2))
        for meta, what in ((as_raw, "raw image elsewhere"), (as_qcow2, "qcow2 image")):
            for when in ("first boot of the cloud", "first boot on another host", "later boots"):
                if when != "later boots":
                    host = bench.host("rbd")
                found.append(bench.measure(f"rbd, {what}, {when}", host, meta))
        found.append(
            bench.measure("rbd, raw image in Ceph, first boot", bench.host("rbd"), in_ceph)
        )
        found.append(bench.measure("rbd, raw image in Ceph, later boots", host, in_ceph))
    finally:
        bench.clear([as_raw.id, as_qcow2.id, in_ceph.id])
    return found


def table(found: list[Row]) -> str:
    """As reStructuredText."""
    lines = [".. list-table::", "   :header-rows: 1", ""]
    head = ("path", "seconds", "MiB downloaded", "MiB converted", "MiB imported")
    cells = [head] + [
        (row.path, f"{row.seconds:.2f}", *(f"{count / MIB:.0f}" for count in row[2:]))
        for row in found
    ]
    for row in cells:
        lines.append(f"   * - {row[0]}")
        lines += [f"     - {cell}" for cell in row[1:]]
    return "\n".join(lines)


@contextlib.contextmanager
def image_files(folder: pathlib.Path, size_mib: int) -> collections.abc.Iterator[typing.Any]:
    """The same disk of random bytes, raw and qcow2."""
    raw, qcow2 = folder / "disk.raw", folder / "disk.qcow2"
    with raw.open("wb") as file:
        for _ in range(size_mib):
            file.write(os.urandom(MIB))
        # Twice the size, half of it a hole, as systems in images are.
        file.truncate(2 * size_mib * MIB)
    command = ["qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(raw), str(qcow2)]
    subprocess.run(command, check=True, timeout=600)
    yield raw, qcow2


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument(
        "--size-mib", type=int, default=512, help="data in the image (%(default)s)"
    )
    parser.add_argument("--json", type=pathlib.Path, help="write the figures there, too")
    arguments = parser.parse_args()
    if "CEPH_CONF" not in os.environ:
        parser.error("CEPH_CONF is not set; tools/services start ceph tells it")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="nova-lite-images-", dir="/var/tmp"))
    try:
        conf = conf_module.new(files=[], standalone__data_path=str(folder / "glance"))
        with (
            embedded.serving(image_service.make_app(conf)) as url,
            image_files(folder, arguments.size_mib) as (raw, qcow2),
        ):
            found = rows(Bench(folder, url, os.environ["CEPH_CONF"]), raw, qcow2)
    finally:
        shutil.rmtree(folder)
    print(table(found))
    print(f"\nload average {machine.load():.1f}; {json.dumps(machine.describe())}")
    if arguments.json:
        arguments.json.write_text(json.dumps([row._asdict() for row in found], indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
