"""The embedded volume service: the part of Cinder v3 that we and the client use."""

import logging
import re
import typing

import falcon

from nova_lite.standalone import compute_calls
from nova_lite.standalone import faults
from nova_lite.standalone import volume_actions
from nova_lite.standalone import volume_growth
from nova_lite.standalone import volume_making
from nova_lite.standalone import volume_migration
from nova_lite.standalone import volume_records
from nova_lite.standalone import volume_resources
from nova_lite.standalone import volume_views
from nova_lite.standalone import web

LOG = logging.getLogger(__name__)

COLLECTIONS = frozenset(
    {
        "volumes", "snapshots", "attachments", "types", "limits", "os-availability-zone",
        "os-services", "os-quota-sets", "extensions",
    }
)  # fmt: skip

_KNOWN_BY = frozenset({"X-AUTH-TOKEN", "X-PROJECT-ID"})

ERROR_NAMES = {
    400: "badRequest",
    403: "forbidden",
    404: "itemNotFound",
    409: "conflictingRequest",
    413: "overLimit",
}


class VersionMiddleware:
    """Removes the project from the path and negotiates the microversion."""

    def __init__(self, newest: volume_views.Version) -> None:
        self._newest = newest

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Before routing."""
        match = re.fullmatch(r"/v3/([^/]+)(/.*)?", req.path)
        if match and match[1] not in COLLECTIONS:
            req.path = f"/v3{match[2] or ''}"
        version = self._asked(req)
        if not volume_views.MIN_VERSION <= version <= self._newest:
            raise falcon.HTTPNotAcceptable(
                description="Version {}.{} is not supported by the API. Minimum is {}.{} and "
                "maximum is {}.{}.".format(*version, *volume_views.MIN_VERSION, *self._newest)
            )
        req.context.version = version
        resp.set_header("OpenStack-API-Version", "volume {}.{}".format(*version))
        resp.append_header("Vary", "OpenStack-API-Version")

    def _asked(self, req: falcon.Request) -> volume_views.Version:
        header = req.get_header("OpenStack-API-Version", default="")
        for item in header.split(","):
            service, _, text = item.strip().partition(" ")
            if service != "volume":
                continue
            if text == "latest":
                return self._newest
            match = re.fullmatch(r"(\d+)\.(\d+)", text)
            if match is None:
                raise falcon.HTTPBadRequest(description=f"API Version String {text} is invalid")
            return int(match[1]), int(match[2])
        return volume_views.MIN_VERSION


class Versions:
    """``/`` and ``/v3``."""

    def __init__(self, newest: volume_views.Version) -> None:
        self._newest = newest

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """The version document; below the root only for those who say who they are,
        as in Cinder."""
        if req.path != "/" and not _KNOWN_BY.intersection(req.headers):
            raise falcon.HTTPUnauthorized(
                description="The request you have made requires authentication."
            )
        resp.media = volume_views.versions(req, self._newest)
        if req.path == "/":
            resp.status = falcon.HTTP_300


class VolumeTypes:
    """``/v3/types``."""

    collection = "types"

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """List."""
        resp.media = {"volume_types": list(volume_records.VOLUME_TYPES)}

    def on_get_one(self, req: falcon.Request, resp: falcon.Response, type_id: str) -> None:
        """Show; ``default`` is the default."""
        found = volume_records.type_named(None if type_id == "default" else type_id)
        if found is None:
            raise falcon.HTTPNotFound(description=f"Volume type {type_id} could not be found.")
        resp.media = {"volume_type": found}

    def on_get_extra_specs(self, req: falcon.Request, resp: falcon.Response, type_id: str) -> None:
        """None."""
        resp.media = {"extra_specs": {}}


class Facts:
    """What clients ask about the service itself."""

    def __init__(self, volumes: volume_records.VolumeStore, max_volume_gib: int) -> None:
        self._volumes = volumes
        self._max_volume_gib = max_volume_gib

    def on_get_limits(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Limits (there are none) and what is used."""
        identity = req.context.identity
        volumes = self._volumes.visible(identity, "volume", all_projects=False)
        snapshots = self._volumes.visible(identity, "snapshot", all_projects=False)
        resp.media = {
            "limits": {
                "rate": [],
                "absolute": {
                    "maxTotalVolumes": -1,
                    "maxTotalSnapshots": -1,
                    "maxTotalVolumeGigabytes": -1,
                    "maxTotalBackups": -1,
                    "maxTotalBackupGigabytes": -1,
                    "totalVolumesUsed": len(volumes),
                    "totalGigabytesUsed": sum(volume["size"] for volume in volumes),
                    "totalSnapshotsUsed": len(snapshots),
                    "totalBackupsUsed": 0,
                    "totalBackupGigabytesUsed": 0,
                },
            }
        }

    def on_get_zones(self, req: falcon.Request, resp: falcon.Response) -> None:
        """The one availability zone."""
        zone = {"zoneName": volume_records.ZONE, "zoneState": {"available": True}}
        resp.media = {"availabilityZoneInfo": [zone]}

    def on_get_services(self, req: falcon.Request, resp: falcon.Response) -> None:
        """This process, under the names of Cinder's daemons."""
        resp.media = {
            "services": [
                {
                    "binary": binary,
                    "host": host,
                    "zone": volume_records.ZONE,
                    "status": "enabled",
                    "state": "up",
                    "updated_at": volume_records.now(),
                    "disabled_reason": None,
                }
                for binary, host in (
                    ("cinder-scheduler", "standalone"),
                    ("cinder-volume", "standalone@local"),
                )
            ]
        }

    def on_get_quotas(self, req: falcon.Request, resp: falcon.Response, project_id: str) -> None:
        """Quotas: none, but the size of one volume."""
        resp.media = {
            "quota_set": {
                "id": project_id,
                "volumes": -1,
                "snapshots": -1,
                "gigabytes": -1,
                "per_volume_gigabytes": self._max_volume_gib,
                "backups": -1,
                "backup_gigabytes": -1,
                "groups": -1,
            }
        }

    def on_get_extensions(self, req: falcon.Request, resp: falcon.Response) -> None:
        """None."""
        resp.media = {"extensions": []}


def _serialize_error(req: falcon.Request, resp: falcon.Response, error: falcon.HTTPError) -> None:
    code = error.status_code
    name = ERROR_NAMES.get(code, "computeFault")
    resp.media = {name: {"code": code, "message": error.description or error.title}}


def make_app(conf: typing.Any) -> typing.Any:
    """The WSGI application of the embedded volume service.

    Keeps everything in ``<[standalone] data_path>/volumes*`` and takes images from
    the service that ``[glance]`` says.
    """
    options = conf.standalone
    newest = typing.cast(
        volume_views.Version,
        tuple(int(part) for part in options.volume_max_microversion.split(".")),
    )
    volumes = volume_records.VolumeStore(conf)
    maker = volume_making.Maker(conf, volumes)
    middleware: list[typing.Any] = [
        web.IdentityMiddleware(options.default_project),
        VersionMiddleware(newest),
    ]
    app = falcon.App(middleware=middleware)
    app.req_options.strip_url_path_trailing_slash = True
    app.req_options.auto_parse_qs_csv = False
    app.set_error_serializer(_serialize_error)
    if options.fault_injection:
        faults.install(app)
    for path in ("/", "/v3"):
        app.add_route(path, Versions(newest))
    compute = compute_calls.ComputeApi(conf)
    actions = volume_actions.VolumeActions(
        volumes,
        volume_growth.Growth(volumes, compute, options.max_volume_gib),
        volume_migration.Migration(volumes, compute),
    )
    _add_volumes(app, volume_resources.Volumes(volumes, maker, actions, options.max_volume_gib))
    snapshots = volume_resources.Snapshots(volumes, maker)
    app.add_route("/v3/snapshots", snapshots)
    app.add_route("/v3/snapshots/detail", snapshots, suffix="detail")
    app.add_route("/v3/snapshots/{snapshot_id}", snapshots, suffix="one")
    attachments = volume_resources.Attachments(volumes)
    app.add_route("/v3/attachments", attachments)
    app.add_route("/v3/attachments/detail", attachments, suffix="detail")
    app.add_route("/v3/attachments/{attachment_id}", attachments, suffix="one")
    app.add_route("/v3/attachments/{attachment_id}/action", attachments, suffix="action")
    _add_facts(app, Facts(volumes, options.max_volume_gib))
    return app


def _add_volumes(app: typing.Any, volumes: volume_resources.Volumes) -> None:
    app.add_route("/v3/volumes", volumes)
    app.add_route("/v3/volumes/detail", volumes, suffix="detail")
    app.add_route("/v3/volumes/summary", volumes, suffix="summary")
    app.add_route("/v3/volumes/{volume_id}", volumes, suffix="one")
    app.add_route("/v3/volumes/{volume_id}/action", volumes, suffix="action")
    app.add_route("/v3/volumes/{volume_id}/encryption", volumes, suffix="encryption")
    app.add_route("/v3/volumes/{volume_id}/metadata", volumes, suffix="metadata")
    app.add_route("/v3/volumes/{volume_id}/metadata/{key}", volumes, suffix="metadata_item")


def _add_facts(app: typing.Any, facts: Facts) -> None:
    types = VolumeTypes()
    app.add_route("/v3/types", types)
    app.add_route("/v3/types/{type_id}", types, suffix="one")
    app.add_route("/v3/types/{type_id}/extra_specs", types, suffix="extra_specs")
    app.add_route("/v3/limits", facts, suffix="limits")
    app.add_route("/v3/os-availability-zone", facts, suffix="zones")
    app.add_route("/v3/os-services", facts, suffix="services")
    app.add_route("/v3/os-quota-sets/{project_id}", facts, suffix="quotas")
    app.add_route("/v3/extensions", facts, suffix="extensions")
