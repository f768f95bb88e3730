"""tools/reaper.py waits for the daemons that a command leaves behind."""

import pathlib
import subprocess
import sys

REAPER = pathlib.Path(__file__).parents[2] / "tools" / "reaper.py"
DAEMON = """
import os, pathlib, sys, time
if os.fork() == 0:
    middle = os.getpid()
    if os.fork() == 0:
        sys.stdin.readline()
        while os.getppid() == middle:
            time.sleep(0.01)
        pathlib.Path(sys.argv[1]).write_text(str(os.getppid()))
    os._exit(0)
os._exit(7)
"""


def test_it_takes_note_of_a_daemons_end(tmp_path: pathlib.Path) -> None:
    """A daemon whose parents are gone is the reaper's child; the reaper ends after it, and
    as the command did."""
    told = tmp_path / "parent"
    command = [sys.executable, str(REAPER), sys.executable, "-c", DAEMON, str(told)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, text=True) as reaper:
        assert reaper.stdin is not None
        assert reaper.poll() is None
        reaper.stdin.write("end\n")
        reaper.stdin.close()
        assert reaper.wait(30) == 7
        assert int(told.read_text()) == reaper.pid
