"""The first tables of a cell database."""

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
        "instances",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("uuid", UUID, nullable=False, unique=True),
        sa.Column("project_id", NAME, nullable=False),
        sa.Column("user_id", NAME, nullable=False),
        sa.Column("reservation_id", NAME),
        sa.Column("launch_index", sa.Integer(), nullable=False),
        sa.Column("display_name", NAME, nullable=False),
        sa.Column("display_description", NAME),
        sa.Column("hostname", NAME),
        sa.Column("image_ref", NAME),
        sa.Column("flavor", JSON, nullable=False),
        sa.Column("vm_state", sa.String(32), nullable=False),
        sa.Column("task_state", sa.String(64)),
        sa.Column("power_state", sa.Integer(), nullable=False),
        sa.Column("host", NAME),
        sa.Column("node", NAME),
        sa.Column("launched_on", NAME),
        sa.Column("availability_zone", NAME),
        sa.Column("root_device_name", NAME),
        sa.Column("config_drive", sa.Boolean(), nullable=False),
        sa.Column("key_name", NAME),
        sa.Column("key_data", LONG_TEXT),
        sa.Column("user_data", LONG_TEXT),
        sa.Column("access_ip_v4", sa.String(39)),
        sa.Column("access_ip_v6", sa.String(39)),
        sa.Column("locked", sa.Boolean(), nullable=False),
        sa.Column("metadata", JSON, nullable=False),
        sa.Column("system_metadata", JSON, nullable=False),
        sa.Column("tags", JSON, nullable=False),
        sa.Column("created_at", TIMESTAMP, nullable=False),
        sa.Column("updated_at", TIMESTAMP),
        sa.Column("launched_at", TIMESTAMP),
        sa.Column("terminated_at", TIMESTAMP),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("operation_id", UUID),
    )
    op.create_index("ix_instances_host", "instances", ["host", "deleted"])
    op.create_index(
        "ix_instances_project_created", "instances", ["project_id", "deleted", "created_at"]
    )
    op.create_table(
        "block_device_mapping",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("uuid", UUID, nullable=False, unique=True),
        sa.Column("instance_uuid", UUID, nullable=False),
        sa.Column("source_type", sa.String(32)),
        sa.Column("destination_type", sa.String(32)),
        sa.Column("guest_format", NAME),
        sa.Column("device_type", NAME),
        sa.Column("disk_bus", NAME),
        sa.Column("boot_index", sa.Integer()),
        sa.Column("device_name", NAME),
        sa.Column("delete_on_termination", sa.Boolean(), nullable=False),
        sa.Column("snapshot_id", UUID),
        sa.Column("volume_id", UUID),
        sa.Column("volume_size", sa.Integer()),
        sa.Column("image_id", UUID),
        sa.Column("no_device", sa.Boolean(), nullable=False),
        sa.Column("connection_info", LONG_TEXT),
        sa.Column("tag", NAME),
        sa.Column("attachment_id", UUID),
        sa.Column("volume_type", NAME),
        sa.Column("phase", sa.String(32)),
        sa.UniqueConstraint("instance_uuid", "device_name", name="uniq_bdm_instance_device"),
        sa.UniqueConstraint("instance_uuid", "volume_id", name="uniq_bdm_instance_volume"),
    )
    op.create_index(
        "ix_block_device_mapping_instance_uuid", "block_device_mapping", ["instance_uuid"]
    )
    op.create_index("ix_block_device_mapping_volume_id", "block_device_mapping", ["volume_id"])
    op.create_table(
        "instance_actions",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("operation_id", UUID, nullable=False, unique=True),
        sa.Column("instance_uuid", UUID, nullable=False),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("request_id", NAME),
        sa.Column("project_id", NAME),
        sa.Column("user_id", NAME),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("owner", NAME),
        sa.Column("step", sa.String(64)),
        sa.Column("message", LONG_TEXT),
        sa.Column("arguments", JSON, nullable=False),
        sa.Column("context", JSON, nullable=False),
        sa.Column("started_at", TIMESTAMP, nullable=False),
        sa.Column("heartbeat_at", TIMESTAMP, nullable=False),
        sa.Column("finished_at", TIMESTAMP),
    )
    op.create_index("ix_instance_actions_instance_uuid", "instance_actions", ["instance_uuid"])
    op.create_index("ix_instance_actions_owner", "instance_actions", ["owner", "status"])
    op.create_index("ix_instance_actions_status", "instance_actions", ["status", "heartbeat_at"])
    op.create_table(
        "instance_actions_events",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("operation_id", UUID, nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("started_at", TIMESTAMP, nullable=False),
        sa.Column("finished_at", TIMESTAMP),
        sa.Column("result", sa.String(16)),
        sa.Column("message", LONG_TEXT),
        sa.Column("host", NAME),
    )
    op.create_index(
        "ix_instance_actions_events_operation_id", "instance_actions_events", ["operation_id"]
    )
    op.create_table(
        "instance_faults",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("instance_uuid", UUID, nullable=False),
        sa.Column("code", sa.Integer(), nullable=False),
        sa.Column("message", LONG_TEXT, nullable=False),
        sa.Column("details", LONG_TEXT),
        sa.Column("created_at", TIMESTAMP, nullable=False),
    )
    op.create_index("ix_instance_faults_instance_uuid", "instance_faults", ["instance_uuid"])
