"""Configuration options, one file a section.

There is no global ``CONF``: :func:`new` makes an object that is handed to
constructors, so that several services live in one process (all-in-one, tests).
Each module of the package has ``GROUP`` (None for ``[DEFAULT]``) and ``OPTS``.
"""

import collections.abc
import importlib
import typing

from oslo_config import cfg

import nova_lite

SECTIONS = (
    "api",
    "audit",
    "cinder",
    "compute",
    "conductor",
    "database",
    "fake",
    "glance",
    "image_cache",
    "key_manager",
    "libvirt",
    "quota",
    "rpc",
    "scheduler",
    "service",
    "service_user",
    "standalone",
)


def list_opts() -> list[tuple[str | None, list[cfg.Opt]]]:
    """Every option by group, for oslo-config-generator."""
    opts = []
    for section in SECTIONS:
        module = importlib.import_module(f"nova_lite.conf.{section}")
        opts.append((module.GROUP, list(module.OPTS)))
    return opts


def new(
    args: collections.abc.Sequence[str] = (),
    *,
    files: collections.abc.Sequence[str] | None = None,
    **overrides: typing.Any,
) -> cfg.ConfigOpts:
    """A configuration object of nova_lite, read from ``args`` and files.

    :param args: command line, without the program's name.
    :param files: configuration files; None searches oslo.config's usual places.
    :param overrides: values as ``group__option=value`` (``default__`` for
        ``[DEFAULT]``), above everything else; for tests and all-in-one.
    """
    from oslo_log import log

    conf = cfg.ConfigOpts()
    for group, opts in list_opts():
        conf.register_opts(opts, group=group)
    log.register_options(conf)
    conf(
        list(args),
        project="nova_lite",
        version=nova_lite.__version__,
        default_config_files=list(files) if files is not None else None,
    )
    for name, value in overrides.items():
        group, _, option = name.partition("__")
        conf.set_override(option, value, None if group == "default" else group)
    return conf
