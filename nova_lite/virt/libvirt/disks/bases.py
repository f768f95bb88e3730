"""``_base``: the files that local disks start from, one for many servers.

Images come here through :mod:`nova_lite.image.cache`, which also clears away
what dead processes left half-made; empty file systems and
swap spaces are made here. A base file is complete when it has its name, and
never changes afterwards.
"""

import collections.abc
import os
import pathlib
import re
import subprocess

from oslo_config import cfg

from nova_lite import concurrency
from nova_lite import durable
from nova_lite import exceptions
from nova_lite import locks
from nova_lite.image import aging
from nova_lite.virt import sizes
from nova_lite.virt.libvirt.disks import plan

_MAKE_FILESYSTEM = {
    # Labelled as guests expect; nothing is reserved for the guest's root.
    "ext2": ("mkfs.ext2", "-q", "-F", "-L", "ephemeral0"),
    "ext3": ("mkfs.ext3", "-q", "-F", "-L", "ephemeral0"),
    "ext4": ("mkfs.ext4", "-q", "-F", "-L", "ephemeral0"),
    "vfat": ("mkfs.vfat", "-n", "ephemeral0"),
    "xfs": ("mkfs.xfs", "-q", "-f", "-L", "ephemeral0"),
}
_MAKE_TIMEOUT_S = 300
_FILE_MODE = 0o644
_MADE_NAME = re.compile(r"ephemeral_\d+_\w+|swap_\d+")


class BaseFiles:
    """The folder of base files on one host."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._conf = conf
        self.path = pathlib.Path(conf.compute.instances_path) / conf.image_cache.subdirectory_name
        self._locks = locks.Locks()

    def ensure(self, content: plan.Content) -> tuple[pathlib.Path, str]:
        """The base file for ``content``, made if it is not there, and its format.

        :raises nova_lite.exceptions.InvalidBlockDevice: nobody knows how to make it.
        :raises nova_lite.exceptions.DiskToolFailed: it cannot be made.
        """
        if isinstance(content, plan.ImageContent):
            return pathlib.Path(content.path), content.disk_format
        if isinstance(content, plan.SwapContent):
            size_bytes = content.size_mib * sizes.MIB
            return self._made(content.base_name, size_bytes, ("mkswap",)), "raw"
        command = _MAKE_FILESYSTEM.get(content.filesystem)
        if command is None:
            known = ", ".join(_MAKE_FILESYSTEM)
            raise exceptions.InvalidBlockDevice(
                reason=f"this host makes no file system {content.filesystem!r} on a disk; "
                f"use one of {known}."
            )
        return self._made(content.base_name, content.size_gib * sizes.GIB, command), "raw"

    def remove_unused(self, in_use: collections.abc.Container[str]) -> aging.Report:
        """Remove empty file systems and swap spaces that no disk is based on and
        nobody used for a while."""
        if not self.path.exists():
            return aging.Report()
        made = [path for path in self.path.iterdir() if _MADE_NAME.fullmatch(path.name)]
        minimum_age_s = self._conf.image_cache.minimum_age_s
        return aging.remove_unused(made, in_use, minimum_age_s, self._locks)

    def _made(
        self, name: str, size_bytes: int, command: collections.abc.Sequence[str]
    ) -> pathlib.Path:
        path = self.path / name
        # Processes that share the folder may each make it; the last name wins
        # and both files are equally good.
        with self._locks.hold(name, "make a base file"):
            if path.exists():
                aging.use(path)
                return path
            self.path.mkdir(parents=True, exist_ok=True)
            temporary = durable.temporary_for(path, self._conf.host)
            try:
                with temporary.open("wb") as file:
                    file.truncate(size_bytes)
                temporary.chmod(_FILE_MODE)
                _format(temporary, command)
                concurrency.in_native_thread(durable.commit, temporary, path)
            finally:
                temporary.unlink(missing_ok=True)
        return path


def _format(path: pathlib.Path, command: collections.abc.Sequence[str]) -> None:
    environment = {**os.environ, "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"}
    try:
        subprocess.run(
            [*command, str(path)],
            check=True,
            capture_output=True,
            text=True,
            timeout=_MAKE_TIMEOUT_S,
            env=environment,
        )
    except subprocess.CalledProcessError as error:
        reason = error.stderr.strip()
        raise exceptions.DiskToolFailed(tool=command[0], reason=reason) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise exceptions.DiskToolFailed(tool=command[0], reason=str(error)) from error
