"""Whether KVM really runs guests here.

A ``/dev/kvm`` that opens is not enough: on hosts that are themselves badly
virtualised, KVM interprets the guest's kernel code instruction by instruction,
a thousand times slower than emulation, and every guest seems to hang. So a
small program of our own is booted. It enters 64-bit mode as any system does,
counts to a hundred million, and makes QEMU exit with a code of its choice.
Real hardware (and TCG) need a fraction of a second for it.
"""

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


def runs(accelerator: str, emulator: str, timeout_s: float) -> bool:
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
            return False
        except OSError as error:
            LOG.warning("The probe of %s could not be started: %s", accelerator, error)
            return False
    return result.returncode == EXIT_CODE


class KvmProbe:
    """How guests are run on this host, found out once a boot of the host."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._conf = conf
        self._record = pathlib.Path(conf.state_path) / "kvm_probe.json"

    def virt_type(self) -> str:
        """``kvm`` or ``qemu``: as configured, or as the probe says."""
        configured: str = self._conf.libvirt.virt_type
        if configured != "auto":
            return configured
        return "kvm" if self._kvm_runs() else "qemu"

    def _kvm_runs(self) -> bool:
        boot_id = _BOOT_ID.read_text().strip()
        remembered = self._read()
        if remembered.get("boot_id") == boot_id:
            return bool(remembered.get("kvm_runs"))
        found = pathlib.Path("/dev/kvm").exists() and runs(
            "kvm", self._conf.libvirt.emulator_path, self._conf.libvirt.kvm_probe_timeout_s
        )
        LOG.info("Guests %s", "run on KVM" if found else "are emulated: KVM does not work here")
        durable.write_text(self._record, json.dumps({"boot_id": boot_id, "kvm_runs": found}))
        return found

    def _read(self) -> dict[str, typing.Any]:
        try:
            return dict(json.loads(self._record.read_text()))
        except (FileNotFoundError, ValueError):
            return {}
