import errno
import os
import pathlib
import tempfile

import pytest

from nova_lite import conf as conf_module
from nova_lite import mounts
from nova_lite.virt.libvirt.disks import cachemode


class FileSystem:
    """One that is asked for O_DIRECT, and answers with ``error``."""

    def __init__(self, monkeypatch):
        self.error = None
        self.asked = 0
        self._open = os.open
        monkeypatch.setattr(os, "open", self._opened)

    def _opened(self, path, flags, *args, **kwargs):
        if flags & os.O_DIRECT:
            self.asked += 1
            if self.error:
                raise OSError(self.error, "no")
        return self._open(path, flags & ~os.O_DIRECT, *args, **kwargs)


@pytest.fixture
def conf():
    return conf_module.new(files=[])


@pytest.fixture
def file_system(monkeypatch):
    return FileSystem(monkeypatch)


@pytest.mark.parametrize(
    ("error", "own", "shared"),
    [(None, "none", "none"), (errno.EINVAL, "writeback", "writethrough")],
)
def test_a_file_system_is_asked_once(conf, file_system, tmp_path, error, own, shared):
    file_system.error = error
    for _ in range(2):
        assert cachemode.of(conf, tmp_path) == own
        assert cachemode.of_shared(tmp_path) == shared
    assert file_system.asked == 1
    assert list(tmp_path.iterdir()) == []


def test_another_one_in_its_place_is_asked_anew(conf, file_system, tmp_path, monkeypatch):
    assert cachemode.of(conf, tmp_path) == "none"
    other = mounts.Mount("99", "0:99", tmp_path, "ext4 /dev/vda rw")
    monkeypatch.setattr(mounts, "table", lambda: [other])
    file_system.error = errno.EINVAL
    assert cachemode.of(conf, tmp_path) == "writeback"


def test_no_answer_is_not_remembered(conf, file_system, tmp_path):
    """The share's quota is full, or its server just restarts."""
    file_system.error = errno.EIO
    assert cachemode.of(conf, tmp_path) == "writeback"
    file_system.error = None
    assert cachemode.of(conf, tmp_path) == "none"
    assert cachemode.of(conf, pathlib.Path(tempfile.gettempdir(), "nowhere")) == "writeback"
