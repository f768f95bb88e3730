"""qemu-img, the only place that runs it.

Every call names the format of every file it reads or writes: a format that is
guessed is taken from bytes a guest or an uploader chose (CVE-2024-32498,
CVE-2026-24708). Every process has limits on memory, CPU and time.
"""

import json
import logging
import os
import pathlib
import subprocess
import typing

from oslo_config import cfg

from nova_lite import exceptions

LOG = logging.getLogger(__name__)

CLUSTER_SIZE_BYTES = 65536
LUKS_ATTEMPTS = 10

_MIB = 2**20
_LUKS_KEY = ("--object", "secret,id=key,file=/dev/stdin")
_IMPRECISE = "accurate CPU usage"
"""What qemu-img says when it could not measure how fast a key is stretched here, since
the kernel counts a thread's time in ticks: chance, which the next attempt may not have."""
_QEMU_NAMES = {"vhd": "vpc"}
"""Glance's names of formats that qemu-img calls otherwise."""


class QemuImg:
    """qemu-img under the limits of ``[libvirt] qemu_img_*``.

    All methods raise :exc:`nova_lite.exceptions.DiskToolFailed`.
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._conf = conf

    def info(self, path: pathlib.Path, disk_format: str) -> dict[str, typing.Any]:
        """qemu-img's JSON about a file, read as ``disk_format``."""
        output = self._run(
            "info",
            *("--output=json", "--force-share", "-f", _qemu_name(disk_format)),
            str(path),
            cpu_limit_s=self._conf.libvirt.qemu_img_cpu_limit_s,
        )
        return dict(json.loads(output))

    def convert(
        self,
        source: pathlib.Path,
        source_format: str,
        target: pathlib.Path,
        target_format: str,
    ) -> None:
        """Copy ``source`` into the new file ``target``, leaving zeros out."""
        self._run(
            *("convert", "-f", _qemu_name(source_format), "-O", _qemu_name(target_format)),
            *(str(source), str(target)),
        )

    def create_luks(self, path: pathlib.Path, size_bytes: int, passphrase: bytes) -> None:
        """Make a LUKS file that holds ``size_bytes``. What is read of it before it is
        written is noise."""
        for attempt in range(1, LUKS_ATTEMPTS + 1):
            try:
                self._run(
                    *("create", "-q", "-f", "luks", *_LUKS_KEY),
                    # The passphrase is a random key: stretching it would add nothing.
                    *("-o", "key-secret=key,iter-time=10", str(path), str(size_bytes)),
                    stdin=passphrase,
                )
                return
            except exceptions.DiskToolFailed as error:
                if _IMPRECISE not in error.message or attempt == LUKS_ATTEMPTS:
                    raise
                LOG.info("%s is tried again, attempt %d: %s", path, attempt, error.message)

    def convert_to_luks(
        self, source: pathlib.Path, source_format: str, target: pathlib.Path, passphrase: bytes
    ) -> None:
        """Copy ``source`` into the LUKS file ``target``, which exists and is as large
        or larger, all its zeros too."""
        options = f"driver=luks,key-secret=key,file.filename={_escaped(str(target))}"
        self._run(
            *("convert", "-n", "-S", "0", *_LUKS_KEY, "-f", _qemu_name(source_format)),
            *("--target-image-opts", str(source), options),
            stdin=passphrase,
        )

    def create_overlay(
        self, path: pathlib.Path, base: pathlib.Path, base_format: str, size_bytes: int
    ) -> None:
        """Make a qcow2 file that starts as ``base`` (S100-S102)."""
        options = {
            "backing_file": _escaped(str(base)),
            "backing_fmt": _qemu_name(base_format),
            "cluster_size": CLUSTER_SIZE_BYTES,
            "compat": "1.1",
            "lazy_refcounts": "off",
        }
        joined = ",".join(f"{name}={value}" for name, value in options.items())
        self._run("create", "-q", "-f", "qcow2", "-o", joined, str(path), str(size_bytes))

    def _run(
        self, *arguments: str, cpu_limit_s: int | None = None, stdin: bytes | None = None
    ) -> str:
        """Run qemu-img.

        It has one memory arena for all its threads: the C library would reserve 64 MiB of
        address space for each, and the limit ends a process that cannot start a thread.

        :param cpu_limit_s: CPU seconds; None allows what the time limit does.
        :param stdin: a secret, which neither the command line nor a file may have.
        """
        from oslo_concurrency import processutils

        timeout_s: int = self._conf.libvirt.qemu_img_timeout_s
        limits = processutils.ProcessLimits(
            address_space=self._conf.libvirt.qemu_img_memory_limit_mib * _MIB,
            cpu_time=cpu_limit_s or timeout_s,
            core_file_size=0,
        )
        try:
            output, _errors = processutils.execute(
                "qemu-img",
                *arguments,
                prlimit=limits,
                env_variables={**os.environ, "MALLOC_ARENA_MAX": "1"},
                timeout=timeout_s,
                on_completion=_end,
                process_input=stdin,
            )
        except processutils.ProcessExecutionError as error:
            reason = (error.stderr or "").strip() or f"exit code {error.exit_code}"
            raise exceptions.DiskToolFailed(tool="qemu-img", reason=reason) from error
        except (OSError, subprocess.TimeoutExpired) as error:
            raise exceptions.DiskToolFailed(tool="qemu-img", reason=str(error)) from error
        return str(output)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Kill a process that ran out of time: oslo.concurrency lets it run on."""
    if process.poll() is None:
        process.kill()
        process.wait()


def _qemu_name(disk_format: str) -> str:
    return _QEMU_NAMES.get(disk_format, disk_format)


def _escaped(value: str) -> str:
    """``value`` inside a list of options, where a comma would end it."""
    return value.replace(",", ",,")
