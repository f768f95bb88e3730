"""Chooses hosts: rules, ranking, and the claim that decides."""

import collections.abc
import logging
import random

from oslo_config import cfg

from nova_lite import context
from nova_lite import objects
from nova_lite.db import session
from nova_lite.db.queries.allocations import Resources
from nova_lite.scheduler import allocations
from nova_lite.scheduler import filters
from nova_lite.scheduler import host_state
from nova_lite.scheduler import verdicts
from nova_lite.scheduler import weighers
from nova_lite.scheduler.allocations import local

LOG = logging.getLogger(__name__)

_LOST = filters.Refusal("taken meanwhile", "another request was faster")


class SchedulerManager:
    """Any number of schedulers may work at the same time: what they read is
    advice, and only the ledger's claim decides.

    :param conf: the configuration.
    :param database: the databases.
    :param ledger: where to claim; None is our own database.
    """

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        database: session.Database,
        ledger: allocations.AllocationLedger | None = None,
    ) -> None:
        self._database = database
        self._ledger = ledger or local.LocalLedger(database)
        self._filters = filters.load(conf)
        self._weighers = weighers.load(conf)
        self._subset_size = conf.scheduler.host_subset_size

    def select_destinations(
        self,
        ctxt: context.RequestContext,
        request_specs: list[objects.RequestSpec],
        alternates: int,
    ) -> list[list[objects.Selection]]:
        """Find a host for each server, claim it, and name alternates.

        What the servers hold from an earlier try is given back first, so the
        call can be made again. (A server that must keep what it holds, for a
        migration, hands it over to the migration before.)

        :param alternates: how many further hosts to name a server, at most.
        :returns: for each server its host, claimed, and then the alternates,
            which are not.
        :raises NoValidHost: some server found no host; nothing stays claimed.
            ``facts["verdicts"]`` has the verdict a host.
        """
        consumers = [spec.instance_uuid for spec in request_specs]
        with self._database.api.read() as connection:
            snapshot = host_state.read(connection, consumers)
        hosts = dict(snapshot.hosts)
        for consumer in {allocation.consumer_uuid for allocation in snapshot.held}:
            self._ledger.release(consumer)
        for held in snapshot.held:
            hosts[held.node_uuid] = hosts[held.node_uuid].before(held.resources)

        answer: list[list[objects.Selection]] = []
        try:
            for spec in request_specs:
                answer.append(self._place(spec, hosts, alternates, answer, len(request_specs)))
        except BaseException:
            self._give_back(consumers[: len(answer) + 1])
            raise
        return answer

    def explain_destinations(
        self, ctxt: context.RequestContext, request_spec: objects.RequestSpec
    ) -> list[objects.HostVerdict]:
        """What would be said of each host now; nothing is claimed.

        :returns: the suitable hosts, best first, and then the refused ones.
        """
        with self._database.api.read() as connection:
            snapshot = host_state.read(connection, [request_spec.instance_uuid])
        refused = verdicts.Verdicts()
        suitable = self._ranked(request_spec, dict(snapshot.hosts).values(), refused)
        return [
            objects.HostVerdict(host=host.host, reason="suitable") for host in suitable
        ] + refused.as_objects()

    def _place(
        self,
        spec: objects.RequestSpec,
        hosts: dict[str, host_state.HostState],
        alternates: int,
        placed: collections.abc.Sized,
        wanted: int,
    ) -> list[objects.Selection]:
        """Claim the best host for one server; ``hosts`` is kept up to date."""
        refused = verdicts.Verdicts()
        candidates = self._ranked(spec, hosts.values(), refused)
        resources = Resources(spec.vcpus, spec.memory_mib, spec.disk_gib)
        for position, host in enumerate(candidates):
            if self._ledger.claim(spec.instance_uuid, host.node_uuid, resources):
                hosts[host.node_uuid] = host.after(resources)
                others = candidates[position + 1 : position + 1 + alternates]
                return [_selection(chosen) for chosen in (host, *others)]
            LOG.info("Host %s was filled by another request; trying the next one", host.host)
            refused.add(host.host, "claim", _LOST)
        raise refused.error(placed=len(placed), wanted=wanted)

    def _ranked(
        self,
        spec: objects.RequestSpec,
        hosts: collections.abc.Iterable[host_state.HostState],
        refused: verdicts.Verdicts,
    ) -> list[host_state.HostState]:
        """The hosts that pass all rules, best first; the others' verdicts are
        added to ``refused``."""
        passed = []
        for host in hosts:
            refusal = filters.first_refusal(self._filters, host, spec)
            if refusal is None:
                passed.append(host)
            else:
                refused.add(host.host, *refusal)
        # Schedulers that see equal hosts should not all try the same one.
        random.shuffle(passed)
        ranked = weighers.best_first(self._weighers, passed)
        if ranked and self._subset_size > 1:
            ranked.insert(0, ranked.pop(random.randrange(min(self._subset_size, len(ranked)))))
        return ranked

    def _give_back(self, consumers: collections.abc.Iterable[str]) -> None:
        for consumer in consumers:
            try:
                self._ledger.release(consumer)
            except Exception:
                # The error that brought us here is the one to raise. Deleting
                # the server releases it too, and the audit shows it until then.
                LOG.exception("Could not give back what was claimed for %s", consumer)


def _selection(host: host_state.HostState) -> objects.Selection:
    return objects.Selection(
        host=host.host,
        node=host.node,
        node_uuid=host.node_uuid,
        availability_zone=host.availability_zone,
    )
