import signal
import subprocess
import sys

from nova_lite import concurrency


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


def test_a_native_thread_never_waits_for_another() -> None:
    """What runs there may call what would go there: were that counted again, all
    would wait for each other."""
    program = (
        "from nova_lite import concurrency\n"
        "concurrency.monkey_patch()\n"
        "def inner():\n"
        "    return concurrency.in_native_thread(int)\n"
        "threads = [\n"
        "    concurrency.spawn(concurrency.in_native_thread, inner)\n"
        "    for _ in range(4 * concurrency.MAX_SLOW_CALLS)\n"
        "]\n"
        "print(sum(1 + thread.wait() for thread in threads))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30
    )
    assert done.stdout == f"{4 * concurrency.MAX_SLOW_CALLS}\n", done.stderr


def test_a_bell_wakes_a_green_thread_from_a_native_one() -> None:
    """However often it rang while nobody waited, that is once."""
    program = (
        "import time\n"
        "native_sleep = time.sleep\n"
        "from nova_lite import concurrency\n"
        "concurrency.monkey_patch()\n"
        "bell = concurrency.Bell()\n"
        "for _ in range(100000):\n"
        "    bell.ring()\n"
        "bell.wait()\n"
        "concurrency.start_native_thread(lambda: native_sleep(0.1) or bell.ring(), 'ringer')\n"
        "concurrency.spawn(print, 'others run')\n"
        "bell.wait()\n"
        "print('woken')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30
    )
    assert done.stdout == "others run\nwoken\n", done.stderr
