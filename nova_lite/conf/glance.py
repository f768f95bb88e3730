"""``[glance]``: the image service."""

from oslo_config import cfg

GROUP = "glance"

OPTS = [
    cfg.StrOpt(
        "auth_type",
        default="keystone",
        choices=[
            (
                "keystone",
                "The user's token from the request and a service token made with "
                "[service_user]; endpoints come from the catalog.",
            ),
            (
                "none",
                "No token: user and project are sent as X-User-Id and X-Project-Id. Only for "
                "a service that runs on this machine with authentication off (all-in-one).",
            ),
        ],
        help="How calls to the image service are authenticated.",
    ),
    cfg.URIOpt(
        "endpoint_url",
        schemes=["http", "https"],
        help="Address of the service without its version, as http://host:9292, used instead "
        "of the catalog. Needed with ``auth_type = none``.",
    ),
    cfg.ListOpt(
        "catalog_types",
        default=["image"],
        help="Names of the service in the catalog; the first one found is used.",
    ),
    cfg.ListOpt(
        "interfaces",
        default=["internal", "public"],
        help="Endpoint interfaces to take from the catalog, the preferred one first.",
    ),
    cfg.StrOpt("region_name", help="Region whose endpoint is taken from the catalog."),
    cfg.FloatOpt(
        "timeout_s",
        default=60.0,
        min=0.1,
        help="Seconds a call may wait for the service to send something.",
    ),
    cfg.IntOpt(
        "connect_retries",
        default=1,
        min=0,
        help="Times a read is repeated when the service cannot be reached.",
    ),
    cfg.StrOpt("cafile", help="File of certificate authorities that TLS servers must have."),
    cfg.BoolOpt(
        "insecure",
        default=False,
        help="Do not verify the service's TLS certificate. Never in production.",
    ),
    cfg.BoolOpt(
        "allow_md5",
        default=True,
        help="Accept the MD5 checksum of an image that has no stronger one (os_hash_value). "
        "If not, such images cannot be downloaded.",
    ),
    cfg.BoolOpt(
        "allow_unverified",
        default=True,
        help="Accept the data of an image that has no checksum at all: Glance computes none "
        "of data that it was only told the location of, such as those of an image of a server "
        "whose disk is in Ceph. If not, such images boot only where they are cloned.",
    ),
]
