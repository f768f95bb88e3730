import pathlib
import shutil

import pytest

from nova_lite import conf as conf_module
from nova_lite.virt.libvirt import kvm_probe

QEMU = "/usr/bin/qemu-system-x86_64"
needs_qemu = pytest.mark.skipif(not shutil.which(QEMU), reason="no QEMU")


@needs_qemu
def test_the_program_runs_under_emulation():
    """If it did not, a failure on KVM would say nothing."""
    assert kvm_probe.runs("tcg", QEMU, timeout_s=20)


@needs_qemu
def test_an_accelerator_that_is_none():
    assert not kvm_probe.runs("no-such-accelerator", QEMU, timeout_s=20)


@needs_qemu
def test_a_guest_that_does_not_get_ready_in_time():
    """As on a KVM that interprets: it hangs, and is ended."""
    assert not kvm_probe.runs("tcg", QEMU, timeout_s=0.01)


def test_no_emulator_at_all():
    assert not kvm_probe.runs("tcg", "/nowhere/qemu", timeout_s=1)


def test_another_exit_is_no_success():
    assert not kvm_probe.runs("tcg", "/bin/true", timeout_s=5)


class Probed:
    """A probe whose guest is a fixed answer."""

    def __init__(self, monkeypatch, tmp_path):
        self.answer = True
        self.asked = 0
        self.boot_id = tmp_path / "boot_id"
        self.boot_id.write_text("first boot\n")
        monkeypatch.setattr(kvm_probe, "_BOOT_ID", self.boot_id)
        monkeypatch.setattr(kvm_probe, "runs", self.runs)
        monkeypatch.setattr(pathlib.Path, "exists", lambda _self: True)
        self.tmp_path = tmp_path

    def runs(self, accelerator, emulator, timeout_s):
        assert accelerator == "kvm"
        self.asked += 1
        return self.answer

    def virt_type(self, **options):
        conf = conf_module.new(files=[], default__state_path=str(self.tmp_path), **options)
        return kvm_probe.KvmProbe(conf).virt_type()


@pytest.fixture
def probed(monkeypatch, tmp_path):
    return Probed(monkeypatch, tmp_path)


def test_asked_once_a_boot_of_the_host(probed):
    assert probed.virt_type() == "kvm"
    probed.answer = False
    assert probed.virt_type() == "kvm"
    assert probed.asked == 1
    probed.boot_id.write_text("second boot\n")
    assert probed.virt_type() == "qemu"
    assert probed.virt_type() == "qemu"
    assert probed.asked == 2


@pytest.mark.parametrize("virt_type", ["kvm", "qemu"])
def test_not_asked_when_configured(probed, virt_type):
    assert probed.virt_type(libvirt__virt_type=virt_type) == virt_type
    assert probed.asked == 0


def test_a_damaged_record_is_no_answer(probed, tmp_path):
    (tmp_path / "kvm_probe.json").write_text("{")
    assert probed.virt_type() == "kvm"
    assert probed.asked == 1
