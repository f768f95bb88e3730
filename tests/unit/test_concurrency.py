import subprocess
import sys


def test_timeouts_of_processes_can_be_caught_when_patched() -> None:
    """eventlet's Popen raises a TimeoutExpired that is not subprocess's."""
    program = (
        "from nova_lite import concurrency\n"
        "concurrency.monkey_patch()\n"
        "import subprocess\n"
        "try:\n"
        "    subprocess.run(['sleep', '60'], timeout=0.05, capture_output=True)\n"
        "except subprocess.TimeoutExpired:\n"
        "    print('caught')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30
    )
    assert done.stdout == "caught\n", done.stderr
