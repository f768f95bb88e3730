import json
import pathlib
import shutil
import subprocess
import sys

import pytest


@pytest.mark.skipif(not shutil.which("qemu-img"), reason="no qemu-img")
def test_file_systems_that_do_not_answer_stop_nobody_else(tmp_path: pathlib.Path) -> None:
    """An NFS server that is gone, a disk whose journal is full: compute goes on with
    all that is elsewhere."""
    command = [sys.executable, "-m", "tests.unit.virt.libvirt.green_files", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert len(told) == 6
    assert {call for call, went_on in told.items() if not all(went_on)} == set()
