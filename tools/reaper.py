"""Run a command that leaves daemons behind, and wait for every process that they leave.

libvirtd's guests are nobody's children; when one ends, process 1 must take note of it
before libvirt believes it. systemd does so at once. What is process 1 of a container may
take seconds, by which every end of a guest is longer.

Usage: reaper.py COMMAND [ARGUMENT...]

Ends when no process is left. Standard library only.
"""

import ctypes
import os
import sys

PR_SET_CHILD_SUBREAPER = 36
"""From linux/prctl.h: orphans among our descendants become our children."""


def main() -> int:
    """:returns: the command's exit code, if that was not 0."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        print(f"prctl: {os.strerror(ctypes.get_errno())}", file=sys.stderr)
        return 1
    command = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ)
    code = 0
    while True:
        try:
            pid, status = os.wait()
        except ChildProcessError:
            return code
        if pid == command:
            code = os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main())
