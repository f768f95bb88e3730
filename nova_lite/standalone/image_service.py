"""The embedded image service: the part of Glance v2 that we and the client use.

Images are files below ``[standalone] data_path``; an upload is written beside its
place, synced and renamed, and its MD5 and SHA-512 are kept.
"""

import collections.abc
import hashlib
import json
import logging
import os
import typing
import uuid

import falcon
from oslo_utils import timeutils

from nova_lite import concurrency
from nova_lite.image import glance
from nova_lite.standalone import faults
from nova_lite.standalone import store
from nova_lite.standalone import web

LOG = logging.getLogger(__name__)

CHUNK_BYTES = 1024 * 1024
PATCH_TYPE = "application/openstack-images-v2.1-json-patch"

DISK_FORMATS = ("raw", "qcow2", "vmdk", "vdi", "vhd", "vhdx", "iso", "ami", "ari", "aki", "ploop")
CONTAINER_FORMATS = ("bare", "ovf", "ova", "ami", "ari", "aki", "docker", "compressed")
VISIBILITIES = ("public", "private", "shared", "community")

SETTABLE = {
    "name": (str, type(None)),
    "disk_format": (str, type(None)),
    "container_format": (str, type(None)),
    "min_disk": (int,),
    "min_ram": (int,),
    "protected": (bool,),
    "visibility": (str,),
    "os_hidden": (bool,),
    "owner": (str, type(None)),
    "tags": (list,),
}
CHOICES = {
    "disk_format": (*DISK_FORMATS, None),
    "container_format": (*CONTAINER_FORMATS, None),
    "visibility": VISIBILITIES,
}


class ImageStore:
    """Image records and files.

    A record is the image as the API shows it, and ``project_id``.
    """

    def __init__(self, directory: str) -> None:
        self.records = store.Store(os.path.join(directory, "images.sqlite"))
        self._directory = os.path.join(directory, "images")
        os.makedirs(self._directory, mode=0o700, exist_ok=True)
        for image in self.records.list("image"):
            # Nobody uploads any more what was being uploaded.
            if image["status"] == "saving":
                self.records.put("image", image | {"status": "queued"})

    def path(self, image_id: str) -> str:
        """Where an image's data are."""
        return os.path.join(self._directory, image_id)

    def get(self, identity: web.Identity, image_id: str) -> store.Document:
        """An image this identity may see.

        :raises falcon.HTTPNotFound: there is none.
        """
        image = self.records.get("image", image_id)
        if image is None or not may_see(identity, image):
            raise falcon.HTTPNotFound(description=f"Failed to find image {image_id}")
        return image

    def get_own(self, identity: web.Identity, image_id: str) -> store.Document:
        """An image this identity may change.

        :raises falcon.HTTPForbidden: it may only look.
        """
        image = self.get(identity, image_id)
        if not identity.may_see(image):
            raise falcon.HTTPForbidden(
                description="You are not authorized to complete this action."
            )
        return image

    def save(self, image: store.Document) -> store.Document:
        """Write the record."""
        image["updated_at"] = _now()
        self.records.put("image", image)
        return image

    def change(
        self,
        identity: web.Identity,
        image_id: str,
        function: collections.abc.Callable[[store.Document], None],
    ) -> store.Document:
        """Have ``function`` check and change an image of one's own, all in one transaction.

        :raises falcon.HTTPNotFound: there is none.
        :raises falcon.HTTPForbidden: this identity may only look.
        """
        with self.records.transaction():
            image = self.get_own(identity, image_id)
            function(image)
            return self.save(image)


def may_see(identity: web.Identity, image: store.Document) -> bool:
    """Whether an image is public, shared in the community, or one's own."""
    return image["visibility"] in ("public", "community") or identity.may_see(image)


def _now() -> str:
    return str(timeutils.utcnow().strftime("%Y-%m-%dT%H:%M:%SZ"))


def _view(image: store.Document) -> store.Document:
    return {key: value for key, value in image.items() if key != "project_id"}


def _check(key: str, value: typing.Any) -> None:
    """:raises falcon.HTTPError: the value cannot be given to an image."""
    if key in SETTABLE:
        right = isinstance(value, SETTABLE[key]) and (
            bool in SETTABLE[key] or not isinstance(value, bool)
        )
        if not right or (key in CHOICES and value not in CHOICES[key]):
            raise falcon.HTTPBadRequest(description=f"Invalid value {value!r} for {key}")
    elif key in glance.CORE_KEYS:
        raise falcon.HTTPForbidden(description=f"Attribute '{key}' is read-only.")
    elif not isinstance(value, str):
        raise falcon.HTTPBadRequest(description=f"Property {key} must be a string")


class Images:
    """``/v2/images``."""

    collection = "images"

    def __init__(self, images: ImageStore) -> None:
        self._images = images

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Make a record; its data come later."""
        wanted = web.json_body(req)
        image_id = str(wanted.pop("id", None) or uuid.uuid4())
        try:
            uuid.UUID(image_id)
        except ValueError:
            raise falcon.HTTPBadRequest(description="Invalid image id format") from None
        for key, value in wanted.items():
            _check(key, value)
        if self._images.records.get("image", image_id) is not None:
            raise falcon.HTTPConflict(description=f"Image ID {image_id} already exists!")
        project_id = req.context.identity.project_id
        image = {
            "name": None,
            "disk_format": None,
            "container_format": None,
            "min_disk": 0,
            "min_ram": 0,
            "protected": False,
            "visibility": "shared",
            "os_hidden": False,
            "owner": project_id,
            "tags": [],
            "id": image_id,
            "status": "queued",
            "size": None,
            "virtual_size": None,
            "checksum": None,
            "os_hash_algo": None,
            "os_hash_value": None,
            "created_at": _now(),
            "self": f"/v2/images/{image_id}",
            "file": f"/v2/images/{image_id}/file",
            "schema": "/v2/schemas/image",
            "project_id": project_id,
        } | wanted
        resp.media = _view(self._images.save(image))
        resp.status = falcon.HTTP_201
        resp.location = f"{req.prefix}/v2/images/{image_id}"

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """List, filtered, sorted, paged."""
        images = [
            image
            for image in self._images.records.list("image")
            if may_see(req.context.identity, image) and _matches(image, req.params)
        ]
        shown, marker = web.page(web.sort(images, req), req)
        media = {
            "images": [_view(image) for image in shown],
            "first": "/v2/images",
            "schema": "/v2/schemas/images",
        }
        if marker:
            parameters = {**req.params, "marker": marker}
            media["next"] = "/v2/images" + falcon.to_query_str(parameters)
        resp.media = media


_NO_FILTERS = frozenset({"limit", "marker", "sort", "sort_key", "sort_dir", "member_status"})


def _matches(image: store.Document, parameters: collections.abc.Mapping[str, typing.Any]) -> bool:
    if image["os_hidden"] and str(parameters.get("os_hidden")).lower() != "true":
        return False
    return all(
        _matches_one(image, key, value)
        for key, value in parameters.items()
        if key not in _NO_FILTERS
    )


def _matches_one(image: store.Document, key: str, value: typing.Any) -> bool:
    if key == "tag":
        wanted = value if isinstance(value, list) else [value]
        return set(wanted) <= set(image["tags"])
    if key in ("size_min", "size_max"):
        size = image["size"] or 0
        return size >= int(value) if key == "size_min" else size <= int(value)
    if key == "visibility" and value == "all":
        return True
    # Falcon splits values at commas into lists.
    text = ",".join(value) if isinstance(value, list) else str(value)
    actual = image.get(key)
    if isinstance(actual, bool):
        return str(actual).lower() == text.lower()
    if text.startswith("in:"):
        return str(actual) in [item.strip('"') for item in text[3:].split(",")]
    return str(actual) == text


class Image:
    """``/v2/images/{image_id}``."""

    collection = "images"

    def __init__(self, images: ImageStore) -> None:
        self._images = images

    def on_get(self, req: falcon.Request, resp: falcon.Response, image_id: str) -> None:
        """Show."""
        resp.media = _view(self._images.get(req.context.identity, image_id))

    def on_patch(self, req: falcon.Request, resp: falcon.Response, image_id: str) -> None:
        """Change by a JSON patch."""
        if req.content_type != PATCH_TYPE:
            raise falcon.HTTPUnsupportedMediaType(description=f"Send {PATCH_TYPE}")
        # All of it, before the record is read: others go on while it is on its way.
        try:
            changes = json.loads(req.bounded_stream.read())
        except ValueError:
            raise falcon.HTTPBadRequest(description="Malformed JSON in request body.") from None
        if not isinstance(changes, list):
            raise falcon.HTTPBadRequest(description="Request body must be a JSON array")

        def apply(image: store.Document) -> None:
            for change in changes:
                _apply(image, change)

        resp.media = _view(self._images.change(req.context.identity, image_id, apply))

    def on_delete(self, req: falcon.Request, resp: falcon.Response, image_id: str) -> None:
        """Remove the record and the file."""
        with self._images.records.transaction():
            image = self._images.get_own(req.context.identity, image_id)
            if image["protected"]:
                raise falcon.HTTPForbidden(
                    description=f"Image {image_id} is protected and cannot be deleted."
                )
            self._images.records.delete("image", image_id)
        if os.path.exists(self._images.path(image_id)):
            os.unlink(self._images.path(image_id))
        resp.status = falcon.HTTP_204


def _apply(image: store.Document, change: typing.Any) -> None:
    """One operation of a JSON patch, at the top level only, as Glance has it."""
    try:
        operation, key = change["op"], change["path"].removeprefix("/")
        if key.partition("/")[0] == "locations":
            # Glance with show_multiple_locations off, which is its default.
            raise falcon.HTTPForbidden(
                description="It's not allowed to add locations if locations are invisible."
            )
        key = key.replace("~1", "/").replace("~0", "~")
        if operation == "remove":
            if key in glance.CORE_KEYS:
                raise falcon.HTTPForbidden(description=f"Property {key} may not be removed.")
            del image[key]
        elif operation in ("add", "replace"):
            if operation == "replace" and key not in image:
                raise falcon.HTTPConflict(description=f"Property {key} does not exist.")
            _check(key, change["value"])
            image[key] = change["value"]
        else:
            raise falcon.HTTPBadRequest(description=f"Unsupported operation {operation}")
    except (KeyError, TypeError, AttributeError):
        raise falcon.HTTPBadRequest(description="Malformed JSON patch") from None


class ImageTag:
    """``/v2/images/{image_id}/tags/{tag}``."""

    def __init__(self, images: ImageStore) -> None:
        self._images = images

    def on_put(self, req: falcon.Request, resp: falcon.Response, image_id: str, tag: str) -> None:
        """Add a tag."""

        def add(image: store.Document) -> None:
            image["tags"] = sorted({*image["tags"], tag})

        self._images.change(req.context.identity, image_id, add)
        resp.status = falcon.HTTP_204

    def on_delete(
        self, req: falcon.Request, resp: falcon.Response, image_id: str, tag: str
    ) -> None:
        """Remove a tag."""

        def remove(image: store.Document) -> None:
            if tag not in image["tags"]:
                raise falcon.HTTPNotFound(description=f"Image has no tag {tag}")
            image["tags"].remove(tag)

        self._images.change(req.context.identity, image_id, remove)
        resp.status = falcon.HTTP_204


class ImageFile:
    """``/v2/images/{image_id}/file``."""

    collection = "images"

    def __init__(self, images: ImageStore) -> None:
        self._images = images

    def on_put(self, req: falcon.Request, resp: falcon.Response, image_id: str) -> None:
        """Take the data."""
        images = self._images
        with images.records.transaction():
            image = images.get_own(req.context.identity, image_id)
            if image["status"] != "queued":
                raise falcon.HTTPConflict(description=f"Image is {image['status']}, not queued")
            if not image["disk_format"] or not image["container_format"]:
                raise falcon.HTTPBadRequest(
                    description="Properties disk_format, container_format must be set prior "
                    "to saving data."
                )
            images.save(image | {"status": "saving"})
        try:
            size, md5, sha512 = self._receive(req, images.path(image_id))
        except BaseException:
            self._finish(image_id, {"status": "queued"})
            raise
        self._finish(
            image_id,
            {
                "status": "active",
                "size": size,
                "checksum": md5,
                "os_hash_algo": "sha512",
                "os_hash_value": sha512,
            },
        )
        resp.status = falcon.HTTP_204

    def _finish(self, image_id: str, changes: store.Document) -> None:
        """Record the upload's end, unless the image was deleted meanwhile."""
        images = self._images
        with images.records.transaction():
            image = images.records.get("image", image_id)
            if image is not None:
                images.save(image | changes)
        if image is None and os.path.exists(images.path(image_id)):
            os.unlink(images.path(image_id))

    def _receive(self, req: falcon.Request, path: str) -> tuple[int, str, str]:
        """Write the body to ``path``; returns its size and two digests."""
        # A chunked body has no length; the server finds its end.
        source = req.stream if req.content_length is None else req.bounded_stream
        md5 = hashlib.md5(usedforsecurity=False)
        sha512 = hashlib.sha512()
        size = 0
        partial = path + ".partial"
        try:
            with open(partial, "wb") as file:
                while chunk := source.read(CHUNK_BYTES):
                    md5.update(chunk)
                    sha512.update(chunk)
                    size += len(chunk)
                    file.write(chunk)
                file.flush()
                concurrency.in_native_thread(os.fsync, file.fileno())
            if req.content_length is not None and size != req.content_length:
                raise falcon.HTTPBadRequest(description="The upload broke off")
            os.rename(partial, path)
        except BaseException:
            if os.path.exists(partial):
                os.unlink(partial)
            raise
        return size, md5.hexdigest(), sha512.hexdigest()

    def on_get(self, req: falcon.Request, resp: falcon.Response, image_id: str) -> None:
        """Send the data."""
        image = self._images.get(req.context.identity, image_id)
        if image["status"] != "active":
            resp.status = falcon.HTTP_204
            return
        resp.content_type = "application/octet-stream"
        resp.set_header("Content-MD5", image["checksum"])
        file = open(self._images.path(image_id), "rb")  # noqa: SIM115 (the server closes it)
        resp.set_stream(file, image["size"])


class Versions:
    """``/`` and ``/versions``."""

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """The version document."""
        link = {"rel": "self", "href": f"{req.prefix}/v2/"}
        resp.media = {"versions": [{"id": "v2.9", "status": "CURRENT", "links": [link]}]}
        if req.path == "/":
            resp.status = falcon.HTTP_300


class Schema:
    """``/v2/schemas/image`` and ``/v2/schemas/images``."""

    def on_get(self, req: falcon.Request, resp: falcon.Response, name: str) -> None:
        """What clients may find in an image."""
        image = {
            "name": "image",
            "properties": {
                key: {"type": "string"} if key not in CHOICES else {"enum": list(CHOICES[key])}
                for key in sorted(glance.CORE_KEYS)
            },
            "additionalProperties": {"type": "string"},
        }
        if name == "image":
            resp.media = image
        elif name == "images":
            items = {"type": "array", "items": image}
            resp.media = {"name": "images", "properties": {"images": items}}
        else:
            raise falcon.HTTPNotFound


def _serialize_error(req: falcon.Request, resp: falcon.Response, error: falcon.HTTPError) -> None:
    code = error.status_code
    resp.media = {"code": code, "title": error.title, "message": error.description or error.title}


def make_app(conf: typing.Any) -> typing.Any:
    """The WSGI application of the embedded image service.

    Keeps everything in ``<[standalone] data_path>/images*``.
    """
    images = ImageStore(conf.standalone.data_path)
    app = falcon.App(
        middleware=[web.IdentityMiddleware(conf.standalone.default_project)],
    )
    app.req_options.strip_url_path_trailing_slash = True
    app.req_options.auto_parse_qs_csv = False
    app.set_error_serializer(_serialize_error)
    if conf.standalone.fault_injection:
        faults.install(app)
    for path in ("/", "/versions"):
        app.add_route(path, Versions())
    app.add_route("/v2/images", Images(images))
    app.add_route("/v2/images/{image_id}", Image(images))
    app.add_route("/v2/images/{image_id}/file", ImageFile(images))
    app.add_route("/v2/images/{image_id}/tags/{tag}", ImageTag(images))
    app.add_route("/v2/schemas/{name}", Schema())
    return app
