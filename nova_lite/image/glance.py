"""A typed client of Glance v2."""

import collections.abc
import contextlib
import hashlib
import hmac
import json
import logging
import os
import typing

from nova_lite import concurrency
from nova_lite import context
from nova_lite import exceptions
from nova_lite import objects
from nova_lite import remote
from nova_lite.image import locations

LOG = logging.getLogger(__name__)

CHUNK_BYTES = 1024 * 1024

CORE_KEYS = frozenset(
    {
        "checksum", "container_format", "created_at", "direct_url", "disk_format", "file",
        "id", "locations", "min_disk", "min_ram", "name", "os_hash_algo", "os_hash_value",
        "os_hidden", "owner", "protected", "schema", "self", "size", "status", "stores",
        "tags", "updated_at", "virtual_size", "visibility",
    }
)  # fmt: skip
"""Everything an image has that is not a property somebody gave it."""

PATCH_TYPE = "application/openstack-images-v2.1-json-patch"

OnProgress: typing.TypeAlias = collections.abc.Callable[[], object]
"""Called between two pieces of a long transfer; what it raises ends the transfer."""

HASH_ALGORITHMS = frozenset({"sha256", "sha384", "sha512", "sha3_256", "sha3_512", "blake2b"})


class GlanceClient:
    """Calls of Glance; safe to share between green threads.

    Errors of every call:

    :raises nova_lite.exceptions.ImageNotFound: 404, or not visible to this user.
    :raises nova_lite.exceptions.InvalidInput: 400.
    :raises nova_lite.exceptions.Forbidden: 403.
    :raises nova_lite.exceptions.RemoteConflict: 409, or the image was deleted (410).
    :raises nova_lite.exceptions.QuotaExceeded: 413.
    :raises nova_lite.exceptions.RemoteServiceError: anything else, or no answer.
    """

    def __init__(self, conf: typing.Any) -> None:
        self._conf = conf
        self._service = remote.RemoteService(conf, "glance")

    def get_image(self, ctxt: context.RequestContext, image_id: str) -> objects.ImageMeta:
        """An image's metadata; its properties are all keys that are not Glance's own."""
        image = self._show(ctxt, image_id)
        return objects.ImageMeta(
            id=image["id"],
            name=image.get("name"),
            status=image.get("status"),
            disk_format=image.get("disk_format"),
            container_format=image.get("container_format"),
            size_bytes=image.get("size") or 0,
            checksum=image.get("checksum"),
            hash_algorithm=image.get("os_hash_algo"),
            hash_value=image.get("os_hash_value"),
            min_disk_gib=image.get("min_disk") or 0,
            min_ram_mib=image.get("min_ram") or 0,
            owner=image.get("owner"),
            rbd_urls=_rbd_urls(image),
            properties={key: value for key, value in image.items() if key not in CORE_KEYS},
        )

    def location_urls(self, ctxt: context.RequestContext, image_id: str) -> list[str]:
        """Where the image's data are, as far as this Glance tells: URLs without user
        and password."""
        return [_without_user(url) for url in locations.urls_of(self._show(ctxt, image_id))]

    def rbd_urls(self, image_id: str) -> list[str]:
        """An image's locations in Ceph, asked for as the service user, to whom
        policy may show what it hides from users. Who may use the image is another
        question, answered by :meth:`get_image` as the user."""
        ctxt = context.admin_context()
        found = _rbd_urls(self._show(ctxt, image_id))
        if found:
            return found
        try:
            # Glance 2.17 and newer, for services only.
            response = self._request(ctxt, f"/v2/images/{image_id}/locations", image_id)
        except (exceptions.ImageNotFound, exceptions.Forbidden, exceptions.RemoteServiceError):
            return []
        return _rbd_urls({"locations": response.json()})

    def download(self, ctxt: context.RequestContext, image: objects.ImageMeta, path: str) -> None:
        """Write an image's data to the file ``path``, verified.

        The file is complete and on disk when this returns, and not there if it
        raises.

        :param image: what :meth:`get_image` said of it, however long ago: data of an
            image never change.
        :raises nova_lite.exceptions.ImageUnacceptable: the data do not match the
            image's checksum and size, or it has no checksum that may be trusted.
        """
        image_id = str(image.id)
        verifier = self._verifier(image)
        response = self._request(ctxt, f"/v2/images/{image_id}/file", image_id, stream=True)
        try:
            if response.status_code == 204:
                raise exceptions.ImageUnacceptable(image_id=image_id, reason="it has no data yet")
            with open(path, "wb") as file:
                self._copy(response, file, verifier)
            verifier.check(image, os.path.getsize(path))
        except BaseException:
            if os.path.exists(path):
                os.unlink(path)
            raise
        finally:
            response.close()

    def image_url(self, ctxt: context.RequestContext, image_id: str) -> str:
        """The image's address, in the form that Nova gives it to clients."""
        return f"{self._service.endpoint(ctxt)}/images/{image_id}"

    def create_image(self, ctxt: context.RequestContext, image: objects.ImageMeta) -> None:
        """Make an image's record, private, ``queued``: its data come later.

        :param image: with the ``id`` it is to have. ``owner`` None is the asker;
            only administrators may give it to another project.
        """
        body = {
            **image.properties,
            "id": image.id,
            "name": image.name,
            "visibility": "private",
            "min_disk": image.min_disk_gib,
            "min_ram": image.min_ram_mib,
        }
        if image.owner is not None:
            body["owner"] = image.owner
        self._change(ctxt, "POST", "/v2/images", str(image.id), json=body)

    def update_image(
        self,
        ctxt: context.RequestContext,
        image_id: str,
        properties: collections.abc.Mapping[str, str] | None = None,
        **core: object,
    ) -> None:
        """Change some of Glance's own values (``disk_format``) and properties."""
        changes: list[dict[str, object]] = [
            {"op": "replace", "path": f"/{name}", "value": value} for name, value in core.items()
        ]
        for name, value in (properties or {}).items():
            pointer = name.replace("~", "~0").replace("/", "~1")
            changes.append({"op": "add", "path": f"/{pointer}", "value": value})
        self._patch(ctxt, image_id, changes)

    def add_location(self, ctxt: context.RequestContext, image_id: str, url: str) -> None:
        """Tell Glance where the data of a queued image are: it becomes active
        without a byte on the way.

        :raises nova_lite.exceptions.Forbidden: this Glance takes no locations.
        """
        value = {"url": url, "metadata": {}}
        self._patch(ctxt, image_id, [{"op": "add", "path": "/locations/-", "value": value}])

    def upload(
        self,
        ctxt: context.RequestContext,
        image_id: str,
        path: str | None,
        on_progress: OnProgress | None = None,
    ) -> None:
        """Send the file ``path`` as the data of a queued image; None sends nothing,
        which makes it active too."""
        with contextlib.ExitStack() as stack:
            data: typing.Any = b""
            if path is not None:
                data = _Watched(stack.enter_context(open(path, "rb")), on_progress)
            self._change(
                *(ctxt, "PUT", f"/v2/images/{image_id}/file", image_id),
                data=data,
                headers={"Content-Type": "application/octet-stream"},
            )

    def delete_image(self, ctxt: context.RequestContext, image_id: str) -> None:
        """Delete an image in whatever state. Gone is success."""
        try:
            self._change(ctxt, "DELETE", f"/v2/images/{image_id}", image_id)
        except exceptions.ImageNotFound:
            LOG.debug("Image %s is already gone", image_id)

    def _patch(
        self, ctxt: context.RequestContext, image_id: str, changes: list[dict[str, object]]
    ) -> None:
        self._change(
            *(ctxt, "PATCH", f"/v2/images/{image_id}", image_id),
            data=json.dumps(changes),
            headers={"Content-Type": PATCH_TYPE},
        )

    def _change(
        self,
        ctxt: context.RequestContext,
        method: str,
        path: str,
        image_id: str,
        **how: typing.Any,
    ) -> None:
        try:
            self._service.request(ctxt, method, path, **how)
        except remote.Refusal as refusal:
            raise _error(refusal, image_id) from None

    def _copy(self, response: typing.Any, file: typing.BinaryIO, verifier: "_Verifier") -> None:
        import requests

        try:
            for chunk in response.iter_content(CHUNK_BYTES):
                # A socket that always has data never lets others run; this does.
                concurrency.in_native_thread(_keep, chunk, file, verifier)
        except requests.RequestException as error:
            raise exceptions.RemoteServiceError(
                service="Glance", reason=f"the download broke off: {type(error).__name__}"
            ) from error
        file.flush()
        # Syncing a large image takes seconds, which the others must not wait.
        concurrency.in_native_thread(os.fsync, file.fileno())

    def _verifier(self, image: objects.ImageMeta) -> "_Verifier":
        options = self._conf.glance
        if image.hash_algorithm in HASH_ALGORITHMS and image.hash_value:
            return _Verifier(hashlib.new(image.hash_algorithm), image.hash_value)
        if options.allow_md5 and image.checksum:
            return _Verifier(hashlib.md5(usedforsecurity=False), image.checksum)
        if options.allow_unverified and not (image.hash_value or image.checksum):
            LOG.warning("Image %s has no checksum: its data are not verified", image.id)
            return _Verifier(None, "")
        raise exceptions.ImageUnacceptable(
            image_id=image.id, reason="it has no checksum that can be verified"
        )

    def _show(self, ctxt: context.RequestContext, image_id: str) -> dict[str, typing.Any]:
        response = self._request(ctxt, f"/v2/images/{image_id}", image_id)
        return typing.cast(dict[str, typing.Any], response.json())

    def _request(
        self, ctxt: context.RequestContext, path: str, image_id: str, *, stream: bool = False
    ) -> typing.Any:
        try:
            return self._service.request(ctxt, "GET", path, stream=stream)
        except remote.Refusal as refusal:
            if refusal.status == 400:
                # Glance answers 400 to some malformed ids.
                raise exceptions.ImageNotFound(image_id=image_id) from None
            raise _error(refusal, image_id) from None


class _Verifier:
    """Of an image's data, piece by piece.

    :param digest: a fresh hash object; None if there is nothing to compare with.
    :param expected: the hex digest it must end with.
    """

    def __init__(self, digest: typing.Any, expected: str) -> None:
        self._digest, self._expected = digest, expected

    def update(self, piece: bytes) -> None:
        """The next piece."""
        if self._digest is not None:
            self._digest.update(piece)

    def check(self, image: objects.ImageMeta, size_bytes: int) -> None:
        """After the last piece.

        :raises nova_lite.exceptions.ImageUnacceptable: that is not the image.
        """
        reason = None
        if image.size_bytes and image.size_bytes != size_bytes:
            reason = f"{size_bytes} bytes of {image.size_bytes} came"
        elif self._digest is not None and not hmac.compare_digest(
            self._digest.hexdigest(), self._expected
        ):
            reason = "its data do not match its checksum"
        if reason is not None:
            raise exceptions.ImageUnacceptable(image_id=image.id, reason=reason)


class _Watched:
    """A file that tells somebody each time it is read from."""

    def __init__(self, file: typing.BinaryIO, on_read: OnProgress | None) -> None:
        self._file = file
        self._on_read = on_read

    def __len__(self) -> int:
        return os.fstat(self._file.fileno()).st_size

    def __iter__(self) -> collections.abc.Iterator[bytes]:
        while chunk := self.read(CHUNK_BYTES):
            yield chunk

    def read(self, size: int = -1) -> bytes:
        """The next bytes; many at a time, whatever the library asks for."""
        if self._on_read is not None:
            self._on_read()
        size = max(size, CHUNK_BYTES) if size >= 0 else size
        return concurrency.in_native_thread(self._file.read, size)


def _keep(piece: bytes, file: typing.BinaryIO, verifier: _Verifier) -> None:
    verifier.update(piece)
    file.write(piece)


def _error(refusal: remote.Refusal, image_id: str) -> exceptions.NovaLiteError:
    """Glance's refusal as one of our errors."""
    match refusal.status:
        case 400:
            return exceptions.InvalidInput(refusal.message)
        case 404:
            return exceptions.ImageNotFound(image_id=image_id)
        case 403:
            return exceptions.Forbidden(refusal.message)
        case 409 | 410:
            return exceptions.RemoteConflict(
                service="Glance", reason=refusal.message, status=refusal.status
            )
        case 413:
            return exceptions.QuotaExceeded(refusal.message)
    return exceptions.RemoteServiceError(
        service="Glance", reason=refusal.message, status=refusal.status
    )


def _rbd_urls(image: dict[str, typing.Any]) -> list[str]:
    return [url for url in locations.urls_of(image) if url.startswith(locations.RBD_SCHEME)]


def _without_user(url: str) -> str:
    """``swift+https://user:key@host/…`` without what stands before the host."""
    scheme, separator, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    return f"{scheme}{separator}{authority.rpartition('@')[2]}{slash}{path}"
