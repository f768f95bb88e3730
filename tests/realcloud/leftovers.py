"""Nothing leaks: what exists outside the tests' knowledge, before and after."""

import os
import pathlib
import time

from tests.realcloud import cloud as clouds

PATIENCE_S = 30.0
"""Deletions are orders: the services carry them out a little later."""
SETTLED = ("available", "in-use", "error", "maintenance")


class Traces:
    """Everything a server or volume leaves somewhere, in a set of sentences."""

    def __init__(self, cloud: clouds.Cloud) -> None:
        self._cloud = cloud
        self._before = self.now()

    def assert_nothing_left(self) -> None:
        """Wait a little, then fail with what is there and was not before."""
        deadline = time.monotonic() + PATIENCE_S
        while left := self.now() - self._before:
            if time.monotonic() > deadline:
                raise AssertionError("left behind:\n  " + "\n  ".join(sorted(left)))
            time.sleep(0.5)

    def now(self) -> set[str]:
        """What is there at the moment."""
        return {
            *self._cinder(),
            # What images were converted to once is a cache, as _base is for files.
            *(f"Ceph: {i}" for i in self._cloud.images() if not i.startswith("vms/base.")),
            *(f"libvirt: domain {uuid}" for uuid in self._cloud.domains()),
            *self._secrets(),
            *self._files(),
            *self._nova(),
        }

    def _cinder(self) -> set[str]:
        found = set()
        for row in self._cloud.sql("cinder", "SELECT id, status FROM volumes WHERE deleted = 0"):
            state = "" if row["status"] in SETTLED else f" is {row['status']}"
            found.add(f"Cinder: volume {row['id']}{state}")
        for table in ("snapshots", "volume_attachment"):
            rows = self._cloud.sql("cinder", f"SELECT id FROM {table} WHERE deleted = 0")
            found |= {f"Cinder: {table.rstrip('s')} {row['id']}" for row in rows}
        return found

    def _secrets(self) -> set[str]:
        """Those whose usage names this cloud, without what its hosts open Ceph with: each
        makes that once, and keeps it."""
        found = set()
        marks = (self._cloud.env["CEPH_FSID"], str(self._cloud.directory))
        for line in clouds.virsh("secret-list").splitlines():
            if "ceph client." not in line and any(mark in line for mark in marks):
                found.add(f"libvirt: secret {line.split()[0]}")
        return found

    def _files(self) -> set[str]:
        """Files of servers in the hosts' state directories; the image cache stays."""
        found = set()
        for state in self._cloud.state.glob("compute-*/"):
            for directory, _, names in os.walk(state):
                if "_base" not in pathlib.Path(directory).parts:
                    found |= {f"host: {directory}/{name}" for name in names}
        return found

    def _nova(self) -> set[str]:
        allocations = self._cloud.sql("nova_lite_api", "SELECT consumer_uuid FROM allocations")
        unfinished = self._cloud.sql(
            "nova_lite_cell",
            "SELECT action, instance_uuid FROM instance_actions WHERE finished_at IS NULL",
        )
        return {
            *(f"nova_lite: allocation of {row['consumer_uuid']}" for row in allocations),
            *(
                f"nova_lite: unfinished {row['action']} of {row['instance_uuid']}"
                for row in unfinished
            ),
        }
