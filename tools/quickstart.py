"""From a bare machine to a guest that runs from a volume, in one command.

Standard library only; what is missing is installed by ``tools/install``. The
story itself is in ``scenario.py`` and goes through the ``openstack`` client.
"""

import argparse
import contextlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time
import types
import typing

from allinone import AllInOne
from allinone import AllInOneFailed
from allinone import CLOUD
from allinone import Traces
from openstack_session import CommandFailed
from openstack_session import OpenStackSession
from scenario import FLAVOR
from scenario import Mismatch
from scenario import Scenario
from scenario import Step

TOOLS = pathlib.Path(__file__).resolve().parent
LOG_TAIL_LINES = 15


class Stopped(Exception):
    """SIGTERM or Ctrl-C."""


class StepFailed(Exception):
    """A tool ended with an error; the message is what it said last."""


class Progress:
    """What is printed: elapsed seconds, headings, facts and commands."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self.doing = "starting"
        self.hint = ""

    def elapsed_s(self) -> float:
        """Since the command was given."""
        return time.monotonic() - self._began

    def step(self, doing: str, hint: str = "") -> None:
        """A new step, and what a reader should do if it fails."""
        self.doing, self.hint = doing, hint
        self._print(f"[{self.elapsed_s():5.1f} s] {doing}")

    def fact(self, text: str) -> None:
        """What was found."""
        self._print(f"          {text}")

    def command(self, line: str) -> None:
        """A command of the story; those repeated while waiting are not shown."""
        if not re.search(r" (list|show) ", f"{line} "):
            self._print(f"          $ {line}")

    def _print(self, line: str) -> None:
        print(line, flush=True)


class Quickstart:
    """One run."""

    def __init__(self, keep: bool) -> None:
        self.keep = keep
        self.progress = Progress()
        self.service = AllInOne()
        self.openstack: OpenStackSession | None = None
        self.scenario: Scenario | None = None
        self.ours = False
        """Whether this run started the service."""
        self.started_libvirt = False

    def run(self) -> int:
        """Everything; 0 if all of it worked."""
        try:
            self._install()
            self._serve()
            self._story()
        except KeyboardInterrupt:
            return self._failed("stopped by Ctrl-C", 130)
        except Stopped:
            return self._failed("stopped by a signal", 143)
        except (AllInOneFailed, CommandFailed, Mismatch, StepFailed, OSError) as error:
            return self._failed(str(error), 1)
        except subprocess.SubprocessError as error:
            return self._failed(str(error), 1)
        self._close()
        if self.keep:
            self.service.keep()
        else:
            self._end_service()
            if "Messages on the bus: 0" not in self.service.log.read_text():
                return self._failed("left behind: messages on the bus (see the log's end)", 1)
        self.progress.step("Done: everything worked, and nothing was left behind.")
        if self.keep:
            self._tell_how_to_go_on()
        return 0

    def _install(self) -> None:
        self.progress.step(
            "Installing what is missing", "See the log named above; then run this again."
        )
        self._tool("install", "hypervisor", "guest", "venv")
        told = self._tool("services", "start", "libvirt")
        self.started_libvirt = "runs already" not in told

    def _serve(self) -> None:
        if self.service.process and self.service.kept:
            self.progress.step("Using the service that an earlier run with --keep left up")
            return
        if self.service.process or self.service.state.exists():
            self.progress.step("Clearing away what an interrupted run left")
            self.service.stop()
            clean(self.service)
        self.progress.step(
            "Starting nova_lite, all in one process", f"Its log is kept: {self.service.log}"
        )
        ports = self.service.choose_ports(fixed=self.keep)
        self.ours = True
        seconds = self.service.start(ports)
        addresses = ", ".join(f"{name} 127.0.0.1:{port}" for name, port in ports.items())
        self.progress.fact(f"ready after {seconds:.1f} s: {addresses}")

    def _story(self) -> None:
        progress = self.progress
        hint = f"The service's log is kept: {self.service.log}"
        self.openstack = OpenStackSession(
            self.service.venv / "bin" / "openstack",
            self.service.clouds_yaml,
            CLOUD,
            echo=progress.command,
        )
        story = self.scenario = Scenario(self.openstack, f"quickstart-{os.getpid()}")
        traces = Traces(self.service)

        progress.step("Building the guest and uploading it", hint)
        image = self._tool("guest-image").splitlines()[-1]
        story.upload_image(image)
        story.ensure_flavor()

        progress.step("Booting a server from a new volume", hint)
        story.create_server()
        progress.fact(f"ACTIVE, with root volume {story.root_volume_id}")
        progress.fact(f'the guest says: "{story.root_disk_line()}"')

        progress.step("Plugging in a second volume while it runs", hint)
        story.create_volume()
        line = story.attach()
        progress.fact(f"in-use: volume {story.data_volume_id}")
        progress.fact(f'the guest says: "{line}"')

        progress.step("Unplugging it again", hint)
        progress.fact(f'the guest says: "{story.detach()}"')

        progress.step("The boot, step by step (openstack server event show)", hint)
        self._print_timeline(story.timeline())

        progress.step("Deleting the server and the rest", hint)
        story.delete_server()
        story.delete_rest()
        self._prove_nothing_is_left(traces)

    def _prove_nothing_is_left(self, traces: Traces) -> None:
        assert self.openstack is not None
        self.progress.step("Looking for anything left behind")
        for kind in ("server", "volume", "volume attachment"):
            rows = self.openstack.json(*kind.split(), "list", "--all-projects")
            mine = [row for row in rows if self._is_mine(row)]
            if mine:
                raise Mismatch(f"left behind: {kind} {mine[0]}")
        leftovers = traces.leftovers()
        if leftovers:
            listed = "; ".join(f"{item.kind} {item.what}" for item in leftovers)
            raise Mismatch(f"left behind: {listed}")
        self.progress.fact(
            "no server, volume, attachment, file, libvirt domain, allocation or unfinished work"
        )

    def _is_mine(self, row: dict[str, typing.Any]) -> bool:
        assert self.scenario is not None
        identities = {
            self.scenario.server_id,
            self.scenario.root_volume_id,
            self.scenario.data_volume_id,
        }
        return bool(identities & {value for value in row.values() if isinstance(value, str)})

    def _print_timeline(self, steps: list[Step]) -> None:
        width = max((len(step.name) for step in steps), default=0)
        for step in steps:
            took = "running" if step.duration_ms is None else f"{step.duration_ms:7.0f} ms"
            self.progress.fact(
                f"{step.name:<{width}}  at {step.start_ms:7.0f} ms  took {took}  {step.result}"
            )

    def _tool(self, name: str, *words: str) -> str:
        """Run one of tools/, showing its lines as they come; returns them."""
        lines = []
        with subprocess.Popen(
            [str(TOOLS / name), *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as tool:
            assert tool.stdout is not None
            for line in tool.stdout:
                lines.append(line.rstrip())
                self.progress.fact(lines[-1])
        if tool.returncode:
            last = lines[-1] if lines else "it said nothing"
            raise StepFailed(f"tools/{name} ended with {tool.returncode}: {last}")
        return "\n".join(lines)

    def _failed(self, reason: str, code: int) -> int:
        # A second Ctrl-C must not stop the cleaning up half-way.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        progress = self.progress
        failed_at, hint = progress.doing, progress.hint
        print(f"\nquickstart: FAILED at: {failed_at}\n  {reason}", flush=True)
        if self.service.log.exists() and code == 1:
            print(f"  The end of {self.service.log}:")
            for line in self.service.log.read_text(errors="replace").splitlines()[
                -LOG_TAIL_LINES:
            ]:
                print(f"    {line[:200]}")
        if hint:
            print(f"  {hint}")
        progress.step("Cleaning up")
        if self.scenario is not None and self.service.process:
            for kept in self.scenario.abandon():
                progress.fact(f"could not delete {kept}")
        self._end_service()
        self._close()
        return code

    def _end_service(self) -> None:
        if self.ours:
            self.service.stop()
            clean(self.service)
        if self.started_libvirt:
            subprocess.run(
                [str(TOOLS / "services"), "stop", "libvirt"], capture_output=True, timeout=60
            )

    def _close(self) -> None:
        if self.openstack is not None:
            self.openstack.close()

    def _tell_how_to_go_on(self) -> None:
        self.progress.step(
            "Staying up at http://127.0.0.1:8774 (tools/quickstart --clean ends it)"
        )
        image = self._tool("guest-image").splitlines()[-1]
        print(
            f"""
Five commands to try:

  export PATH={self.service.venv}/bin:$PATH OS_CLOUD={CLOUD} \\
         OS_CLIENT_CONFIG_FILE={self.service.clouds_yaml}
  openstack image create --disk-format raw --container-format bare --file {image} guest
  openstack server create --image guest --flavor {FLAVOR} --boot-from-volume 1 \\
         --delete-on-termination --no-network --wait mine
  openstack console log show mine
  openstack server event list mine
  openstack server delete mine
""",
            flush=True,
        )


def clean(service: AllInOne) -> None:
    """Remove guests that use the state directory, and the directory."""
    if not service.state.is_dir():
        return
    for leftover in Traces(service).domains():
        subprocess.run(
            ["virsh", "-c", "qemu:///system", "destroy", leftover.what],
            capture_output=True,
            timeout=60,
        )
        subprocess.run(
            ["virsh", "-c", "qemu:///system", "undefine", leftover.what, "--nvram"],
            capture_output=True,
            timeout=60,
        )
    shutil.rmtree(service.state, ignore_errors=True)


def _stop(number: int, frame: types.FrameType | None) -> typing.NoReturn:
    raise Stopped


def main() -> int:
    """Parse the command line and do it."""
    parser = argparse.ArgumentParser(
        prog="tools/quickstart",
        description="Install what is missing, start nova_lite with its own image and volume "
        "services, boot a real guest from a volume, plug a second volume in and out, show how "
        "long each step took, and clean up. Everything goes through the openstack client.",
        epilog="Logs are kept in .work/logs. Running it again is safe; what is installed stays.",
    )
    parser.add_argument(
        "--keep", action="store_true", help="leave the service up at 127.0.0.1:8774"
    )
    parser.add_argument(
        "--clean",
        action="store_true",
        help="stop a service that was kept, and remove its servers, volumes and images",
    )
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, _stop)
    if arguments.clean:
        service = AllInOne()
        service.stop()
        clean(service)
        with contextlib.suppress(OSError):
            subprocess.run([str(TOOLS / "services"), "stop", "libvirt"], timeout=60)
        print("quickstart: the service is stopped, and its servers and volumes are gone")
        return 0
    return Quickstart(arguments.keep).run()


if __name__ == "__main__":
    sys.exit(main())
