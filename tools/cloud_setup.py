"""The last steps of a cloud: volume types, credentials' files, and whether all is well."""

import typing

from cloud_service import REGION
from cloud_service import Secrets
from cloud_service import write_private
from cloud_services import USERS
from cloud_services import VOLUME_POOLS
from rest_client import Body
from rest_client import RestClient
from rest_client import RestFailed
from supervised import LOOPBACK
from supervised import ServiceFailed
from supervised import wait_until
from supervised import Work

CLOUDS = {"realcloud": "admin"} | {f"realcloud-{user}": user for user in USERS}
"""User, and project of the same name, by cloud of clouds.yaml."""
READY_TIMEOUT_S = 180.0

VOLUME_TYPES: dict[str, dict[str, str]] = {
    "ceph": {"volume_backend_name": "ceph"},
    "multiattach": {"volume_backend_name": "ceph", "multiattach": "<is> True"},
    "luks": {"volume_backend_name": "ceph"},
    "anywhere": {},
}
FLAVOR = {"name": "nova-lite.tiny", "ram": 256, "vcpus": 1, "disk": 1}
LUKS = {
    "provider": "luks",
    "control_location": "front-end",
    "cipher": "aes-xts-plain64",
    "key_size": 256,
}


class CloudSetup:
    """Works through the services' APIs only, as an operator does."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._secrets = Secrets(work)

    def finish(self, say: typing.Callable[[str], None]) -> None:
        """Make volume types and a flavor, write files, wait until everybody is up.

        :raises ServiceFailed: somebody was not in time.
        """
        port = self._work.load("keystone")["ports"]["port"]
        auth_url = f"http://{LOOPBACK}:{port}/v3"
        admin = RestClient(auth_url, "admin", self._secrets.get("admin"), "admin")
        self._ensure_volume_types(admin)
        self._ensure_flavor(admin)
        self._write_files(auth_url)
        if not wait_until(lambda: _all_up(admin), READY_TIMEOUT_S, 0.3):
            raise ServiceFailed(f"not every service was up after {READY_TIMEOUT_S:.0f} s")
        say(f"ready; credentials: {self._work.path}/openrc and clouds.yaml")

    def forget(self) -> None:
        """Remove the files of credentials."""
        for path in (*self._work.path.glob("openrc*"), *self._work.path.glob("clouds.yaml")):
            path.unlink()
        (self._work.path / "secret.key").unlink(missing_ok=True)

    def _ensure_volume_types(self, admin: RestClient) -> None:
        listed = admin.request("volumev3", "GET", "/types?is_public=None")["volume_types"]
        known = {row["name"] for row in listed}
        for name, extra_specs in VOLUME_TYPES.items():
            if name in known:
                continue
            body: Body = {"volume_type": {"name": name, "extra_specs": extra_specs}}
            made = admin.request("volumev3", "POST", "/types", body)["volume_type"]
            if name == "luks":
                admin.request(
                    "volumev3", "POST", f"/types/{made['id']}/encryption", {"encryption": LUKS}
                )

    @staticmethod
    def _ensure_flavor(admin: RestClient) -> None:
        listed = admin.request("compute", "GET", "/flavors?is_public=None")["flavors"]
        if FLAVOR["name"] not in {row["name"] for row in listed}:
            admin.request("compute", "POST", "/flavors", {"flavor": FLAVOR})

    def _write_files(self, auth_url: str) -> None:
        clouds = ["clouds:"]
        for cloud, user in CLOUDS.items():
            password = self._secrets.get(user)
            clouds += [
                f"  {cloud}:",
                "    auth:",
                f"      auth_url: {auth_url}",
                f"      username: {user}",
                f"      password: {password}",
                f"      project_name: {user}",
                "      user_domain_id: default",
                "      project_domain_id: default",
                f"    region_name: {REGION}",
            ]
            openrc = {
                "OS_AUTH_URL": auth_url,
                "OS_IDENTITY_API_VERSION": "3",
                "OS_USERNAME": user,
                "OS_PASSWORD": password,
                "OS_PROJECT_NAME": user,
                "OS_USER_DOMAIN_ID": "default",
                "OS_PROJECT_DOMAIN_ID": "default",
                "OS_REGION_NAME": REGION,
            }
            name = "openrc" if user == "admin" else f"openrc-{user}"
            lines = [f"export {key}={value}\n" for key, value in openrc.items()]
            write_private(self._work.path / name, "".join(lines))
        write_private(self._work.path / "clouds.yaml", "\n".join(clouds) + "\n")


def _all_up(admin: RestClient) -> bool:
    """Whether nova_lite's and Cinder's daemons report, and there is room for volumes."""
    try:
        compute = admin.request("compute", "GET", "/os-services")["services"]
        volume = admin.request("volumev3", "GET", "/os-services")["services"]
        pools = admin.request("volumev3", "GET", "/scheduler-stats/get_pools")["pools"]
    except RestFailed as error:
        if error.status is not None and error.status < 500:
            raise
        return False
    return (
        _up(compute) >= {"nova-conductor", "nova-scheduler", "nova-compute"}
        and "cinder-scheduler" in _up(volume)
        and len(pools) == len(VOLUME_POOLS)
    )


def _up(rows: list[Body]) -> set[str]:
    """Daemons of which every one is up."""
    down = {row["binary"] for row in rows if row["state"] != "up"}
    return {row["binary"] for row in rows} - down
