import pytest

from nova_lite import exceptions
from nova_lite.image import inspect
from tests.unit.image import hostile


@pytest.fixture
def check(tmp_path):
    def check(content, declared):
        path = tmp_path / "image"
        path.write_bytes(content)
        return inspect.inspect("the-image", path, declared)

    return check


@pytest.mark.parametrize(
    ("content", "declared", "virtual_size"),
    [
        (b"\0" * hostile.MIB, "raw", hostile.MIB),
        (hostile.master_boot_record().ljust(hostile.MIB, b"\0"), "raw", hostile.MIB),
        (b"\0" * hostile.MIB, "ami", hostile.MIB),
        (hostile.qcow2(virtual_size=5 * hostile.MIB), "qcow2", 5 * hostile.MIB),
        (
            hostile.vmdk("monolithicSparse", 'RW 2048 SPARSE "disk.vmdk"'),
            "vmdk",
            hostile.MIB,
        ),
        (hostile.iso(), "iso", 64 * hostile.KIB),
    ],
    ids=["raw", "raw with partitions", "ami", "qcow2", "vmdk", "iso"],
)
def test_honest_images_pass(check, content, declared, virtual_size):
    assert check(content, declared) == inspect.InspectedImage(declared, virtual_size)


@pytest.mark.parametrize(
    ("content", "declared", "reason"),
    [
        # CVE-2024-32498: other files of the host.
        (hostile.qcow2(backing_file=b"/etc/passwd"), "qcow2", "backing"),
        (
            hostile.qcow2(incompatible_features=hostile.EXTERNAL_DATA_FILE),
            "qcow2",
            "data_file",
        ),
        # CVE-2022-47951: extents that are paths.
        (hostile.vmdk("monolithicFlat", 'RW 2048 FLAT "/etc/passwd" 0'), "vmdk", "descriptor"),
        (hostile.vmdk("monolithicSparse", 'RW 1 FLAT "/etc/passwd" 0'), "vmdk", "descriptor"),
        # CVE-2024-40767: bytes of another format than declared.
        (hostile.qcow2(), "raw", "declared as raw"),
        (hostile.qcow2(backing_file=b"/etc/passwd"), "ami", "declared as ami"),
        (hostile.vmdk("monolithicFlat", 'RW 1 FLAT "/etc/passwd" 0'), "raw", "declared as raw"),
        (b"\0" * hostile.MIB, "qcow2", "content is raw"),
        (hostile.qcow2(), "vmdk", "content is qcow2"),
        # Formats that are not for servers.
        (b"\0" * hostile.MIB, "ploop", "supported"),
        (b"\0" * hostile.MIB, None, "supported"),
        (b"", "qcow2", "content is"),
    ],
)
def test_hostile_images_are_refused(check, content, declared, reason):
    with pytest.raises(exceptions.ImageUnacceptable, match=reason):
        check(content, declared)


def test_two_formats_at_once_are_refused(check):
    """A polyglot means another thing to each reader."""
    polyglot = hostile.qcow2()[: 32 * hostile.KIB] + hostile.iso()[32 * hostile.KIB :]
    for declared in ("iso", "qcow2", "raw"):
        with pytest.raises(exceptions.ImageUnacceptable):
            check(polyglot, declared)


def test_the_message_names_the_image_and_no_path_of_the_host(check, tmp_path):
    with pytest.raises(exceptions.ImageUnacceptable) as caught:
        check(hostile.qcow2(backing_file=b"/etc/passwd"), "qcow2")
    assert "the-image" in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


def test_the_start_of_a_disk_is_enough():
    """One that is not copied is judged by what was read of it."""
    start = hostile.master_boot_record().ljust(inspect.START_BYTES, b"\1")
    found = inspect.inspect_start("the-image", start, 2**40, "raw")
    assert found == inspect.InspectedImage("raw", 2**40)


@pytest.mark.parametrize(
    "content",
    [
        hostile.qcow2(backing_file=b"/etc/passwd"),
        hostile.vmdk("monolithicFlat", 'RW 2048 FLAT "/etc/passwd" 0'),
        hostile.iso(),
    ],
)
def test_the_start_tells_what_it_is_not(content):
    """CVE-2024-40767: a clone is no way around it."""
    start = content.ljust(inspect.START_BYTES, b"\0")
    with pytest.raises(exceptions.ImageUnacceptable, match="declared as raw, but its content"):
        inspect.inspect_start("the-image", start, 2**40, "raw")
