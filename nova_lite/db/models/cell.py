"""Tables of a cell database: servers, their block devices and their journal."""

import sqlalchemy as sa

from nova_lite.db.models import columns

metadata = sa.MetaData()

instances = sa.Table(
    "instances",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("uuid", columns.Uuid, nullable=False, unique=True),
    sa.Column("project_id", columns.Name, nullable=False),
    sa.Column("user_id", columns.Name, nullable=False),
    sa.Column("reservation_id", columns.Name),
    sa.Column("launch_index", sa.Integer, nullable=False),
    sa.Column("display_name", columns.Name, nullable=False),
    sa.Column("display_description", columns.Name),
    sa.Column("hostname", columns.Name),
    sa.Column("image_ref", columns.Name),
    # The flavor as it was at creation; plain fields, no version envelope.
    sa.Column("flavor", columns.Json, nullable=False),
    sa.Column("vm_state", sa.String(32), nullable=False),
    sa.Column("task_state", sa.String(64)),
    sa.Column("power_state", sa.Integer, nullable=False),
    sa.Column("host", columns.Name),
    sa.Column("node", columns.Name),
    sa.Column("launched_on", columns.Name),
    sa.Column("availability_zone", columns.Name),
    sa.Column("root_device_name", columns.Name),
    sa.Column("config_drive", sa.Boolean, nullable=False),
    sa.Column("key_name", columns.Name),
    sa.Column("key_data", columns.LongText),
    sa.Column("user_data", columns.LongText),
    sa.Column("access_ip_v4", sa.String(39)),
    sa.Column("access_ip_v6", sa.String(39)),
    sa.Column("locked", sa.Boolean, nullable=False),
    sa.Column("metadata", columns.Json, nullable=False),
    sa.Column("system_metadata", columns.Json, nullable=False),
    sa.Column("tags", columns.Json, nullable=False),
    sa.Column("created_at", columns.Timestamp, nullable=False),
    sa.Column("updated_at", columns.Timestamp),
    sa.Column("launched_at", columns.Timestamp),
    sa.Column("terminated_at", columns.Timestamp),
    sa.Column("deleted", sa.Boolean, nullable=False),
    # The journal entry that owns task_state now.
    sa.Column("operation_id", columns.Uuid),
    sa.Index("ix_instances_project_created", "project_id", "deleted", "created_at"),
    sa.Index("ix_instances_host", "host", "deleted"),
)

block_device_mapping = sa.Table(
    "block_device_mapping",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("uuid", columns.Uuid, nullable=False, unique=True),
    sa.Column("instance_uuid", columns.Uuid, nullable=False, index=True),
    sa.Column("source_type", sa.String(32)),
    sa.Column("destination_type", sa.String(32)),
    sa.Column("guest_format", columns.Name),
    sa.Column("device_type", columns.Name),
    sa.Column("disk_bus", columns.Name),
    sa.Column("boot_index", sa.Integer),
    sa.Column("device_name", columns.Name),
    sa.Column("delete_on_termination", sa.Boolean, nullable=False),
    sa.Column("snapshot_id", columns.Uuid),
    sa.Column("volume_id", columns.Uuid, index=True),
    sa.Column("volume_size", sa.Integer),
    sa.Column("image_id", columns.Uuid),
    sa.Column("no_device", sa.Boolean, nullable=False),
    # JSON text with secrets: never logged.
    sa.Column("connection_info", columns.LongText),
    sa.Column("tag", columns.Name),
    sa.Column("attachment_id", columns.Uuid),
    sa.Column("volume_type", columns.Name),
    sa.Column("phase", sa.String(32)),
    # The same volume twice on one server is impossible, whatever races.
    sa.UniqueConstraint("instance_uuid", "volume_id", name="uniq_bdm_instance_volume"),
    sa.UniqueConstraint("instance_uuid", "device_name", name="uniq_bdm_instance_device"),
)

# The journal. It backs os-instance-actions.
instance_actions = sa.Table(
    "instance_actions",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("operation_id", columns.Uuid, nullable=False, unique=True),
    sa.Column("instance_uuid", columns.Uuid, nullable=False, index=True),
    sa.Column("action", sa.String(64), nullable=False),
    sa.Column("request_id", columns.Name),
    sa.Column("project_id", columns.Name),
    sa.Column("user_id", columns.Name),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("owner", columns.Name),
    sa.Column("step", sa.String(64)),
    sa.Column("message", columns.LongText),
    # What it needs to be done again: alternates, volume and attachment ids.
    sa.Column("arguments", columns.Json, nullable=False),
    # The request's context, without its token.
    sa.Column("context", columns.Json, nullable=False),
    sa.Column("started_at", columns.Timestamp, nullable=False),
    sa.Column("heartbeat_at", columns.Timestamp, nullable=False),
    sa.Column("finished_at", columns.Timestamp),
    sa.Index("ix_instance_actions_status", "status", "heartbeat_at"),
    sa.Index("ix_instance_actions_owner", "owner", "status"),
)

instance_actions_events = sa.Table(
    "instance_actions_events",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("operation_id", columns.Uuid, nullable=False, index=True),
    sa.Column("name", sa.String(64), nullable=False),
    sa.Column("started_at", columns.Timestamp, nullable=False),
    sa.Column("finished_at", columns.Timestamp),
    sa.Column("result", sa.String(16)),
    sa.Column("message", columns.LongText),
    sa.Column("host", columns.Name),
)

instance_faults = sa.Table(
    "instance_faults",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("instance_uuid", columns.Uuid, nullable=False, index=True),
    sa.Column("code", sa.Integer, nullable=False),
    sa.Column("message", columns.LongText, nullable=False),
    sa.Column("details", columns.LongText),
    sa.Column("created_at", columns.Timestamp, nullable=False),
)
