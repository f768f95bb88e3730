"""The first tables of the API database."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# A migration is history: it has its own types, so that a change of the
# models' types needs a migration too.
UUID = sa.String(36)
NAME = sa.String(255)
TIMESTAMP = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
LONG_TEXT = sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")
JSON = sa.JSON()


def upgrade() -> None:
    op.create_table(
        "flavors",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("flavorid", NAME, nullable=False, unique=True),
        sa.Column("name", NAME, nullable=False, unique=True),
        sa.Column("memory_mib", sa.Integer(), nullable=False),
        sa.Column("vcpus", sa.Integer(), nullable=False),
        sa.Column("root_gib", sa.Integer(), nullable=False),
        sa.Column("ephemeral_gib", sa.Integer(), nullable=False),
        sa.Column("swap_mib", sa.Integer(), nullable=False),
        sa.Column("rxtx_factor", sa.Float(), nullable=False),
        sa.Column("is_public", sa.Boolean(), nullable=False),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("description", LONG_TEXT),
        sa.Column("extra_specs", JSON, nullable=False),
        sa.Column("created_at", TIMESTAMP, nullable=False),
        sa.Column("updated_at", TIMESTAMP),
    )
    op.create_table(
        "flavor_projects",
        sa.Column(
            "flavor_id",
            sa.Integer(),
            sa.ForeignKey("flavors.id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("project_id", NAME, primary_key=True),
    )
    op.create_table(
        "quotas",
        sa.Column("project_id", NAME, primary_key=True),
        sa.Column("resource", NAME, primary_key=True),
        sa.Column("hard_limit", sa.Integer(), nullable=False),
    )
    op.create_table(
        "key_pairs",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("user_id", NAME, nullable=False),
        sa.Column("name", NAME, nullable=False),
        sa.Column("type", sa.String(16), nullable=False),
        sa.Column("fingerprint", NAME, nullable=False),
        sa.Column("public_key", LONG_TEXT, nullable=False),
        sa.Column("created_at", TIMESTAMP, nullable=False),
        sa.UniqueConstraint("user_id", "name", name="uniq_key_pairs_user_name"),
    )
    op.create_table(
        "cell_mappings",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("uuid", UUID, nullable=False, unique=True),
        sa.Column("name", NAME, nullable=False, unique=True),
        sa.Column("disabled", sa.Boolean(), nullable=False),
    )
    op.create_table(
        "host_mappings",
        sa.Column("host", NAME, primary_key=True),
        sa.Column("cell_id", sa.Integer(), sa.ForeignKey("cell_mappings.id"), nullable=False),
    )
    op.create_table(
        "instance_mappings",
        sa.Column("instance_uuid", UUID, primary_key=True),
        sa.Column("cell_id", sa.Integer(), sa.ForeignKey("cell_mappings.id")),
        sa.Column("project_id", NAME, nullable=False),
        sa.Column("user_id", NAME, nullable=False),
        sa.Column("vcpus", sa.Integer(), nullable=False),
        sa.Column("memory_mib", sa.Integer(), nullable=False),
        sa.Column("created_at", TIMESTAMP, nullable=False),
    )
    op.create_index("ix_instance_mappings_project_id", "instance_mappings", ["project_id"])
    op.create_table(
        "build_requests",
        sa.Column("instance_uuid", UUID, primary_key=True),
        sa.Column("project_id", NAME, nullable=False),
        sa.Column("operation_id", UUID, nullable=False),
        sa.Column("request_id", NAME),
        sa.Column("instance", LONG_TEXT, nullable=False),
        sa.Column("block_devices", LONG_TEXT, nullable=False),
        sa.Column("context", JSON, nullable=False),
        sa.Column("owner", NAME),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("created_at", TIMESTAMP, nullable=False),
        sa.Column("heartbeat_at", TIMESTAMP, nullable=False),
    )
    op.create_index("ix_build_requests_heartbeat_at", "build_requests", ["heartbeat_at"])
    op.create_index("ix_build_requests_project_id", "build_requests", ["project_id"])
    op.create_table(
        "request_specs",
        sa.Column("instance_uuid", UUID, primary_key=True),
        sa.Column("spec", LONG_TEXT, nullable=False),
    )
    op.create_table(
        "services",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("uuid", UUID, nullable=False, unique=True),
        sa.Column("host", NAME, nullable=False),
        sa.Column("binary", sa.String(64), nullable=False),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("disabled_reason", NAME),
        sa.Column("forced_down", sa.Boolean(), nullable=False),
        sa.Column("availability_zone", NAME),
        sa.Column("incarnation", UUID),
        sa.Column("created_at", TIMESTAMP, nullable=False),
        sa.Column("last_seen_up", TIMESTAMP),
        sa.UniqueConstraint("host", "binary", name="uniq_services_host_binary"),
    )
    op.create_table(
        "compute_nodes",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("uuid", UUID, nullable=False, unique=True),
        sa.Column("host", NAME, nullable=False),
        sa.Column("hypervisor_hostname", NAME, nullable=False),
        sa.Column("hypervisor_type", NAME, nullable=False),
        sa.Column("hypervisor_version", sa.Integer(), nullable=False),
        sa.Column("architecture", NAME),
        sa.Column("cpu_info", JSON, nullable=False),
        sa.Column("host_ip", NAME),
        sa.Column("vcpus", sa.Integer(), nullable=False),
        sa.Column("vcpus_reserved", sa.Integer(), nullable=False),
        sa.Column("vcpus_ratio", sa.Double(), nullable=False),
        sa.Column("vcpus_used", sa.Integer(), nullable=False),
        sa.Column("memory_mib", sa.Integer(), nullable=False),
        sa.Column("memory_mib_reserved", sa.Integer(), nullable=False),
        sa.Column("memory_mib_ratio", sa.Double(), nullable=False),
        sa.Column("memory_mib_used", sa.Integer(), nullable=False),
        sa.Column("disk_gib", sa.Integer(), nullable=False),
        sa.Column("disk_gib_reserved", sa.Integer(), nullable=False),
        sa.Column("disk_gib_ratio", sa.Double(), nullable=False),
        sa.Column("disk_gib_used", sa.Integer(), nullable=False),
        sa.Column("updated_at", TIMESTAMP, nullable=False),
        sa.UniqueConstraint("host", "hypervisor_hostname", name="uniq_compute_nodes_host_name"),
    )
    op.create_table(
        "allocations",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("consumer_uuid", UUID, nullable=False),
        sa.Column("node_uuid", UUID, nullable=False),
        sa.Column("vcpus", sa.Integer(), nullable=False),
        sa.Column("memory_mib", sa.Integer(), nullable=False),
        sa.Column("disk_gib", sa.Integer(), nullable=False),
        sa.Column("created_at", TIMESTAMP, nullable=False),
        sa.UniqueConstraint("consumer_uuid", "node_uuid", name="uniq_allocations_consumer_node"),
    )
    op.create_index("ix_allocations_node_uuid", "allocations", ["node_uuid"])
