"""memcached, Keystone, Glance and Cinder of Debian, configured for each other."""

import base64
import os
import pathlib
import shutil

from cloud_service import CloudService
from cloud_service import ini_text
from cloud_service import Sections
from cloud_service import SYSTEM_PATH
from cloud_service import write_private
from identity_registry import IdentityRegistry
from supervised import LOOPBACK
from supervised import port_answers
from supervised import program

VOLUME_HOST = "realcloud"
VOLUME_POOLS = {"ceph": "volumes", "ceph2": "volumes2"}
"""Ceph's pools by Cinder's back end: two, so that a volume can move."""
USERS = ("demo", "other", "contract")
"""Without privileges, each with a project of its name."""


class Memcached(CloudService):
    """Where tokens that were checked are remembered."""

    name = "memcached"
    port_names = ("port",)

    def launch(self) -> None:
        """In the foreground; root must say as whom it runs."""
        self.spawn(
            [
                program("memcached"),
                *("-l", LOOPBACK, "-p", str(self.port()), "-U", "0"),
                *("-m", "64", "-u", "root"),
            ]
        )

    def answers(self) -> bool:
        """It tells its version."""
        answer = port_answers(self.port(), b"version\r\n")
        return answer is not None and answer.startswith(b"VERSION")

    def env(self) -> dict[str, str]:
        """Its port."""
        return {"MEMCACHED_PORT": str(self.port())}


class Keystone(CloudService):
    """Identity, with everybody who is anybody registered."""

    name = "keystone"
    needs = ("mariadb", "memcached")
    port_names = ("port",)
    type = "identity"
    path = "/v3"

    def launch(self) -> None:
        """Tables, keys and the administrator; all of it may be repeated."""
        self.create_database("keystone")
        self.home.chmod(0o700)
        configuration = self.home / "keystone.conf"
        write_private(configuration, ini_text(self._configuration()))
        manage = [program("keystone-manage"), "--config-file", str(configuration)]
        environ = self.system_environ()
        self.run_once([*manage, "db_sync"], environ)
        for repository in ("fernet-keys", "credential-keys"):
            self._make_keys(self.home / repository)
        url = f"{self.url()}/v3"
        self.run_once(
            [
                *manage,
                *("bootstrap", "--bootstrap-region-id", "RegionOne"),
                *("--bootstrap-admin-url", url, "--bootstrap-internal-url", url),
                *("--bootstrap-public-url", url),
            ],
            # Not as an argument: everybody may read those.
            environ | {"OS_BOOTSTRAP_PASSWORD": self.secrets.get("admin")},
        )
        self.spawn_wsgi(
            "/usr/bin/keystone-wsgi-public", {"OS_KEYSTONE_CONFIG_FILES": str(configuration)}
        )

    def start(self) -> str:
        """As any service; then the catalog and the users are brought up to date."""
        done = super().start()
        registry = IdentityRegistry(f"{self.url()}/v3", self.secrets.get("admin"))
        for user in ("nova", "cinder", "glance"):
            registry.ensure_user(user, self.secrets.get(user), "service", "admin", "service")
        for user in USERS:
            registry.ensure_user(user, self.secrets.get(user), user, "member", "reader")
        for service in (Glance, CinderApi):
            url = self.url(service.name) + service.path
            registry.ensure_service(service.catalog_name, service.type, url)
        registry.ensure_service("nova", "compute", self.url("nova-api") + "/v2.1")
        return done

    @staticmethod
    def _make_keys(repository: pathlib.Path) -> None:
        """A staged and a primary key, which keystone-manage would take 3 s each to make."""
        repository.mkdir(mode=0o700, exist_ok=True)
        for name in ("0", "1"):
            if not (repository / name).exists():
                key = base64.urlsafe_b64encode(os.urandom(32)).decode()
                write_private(repository / name, key)

    def _configuration(self) -> Sections:
        return {
            "DEFAULT": {"use_stderr": True, "log_dir": ""},
            "database": {"connection": self.database_url("keystone")},
            "token": {"provider": "fernet"},
            "fernet_tokens": {"key_repository": self.home / "fernet-keys"},
            "fernet_receipts": {"key_repository": self.home / "fernet-keys"},
            "credential": {"key_repository": self.home / "credential-keys"},
            "cache": {
                "enabled": True,
                "backend": "dogpile.cache.pymemcache",
                "memcache_servers": f"{LOOPBACK}:{self.port_of('memcached')}",
            },
            # The lowest there is: the passwords are random, and sessions are many.
            "identity": {"password_hash_rounds": 4},
        }


class Glance(CloudService):
    """Images, in Ceph's pool ``images``; their locations are told."""

    name = "glance"
    catalog_name = "glance"
    needs = ("mariadb", "memcached")
    port_names = ("port",)
    type = "image"

    def launch(self) -> None:
        """Tables, then the API."""
        self.create_database("glance")
        self.home.chmod(0o700)
        configuration = self.home / "glance-api.conf"
        shutil.copy("/etc/glance/glance-api-paste.ini", self.home)
        write_private(configuration, ini_text(self._configuration()))
        self.run_once(
            [program("glance-manage"), "--config-file", str(configuration), "db_sync"],
            self.system_environ(),
        )
        self.spawn_wsgi("/usr/bin/glance-wsgi-api", {"OS_GLANCE_CONFIG_DIR": str(self.home)})

    def _configuration(self) -> Sections:
        return {
            "DEFAULT": {
                "use_stderr": True,
                "show_image_direct_url": True,
                "show_multiple_locations": True,
                "enabled_backends": "rbd:rbd",
                "worker_self_reference_url": self.url(),
                "node_staging_uri": f"file://{self.home}/staging",
            },
            "database": {"connection": self.database_url("glance")},
            "keystone_authtoken": self.token_checks("glance"),
            "paste_deploy": {
                "flavor": "keystone",
                "config_file": self.home / "glance-api-paste.ini",
            },
            "glance_store": {"default_backend": "rbd"},
            "rbd": {
                "rbd_store_pool": "images",
                "rbd_store_user": "glance",
                "rbd_store_ceph_conf": ceph_conf(self),
                "rbd_store_chunk_size": 8,
            },
            "os_glance_staging_store": {"filesystem_store_datadir": self.home / "staging"},
            "os_glance_tasks_store": {"filesystem_store_datadir": self.home / "tasks"},
        }


class CinderApi(CloudService):
    """Volumes: the API under uWSGI; it also makes the tables."""

    name = "cinder-api"
    directory = "cinder"
    catalog_name = "cinderv3"
    needs = ("rabbitmq", "mariadb", "memcached")
    port_names = ("port",)
    type = "volumev3"
    path = "/v3"

    def launch(self) -> None:
        """Tables, then the API."""
        self.create_database("cinder")
        write_cinder_configuration(self)
        self.run_once(
            [
                *(program("cinder-manage"), "--config-file", str(cinder_conf(self))),
                *("db", "sync"),
            ],
            self.system_environ(),
        )
        self.spawn_wsgi("/usr/bin/cinder-wsgi", arguments=f"--config-file {cinder_conf(self)}")


class CinderDaemon(CloudService):
    """The scheduler or the volume service: they speak through the broker only."""

    directory = "cinder"

    def launch(self) -> None:
        """With the configuration that the API's service wrote."""
        environ = self.system_environ()
        self.spawn(
            [program(self.name, SYSTEM_PATH), "--config-file", str(cinder_conf(self))], env=environ
        )

    def answers(self) -> bool:
        """It consumes from its queue: then it reports that it is up (see realcloud)."""
        return bool(self.processes())


class CinderScheduler(CinderDaemon):
    """Chooses the pool of a new volume."""

    name = "cinder-scheduler"
    needs = ("cinder-api",)


class CinderVolume(CinderDaemon):
    """Makes volumes in Ceph's pool ``volumes``."""

    name = "cinder-volume"
    needs = ("cinder-api", "ceph")


def ceph_conf(service: CloudService) -> pathlib.Path:
    """Ceph's configuration of this cloud; known before Ceph is made."""
    return service.work.path / "ceph" / "ceph.conf"


def cinder_conf(service: CloudService) -> pathlib.Path:
    """One file for Cinder's three daemons."""
    return service.work.path / "cinder" / "cinder.conf"


def write_cinder_configuration(service: CloudService) -> None:
    """Write it; called by the API, which starts first."""
    path = cinder_conf(service)
    path.parent.chmod(0o700)
    state = path.parent / "state"
    for directory in (state, state / "conversion"):
        directory.mkdir(exist_ok=True)
    sections: Sections = {
        "DEFAULT": {
            "host": VOLUME_HOST,
            "my_ip": LOOPBACK,
            "use_stderr": True,
            "transport_url": service.transport_url(),
            "auth_strategy": "keystone",
            "api_paste_config": "/etc/cinder/api-paste.ini",
            "rootwrap_config": "/etc/cinder/rootwrap.conf",
            "state_path": state,
            "image_conversion_dir": state / "conversion",
            "enabled_backends": ",".join(VOLUME_POOLS),
            "default_volume_type": "ceph",
            "glance_api_servers": service.url("glance"),
            "quota_volumes": 1000,
            "quota_snapshots": 1000,
            "quota_gigabytes": 100000,
            # A test must not wait a minute to see a capacity.
            "periodic_interval": 10,
            "report_interval": 5,
        },
        "database": {"connection": service.database_url("cinder")},
        "keystone_authtoken": service.token_checks("cinder"),
        "service_user": service.credentials("cinder") | {"send_service_user_token": True},
        "nova": service.credentials("cinder") | {"interface": "internal"},
        "oslo_concurrency": {"lock_path": state / "locks"},
        "key_manager": {
            "backend": "cinder.keymgr.conf_key_mgr.ConfKeyManager",
            "fixed_key": service.secrets.get("volume encryption"),
        },
    }
    for name, pool in VOLUME_POOLS.items():
        sections[name] = _back_end(service, name, pool)
    write_private(path, ini_text(sections))


def _back_end(service: CloudService, name: str, pool: str) -> dict[str, object]:
    return {
        "volume_driver": "cinder.volume.drivers.rbd.RBDDriver",
        "volume_backend_name": name,
        "rbd_pool": pool,
        "rbd_user": "cinder",
        "rbd_ceph_conf": ceph_conf(service),
        "rbd_secret_uuid": service.secrets.uuid("client.cinder"),
        "rbd_flatten_volume_from_snapshot": False,
        "report_discard_supported": True,
        "rados_connect_timeout": 20,
    }
