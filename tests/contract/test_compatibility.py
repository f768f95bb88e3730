"""docs/reference/compatibility.rst says what the code does."""

import importlib.util
import pathlib
import subprocess
import sys

from nova_lite.api import microversion

ROOT = pathlib.Path(__file__).parents[2]


def test_the_file_is_current() -> None:
    command = [sys.executable, str(ROOT / "tools" / "compatibility"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, f"run tools/compatibility\n{done.stderr}"


def test_every_microversion_has_its_line() -> None:
    path = ROOT / "docs" / "_ext" / "microversions.py"
    spec = importlib.util.spec_from_file_location("microversions", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert list(module.MICROVERSIONS) == list(range(2, microversion.MAXIMUM.minor + 1))
