import subprocess
import sys
import uuid

import pytest

from nova_lite import conf as conf_module
from nova_lite.virt import fake
from nova_lite.virt import identity
from nova_lite.virt import load


def test_fake(tmp_path):
    conf = conf_module.new(files=[], default__state_path=str(tmp_path), compute__driver="fake")
    assert isinstance(load.load(conf), fake.FakeDriver)


def test_fake_imports_no_hypervisor_library():
    """Memory of a daemon is a goal: the fake must not pull in libvirt or lxml."""
    program = (
        "import sys, nova_lite.conf, nova_lite.virt.load as load\n"
        "load.load(nova_lite.conf.new(files=[], compute__driver='fake'))\n"
        "print([m for m in ('libvirt', 'lxml') if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert result.stdout.strip() == "[]"


def test_identity_survives(tmp_path):
    first = identity.node_uuid(str(tmp_path / "state"))
    assert str(uuid.UUID(first)) == first
    assert identity.node_uuid(str(tmp_path / "state")) == first


def test_a_damaged_identity_is_never_replaced(tmp_path):
    (tmp_path / "compute_id").write_text("")
    with pytest.raises(ValueError, match="badly formed"):
        identity.node_uuid(str(tmp_path))
