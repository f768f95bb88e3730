"""A whole cloud on one machine: real neighbours, and nova_lite among them.

RabbitMQ, MariaDB, memcached, Ceph, Keystone, Glance and Cinder come from Debian;
nova_lite's four daemons run from this checkout. Everything listens on loopback
only, on free ports, keeps its data, configuration and log in one work directory
and is found again by its pid: clouds of several checkouts run side by side.
"""

import argparse
import concurrent.futures
import os
import pathlib
import subprocess
import sys
import threading
import time
import typing

from ceph_cluster import Ceph
from cloud_nova import CHECKOUT
from cloud_nova import LibvirtSecrets
from cloud_nova import NOVA
from cloud_nova import NovaDaemon
from cloud_service import CloudService
from cloud_service import Secrets
from cloud_services import CinderApi
from cloud_services import CinderScheduler
from cloud_services import CinderVolume
from cloud_services import Glance
from cloud_services import Keystone
from cloud_services import Memcached
from cloud_setup import CloudSetup
from rest_client import RestFailed
from services import Libvirt
from services import MariaDB
from services import RabbitMQ
from services import raise_open_files_limit
from supervised import Options
from supervised import Service
from supervised import ServiceFailed
from supervised import Work

FOUNDATIONS: tuple[type[Service], ...] = (RabbitMQ, MariaDB, Memcached, Ceph, Libvirt)
SERVICES: tuple[type[Service], ...] = (
    *FOUNDATIONS,
    *(Keystone, Glance, CinderApi, CinderScheduler, CinderVolume, LibvirtSecrets),
    *NOVA,
)
"""In an order in which they may be started; they are stopped in the reverse one."""
GROUPS = ("hypervisor", "guest", "services", "ceph", "cloud", "venv")
"""Of tools/install."""


class Progress:
    """One line for everything that happened, with the seconds since the start."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._lock = threading.Lock()

    def say(self, who: str, what: str) -> None:
        """Print a line at once."""
        with self._lock:
            print(f"{time.monotonic() - self._began:6.1f} s  {who:<17} {what}", flush=True)


class Failed(Exception):
    """Something did not come up; it was told already."""


class RealCloud:
    """All services of one work directory."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self.services = [service(work, Options()) for service in SERVICES]
        self.progress = Progress()

    def up(self) -> None:
        """Start what does not run, each as soon as what it needs does.

        :raises Failed: a service did not start.
        """
        Secrets(self.work).make()
        for service in self.services:
            if isinstance(service, CloudService):
                service.reserve_ports()
        with concurrent.futures.ThreadPoolExecutor(len(self.services)) as pool:
            started: dict[str, concurrent.futures.Future[bool]] = {}
            for service in self.services:
                needs = [started[name] for name in getattr(service, "needs", ())]
                started[service.name] = pool.submit(self._start, service, needs)
        self.work.write_env(service.name for service in self.services)
        if not all(future.result() for future in started.values()):
            raise Failed
        CloudSetup(self.work).finish(lambda what: self.progress.say("cloud", what))

    def restart(self, names: typing.Collection[str]) -> None:
        """Stop these services, then start what does not run."""
        for service in reversed(self.services):
            if service.name in names:
                self.progress.say(service.name, service.stop())
        self.up()

    def down(self, *, purge: bool) -> None:
        """Stop everything, users first; with ``purge`` all but the logs is removed."""
        action = "purge" if purge else "halt"
        users = [service for service in self.services if type(service) not in FOUNDATIONS]
        for batch in (users, [service for service in self.services if service not in users]):
            with concurrent.futures.ThreadPoolExecutor(len(batch)) as pool:
                for service in batch:
                    pool.submit(self._stop, service, action)
        self.work.write_env(())
        if purge:
            CloudSetup(self.work).forget()

    def status(self) -> int:
        """Print it; the number of services that do not run."""
        with concurrent.futures.ThreadPoolExecutor(len(self.services)) as pool:
            running = list(pool.map(lambda service: service.running(), self.services))
        for service, runs in zip(self.services, running, strict=True):
            pids = " ".join(str(process.pid) for process in service.processes())
            ports = service.facts.get("ports", {}).values()
            shown = " ".join(map(str, ports)) if service.port_names else ""
            state = "runs" if runs else "does not run"
            print(f"{service.name:<17} {state:<13} {pids:<18} {shown}".rstrip())
        return running.count(False)

    def _start(self, service: Service, needs: list[concurrent.futures.Future[bool]]) -> bool:
        if not all(future.result() for future in needs):
            self.progress.say(service.name, "not started: what it needs is missing")
            return False
        try:
            self.progress.say(service.name, service.start())
        except (ServiceFailed, RestFailed, OSError, subprocess.SubprocessError) as error:
            self.progress.say(service.name, f"FAILED: {error}")
            return False
        return True

    def _stop(self, service: Service, action: str) -> None:
        try:
            self.progress.say(service.name, getattr(service, action)())
        except (ServiceFailed, OSError, subprocess.SubprocessError) as error:
            self.progress.say(service.name, f"FAILED: {error}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="tools/realcloud",
        description="Real Keystone, Glance, Cinder, Ceph, RabbitMQ and MariaDB, with "
        "nova_lite's daemons among them, on 127.0.0.1 only.",
        epilog="'up' installs what is missing and may be repeated. It writes WORK_DIR/openrc, "
        "WORK_DIR/clouds.yaml and, for tests, WORK_DIR/services.env. 'restart' takes the code "
        "of the checkout as it is now.",
    )
    parser.add_argument("action", choices=("up", "down", "status", "restart"))
    parser.add_argument(
        "services",
        nargs="*",
        metavar="SERVICE",
        help=f"for restart: {', '.join(service.name for service in SERVICES)} "
        "(nova_lite's daemons if none is named)",
    )
    parser.add_argument(
        "--work-dir",
        type=pathlib.Path,
        default=CHECKOUT / ".work" / "realcloud",
        help="data, configuration, logs and pids (default: .work/realcloud in the checkout)",
    )
    parser.add_argument("--purge", action="store_true", help="down: remove all but the logs, too")
    arguments = parser.parse_args()
    unknown = set(arguments.services) - {service.name for service in SERVICES}
    if unknown:
        parser.error(f"unknown service: {', '.join(sorted(unknown))}")
    if arguments.services and arguments.action != "restart":
        parser.error("only restart takes the names of services")
    return arguments


def main() -> int:
    """Run the command; 1 if a service failed, 3 if one does not run."""
    arguments = _arguments()
    if os.getuid():
        print("realcloud: not root; libvirt's system connection and its guests are root's")
        return 1
    raise_open_files_limit()
    if arguments.action in ("up", "restart"):
        installed = subprocess.run([CHECKOUT / "tools" / "install", *GROUPS])
        if installed.returncode:
            return 1
    cloud = RealCloud(Work(arguments.work_dir))
    try:
        if arguments.action == "up":
            cloud.up()
        elif arguments.action == "restart":
            nova = [service.name for service in cloud.services if isinstance(service, NovaDaemon)]
            cloud.restart(arguments.services or nova)
        elif arguments.action == "down":
            cloud.down(purge=arguments.purge)
        else:
            return 3 if cloud.status() else 0
    except Failed:
        return 1
    except (ServiceFailed, RestFailed) as error:
        cloud.progress.say("cloud", f"FAILED: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
