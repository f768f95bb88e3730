"""``[database]``: where the two databases are."""

from oslo_config import cfg

GROUP = "database"

OPTS = [
    cfg.StrOpt(
        "connection",
        default="sqlite:///$state_path/cell.sqlite",
        secret=True,
        help="SQLAlchemy URL of the cell database: servers and their journal.",
    ),
    cfg.StrOpt(
        "api_connection",
        default="sqlite:///$state_path/api.sqlite",
        secret=True,
        help="SQLAlchemy URL of the API database: flavors, quotas, services, allocations.",
    ),
    cfg.IntOpt(
        "max_pool_size",
        default=20,
        min=1,
        help="Connections a process keeps to each database, for reads and for writes each.",
    ),
]
