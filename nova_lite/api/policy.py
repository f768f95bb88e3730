"""Who may do what: oslo.policy with reader, member and admin defaults.

Each resource folder has its rules in a ``policy.py``; :func:`list_rules` gathers
them for the enforcer and for oslopolicy-sample-generator. Names are Nova's, so an
operator's policy file keeps working.
"""

import importlib
import time
import typing

from oslo_config import cfg
from oslo_policy import opts as policy_opts
from oslo_policy import policy

from nova_lite import context
from nova_lite import exceptions

ADMIN = "rule:context_is_admin"
ADMIN_OR_SERVICE = "rule:service_or_admin"
MEMBER = "rule:project_member_or_admin"
READER = "rule:project_reader_or_admin"
ANYBODY = "@"

LOOK_INTERVAL_S = 1.0
"""Between two looks whether the operator's policy file has changed."""

RESOURCES = (
    "aggregates",
    "availability_zones",
    "flavors",
    "hypervisors",
    "instance_actions",
    "keypairs",
    "limits",
    "quota_sets",
    "server_external_events",
    "servers",
    "services",
    "storage_trace",
    "volume_attachments",
)

ROLES = [
    policy.RuleDefault("context_is_admin", "role:admin", "Who is an administrator."),
    policy.RuleDefault(
        "project_member_or_admin",
        "rule:context_is_admin or (role:member and project_id:%(project_id)s)",
        "Default for what changes something of a project.",
    ),
    policy.RuleDefault(
        "project_reader_or_admin",
        "rule:context_is_admin or (role:reader and project_id:%(project_id)s)",
        "Default for what reads something of a project.",
    ),
    policy.RuleDefault(
        "service_or_admin",
        "rule:context_is_admin or role:service",
        "Default for what other services do.",
    ),
]


def rule(name: str, check: str, description: str, *operations: str) -> policy.RuleDefault:
    """One rule.

    :param name: without the prefix ``os_compute_api:``.
    :param operations: ``"GET /servers"`` and so on.
    """
    pairs = [operation.split(" ", 1) for operation in operations]
    return policy.DocumentedRuleDefault(
        name=f"os_compute_api:{name}",
        check_str=check,
        description=description,
        operations=[{"method": method, "path": path} for method, path in pairs],
        scope_types=["project"],
    )


def list_rules() -> list[policy.RuleDefault]:
    """Every rule with its default."""
    rules = list(ROLES)
    for resource in RESOURCES:
        module = importlib.import_module(f"nova_lite.api.{resource}.policy")
        rules.extend(module.RULES)
    return rules


class Enforcer:
    """Decides by the defaults and the operator's policy file."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        policy_opts.set_defaults(conf, "policy.yaml", enforce_scope=False)
        self._enforcer = policy.Enforcer(conf)
        self._enforcer.register_defaults(list_rules())
        self._next_look = 0.0

    def can(
        self,
        ctxt: context.RequestContext,
        name: str,
        target: dict[str, typing.Any] | None = None,
    ) -> bool:
        """Whether ``ctxt`` passes rule ``name`` (without prefix) for ``target``,
        by default the asker's own project."""
        if target is None:
            target = {"project_id": ctxt.project_id, "user_id": ctxt.user_id}
        return self._check(f"os_compute_api:{name}", target, ctxt)

    def authorize(
        self,
        ctxt: context.RequestContext,
        name: str,
        target: dict[str, typing.Any] | None = None,
    ) -> None:
        """As :meth:`can`, or :exc:`exceptions.Forbidden`."""
        if not self.can(ctxt, name, target):
            raise exceptions.Forbidden(action=f"os_compute_api:{name}")

    def is_admin(self, ctxt: context.RequestContext) -> bool:
        """Whether ``ctxt`` is an administrator by the operator's own rule."""
        return self._check("context_is_admin", {}, ctxt)

    def _check(
        self, name: str, target: dict[str, typing.Any], ctxt: context.RequestContext
    ) -> bool:
        now = time.monotonic()
        if now >= self._next_look:
            # Left to itself the library looks for the file at every decision,
            # which costs more than the decision.
            self._enforcer.use_conf = True
            self._enforcer.load_rules()
            self._enforcer.use_conf = False
            self._next_look = now + LOOK_INTERVAL_S
        return bool(self._enforcer.authorize(name, target, ctxt))
