"""Whether KVM really runs guests here.

A ``/dev/kvm`` that opens is not enough: on hosts that are themselves badly
virtualised, KVM interprets the guest's kernel code instruction by instruction,
a thousand times slower than emulation, and every guest seems to hang. So a
small program of our own is booted. It enters 64-bit mode as any system does,
counts to a hundred million, and makes QEMU exit with a code of its choice.
Real hardware (and TCG) need a fraction of a second for it.

A host can also be so busy that the program is not done in time. So where KVM
was not, emulation is tried too: if that is done within the same limit, and KVM is
not once more, KVM does not work here, and this is remembered until the host boots
again. If emulation is not, or if QEMU could not be started at all, nothing is known,
and nothing remembered.
"""

import enum
import json
import logging
import pathlib
import subprocess
import tempfile
import typing

from oslo_config import cfg

from nova_lite import durable

LOG = logging.getLogger(__name__)

_BOOT_ID = pathlib.Path("/proc/sys/kernel/random/boot_id")
_DEVICE = pathlib.Path("/dev/kvm")
_ORIGIN = 0x7C00
_EXIT_VALUE = 0x2A
EXIT_CODE = _EXIT_VALUE << 1 | 1
"""What QEMU's isa-debug-exit makes of the value the program writes."""

_PROGRAM: typing.Final = bytes.fromhex(
    "fa"  # cli
    "31c0 8ed8 8ec0 8ed0"  # xor ax, ax; ds = es = ss = ax
    "bc007c"  # mov sp, 0x7c00
    "fc bf0010 b90018 f3ab"  # clear the page tables at 0x1000-0x3fff
    "c70600100320"  # PML4[0] = 0x2000, present and writable
    "c70600200330"  # PDPT[0] = 0x3000, present and writable
    "c70600308300"  # PD[0] = the first 2 MiB, as one page
    "66b800100000 0f22d8"  # cr3 = 0x1000
    "0f20e0 0c20 0f22e0"  # cr4: physical address extension
    "66b9800000c0 0f32 80cc01 0f30"  # EFER: long mode
    "0f0116807c"  # lgdt [0x7c80]
    "0f20c0 660d01000080 0f22c0"  # cr0: paging and protection
    "ea5b7c0800"  # jmp 0x08:0x7c5b, the next instruction, in 64-bit mode
    "b900e1f505 e2fe"  # mov ecx, 100000000; loop until it is 0
    "b02a e6f4"  # out 0xf4, 0x2a: QEMU exits
    "f4 ebfd"  # hlt for ever
)
_GDT: typing.Final = bytes.fromhex(
    "0000000000000000"  # the null segment
    "0000000000 9a 20 00"  # 64-bit code
)
_GDT_AT = 0x70
_GDT_REGISTER: typing.Final = (len(_GDT) - 1).to_bytes(2, "little") + (_ORIGIN + _GDT_AT).to_bytes(
    4, "little"
)
_GDT_REGISTER_AT = 0x80


def boot_sector() -> bytes:
    """The probe as the only sector of a disk."""
    sector = bytearray(512)
    sector[: len(_PROGRAM)] = _PROGRAM
    sector[_GDT_AT : _GDT_AT + len(_GDT)] = _GDT
    sector[_GDT_REGISTER_AT : _GDT_REGISTER_AT + len(_GDT_REGISTER)] = _GDT_REGISTER
    sector[510:] = b"\x55\xaa"
    return bytes(sector)


class Result(enum.Enum):
    """How the probe's guest ended."""

    RAN = enum.auto()
    HUNG = enum.auto()
    """It did not end in time."""
    FAILED = enum.auto()
    """QEMU was not started, or ended by itself: that is no guest's doing."""


def run_guest(accelerator: str, emulator: str, timeout_s: float) -> Result:
    """Whether a guest gets work done under QEMU's ``accelerator`` (kvm, tcg)."""
    with tempfile.NamedTemporaryFile(suffix=".img") as disk:
        disk.write(boot_sector())
        disk.flush()
        command = [
            emulator,
            *("-accel", accelerator, "-machine", "pc", "-cpu", "max", "-m", "16"),
            *("-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
            *("-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"),
            *("-drive", f"file={disk.name},format=raw,if=ide,snapshot=on"),
        ]
        try:
            result = subprocess.run(command, capture_output=True, timeout=timeout_s, check=False)
        except subprocess.TimeoutExpired:
            return Result.HUNG
        except OSError as error:
            LOG.warning("The probe of %s could not be started: %s", accelerator, error)
            return Result.FAILED
    if result.returncode == EXIT_CODE:
        return Result.RAN
    LOG.warning(
        "The probe of %s ended with exit code %d: %s",
        *(accelerator, result.returncode, result.stderr.decode(errors="replace").strip()),
    )
    return Result.FAILED


class KvmProbe:
    """How guests are run on this host: found out once a boot of the host or, while
    that says nothing, once a start of this process."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._conf = conf
        self._record = pathlib.Path(conf.state_path) / "kvm_probe.json"
        self._found: str | None = None

    def virt_type(self) -> str:
        """``kvm`` or ``qemu``: as configured, or as the probe says."""
        configured: str = self._conf.libvirt.virt_type
        if configured != "auto":
            return configured
        if self._found is None:
            self._found = self._remembered() or self._find_out()
            LOG.info("Guests run on %s", "KVM" if self._found == "kvm" else "emulation (TCG)")
        return self._found

    def _find_out(self) -> str:
        if not _DEVICE.exists():
            return "qemu"
        result = self._run("kvm")
        if result is Result.HUNG and self._run("tcg") is Result.RAN:
            # The first to run has QEMU read from the disk, and loses by that alone.
            result = self._run("kvm")
            if result is Result.HUNG:
                LOG.warning("KVM does not work here: a guest hangs on it that emulation runs")
                return self._remember("qemu")
        if result is Result.RAN:
            return self._remember("kvm")
        LOG.warning(
            "Whether KVM works here is not known; guests are emulated until the compute service "
            "is started again%s",
            ": the host is too busy to tell" if result is Result.HUNG else "",
        )
        return "qemu"

    def _run(self, accelerator: str) -> Result:
        options = self._conf.libvirt
        return run_guest(accelerator, options.emulator_path, options.kvm_probe_timeout_s)

    def _remember(self, virt_type: str) -> str:
        record = {"boot_id": _boot_id(), "virt_type": virt_type}
        durable.write_text(self._record, json.dumps(record))
        return virt_type

    def _remembered(self) -> str | None:
        try:
            record = dict(json.loads(self._record.read_text()))
        except (FileNotFoundError, ValueError):
            return None
        return record.get("virt_type") if record.get("boot_id") == _boot_id() else None


def _boot_id() -> str:
    return _BOOT_ID.read_text().strip()
