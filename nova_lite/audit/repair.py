"""The repairs that are safe: each repeatable, and made only after a fresh look.

A repair goes through the door that normal work uses (the ledger, Cinder, the server's
host). No disk is taken from a guest, and nothing that holds a user's data is deleted.
What was done to a server that exists is an entry of its journal.
"""

import collections.abc
import dataclasses
import datetime
import logging

from oslo_utils import timeutils

from nova_lite import context
from nova_lite import exceptions
from nova_lite import objects
from nova_lite import states
from nova_lite.audit import collect
from nova_lite.audit import facts
from nova_lite.audit import finding
from nova_lite.audit import kinds
from nova_lite.audit import looks
from nova_lite.db import session
from nova_lite.db.queries import allocations
from nova_lite.db.queries import audit as queries
from nova_lite.db.queries import build_requests
from nova_lite.db.queries import instances
from nova_lite.db.queries import operations
from nova_lite.volume import host_side

LOG = logging.getLogger(__name__)

ACTION = "audit_repair"
ALL_SAFE = "all-safe"
REPAIRABLE = tuple(kind.id for kind in kinds.KINDS.values() if kind.repair)


@dataclasses.dataclass(frozen=True)
class Repaired:
    """What became of the repair of a finding."""

    finding: finding.Finding
    error: str | None = None
    """Why it was not repaired."""


class NotNeeded(Exception):
    """A fresh look does not see the finding any more."""


class Repairer:
    """Repairs findings, one after the other."""

    def __init__(self, collector: collect.Collector) -> None:
        self._collector = collector
        self._database = collector.database
        self._repairs: dict[
            str,
            collections.abc.Callable[[context.RequestContext, finding.Finding, facts.Facts], None],
        ] = {
            "task-of-nobody": self._end_task,
            "power-state": self._write_power_state,
            "attachment-of-nobody": self._delete_attachment,
            "attachment-not-completed": self._complete_attachment,
            "definition-differs": self._plug_again,
            "guest-of-deleted-server": self._sweep,
            "files-of-deleted-server": self._sweep,
            "allocation-of-nobody": self._give_back,
            "allocation-missing": self._claim,
            "allocation-differs": self._claim,
            "ledger-count": self._recount,
            "quota-of-nobody": self._forget,
        }

    def repair(
        self,
        found: collections.abc.Iterable[finding.Finding],
        wanted: collections.abc.Container[str],
    ) -> list[Repaired]:
        """Repair the findings whose kinds are ``wanted``; one that fails does not
        keep the others.

        :returns: what became of each that could be repaired.
        """
        done = []
        for each in found:
            if each.kind not in wanted or each.kind not in self._repairs:
                continue
            if not each.is_repairable:
                done.append(Repaired(each, "this one needs a person to decide"))
                continue
            done.append(self._repair(each))
        return done

    def _repair(self, each: finding.Finding) -> Repaired:
        ctxt = context.admin_context()
        began_at = timeutils.utcnow()
        error = None
        try:
            self._repairs[each.kind](ctxt, self._again(each), self._seen)
        except NotNeeded:
            return Repaired(each)
        except exceptions.NovaLiteError as failure:
            error = failure.message
        LOG.info("Repair of %s: %s", each.says, error or "done")
        self._record(ctxt, each, began_at, error)
        return Repaired(each, error)

    def _again(self, each: finding.Finding) -> finding.Finding:
        """The finding as a fresh look sees it.

        :raises NotNeeded: it does not.
        """
        self._seen = self._collector.look()
        for found in looks.compare(self._seen):
            if found.key == each.key:
                if not found.is_repairable:
                    raise exceptions.Conflict(reason="it has changed since, and is not safe")
                return found
        raise NotNeeded

    def _record(
        self,
        ctxt: context.RequestContext,
        each: finding.Finding,
        began_at: datetime.datetime,
        error: str | None,
    ) -> None:
        server_uuid = each.subject("server")
        server = self._seen.cell.servers.get(server_uuid or "")
        if server is None:
            return
        operation = operations.new(ctxt, server.uuid, ACTION, "audit", each.kind)
        operation.project_id = server.project_id
        operation.started_at, operation.finished_at = began_at, timeutils.utcnow()
        status = states.OperationStatus.ERROR if error else states.OperationStatus.SUCCESS
        operation.status = str(status)
        # A finding names hosts, which are for administrators, as a step's message is.
        title = kinds.KINDS[each.kind].title
        operation.message = f"{title}. {'Not repaired' if error else 'Repaired'}"
        step = objects.Step(
            name=each.kind,
            started_at=began_at,
            finished_at=operation.finished_at,
            result="Error" if error else "Success",
            message=f"{each.says}: {error}" if error else each.says,
            host=each.subject("host"),
        )

        def write(tx: session.Connection) -> None:
            operations.insert(tx, ctxt, [operation])
            operations.add_steps(tx, operation, [step])

        self._database.cell.transact(write)

    # The repairs

    def _end_task(
        self, ctxt: context.RequestContext, each: finding.Finding, seen: facts.Facts
    ) -> None:
        settled = self._database.cell.transact(
            queries.settle_task,
            seen.cell.servers[_id(each, "server")],
            silent_since=seen.now,
            message="Its build was lost: nobody was building it any more. Delete the server.",
        )
        if not settled:
            raise exceptions.Conflict(reason="the server changed meanwhile")

    def _write_power_state(
        self, ctxt: context.RequestContext, each: finding.Finding, seen: facts.Facts
    ) -> None:
        uuid = _id(each, "server")
        (place,) = seen.places[uuid]
        with self._database.cell.read() as tx:
            instances.update(tx, uuid, power_state=place.guest.power_state)

    def _delete_attachment(
        self, ctxt: context.RequestContext, each: finding.Finding, seen: facts.Facts
    ) -> None:
        """No device can get hold of it meanwhile: a device's attachment is always one
        that was made for it."""
        self._collector.cinder.delete_attachment(ctxt, _id(each, "attachment"))

    def _complete_attachment(
        self, ctxt: context.RequestContext, each: finding.Finding, seen: facts.Facts
    ) -> None:
        self._collector.cinder.complete_attachment(ctxt, _id(each, "attachment"))

    def _plug_again(
        self, ctxt: context.RequestContext, each: finding.Finding, seen: facts.Facts
    ) -> None:
        server, serial = _id(each, "server"), _id(each, "volume")
        device = next(
            d
            for d in seen.cell.devices
            if d.instance_uuid == server and host_side.serial_of(d) == serial
        )
        self._collector.compute.plug_again(ctxt, _id(each, "host"), server, device)

    def _sweep(
        self, ctxt: context.RequestContext, each: finding.Finding, seen: facts.Facts
    ) -> None:
        """The host asks the conductor once more which of its servers are deleted."""
        self._collector.compute.sweep(ctxt, _id(each, "host"))

    def _give_back(
        self, ctxt: context.RequestContext, each: finding.Finding, seen: facts.Facts
    ) -> None:
        self._database.api.transact(allocations.release, _id(each, "server"), _id(each, "node"))

    def _claim(
        self, ctxt: context.RequestContext, each: finding.Finding, seen: facts.Facts
    ) -> None:
        """A server that is on no host gives back only."""
        uuid, host = _id(each, "server"), each.subject("host")
        nodes = [node for node, its_host in seen.api.nodes.items() if its_host == host]

        def claim(tx: session.Connection) -> None:
            allocations.release(tx, uuid)
            for node in nodes[:1]:
                allocations.claim(tx, uuid, node, seen.api.wanted[uuid])

        self._database.api.transact(claim)

    def _recount(
        self, ctxt: context.RequestContext, each: finding.Finding, seen: facts.Facts
    ) -> None:
        self._database.api.transact(allocations.recount)

    def _forget(
        self, ctxt: context.RequestContext, each: finding.Finding, seen: facts.Facts
    ) -> None:
        self._database.api.transact(build_requests.forget, _id(each, "server"))


def _id(each: finding.Finding, name: finding.Subject) -> str:
    value = each.subject(name)
    if value is None:
        raise ValueError(f"a finding of {each.kind} names no {name}")
    return value
