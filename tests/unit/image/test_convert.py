import os
import pathlib
import shutil
import sys

import pytest
from oslo_concurrency import processutils

from nova_lite import conf as conf_module
from nova_lite import exceptions
from nova_lite.image import convert
from tests.unit.image import hostile

needs_qemu_img = pytest.mark.skipif(not shutil.which("qemu-img"), reason="no qemu-img")


def make(tmp_path, **options):
    conf = conf_module.new(files=[], default__state_path=str(tmp_path), **options)
    return convert.QemuImg(conf)


def read(path):
    try:
        return path.read_bytes()
    except OSError:  # the process ended
        return b""


@pytest.fixture
def commands(monkeypatch):
    """The argv and limits of every process that would run."""
    seen = []

    def execute(*argv, prlimit, timeout, **_options):
        seen.append((argv, prlimit, timeout))
        return "{}", ""

    monkeypatch.setattr(processutils, "execute", execute)
    return seen


def test_every_call_names_its_formats_and_has_limits(tmp_path, commands):
    """CVE-2026-24708: no qemu-img without a format from our record."""
    qemu_img = make(tmp_path, libvirt__qemu_img_memory_limit_mib=768)
    disk, base = tmp_path / "disk", tmp_path / "base"
    qemu_img.info(disk, "raw")
    qemu_img.convert(base, "vhd", disk, "raw")
    qemu_img.create_overlay(disk, base, "raw", hostile.MIB)
    for argv, limits, timeout in commands:
        assert argv[0] == "qemu-img"
        assert "-f" in argv
        assert limits.address_space == 768 * hostile.MIB
        assert limits.cpu_time > 0
        assert timeout > 0
    info, converted, created = (argv for argv, _limits, _timeout in commands)
    assert info[info.index("-f") + 1] == "raw"
    assert converted[2:6] == ("-f", "vpc", "-O", "raw")
    assert "backing_fmt=raw" in created[created.index("-o") + 1].split(",")


def test_a_comma_in_a_path_ends_no_option(tmp_path, commands):
    make(tmp_path).create_overlay(tmp_path / "disk", tmp_path / "a,size=1", "raw", 1)
    argv = commands[0][0]
    assert f"backing_file={tmp_path}/a,,size=1," in argv[argv.index("-o") + 1]


@pytest.mark.parametrize(
    ("said", "failures", "runs"),
    [
        ("Unable to get accurate CPU usage", 2, 3),
        ("Unable to get accurate CPU usage", 99, convert.LUKS_ATTEMPTS),
        ("No space left on device", 99, 1),
    ],
)
def test_a_luks_file_that_fails_by_chance_is_tried_again(
    tmp_path, monkeypatch, said, failures, runs
):
    seen = []

    def execute(*argv, **_options):
        seen.append(argv)
        if len(seen) <= failures:
            raise processutils.ProcessExecutionError(stderr=f"qemu-img: disk: {said}", exit_code=1)
        return "", ""

    monkeypatch.setattr(processutils, "execute", execute)
    if failures < runs:
        make(tmp_path).create_luks(tmp_path / "disk", hostile.MIB, b"passphrase")
    else:
        with pytest.raises(exceptions.DiskToolFailed, match=said):
            make(tmp_path).create_luks(tmp_path / "disk", hostile.MIB, b"passphrase")
    assert len(seen) == runs


def test_all_threads_of_qemu_img_have_room(tmp_path, monkeypatch):
    """Regression: with a memory arena for each of its threads it hit the limit by chance.
    The program here does what QEMU's thread pool does when all its threads are busy."""
    program = tmp_path / "qemu-img"
    program.write_text(
        f"#!{sys.executable} -IS\n"
        "import threading\n"
        "all_run = threading.Barrier(64)\n"
        "threads = [threading.Thread(target=all_run.wait, args=(60,)) for _ in range(64)]\n"
        "for thread in threads: thread.start()\n"
        "for thread in threads: thread.join()\n"
        "print('{}')\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert make(tmp_path).info(tmp_path / "disk", "raw") == {}


@needs_qemu_img
def test_a_failure_says_what_qemu_img_said(tmp_path):
    with pytest.raises(exceptions.DiskToolFailed, match="No such file"):
        make(tmp_path).info(tmp_path / "missing", "raw")


def test_no_qemu_img_at_all(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(exceptions.DiskToolFailed):
        make(tmp_path).info(tmp_path / "missing", "raw")


@needs_qemu_img
def test_a_process_that_takes_too_long_is_ended(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)  # nobody writes: qemu-img would wait for ever
    with pytest.raises(exceptions.DiskToolFailed, match="timed out"):
        make(tmp_path, libvirt__qemu_img_timeout_s=1).info(pipe, "raw")
    assert not [
        command
        for command in pathlib.Path("/proc").glob("[0-9]*/cmdline")
        if str(pipe).encode() in read(command)
    ]
