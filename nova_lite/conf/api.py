"""``[api]``: the REST API."""

from oslo_config import cfg

GROUP = "api"

OPTS = [
    cfg.HostAddressOpt(
        "bind_host",
        default="127.0.0.1",
        help="Address on which the API listens.",
    ),
    cfg.PortOpt("bind_port", default=8774, help="TCP port on which the API listens."),
    cfg.StrOpt(
        "auth_strategy",
        default="keystone",
        choices=[
            ("keystone", "Tokens are checked by keystonemiddleware."),
            ("noauth", "Everybody is the administrator; only on a loopback address."),
        ],
        help="Who decides who a user is. ``noauth`` is for one person on one machine: the "
        "API refuses to start with it when ``bind_host`` is not a loopback address.",
    ),
    cfg.IntOpt(
        "max_limit",
        default=1000,
        min=1,
        help="Items in one page of a list, also when a client asks for more.",
    ),
    cfg.StrOpt(
        "compute_link_prefix",
        help="URL to use instead of the request's own in links, for an API behind a proxy "
        "that does not tell its address.",
    ),
    cfg.IntOpt(
        "max_request_body_bytes",
        default=114688,
        min=1024,
        help="Larger requests are refused with 413.",
    ),
    cfg.IntOpt(
        "max_local_block_devices",
        default=3,
        min=-1,
        help="Local disks (root, ephemeral, swap) a server may have; -1 is no limit, 0 forces "
        "every server to boot from a volume.",
    ),
    cfg.IntOpt(
        "max_disk_devices_to_attach",
        default=-1,
        min=-1,
        help="Disks a server may have in all; -1 is no limit. More are refused with 403 when "
        "they are attached.",
    ),
    cfg.BoolOpt(
        "enable_instance_password",
        default=True,
        help="Return a generated ``adminPass`` when a server is created.",
    ),
    cfg.StrOpt(
        "default_availability_zone",
        default="nova",
        help="Zone shown for a server that has no host yet and asked for none.",
    ),
]
