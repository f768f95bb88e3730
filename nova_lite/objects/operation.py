"""The journal: what is being done to a server, by whom, and how far it is."""

from oslo_versionedobjects import fields

from nova_lite.objects import wire


@wire.register
class Step(wire.WireObject):
    """One step of an operation: a row of os-instance-actions' events.

    ``undo`` holds the ids that are needed to undo the step's outside effect
    when the process dies (``{"attachment_id": ...}``).
    """

    VERSION = "1.0"
    fields = {
        "name": fields.StringField(),
        "started_at": wire.MomentField(),
        "finished_at": wire.MomentField(nullable=True),
        "result": fields.StringField(nullable=True),  # Success or Error
        "message": fields.StringField(nullable=True),
        "host": fields.StringField(nullable=True),
        "undo": wire.JsonField(default={}),
    }


@wire.register
class Operation(wire.WireObject):
    """One entry of the journal: a row of os-instance-actions.

    ``attempt`` counts the hosts (or restarts) that have tried it; together
    with ``id`` it is the ticket a process must show to go on with it.
    """

    VERSION = "1.0"
    fields = {
        "id": fields.UUIDField(),
        "instance_uuid": fields.UUIDField(),
        "action": fields.StringField(),
        "request_id": fields.StringField(nullable=True),
        "project_id": fields.StringField(nullable=True),
        "user_id": fields.StringField(nullable=True),
        "status": fields.StringField(default="running"),
        "attempt": fields.IntegerField(default=1),
        # Who does it now: a compute host, or "conductor".
        "owner": fields.StringField(nullable=True),
        "step": fields.StringField(nullable=True),
        "started_at": wire.MomentField(nullable=True),
        "heartbeat_at": wire.MomentField(nullable=True),
        "finished_at": wire.MomentField(nullable=True),
        "message": fields.StringField(nullable=True),
        # Arguments needed to do it again (volume_id, alternates ...).
        "arguments": wire.JsonField(default={}),
        "steps": fields.ListOfObjectsField("Step", default=[]),
    }

    @property
    def superseded(self) -> list["Operation"]:
        """What was under way when a delete took the server, action and arguments only:
        whoever deletes ends it where others wait for its end."""
        return [
            Operation(instance_uuid=self.instance_uuid, **stopped)
            for stopped in self.arguments.get("superseded", [])
        ]
