"""What the embedded volume service asks of the compute API.

As Cinder does: with the rights of a service, in the background, and with what it is
answered as the only thing it learns.
"""

import logging
import typing

import requests

from nova_lite.standalone import store

LOG = logging.getLogger(__name__)

TIMEOUT_S = 30
EXTENDED = "2.51"
"""The microversion that brought the event ``volume-extended``."""


class ComputeApi:
    """The compute API, without authentication, on this machine."""

    def __init__(self, conf: typing.Any) -> None:
        self._conf = conf

    @property
    def _url(self) -> str:
        url = self._conf.standalone.compute_url
        if url is None:
            url = f"http://{self._conf.api.bind_host}:{self._conf.api.bind_port}/v2.1"
        return str(url).rstrip("/")

    def tell_extended(self, volume: store.Document, server_uuids: list[str]) -> None:
        """Have servers see the new size of a volume; what is not heard is logged."""
        events = [
            {"name": "volume-extended", "server_uuid": uuid, "tag": volume["id"]}
            for uuid in server_uuids
        ]
        try:
            self._send(volume, "POST", "/os-server-external-events", {"events": events}, EXTENDED)
        except requests.RequestException as error:
            LOG.warning("No server was told that volume %s has grown: %s", volume["id"], error)

    def swap(self, volume: store.Document, server_uuid: str, new_volume_id: str) -> None:
        """Have a server move from a volume to another one.

        :raises requests.RequestException: it will not.
        """
        path = f"/servers/{server_uuid}/os-volume_attachments/{volume['id']}"
        body = {"volumeAttachment": {"volumeId": new_volume_id}}
        self._send(volume, "PUT", path, body, "2.1")

    def _send(
        self,
        volume: store.Document,
        method: str,
        path: str,
        body: dict[str, typing.Any],
        version: str,
    ) -> None:
        answer = requests.request(
            method,
            self._url + path,
            json=body,
            headers={
                "X-Project-Id": volume["project_id"],
                "X-User-Id": "cinder",
                "X-Roles": "admin,service",
                "OpenStack-API-Version": f"compute {version}",
            },
            timeout=TIMEOUT_S,
        )
        answer.raise_for_status()
