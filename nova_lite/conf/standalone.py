"""``[standalone]``: the embedded image and volume services.

They are for one machine: the one-command start and the tests. They believe the
identity headers of a request, so they must listen on the loopback address only.
"""

from oslo_config import cfg

GROUP = "standalone"

OPTS = [
    cfg.StrOpt(
        "data_path",
        default="$state_path/standalone",
        help="Directory of the embedded services: images, volumes and their databases.",
    ),
    cfg.HostAddressOpt(
        "listen",
        default="127.0.0.1",
        help="Address the embedded services listen on. They have no authentication: "
        "anything but a loopback address gives your volumes away.",
    ),
    cfg.PortOpt("image_port", default=9292, help="Port of the embedded image service."),
    cfg.PortOpt("volume_port", default=8776, help="Port of the embedded volume service."),
    cfg.PortOpt("identity_port", default=5000, help="Port of the embedded identity service."),
    cfg.URIOpt(
        "compute_url",
        schemes=["http", "https"],
        help="Address of the compute API, which the embedded volume service tells of volumes "
        "that have grown or move, as http://host:8774/v2.1. Unset, it is where ``[api]`` of the "
        "same configuration serves.",
    ),
    cfg.StrOpt(
        "volume_max_microversion",
        default="3.71",
        regex=r"3\.\d+",
        help="Newest volume microversion the embedded service admits to. Lower it to see how "
        "clients behave with an old Cinder.",
    ),
    cfg.StrOpt("default_project", default="demo", help="Project of requests that name none."),
    cfg.IntOpt(
        "max_volume_gib",
        default=16384,
        min=1,
        help="Largest volume that may be made. Files are sparse: a volume takes only the "
        "space of what is written to it.",
    ),
    cfg.BoolOpt(
        "fault_injection",
        default=False,
        help="Offer POST /_faults and GET /_calls, with which tests make calls fail, hang or "
        "lose their answer. Never on a service that holds data anybody needs.",
    ),
]
