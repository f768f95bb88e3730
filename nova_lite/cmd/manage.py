"""``nova-lite-manage``: what an administrator does to the databases.

It talks to the databases directly, so it works when no daemon runs.
"""

import argparse
import collections.abc
import datetime
import sys
import typing

if typing.TYPE_CHECKING:
    from oslo_config import cfg

    from nova_lite.db import session

_PURGE_BATCH = 500


class CannotGoOn(Exception):
    """An administrator has something to do first; the text says what."""


def main(argv: collections.abc.Sequence[str] | None = None) -> int:
    """Run one command.

    :param argv: arguments without the program's name; None takes sys.argv's.
    :returns: 0; 1 if the command failed (or ``allocations audit`` found something);
        3 if ``audit`` or ``storage trace`` found that two sources disagree.
    """
    arguments = _parser().parse_args(argv)
    from oslo_config import cfg

    from nova_lite import conf as configuration

    try:
        conf = configuration.new(files=arguments.config_file)
        return _run(conf, arguments)
    except (CannotGoOn, cfg.Error) as error:
        print(f"nova-lite-manage: {error}", file=sys.stderr)
        return 1


def _run(conf: "cfg.ConfigOpts", arguments: argparse.Namespace) -> int:
    """Run the command, and say what an error of the database means."""
    import sqlalchemy as sa

    from nova_lite import exceptions

    try:
        status: int = arguments.run(conf, arguments)
    except exceptions.DatabaseUrlInvalid as error:
        raise CannotGoOn(f"{error}. {_read_files(conf)}") from error
    except exceptions.NovaLiteError as error:
        raise CannotGoOn(str(error)) from error
    except sa.exc.OperationalError as error:
        raise CannotGoOn(
            f"the database does not answer: {error.orig}\n"
            "Is the server running, and are connection and api_connection in section "
            f"[database] right? {_read_files(conf)}"
        ) from error
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="nova-lite-manage", description="Looks after the databases of nova-lite."
    )
    parser.add_argument(
        "--config-file",
        action="append",
        metavar="FILE",
        help="configuration to read, may be given several times (default: nova_lite.conf in "
        "~/.nova_lite, /etc/nova_lite and the like)",
    )
    groups = parser.add_subparsers(title="what to look after", metavar="GROUP", required=True)

    db = _group(groups, "db", "tables of the two databases")
    _command(db, "sync", _db_sync, "create the tables, or bring them up to this release")
    _command(db, "version", _db_version, "revision of each database")
    purge = _command(db, "purge", _db_purge, "remove for good what deleted servers left behind")
    purge.add_argument(
        "--before",
        required=True,
        type=_date,
        metavar="DATE",
        help="servers deleted before this day, UTC (YYYY-MM-DD)",
    )

    cell = _group(groups, "cell", "cells")
    _command(cell, "list", _cell_list, "list the cells")
    host = _group(groups, "host", "compute hosts")
    _command(host, "list", _host_list, "list the compute hosts and how full they are")
    service = _group(groups, "service", "daemons")
    _command(service, "list", _service_list, "list the daemons and whether they answer")

    allocations = _group(groups, "allocations", "the ledger of what servers hold of hosts")
    audit = _command(
        allocations, "audit", _allocations_audit, "compare the ledger with hosts and servers"
    )
    audit.add_argument(
        "--repair", action="store_true", help="put right what is wrong (default: only report it)"
    )
    _add_audit(groups)
    storage = _group(groups, "storage", "where servers keep their data")
    trace = _command(
        storage,
        "trace",
        _storage_trace,
        "show a server's disks from the image to who has them open, and mark where two "
        "sources disagree",
    )
    trace.add_argument("server", metavar="SERVER", help="the server's id")
    trace.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _add_audit(groups: typing.Any) -> None:
    audit = _command(
        groups,
        "audit",
        _audit,
        "compare databases, Cinder, hosts and the ledger. Exit status: 0 nothing disagrees, "
        "1 the audit could not be made, 3 something disagrees",
    )
    audit.add_argument(
        "--repair",
        nargs="+",
        metavar="KIND",
        help="repair findings of these kinds, or of 'all-safe' (default: only report)",
    )
    audit.add_argument("--host", help="report only what is about this compute host")
    audit.add_argument("--server", help="report only what is about this server (its id)")
    audit.add_argument("--json", action="store_true", help="print JSON")
    audit.add_argument(
        "--list-kinds", action="store_true", help="list what can be found and repaired; no audit"
    )


def _group(groups: typing.Any, name: str, text: str) -> typing.Any:
    group = groups.add_parser(name, help=text, description=f"{text.capitalize()}.")
    return group.add_subparsers(title="commands", metavar="COMMAND", required=True)


def _command(
    group: typing.Any,
    name: str,
    run: collections.abc.Callable[["cfg.ConfigOpts", argparse.Namespace], int],
    text: str,
) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = group.add_parser(
        name, help=text, description=f"{text.capitalize()}."
    )
    command.set_defaults(run=run)
    return command


def _date(text: str) -> datetime.datetime:
    try:
        return datetime.datetime.strptime(text, "%Y-%m-%d")
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a day like 2026-01-31") from None


def _db_sync(conf: "cfg.ConfigOpts", _arguments: argparse.Namespace) -> int:
    from nova_lite.db import migrations

    for branch, before in migrations.sync(conf).items():
        now = migrations.head(branch)
        done = "is up to date" if before == now else f"upgraded from {before or 'nothing'}"
        print(f"{branch}: {now} ({done})")
    return 0


def _db_version(conf: "cfg.ConfigOpts", _arguments: argparse.Namespace) -> int:
    from nova_lite.db import migrations

    behind = False
    for branch in migrations.BRANCHES:
        now, head = migrations.current(conf, branch), migrations.head(branch)
        behind |= now != head
        print(f"{branch}: {now or 'no tables yet'} (this release: {head})")
    if behind:
        print("Run 'nova-lite-manage db sync' to bring them together.")
    return 0


def _db_purge(conf: "cfg.ConfigOpts", arguments: argparse.Namespace) -> int:
    from nova_lite.db.queries import purge

    if arguments.before > datetime.datetime.now(datetime.UTC).replace(tzinfo=None):
        raise CannotGoOn("--before is in the future; name a day that is over.")
    database = _database(conf)
    sweep_interval = datetime.timedelta(seconds=conf.compute.resource_report_interval_s)
    with database.api.read() as connection:
        hosts = purge.swept_until(connection, arguments.before, sweep_interval)
    removed = 0
    while True:
        with database.cell.read() as connection:
            servers = purge.deleted_servers(connection, arguments.before, _PURGE_BATCH, hosts)
        if not servers:
            break
        # The cell last: if this is interrupted, the next run finds them again.
        database.api.transact(purge.purge_request_specs, servers)
        database.cell.transact(purge.purge_servers, servers)
        removed += len(servers)
    print(f"Removed {removed} deleted servers with their block devices, faults and journal.")
    with database.cell.read() as connection:
        kept = purge.awaited(connection, arguments.before, hosts)
    for name, count in kept.items():
        print(
            f"Kept {count} that {name} has not been up to clean up. They can be removed once "
            "it was, or once its service is deleted because it is gone for good."
        )
    return 0


def _cell_list(conf: "cfg.ConfigOpts", _arguments: argparse.Namespace) -> int:
    from nova_lite.db.queries import cells

    with _database(conf).api.read() as connection:
        rows = [
            (cell.name, cell.uuid, "disabled" if cell.disabled else "enabled")
            for cell in cells.list_all(connection)
        ]
    _print_table(("NAME", "UUID", "STATUS"), rows)
    return 0


def _host_list(conf: "cfg.ConfigOpts", _arguments: argparse.Namespace) -> int:
    from nova_lite.db.queries import cells
    from nova_lite.db.queries import nodes

    with _database(conf).api.read() as connection:
        cell_of = {mapping.host: mapping.cell_name for mapping in cells.list_hosts(connection)}
        rows = [
            (
                node.host,
                cell_of.get(node.host, "-"),
                node.running_vms,
                _usage(node, "vcpus"),
                _usage(node, "memory_mib"),
                _usage(node, "disk_gib"),
            )
            for node in nodes.list_all(connection)
        ]
    _print_table(("HOST", "CELL", "SERVERS", "VCPUS", "MEMORY MIB", "DISK GIB"), rows)
    return 0


def _usage(node: typing.Any, resource: str) -> str:
    total, reserved = getattr(node, resource), getattr(node, f"{resource}_reserved")
    sold = int((total - reserved) * getattr(node, f"{resource}_ratio"))
    return f"{getattr(node, f'{resource}_used')}/{sold}"


def _service_list(conf: "cfg.ConfigOpts", _arguments: argparse.Namespace) -> int:
    from oslo_utils import timeutils

    from nova_lite.db.queries import services

    now = timeutils.utcnow()
    with _database(conf).api.read() as connection:
        rows = [
            (
                service.binary,
                service.host,
                service.availability_zone or "-",
                "disabled" if service.disabled else "enabled",
                "up" if services.is_up(service, now, conf.service_down_time_s) else "down",
                service.last_seen_up.isoformat(" ", "seconds")
                if service.last_seen_up
                else "never",
            )
            for service in services.list_all(connection)
        ]
    _print_table(("BINARY", "HOST", "ZONE", "STATUS", "STATE", "LAST SEEN (UTC)"), rows)
    return 0


def _allocations_audit(conf: "cfg.ConfigOpts", arguments: argparse.Namespace) -> int:
    from nova_lite.db.queries import allocations

    database = _database(conf)
    if arguments.repair:
        found = database.api.transact(allocations.repair)
    else:
        with database.api.read() as connection:
            found = allocations.audit(connection)
    for orphan in found.orphans:
        print(f"{orphan.consumer_uuid} holds a share of node {orphan.node_uuid}: {orphan.reason}")
    for drift in found.drifts:
        print(
            f"{drift.host}: {drift.resource} counts {drift.recorded} as used, "
            f"allocations add up to {drift.allocated}"
        )
    wrong = len(found.orphans) + len(found.drifts)
    if not wrong:
        print("Nothing is wrong.")
    elif arguments.repair:
        print(f"{wrong} findings; all repaired.")
    else:
        print(f"{wrong} findings. 'nova-lite-manage allocations audit --repair' puts them right.")
    return 1 if wrong and not arguments.repair else 0


def _audit(conf: "cfg.ConfigOpts", arguments: argparse.Namespace) -> int:
    from nova_lite.cmd import audit

    if arguments.list_kinds:
        return audit.list_kinds()
    return audit.run_audit(conf, _database(conf), arguments)


def _storage_trace(conf: "cfg.ConfigOpts", arguments: argparse.Namespace) -> int:
    from nova_lite.cmd import audit

    return audit.run_trace(conf, _database(conf), arguments)


def _database(conf: "cfg.ConfigOpts") -> "session.Database":
    """The databases, if they are what this release expects."""
    from nova_lite.db import migrations
    from nova_lite.db import session

    for branch in migrations.BRANCHES:
        now, head = migrations.current(conf, branch), migrations.head(branch)
        if now != head:
            has = f"is at revision {now}" if now else "has no tables"
            raise CannotGoOn(
                f"the {branch} database {has}, this release needs {head}: "
                f"run 'nova-lite-manage db sync'. {_read_files(conf)}"
            )
    return session.Database(conf)


def _read_files(conf: "cfg.ConfigOpts") -> str:
    files = conf.config_file or []
    return f"(Configuration: {', '.join(files) or 'no file was found; defaults are used'}.)"


def _print_table(
    heads: collections.abc.Sequence[str],
    rows: collections.abc.Sequence[collections.abc.Sequence[object]],
) -> None:
    lines = [list(heads), *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        print("  ".join(cells).rstrip())


if __name__ == "__main__":
    sys.exit(main())
