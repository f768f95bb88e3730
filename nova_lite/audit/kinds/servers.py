"""Servers against the journal and the API database."""

from nova_lite import states
from nova_lite.audit import facts
from nova_lite.audit import finding
from nova_lite.audit.finding import found
from nova_lite.audit.finding import kind
from nova_lite.audit.finding import Severity


@kind(
    "task-of-nobody",
    Severity.ERROR,
    "A server is in a task that no operation does",
    consequence="It stays so for ever, and its user can do nothing but delete it.",
    advice="'openstack server event list {server}' shows what was done last.",
    repair="ends the task; a server that was never built goes to ERROR, with a reason",
)
def _task_of_nobody(all_facts: facts.Facts) -> finding.Yields:
    for server in all_facts.resting:
        is_building = server.vm_state == states.VmState.BUILDING
        if server.task_state or server.operation_id or is_building:
            says = f"Server {server.uuid} is {server.vm_state}, task "
            says += f"{server.task_state or 'none'}; the journal has no running operation of it"
            yield found(
                "task-of-nobody",
                says,
                server.task_state,
                server.operation_id,
                server=server.uuid,
            )


@kind(
    "operation-silent",
    Severity.ERROR,
    "An operation is under way and has shown no sign of life for long",
    consequence="It should have been taken up or ended: no conductor runs, or its host is down.",
    advice="See that a conductor runs, and {host} if that is a host. An operation that had begun "
    "there waits for it.",
)
def _operation_silent(all_facts: facts.Facts) -> finding.Yields:
    for operation in all_facts.cell.running:
        if operation.instance_uuid not in all_facts.cell.servers:
            continue
        silence_s = (all_facts.now - operation.heartbeat_at).total_seconds()
        if silence_s > all_facts.silence_s:
            says = f"'{operation.action}' of server {operation.instance_uuid} is at "
            says += f"'{operation.step}' on {operation.owner}, silent for {silence_s:.0f} s"
            yield found(
                "operation-silent",
                says,
                operation.attempt,
                server=operation.instance_uuid,
                operation=operation.id,
                host=operation.owner,
            )


@kind(
    "quota-of-nobody",
    Severity.WARNING,
    "A server that does not exist counts in its project's quota",
    consequence="The project can use less than it may.",
    advice="'openstack quota show --usage PROJECT' shows what counts.",
    repair="forgets it",
)
def _quota_of_nobody(all_facts: facts.Facts) -> finding.Yields:
    for uuid, project_id in sorted(all_facts.api.mapped.items()):
        if uuid in all_facts.cell.servers or uuid in all_facts.api.asked_for:
            continue
        if uuid not in all_facts.moving:
            says = f"Project {project_id} is charged for server {uuid}, which does not exist"
            yield found("quota-of-nobody", says, server=uuid)


@kind(
    "quota-not-charged",
    Severity.WARNING,
    "A server does not count in its project's quota",
    consequence="The project can use more than it may.",
    advice="The API database has lost its mapping: restore it from a backup.",
)
def _not_charged(all_facts: facts.Facts) -> finding.Yields:
    for server in all_facts.resting:
        if server.uuid not in all_facts.api.mapped:
            says = f"Server {server.uuid} of project {server.project_id} counts in no quota"
            yield found("quota-not-charged", says, server=server.uuid)
