import signal
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


def test_signal_ends_process_that_has_nothing_to_do() -> None:
    """An idle hub sleeps a minute and is not woken by a signal alone."""
    program = (
        "from nova_lite import concurrency\n"
        "concurrency.monkey_patch()\n"
        "import signal\n"
        "concurrency.spawn(print, 'ready', flush=True)\n"
        # The green thread prints when this one waits, its handlers installed.
        "print(concurrency.wait_for_signal(signal.SIGTERM, signal.SIGINT))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=10)[0] == f"{int(signal.SIGTERM)}\n"
