"""``[cinder]``: the block storage service."""

from oslo_config import cfg

GROUP = "cinder"

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
        help="How calls to the block storage service are authenticated.",
    ),
    cfg.URIOpt(
        "endpoint_url",
        schemes=["http", "https"],
        help="Address of the service, as http://host:8776/v3 or "
        "http://host:8776/v3/%(project_id)s, used instead of the catalog. Needed with "
        "``auth_type = none``. %(project_id)s is only needed for Cinder older than 2022.1 (Yoga).",
    ),
    cfg.ListOpt(
        "catalog_types",
        default=["block-storage", "volumev3", "volume"],
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
        help="Seconds a call may wait for the service to answer. Calls that export or "
        "connect a volume can take long on slow storage.",
    ),
    cfg.IntOpt(
        "connect_retries",
        default=1,
        min=0,
        help="Times a read is repeated when the service cannot be reached.",
    ),
    cfg.IntOpt(
        "attachment_attempts",
        default=5,
        min=1,
        help="Attempts at updating or deleting an attachment while the service answers "
        "with a server error, which Cinder does when a back end is busy.",
    ),
    cfg.StrOpt("cafile", help="File of certificate authorities that TLS servers must have."),
    cfg.BoolOpt(
        "insecure",
        default=False,
        help="Do not verify the service's TLS certificate. Never in production.",
    ),
    cfg.BoolOpt(
        "cross_az_attach",
        default=True,
        help="Whether a server may use volumes of another availability zone than its own. If "
        "not, new volumes are made in the server's zone.",
    ),
]
