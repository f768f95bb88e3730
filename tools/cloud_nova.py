"""nova_lite's four daemons as users of the real services."""

import json
import pathlib
import tempfile
import typing

from cloud_service import CloudService
from cloud_service import ini_text
from cloud_service import output_of
from cloud_service import Sections
from cloud_service import write_private
from cloud_services import ceph_conf
from supervised import program
from supervised import ServiceFailed

CHECKOUT = pathlib.Path(__file__).resolve().parent.parent
FIRST_HOST, SECOND_HOST = "compute-1", "compute-2"
ONLY_VOLUME_KEY = "00000000-0000-0000-0000-000000000000"
CEPH_USERS = ("client.cinder", "client.nova")


class LibvirtSecrets(CloudService):
    """The keys with which QEMU opens disks in Ceph; libvirt keeps them."""

    name = "secrets"
    needs = ("libvirt", "ceph")

    def start(self) -> str:
        """Define them, each under the UUID that Cinder or nova_lite tells."""
        if self.running():
            return "are defined already"
        self.launch()
        self.facts["env"] = self.env()
        self.work.save(self.name, self.facts)
        return "defined"

    def launch(self) -> None:
        """Through files: a command's arguments can be read by everybody."""
        for user in CEPH_USERS:
            uuid, usage = self.secrets.uuid(user), f"{user} of {self.work.path}"
            self._forget(usage)
            key = output_of(
                [
                    *(program("ceph-authtool"), "--print-key", "--name", user),
                    str(ceph_conf(self).with_name(f"ceph.{user}.keyring")),
                ]
            )
            with tempfile.NamedTemporaryFile("w", suffix=".xml") as definition:
                definition.write(
                    "<secret ephemeral='no' private='yes'>"
                    f"<uuid>{uuid}</uuid><usage type='ceph'>"
                    f"<name>{usage}</name></usage></secret>"
                )
                definition.flush()
                virsh("secret-define", definition.name)
            with tempfile.NamedTemporaryFile("w") as value:
                value.write(key.strip())
                value.flush()
                virsh("secret-set-value", uuid, "--file", value.name)

    @staticmethod
    def _forget(usage: str) -> None:
        """One of an earlier cloud here, which was removed while libvirt did not answer."""
        for line in virsh("secret-list").splitlines():
            if line.rstrip().endswith(f" ceph {usage}"):
                virsh("secret-undefine", line.split()[0])

    def stop(self) -> str:
        """Undefine them."""
        try:
            for uuid in self._defined():
                virsh("secret-undefine", uuid)
        except ServiceFailed:
            return "not removed: libvirt does not answer"
        finally:
            self.work.forget(self.name)
        return "undefined"

    def running(self) -> bool:
        """Whether libvirt knows them all."""
        try:
            return len(self._defined()) == len(CEPH_USERS)
        except ServiceFailed:
            return False

    def env(self) -> dict[str, str]:
        """Their UUIDs; the keys are nobody's business."""
        return {
            f"REALCLOUD_SECRET_{user.partition('.')[2].upper()}": self.secrets.uuid(user)
            for user in CEPH_USERS
        }

    def _defined(self) -> list[str]:
        if not self.secrets.there():
            return []
        listed = virsh("secret-list").split()
        return [uuid for uuid in map(self.secrets.uuid, CEPH_USERS) if uuid in listed]


def virsh(*words: str) -> str:
    """The ``virsh`` command on the system's libvirt.

    :raises ServiceFailed: it failed.
    """
    return output_of([program("virsh"), "-c", "qemu:///system", "--quiet", *words])


class NovaDaemon(CloudService):
    """One of nova_lite's daemons, from this checkout."""

    directory = "nova"
    needs: typing.ClassVar[tuple[str, ...]] = ("nova-conductor",)

    def launch(self) -> None:
        """With the configuration that the conductor's service wrote."""
        self.spawn(
            [*self.argv(self.name.removeprefix("nova-"))],
            cwd=CHECKOUT,
            env=self.system_environ() | {"PYTHONPATH": str(CHECKOUT), "PYTHONUNBUFFERED": "1"},
        )

    def answers(self) -> bool:
        """It says so when it serves."""
        return "READY" in self.log.read_text(errors="replace").split()

    def argv(self, command: str) -> list[str]:
        """One of nova_lite's programs with this cloud's configuration."""
        python = CHECKOUT / ".venv" / "bin" / "python"
        if not python.exists():
            raise ServiceFailed("there is no .venv in the checkout; run: tools/install")
        return [str(python), "-m", f"nova_lite.cmd.{command}", "--config-file", str(self.conf)]

    @property
    def conf(self) -> pathlib.Path:
        """One file for the four."""
        return self.home / "nova_lite.conf"


class NovaConductor(NovaDaemon):
    """The first of the four: it writes the configuration and makes the tables."""

    name = "nova-conductor"
    needs = ("rabbitmq", "mariadb")

    def launch(self) -> None:
        """Configuration, tables, daemon."""
        write_private(self.conf, ini_text(self._configuration()))
        self._write_volume_key()
        self.run(
            [*self.argv("manage"), "db", "sync"],
            cwd=CHECKOUT,
            env=self.system_environ() | {"PYTHONPATH": str(CHECKOUT)},
        )
        super().launch()

    def env(self) -> dict[str, str]:
        """For nova-lite-manage, and for tests that look behind the API."""
        return {
            "REALCLOUD_NOVA_CONF": str(self.conf),
            "REALCLOUD_NOVA_STATE": str(self.home),
        }

    def _configuration(self) -> Sections:
        return {
            "DEFAULT": {
                "debug": True,
                "host": FIRST_HOST,
                "state_path": self.home / FIRST_HOST,
                "transport_url": self.transport_url(),
                "report_interval_s": 2,
            },
            "oslo_messaging_rabbit": {"rabbit_quorum_queue": True},
            "database": {
                "api_connection": self.database_url("nova_lite_api"),
                "connection": self.database_url("nova_lite_cell"),
            },
            "libvirt": {
                "images_type": "rbd",
                "images_rbd_ceph_conf": ceph_conf(self),
                "rbd_user": "nova",
                "rbd_secret_uuid": self.secrets.uuid("client.nova"),
            },
            "api": {"auth_strategy": "keystone", "bind_port": self.port_of("nova-api")},
            "key_manager": {"file_directory": self.home / "keys"},
            "keystone_authtoken": self._token_checks(),
            "service_user": {
                option: value
                for option, value in self.credentials("nova").items()
                if option not in ("auth_type", "region_name")
            },
        }

    def _write_volume_key(self) -> None:
        """Cinder's ConfKeyManager has one key for all volumes, and this id for it."""
        directory = self.home / "keys"
        directory.mkdir(mode=0o700, exist_ok=True)
        content = {
            "algorithm": "AES",
            "bit_length": 256,
            "name": "of all volumes",
            "key": self.secrets.get("volume encryption"),
        }
        write_private(directory / ONLY_VOLUME_KEY, json.dumps(content))

    def _token_checks(self) -> dict[str, object]:
        checks = self.token_checks("nova")
        # Its client library is no dependency of ours; tokens are remembered in the process.
        del checks["memcached_servers"]
        return checks


class NovaScheduler(NovaDaemon):
    """Chooses hosts."""

    name = "nova-scheduler"


class NovaCompute(NovaDaemon):
    """Runs guests with QEMU; their local disks are in Ceph."""

    name = "nova-compute"
    host = FIRST_HOST
    needs = ("nova-conductor", "libvirt", "ceph", "secrets")

    def halt(self) -> str:
        """Also switch its guests off: the disks that they use go next."""
        done = super().halt()
        guests = self._guests("list")
        for uuid in guests:
            virsh("destroy", uuid)
        return f"{done}; {len(guests)} guests switched off" if guests else done

    def purge(self) -> str:
        """Also undefine its guests, which are off then."""
        done = super().purge()
        for uuid in self._guests("list", "--all"):
            virsh("undefine", uuid, "--nvram")
        return done

    def _guests(self, *words: str) -> list[str]:
        """UUIDs of domains with a file in this cloud's state directory."""
        try:
            listed = virsh(*words, "--uuid").split()
            return [
                uuid for uuid in listed if f"{self.home}/{self.host}/" in virsh("dumpxml", uuid)
            ]
        except ServiceFailed:
            return []  # libvirt does not run, so neither do guests


class SecondNovaCompute(NovaCompute):
    """Another compute host, as far as nova_lite knows; its local disks are files.

    Both have the same libvirt. Its availability zone tells them apart.
    """

    name = "nova-compute-2"
    host = SECOND_HOST

    def launch(self) -> None:
        """With a second file of configuration, above the first."""
        sections: Sections = {
            "DEFAULT": {"host": SECOND_HOST, "state_path": self.home / SECOND_HOST},
            "compute": {"availability_zone": "files"},
            "libvirt": {"images_type": "qcow2"},
        }
        write_private(self._overlay, ini_text(sections))
        super().launch()

    def argv(self, command: str) -> list[str]:
        """The usual program."""
        argv = super().argv(command.removesuffix("-2"))
        return [*argv, "--config-file", str(self._overlay)]

    @property
    def _overlay(self) -> pathlib.Path:
        return self.home / f"{SECOND_HOST}.conf"


class NovaApi(NovaDaemon):
    """The compute API of the catalog."""

    name = "nova-api"
    port_names = ("port",)
    type = "compute"
    path = "/v2.1"


NOVA: tuple[type[CloudService], ...] = (
    *(NovaConductor, NovaScheduler, NovaCompute, SecondNovaCompute, NovaApi),
)
