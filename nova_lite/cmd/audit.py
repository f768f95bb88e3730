"""``nova-lite-manage audit`` and ``nova-lite-manage storage trace``.

They need what the conductor needs: its configuration, the databases, the message
broker, and Cinder's service user.
"""

import argparse
import collections.abc
import contextlib
import json
import typing

from oslo_config import cfg

from nova_lite import context
from nova_lite import exceptions
from nova_lite.audit import collect
from nova_lite.audit import kinds
from nova_lite.audit import looks
from nova_lite.audit import repair
from nova_lite.audit import report
from nova_lite.audit import trace
from nova_lite.audit import trace_text
from nova_lite.db import session
from nova_lite.image import glance
from nova_lite.rpc import compute as compute_rpc
from nova_lite.rpc import transport
from nova_lite.volume import cinder

CLEAN = 0
DRIFT = 3
"""Exit status when something disagrees; 1 is a command that could not be done."""


def run_audit(
    conf: cfg.ConfigOpts, database: session.Database, arguments: argparse.Namespace
) -> int:
    """Audit, repair what was asked for, and audit again.

    :returns: :data:`CLEAN`, or :data:`DRIFT` if anything disagrees in the end.
    :raises nova_lite.exceptions.InvalidInput: a kind does not exist, or the host or
        server to audit.
    """
    wanted = _kinds(arguments.repair)
    with _collector(conf, database) as collector:

        def audit() -> looks.Result:
            return looks.audit(
                collector,
                pause_s=conf.audit.pause_s,
                host=arguments.host,
                server=arguments.server,
            )

        result, repaired = audit(), []
        looks.check_scope(result, host=arguments.host, server=arguments.server)
        if wanted:
            repaired = repair.Repairer(collector).repair(result.findings, wanted)
            if repaired:
                result = audit()
    if arguments.json:
        print(json.dumps(report.json_value(result, repaired), indent=1))
    else:
        print(report.text(result, repaired), end="")
    return CLEAN if result.is_clean else DRIFT


def list_kinds() -> int:
    """Print every kind with its severity, title and repair."""
    for kind in kinds.KINDS.values():
        print(f"{kind.id:26} {kind.severity:9} {kind.title}")
        if kind.repair:
            print(f"{'':36} --repair {kind.repair}")
    return CLEAN


def run_trace(
    conf: cfg.ConfigOpts, database: session.Database, arguments: argparse.Namespace
) -> int:
    """Show where the server's storage comes from and who has it.

    :returns: :data:`CLEAN`, or :data:`DRIFT` if two sources disagree.
    :raises nova_lite.exceptions.InstanceNotFound: no such server.
    """
    with _collector(conf, database) as collector:
        traced = trace.Tracer(collector, glance.GlanceClient(conf)).trace(
            context.admin_context(), arguments.server
        )
    print(json.dumps(traced, indent=1) if arguments.json else trace_text.text(traced), end="")
    if arguments.json:
        print()
    return DRIFT if traced["disagreements"] else CLEAN


@contextlib.contextmanager
def _collector(
    conf: cfg.ConfigOpts, database: session.Database
) -> collections.abc.Iterator[collect.Collector]:
    bus = transport.Transport(conf)
    try:
        compute = compute_rpc.ComputeClient(bus)
        yield collect.Collector(conf, database, cinder.CinderClient(conf), compute)
    finally:
        bus.close()


def _kinds(asked: typing.Sequence[str] | None) -> set[str]:
    """The kinds to repair.

    :raises nova_lite.exceptions.InvalidInput: one does not exist or has no repair.
    """
    wanted = set(asked or ())
    if repair.ALL_SAFE in wanted:
        return set(repair.REPAIRABLE)
    unknown = sorted(wanted - set(repair.REPAIRABLE))
    if unknown:
        known = ", ".join((repair.ALL_SAFE, *repair.REPAIRABLE))
        raise exceptions.InvalidInput(
            reason=f"there is no repair of {', '.join(unknown)}; choose among {known}"
        )
    return wanted
