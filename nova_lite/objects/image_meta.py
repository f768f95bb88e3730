"""An image's metadata, from Glance or from a bootable volume."""

from oslo_versionedobjects import fields

from nova_lite.objects import wire


@wire.register
class ImageMeta(wire.WireObject):
    """What the build needs to know of an image. ``id`` is None for a server
    whose root is a volume without image metadata.

    ``rbd_urls`` are its locations in Ceph, as far as Glance showed them to the
    user; those of other stores may hold passwords and never come here.
    """

    VERSION = "1.2"
    fields = {
        "id": fields.StringField(nullable=True),
        "name": fields.StringField(nullable=True),
        "status": fields.StringField(nullable=True),
        "disk_format": fields.StringField(nullable=True),
        "container_format": fields.StringField(nullable=True),
        "size_bytes": fields.IntegerField(default=0),
        # MD5, for images of old Glances only.
        "checksum": fields.StringField(nullable=True),
        "hash_algorithm": fields.StringField(nullable=True),
        "hash_value": fields.StringField(nullable=True),
        "min_disk_gib": fields.IntegerField(default=0),
        "min_ram_mib": fields.IntegerField(default=0),
        "owner": fields.StringField(nullable=True),
        "rbd_urls": fields.ListOfStringsField(default=[]),
        # All other properties (hw_disk_bus, architecture, os_distro ...).
        "properties": wire.JsonField(default={}),
    }
