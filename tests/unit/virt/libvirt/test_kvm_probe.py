import shutil
import subprocess

import pytest

from nova_lite import conf as conf_module
from nova_lite.virt.libvirt import kvm_probe

Result = kvm_probe.Result
QEMU = "/usr/bin/qemu-system-x86_64"
needs_qemu = pytest.mark.skipif(not shutil.which(QEMU), reason="no QEMU")


@needs_qemu
def test_the_program_runs_under_emulation():
    """If it did not, a failure on KVM would say nothing."""
    assert kvm_probe.run_guest("tcg", QEMU, timeout_s=20) is Result.RAN


@needs_qemu
def test_an_accelerator_that_is_none():
    assert kvm_probe.run_guest("no-such-accelerator", QEMU, timeout_s=20) is Result.FAILED


@needs_qemu
def test_a_guest_that_does_not_get_ready_in_time():
    """As on a KVM that interprets: it hangs, and is ended."""
    assert kvm_probe.run_guest("tcg", QEMU, timeout_s=0.01) is Result.HUNG


def test_no_emulator_at_all():
    assert kvm_probe.run_guest("tcg", "/nowhere/qemu", timeout_s=1) is Result.FAILED


def test_another_exit_is_no_success():
    assert kvm_probe.run_guest("tcg", "/bin/true", timeout_s=5) is Result.FAILED


RAN = subprocess.CompletedProcess([], kvm_probe.EXIT_CODE, b"", b"")
REFUSED = subprocess.CompletedProcess([], 1, b"", b"qemu: Could not access KVM: busy\n")
HANGS = subprocess.TimeoutExpired([], 3.0)
NO_MEMORY = OSError(12, "Cannot allocate memory")


class Probed:
    """A host where QEMU ends as planned, by accelerator."""

    def __init__(self, monkeypatch, tmp_path):
        self.ends = {"kvm": RAN, "tcg": RAN}
        self.asked = []
        self.boot_id = tmp_path / "boot_id"
        self.boot_id.write_text("first boot\n")
        self.device = tmp_path / "kvm"
        self.device.touch()
        monkeypatch.setattr(kvm_probe, "_BOOT_ID", self.boot_id)
        monkeypatch.setattr(kvm_probe, "_DEVICE", self.device)
        monkeypatch.setattr(kvm_probe.subprocess, "run", self.run)
        self.tmp_path = tmp_path

    def run(self, command, *, timeout, **_how):
        accelerator = command[command.index("-accel") + 1]
        self.asked.append(accelerator)
        assert timeout == 3.0
        end = self.ends[accelerator]
        if isinstance(end, list):
            end = end.pop(0)
        if isinstance(end, Exception):
            raise end
        return end

    def started(self, **options):
        """As after a start of the compute process."""
        conf = conf_module.new(files=[], default__state_path=str(self.tmp_path), **options)
        return kvm_probe.KvmProbe(conf)

    def virt_type(self, **options):
        return self.started(**options).virt_type()


@pytest.fixture
def probed(monkeypatch, tmp_path):
    return Probed(monkeypatch, tmp_path)


def test_asked_once_a_boot_of_the_host(probed):
    assert probed.virt_type() == "kvm"
    probed.ends["kvm"] = HANGS
    assert probed.virt_type() == "kvm"
    assert probed.asked == ["kvm"]
    probed.boot_id.write_text("second boot\n")
    assert probed.virt_type() == "qemu"


def test_a_kvm_that_hangs_where_emulation_does_not_is_broken(probed):
    """That costs seconds, and is remembered."""
    probed.ends["kvm"] = HANGS
    assert probed.virt_type() == "qemu"
    assert probed.virt_type() == "qemu"
    assert probed.asked == ["kvm", "tcg", "kvm"]


@pytest.mark.parametrize(("second", "virt_type"), [(RAN, "kvm"), (REFUSED, "qemu")])
def test_a_kvm_that_is_slow_once(probed, second, virt_type):
    """The first to run on a host that has just booted reads QEMU from the disk."""
    probed.ends["kvm"] = [HANGS, second, RAN]
    assert probed.virt_type() == virt_type
    assert probed.asked == ["kvm", "tcg", "kvm"]
    assert probed.virt_type() == "kvm"


@pytest.mark.parametrize("tcg", [HANGS, REFUSED, NO_MEMORY])
def test_on_a_busy_host_nothing_is_learned(probed, tcg, caplog):
    """Emulation is no faster: guests of this process are emulated, and the next asks."""
    probed.ends = {"kvm": HANGS, "tcg": tcg}
    slow = probed.started()
    assert [slow.virt_type() for _ in range(3)] == 3 * ["qemu"]
    assert probed.asked == ["kvm", "tcg"]
    assert "until the compute service is started again" in caplog.text
    probed.ends["kvm"] = RAN
    assert slow.virt_type() == "qemu"
    assert probed.virt_type() == "kvm"


@pytest.mark.parametrize(
    ("end", "reason"), [(REFUSED, "Could not access KVM: busy"), (NO_MEMORY, "allocate memory")]
)
def test_a_probe_that_could_not_be_made_says_nothing(probed, end, reason, caplog):
    """What was in the way may go: it is told, and asked again."""
    probed.ends["kvm"] = end
    assert probed.virt_type() == "qemu"
    assert reason in caplog.text
    probed.ends["kvm"] = RAN
    assert probed.virt_type() == "kvm"
    assert probed.asked == ["kvm", "kvm"]


def test_a_host_without_kvm(probed):
    """Nothing is run, nor remembered: its module may be loaded later."""
    probed.device.unlink()
    assert probed.virt_type() == "qemu"
    assert probed.asked == []
    probed.device.touch()
    assert probed.virt_type() == "kvm"


@pytest.mark.parametrize("virt_type", ["kvm", "qemu"])
def test_not_asked_when_configured(probed, virt_type):
    assert probed.virt_type(libvirt__virt_type=virt_type) == virt_type
    assert probed.asked == []


def test_a_damaged_record_is_no_answer(probed, tmp_path):
    (tmp_path / "kvm_probe.json").write_text("{")
    assert probed.virt_type() == "kvm"
    assert probed.asked == ["kvm"]
