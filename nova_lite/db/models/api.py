"""Tables of the API database: what exists once, whatever the cell.

Upstream keeps services and compute nodes in the cells and the inventory in
Placement; here they are one place, so that choosing a host is one query and
claiming it is one conditional update.
"""

import sqlalchemy as sa

from nova_lite.db.models import columns

metadata = sa.MetaData()

flavors = sa.Table(
    "flavors",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("flavorid", columns.Name, nullable=False, unique=True),
    sa.Column("name", columns.Name, nullable=False, unique=True),
    sa.Column("memory_mib", sa.Integer, nullable=False),
    sa.Column("vcpus", sa.Integer, nullable=False),
    sa.Column("root_gib", sa.Integer, nullable=False),
    sa.Column("ephemeral_gib", sa.Integer, nullable=False),
    sa.Column("swap_mib", sa.Integer, nullable=False),
    sa.Column("rxtx_factor", sa.Float, nullable=False),
    sa.Column("is_public", sa.Boolean, nullable=False),
    sa.Column("disabled", sa.Boolean, nullable=False),
    sa.Column("description", columns.LongText),
    sa.Column("extra_specs", columns.Json, nullable=False),
    sa.Column("created_at", columns.Timestamp, nullable=False),
    sa.Column("updated_at", columns.Timestamp),
)

flavor_projects = sa.Table(
    "flavor_projects",
    metadata,
    sa.Column(
        "flavor_id",
        sa.Integer,
        sa.ForeignKey("flavors.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    sa.Column("project_id", columns.Name, primary_key=True),
)

quotas = sa.Table(
    "quotas",
    metadata,
    sa.Column("project_id", columns.Name, primary_key=True),
    sa.Column("resource", columns.Name, primary_key=True),
    sa.Column("hard_limit", sa.Integer, nullable=False),
)

# Public keys belong to users, not to projects.
key_pairs = sa.Table(
    "key_pairs",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("user_id", columns.Name, nullable=False),
    sa.Column("name", columns.Name, nullable=False),
    sa.Column("type", sa.String(16), nullable=False),
    sa.Column("fingerprint", columns.Name, nullable=False),
    sa.Column("public_key", columns.LongText, nullable=False),
    sa.Column("created_at", columns.Timestamp, nullable=False),
    sa.UniqueConstraint("user_id", "name", name="uniq_key_pairs_user_name"),
)

cell_mappings = sa.Table(
    "cell_mappings",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("uuid", columns.Uuid, nullable=False, unique=True),
    sa.Column("name", columns.Name, nullable=False, unique=True),
    sa.Column("disabled", sa.Boolean, nullable=False),
)

host_mappings = sa.Table(
    "host_mappings",
    metadata,
    sa.Column("host", columns.Name, primary_key=True),
    sa.Column("cell_id", sa.Integer, sa.ForeignKey("cell_mappings.id"), nullable=False),
)

# One row a server from POST to DELETE, with what it counts for in quotas.
instance_mappings = sa.Table(
    "instance_mappings",
    metadata,
    sa.Column("instance_uuid", columns.Uuid, primary_key=True),
    # Null until the conductor has written the server into a cell.
    sa.Column("cell_id", sa.Integer, sa.ForeignKey("cell_mappings.id")),
    sa.Column("project_id", columns.Name, nullable=False, index=True),
    sa.Column("user_id", columns.Name, nullable=False),
    sa.Column("vcpus", sa.Integer, nullable=False),
    sa.Column("memory_mib", sa.Integer, nullable=False),
    sa.Column("created_at", columns.Timestamp, nullable=False),
)

# The intent to build a server, until it is written into a cell. Whoever sets
# owner and attempt by compare-and-swap does it.
build_requests = sa.Table(
    "build_requests",
    metadata,
    sa.Column("instance_uuid", columns.Uuid, primary_key=True),
    sa.Column("project_id", columns.Name, nullable=False, index=True),
    sa.Column("operation_id", columns.Uuid, nullable=False),
    sa.Column("request_id", columns.Name),
    # Instance, BlockDeviceMappingList and RequestSpec as JSON of the objects.
    sa.Column("instance", columns.LongText, nullable=False),
    sa.Column("block_devices", columns.LongText, nullable=False),
    # The request's context, without its token.
    sa.Column("context", columns.Json, nullable=False),
    sa.Column("owner", columns.Name),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("created_at", columns.Timestamp, nullable=False),
    sa.Column("heartbeat_at", columns.Timestamp, nullable=False, index=True),
)

request_specs = sa.Table(
    "request_specs",
    metadata,
    sa.Column("instance_uuid", columns.Uuid, primary_key=True),
    sa.Column("spec", columns.LongText, nullable=False),
)

services = sa.Table(
    "services",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("uuid", columns.Uuid, nullable=False, unique=True),
    sa.Column("host", columns.Name, nullable=False),
    sa.Column("binary", sa.String(64), nullable=False),
    sa.Column("disabled", sa.Boolean, nullable=False),
    sa.Column("disabled_reason", columns.Name),
    sa.Column("forced_down", sa.Boolean, nullable=False),
    sa.Column("availability_zone", columns.Name),
    sa.Column("incarnation", columns.Uuid),
    sa.Column("created_at", columns.Timestamp, nullable=False),
    sa.Column("last_seen_up", columns.Timestamp),
    sa.UniqueConstraint("host", "binary", name="uniq_services_host_binary"),
)

# Inventory of each hypervisor host and how much of it is allocated. *_used is
# only changed together with a row of allocations, in one transaction.
compute_nodes = sa.Table(
    "compute_nodes",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("uuid", columns.Uuid, nullable=False, unique=True),
    sa.Column("host", columns.Name, nullable=False),
    sa.Column("hypervisor_hostname", columns.Name, nullable=False),
    sa.Column("hypervisor_type", columns.Name, nullable=False),
    sa.Column("hypervisor_version", sa.Integer, nullable=False),
    sa.Column("architecture", columns.Name),
    sa.Column("cpu_info", columns.Json, nullable=False),
    sa.Column("host_ip", columns.Name),
    sa.Column("vcpus", sa.Integer, nullable=False),
    sa.Column("vcpus_reserved", sa.Integer, nullable=False),
    sa.Column("vcpus_ratio", sa.Double, nullable=False),
    sa.Column("vcpus_used", sa.Integer, nullable=False),
    sa.Column("memory_mib", sa.Integer, nullable=False),
    sa.Column("memory_mib_reserved", sa.Integer, nullable=False),
    sa.Column("memory_mib_ratio", sa.Double, nullable=False),
    sa.Column("memory_mib_used", sa.Integer, nullable=False),
    sa.Column("disk_gib", sa.Integer, nullable=False),
    sa.Column("disk_gib_reserved", sa.Integer, nullable=False),
    sa.Column("disk_gib_ratio", sa.Double, nullable=False),
    sa.Column("disk_gib_used", sa.Integer, nullable=False),
    sa.Column("updated_at", columns.Timestamp, nullable=False),
    # A host that lost its uuid must not be counted twice.
    sa.UniqueConstraint("host", "hypervisor_hostname", name="uniq_compute_nodes_host_name"),
)

allocations = sa.Table(
    "allocations",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("consumer_uuid", columns.Uuid, nullable=False),
    sa.Column("node_uuid", columns.Uuid, nullable=False, index=True),
    sa.Column("vcpus", sa.Integer, nullable=False),
    sa.Column("memory_mib", sa.Integer, nullable=False),
    sa.Column("disk_gib", sa.Integer, nullable=False),
    sa.Column("created_at", columns.Timestamp, nullable=False),
    sa.UniqueConstraint("consumer_uuid", "node_uuid", name="uniq_allocations_consumer_node"),
)
