"""Touches files in a green process, as compute does, on a file system that does not
answer for a while. Run by a test.

Prints one JSON object: of each call of the operating system, whether other green
threads went on while it stood still.
"""

# The library must be made cooperative before anything else is imported.
# ruff: noqa: E402

import time

from nova_lite import concurrency

native_sleep = time.sleep
concurrency.monkey_patch()

import contextlib
import json
import os
import pathlib
import sys
import tempfile
from unittest import mock

from os_brick.remotefs import remotefs

from nova_lite import conf as conf_module
from nova_lite.image import convert
from nova_lite.virt import volume_users
from nova_lite.virt.libvirt.disks import backends
from nova_lite.virt.libvirt.disks import bases
from nova_lite.virt.libvirt.disks import cachemode
from nova_lite.virt.libvirt.disks import directory
from nova_lite.virt.libvirt.disks import plan
from nova_lite.volume import connector

UUID = "11111111-1111-4111-8111-111111111111"


EXPORT = "127.0.0.1:/share"
ENOUGH_TURNS = 3
LONGEST_S = 3.0


class Stuck:
    """Makes calls of the operating system stand still until others went on."""

    def __init__(self):
        self._turns = 0
        self.went_on = {}
        concurrency.spawn(self._take_turns)

    @contextlib.contextmanager
    def in_call(self, owner, name, told_as=None):
        """In the body each call of ``owner.name`` stands still."""
        real = getattr(owner, name)

        def stand_still(*args, **kwargs):
            end, enough = time.monotonic() + LONGEST_S, self._turns + ENOUGH_TURNS
            while self._turns < enough and time.monotonic() < end:
                native_sleep(0.001)
            self.went_on.setdefault(told_as or name, []).append(self._turns >= enough)
            return real(*args, **kwargs)

        with mock.patch.object(owner, name, stand_still):
            yield

    def _take_turns(self):
        while True:
            self._turns += 1
            concurrency.sleep(0.001)


def main():
    path = pathlib.Path(sys.argv[1])
    conf = conf_module.new(files=[], default__state_path=str(path))
    stuck = Stuck()
    with stuck.in_call(tempfile, "NamedTemporaryFile"):
        cachemode.of(conf, path)
    with stuck.in_call(os, "rmdir"):
        base = conf.libvirt.nfs_mount_point_base
        client = remotefs.RemoteFsClient("nfs", "sudo", nfs_mount_point_base=base)
        os.makedirs(client.get_mount_point(EXPORT))
        connector.HostConnectors(conf, {}).unmount(EXPORT)
    with stuck.in_call(os, "posix_fallocate"):
        base, disk = path / "base", path / "disk"
        base.write_bytes(b"\0" * 4096)
        backends.FlatBackend(convert.QemuImg(conf)).make(disk, base, "raw", 4096)
    with stuck.in_call(os, "fsync", "base file"):
        bases.BaseFiles(conf).ensure(plan.SwapContent(1))
    with stuck.in_call(os, "fsync", "formats of disks"):
        directory.InstanceDirectory(conf, UUID).record_formats({})
    with stuck.in_call(os, "fsync", "users of a volume"):
        join_and_leave(conf)
    print(json.dumps(stuck.went_on))


def join_and_leave(conf):
    users = volume_users.VolumeUsers(conf.state_path)
    with users.joining("the-volume", UUID):
        pass
    with users.leaving("the-volume", UUID):
        pass


if __name__ == "__main__":
    main()
