import pathlib

import pytest

from nova_lite import mounts

TABLE = r"""
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:26 / /sys rw,nosuid shared:7 - sysfs sysfs rw
41 22 0:50 / /srv/mnt/share\040one rw,relatime shared:9 - nfs4 10.0.0.1:/one rw,hard
52 41 0:51 / /srv/mnt/share\040one/in rw - tmpfs tmpfs rw
53 22 0:52 / /srv/mnt rw - tmpfs tmpfs rw
""".lstrip()


@pytest.fixture(autouse=True)
def kernels_table(tmp_path, monkeypatch):
    path = tmp_path / "mountinfo"
    path.write_text(TABLE)
    monkeypatch.setattr(mounts, "_TABLE", path)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/etc/passwd", "/"),
        ("/system", "/"),
        ("/sys", "/sys"),
        ("/srv/mnt/other", "/srv/mnt"),
        ("/srv/mnt/share one/volume-1", "/srv/mnt/share one"),
        ("/srv/mnt/share one/in/x", "/srv/mnt/share one/in"),
    ],
)
def test_a_path_is_on_what_is_mounted_nearest(path, expected):
    assert mounts.of(pathlib.Path(path)).path == pathlib.Path(expected)


def test_what_is_mounted_is_known_from_one_that_comes_after_it(tmp_path):
    before = mounts.of(pathlib.Path("/sys"))
    (tmp_path / "mountinfo").write_text(TABLE.replace("30 22 0:26", "60 22 0:27"))
    assert mounts.of(pathlib.Path("/sys")) != before


def test_another_kind_with_the_same_numbers(tmp_path):
    before = mounts.of(pathlib.Path("/srv/mnt"))
    other = TABLE.replace("0:52 / /srv/mnt rw - tmpfs tmpfs", "0:52 / /srv/mnt rw - ramfs ramfs")
    (tmp_path / "mountinfo").write_text(other)
    assert mounts.of(pathlib.Path("/srv/mnt")) != before


def test_one_over_another_hides_it(tmp_path):
    row = "61 53 0:60 / /srv/mnt rw - ramfs ramfs rw\n"
    (tmp_path / "mountinfo").write_text(TABLE + row)
    assert mounts.of(pathlib.Path("/srv/mnt/x")).device == "0:60"


def test_names_that_are_no_text(tmp_path):
    """Anybody may mount something at any name."""
    rows = [
        f"{number} 22 0:{number} / ".encode() + name + b" rw - fuse fuse rw\n"
        for number, name in enumerate([b"/home/caf\xe9", "/home/a\u2028b\x85".encode()], 70)
    ]
    (tmp_path / "mountinfo").write_bytes(TABLE.encode() + b"".join(rows))
    assert mounts.of(pathlib.Path("/sys")).path == pathlib.Path("/sys")
    assert mounts.is_mount_point(pathlib.Path("/home/caf\udce9"))
    assert mounts.is_mount_point(pathlib.Path("/home/a\u2028b\x85"))


def test_mount_points():
    assert mounts.is_mount_point(pathlib.Path("/srv/mnt/share one"))
    assert not mounts.is_mount_point(pathlib.Path("/srv"))


def test_the_kernels_own_table(monkeypatch):
    monkeypatch.undo()
    assert mounts.is_mount_point(pathlib.Path("/"))
    assert mounts.is_mount_point(pathlib.Path("/proc"))
