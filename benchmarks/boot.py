"""How long a server takes: four daemons, RabbitMQ, MariaDB, the fake driver.

Run it as ``python benchmarks/boot.py``; see ``--help`` and ``docs/benchmarks.rst``.
"""

import argparse
import collections.abc
import concurrent.futures
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import typing

CHECKOUT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(CHECKOUT))

from benchmarks import machine  # noqa: E402
from benchmarks.client import Client  # noqa: E402
from benchmarks.client import POLL_INTERVAL_S  # noqa: E402
from benchmarks.figures import Figure  # noqa: E402
from benchmarks.figures import percentile  # noqa: E402
from benchmarks.figures import Report  # noqa: E402
from tests.integration.cluster import Cluster  # noqa: E402
from tests.integration.cluster import DAEMONS  # noqa: E402
from tests.integration.cluster import NotInTime  # noqa: E402
from tests.integration.cluster import Services  # noqa: E402

WARM_UP_SERVERS = 10
CLIENTS = 8
CPU_SERVERS = 50
IMAGE_BYTES = 1024 * 1024
CPU_PAUSE_S = 0.15
SETTINGS: dict[str, dict[str, object]] = {
    "DEFAULT": {"debug": False, "report_interval_s": 10},
    "quota": {"instances": -1, "cores": -1, "ram_mib": -1},
    "standalone": {"fault_injection": False},
}
NOVA_SERVING_S = {"api": 2.0, "conductor": 2.8, "scheduler": 2.6, "compute": 2.9}
NOVA_PSS_MB = {"api": 349, "conductor": 374, "scheduler": 290, "compute": 151}


class Benchmark:
    """The sections, in the order in which they run."""

    def __init__(
        self, cluster: Cluster, services: Services, report: Report, arguments: argparse.Namespace
    ) -> None:
        self._cluster = cluster
        self._services = services
        self._report = report
        self._arguments = arguments
        self._image_id = ""
        self._load = 0.0

    def run(self) -> None:
        """All sections."""
        self.floor()
        self.prepare()
        self.sequential()
        self.processor_time()
        self.burst()
        self.memory("after the bursts", aim=70)
        self.listing()
        self.memory("after 1,000 at once")
        self.starting()

    def floor(self) -> None:
        """The bare broker and database."""
        self._section("bare oslo.messaging call, bare insert and commit")
        broker = f"guest:guest@127.0.0.1:{self._services.rabbitmq_port}"
        database = f"nova_lite:nova_lite@127.0.0.1:{self._services.mariadb_port}"
        name = self._cluster.name
        done = subprocess.run(
            [
                *(sys.executable, "-W", "ignore", "-m", "benchmarks.floor"),
                f"rabbit://{broker}/{name}",
                f"mysql+pymysql://{database}/{name}_cell",
            ],
            cwd=CHECKOUT,
            env=os.environ | {"PYTHONPATH": str(CHECKOUT)},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=120,
        )
        call_ms, commit_ms = map(float, done.stdout.split())
        self._report.call_ms, self._report.commit_ms = call_ms, commit_ms
        self._add("bare call round trip, p50", call_ms, "ms", nova="1.8 ms")
        self._add("bare insert and commit, p50", commit_ms, "ms", nova="0.3 ms")

    def prepare(self) -> None:
        """An image, a flavor, and warm daemons with the image in their cache."""
        cluster = self._cluster
        self._image_id = cluster.upload_image(bytes(IMAGE_BYTES))
        flavor = {"id": "benchmark", "name": "benchmark", "ram": 64, "vcpus": 1, "disk": 1}
        cluster.ok("POST", "/flavors", {"flavor": flavor})
        client = self._client()
        for index in range(WARM_UP_SERVERS):
            client.wait_active(client.create(self._image_id, f"warm-{index}"))
        self._delete_all(client)

    def sequential(self) -> None:
        """One server after the other."""
        self._section(f"{self._arguments.servers} servers one after the other")
        client = self._client()
        answered, active = [], []
        for index in range(self._arguments.servers):
            began = time.perf_counter()
            server_id = client.create(self._image_id, f"one-{index}")
            answered.append((time.perf_counter() - began) * 1000)
            client.wait_active(server_id)
            active.append((time.perf_counter() - began) * 1000)
        self._add("POST answered, p50", percentile(answered, 50), "ms", aim=12, nova="93 ms")
        self._add("POST answered, p95", percentile(answered, 95), "ms")
        self._add("POST → ACTIVE, p50", percentile(active, 50), "ms", aim=80, nova="749 ms")
        self._add("POST → ACTIVE, p95", percentile(active, 95), "ms", nova="896 ms")

        self._section("GET of one server")
        times = self._times(lambda: client.ok("GET", f"/servers/{server_id}"), 200)
        self._add("GET one, p50", percentile(times, 50), "ms", aim=5, nova="33 ms")
        self._add("GET one, p95", percentile(times, 95), "ms")
        self._delete_all(client)

    def processor_time(self) -> None:
        """What the daemons compute for a boot, which other load does not change much."""
        self._section("processor time of a boot")
        client = self._client()
        before = {name: self._processor_ms(name) for name in DAEMONS}
        for index in range(CPU_SERVERS):
            client.create(self._image_id, f"cpu-{index}")
            time.sleep(CPU_PAUSE_S)
        for name in DAEMONS:
            value = (self._processor_ms(name) - before[name]) / CPU_SERVERS
            self._add(f"processor time a boot, {name}", value, "ms")
        client.wait_count("ACTIVE", CPU_SERVERS)
        self._delete_all(client)

    def _processor_ms(self, name: str) -> float:
        return machine.processor_ms(self._cluster.daemons[name].pid)

    def burst(self) -> None:
        """Many at once, and their end."""
        count = self._arguments.burst
        client = self._client()
        rates, deletes = [], []
        for _ in range(self._arguments.repeat):
            self._section(f"{count} servers from {CLIENTS} clients, and their deletion")
            began = time.perf_counter()
            ids = self._in_clients(
                range(count), lambda own, index: own.create(self._image_id, f"burst-{index}")
            )
            client.wait_count("ACTIVE", count)
            rates.append(count / (time.perf_counter() - began))
            began = time.perf_counter()
            self._in_clients(ids, lambda own, server_id: own.delete(server_id))
            client.wait_gone()
            deletes.append(time.perf_counter() - began)
        self._add(
            f"burst of {count}",
            statistics.median(rates),
            "servers/s",
            aim=20,
            more_is_better=True,
            nova="0.8–1.2",
        )
        self._add(f"delete of {count}", statistics.median(deletes), "s", aim=6, nova="41–59 s")

    def listing(self) -> None:
        """The list of 1,000 servers with details."""
        client = self._client()
        self._delete_all(client)
        began = time.perf_counter()
        for index in range(10):
            client.create(self._image_id, f"many-{index}", min_count=100)
        client.wait_count("ACTIVE", 1000)
        self._add(
            "1,000 servers in requests for 100", 1000 / (time.perf_counter() - began), "servers/s"
        )
        self._section("GET detail of 1,000 servers")
        times = self._times(lambda: client.request("GET", "/servers/detail?limit=1000"), 15)
        self._add(
            "GET detail of 1,000, p50", percentile(times, 50), "ms", aim=300, nova="3,060 ms"
        )

    def memory(self, when: str, aim: float | None = None) -> None:
        """Proportional set size of each daemon."""
        self._section(f"memory {when}")
        for name in DAEMONS:
            value = machine.pss_mb(self._cluster.daemons[name].pid)
            nova = f"{NOVA_PSS_MB[name]} MB" if aim else ""
            self._add(f"PSS of {name} {when}", value, "MB", aim=aim, nova=nova)

    def starting(self) -> None:
        """From exec to READY, while the others are up."""
        self._delete_all(self._client())
        for name in DAEMONS:
            daemon = self._cluster.daemons[name]
            times = []
            for _ in range(5):
                try:
                    daemon.stop()
                except NotInTime as error:
                    print(f"  ({error})", flush=True)
                self._section(f"start of {name}")
                began = time.perf_counter()
                daemon.start()
                while "READY" not in daemon.text():
                    time.sleep(0.005)
                times.append(time.perf_counter() - began)
            self._add(
                f"exec → serving, {name}",
                statistics.median(times),
                "s",
                aim=1.5,
                nova=f"{NOVA_SERVING_S[name]} s",
            )

    def _client(self) -> Client:
        return Client(self._cluster.ports["api"])

    def _delete_all(self, client: Client) -> None:
        servers = client.ok("GET", "/servers?limit=1000")["servers"]
        self._in_clients(
            [server["id"] for server in servers], lambda own, server_id: own.delete(server_id)
        )
        client.wait_gone()

    def _in_clients(
        self,
        work: collections.abc.Iterable[typing.Any],
        function: collections.abc.Callable[[Client, typing.Any], typing.Any],
    ) -> list[typing.Any]:
        """Share the work among clients with a connection each."""
        items = list(work)

        def run(own: int) -> list[typing.Any]:
            client = self._client()
            try:
                return [function(client, item) for item in items[own::CLIENTS]]
            finally:
                client.close()

        with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
            return [result for results in pool.map(run, range(CLIENTS)) for result in results]

    @staticmethod
    def _times(function: collections.abc.Callable[[], object], repetitions: int) -> list[float]:
        function()
        times = []
        for _ in range(repetitions):
            began = time.perf_counter()
            function()
            times.append((time.perf_counter() - began) * 1000)
        return times

    def _section(self, title: str) -> None:
        """Wait for quiet, so that the figures are ours."""
        arguments = self._arguments
        if not machine.wait_quiet(arguments.quiet_share, arguments.quiet_timeout_s):
            print("  (the machine is busy with something else)", flush=True)
        self._load = machine.load()
        print(f"{title} [load {self._load:.1f}]", flush=True)

    def _add(self, name: str, value: float, unit: str, **more: typing.Any) -> None:
        self._report.add(Figure(name, value, unit, round(self._load, 2), **more))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="benchmarks/boot.py",
        description="Starts RabbitMQ and MariaDB (which flush every commit), the four daemons "
        "with the fake driver, and the embedded image service, as separate processes on "
        "127.0.0.1, and measures how long a server takes. Each figure also stands as a multiple "
        "of a bare oslo.messaging call and of a bare commit, measured in the same run.",
        epilog="Servers boot from an image and without a network. A server's state is polled "
        f"every {POLL_INTERVAL_S * 1000:.0f} ms on one kept-alive connection; these requests are "
        "part of the load. The fake driver starts a guest in no time: what remains is nova_lite.",
    )
    parser.add_argument("--servers", type=int, default=100, help="one after the other (100)")
    parser.add_argument("--burst", type=int, default=100, help="at once (100)")
    parser.add_argument("--repeat", type=int, default=3, help="bursts; the median counts (3)")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write figures there")
    parser.add_argument(
        "--services",
        type=pathlib.Path,
        metavar="DIR",
        help="use what 'tools/services start --durable --work-dir DIR' started",
    )
    parser.add_argument("--keep-logs", action="store_true", help="do not remove the directory")
    parser.add_argument(
        "--quiet-share",
        type=float,
        default=0.1,
        metavar="SHARE",
        help="a section starts when less of the processors is in use (0.1)",
    )
    parser.add_argument(
        "--quiet-timeout-s", type=float, default=30, metavar="SECONDS", help="or after this (30)"
    )
    return parser.parse_args()


def main() -> int:
    """Measure and print; 1 if an aim was missed."""
    arguments = _arguments()
    home = pathlib.Path(tempfile.mkdtemp(prefix="nova-lite-benchmark-", dir="/var/tmp"))
    work = arguments.services or home / "services"
    tool = str(CHECKOUT / "tools" / "services")
    report = Report(machine.describe())
    try:
        if arguments.services is None:
            subprocess.run(
                [tool, "start", "rabbitmq", "mariadb", "--durable", "--work-dir", str(work)],
                check=True,
                timeout=180,
            )
        lines = (work / "services.env").read_text().splitlines()
        services = Services.from_environ(dict(line.split("=", 1) for line in lines))
        with Cluster(home / "cluster", services, driver="fake", settings=SETTINGS) as cluster:
            Benchmark(cluster, services, report, arguments).run()
    finally:
        if arguments.services is None:
            subprocess.run([tool, "clean", "rabbitmq", "mariadb", "--work-dir", str(work)])
        if arguments.keep_logs:
            print(f"Logs are in {home}")
        else:
            shutil.rmtree(home, ignore_errors=True)
    print()
    print(report.table())
    if arguments.json:
        arguments.json.write_text(json.dumps(report.as_json(), indent=1) + "\n")
    return 1 if any(figure.met is False for figure in report.figures) else 0


if __name__ == "__main__":
    sys.exit(main())
