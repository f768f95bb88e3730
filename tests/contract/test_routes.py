"""The table of routes, the rules and the schemas hold together."""

import collections.abc
import importlib
import inspect
import pathlib
import pkgutil
import re

import jsonschema
import pytest

import nova_lite.api
from nova_lite.api import microversion
from nova_lite.api import policy
from nova_lite.api import routes
from nova_lite.api import validation
from nova_lite.api.servers import actions

HANDLERS = [
    pytest.param(url, method, handler, id=f"{method} {url}")
    for url, methods in routes.ROUTES.items()
    for method, handler in methods.items()
]


def _modules() -> list[str]:
    path = str(pathlib.Path(nova_lite.api.__file__).parent)
    found = pkgutil.walk_packages([path], "nova_lite.api.")
    # Importing wsgi makes an application.
    return [module.name for module in found if module.name != "nova_lite.api.wsgi"]


def _schemas() -> collections.abc.Iterator[tuple[str, validation.Schemas]]:
    for name in _modules():
        for attribute, value in vars(importlib.import_module(name)).items():
            if isinstance(value, validation.Schemas):
                yield f"{name}.{attribute}", value


@pytest.mark.parametrize(("url", "_method", "handler"), HANDLERS)
def test_handlers_take_the_parameters_of_their_path(
    url: str, _method: str, handler: collections.abc.Callable[..., object]
) -> None:
    parameters = list(inspect.signature(handler).parameters)
    assert parameters == ["req", *re.findall(r"{(\w+)}", url)]
    assert handler.__doc__


ANSWERING = [
    *HANDLERS,
    *(
        pytest.param("/servers/{server_id}/action", name, handler, id=f"action {name}")
        for name, handler in actions.ACTIONS.items()
    ),
]


@pytest.mark.parametrize(("_url", "_method", "handler"), ANSWERING)
def test_every_handler_declares_its_answers(
    _url: str, _method: str, handler: collections.abc.Callable[..., object]
) -> None:
    """At each version at which it exists, for one status at least.

    That the ranges of one status neither overlap nor leave a gap is seen to when
    they are made.
    """
    if handler is actions.action:
        return
    by_status = handler.answers  # type: ignore[attr-defined]
    assert all(200 <= status < 300 for status in by_status)
    since, until = getattr(handler, "available", (microversion.MINIMUM, microversion.MAXIMUM))
    for minor in range(since.minor, until.minor + 1):
        version = microversion.Version(2, minor)
        found = [
            schemas
            for schemas in by_status.values()
            if schemas.ranges[0][0] <= version <= schemas.ranges[-1][1]
        ]
        assert found, version


def test_schemas_of_answers_are_schemas() -> None:
    for name, schemas in _schemas():
        for _, _, schema in schemas.ranges:
            jsonschema.Draft202012Validator.check_schema(schema)
            assert schema, name


def test_answers_say_what_they_have() -> None:
    """No answer takes keys that its schema does not know."""
    for parameter in ANSWERING:
        for schemas in getattr(parameter.values[2], "answers", {}).values():
            for _, _, schema in schemas.ranges:
                for part in _objects(schema):
                    assert "additionalProperties" in part, parameter.id


def test_versions_of_a_handler_are_a_range_of_ours() -> None:
    for methods in routes.ROUTES.values():
        for handler in methods.values():
            since, until = getattr(
                handler, "available", (microversion.MINIMUM, microversion.MAXIMUM)
            )
            assert microversion.MINIMUM <= since <= until <= microversion.MAXIMUM


def test_ranges_of_schemas_end_at_ours() -> None:
    found = dict(_schemas())
    assert len(found) > 20
    for name, schemas in found.items():
        for since, until, _ in schemas.ranges:
            assert microversion.MINIMUM <= since <= until <= microversion.MAXIMUM, name


def test_overlaps_and_gaps_are_refused() -> None:
    for ranges in (
        (("2.1", "2.5", {}), ("2.5", None, {})),
        (("2.1", "2.5", {}), ("2.7", None, {})),
        (("2.9", "2.5", {}),),
    ):
        with pytest.raises(ValueError, match="range"):
            validation.Schemas(*ranges)


def _objects(schema: object) -> collections.abc.Iterator[validation.Schema]:
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            yield schema
        for value in schema.values():
            yield from _objects(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _objects(value)


def test_objects_say_whether_they_take_more() -> None:
    for name, schemas in _schemas():
        for _, _, schema in schemas.ranges:
            for part in _objects(schema):
                is_opaque = part == {"type": "object"}
                assert is_opaque or "additionalProperties" in part, name


def test_rules_are_documented_and_unique() -> None:
    rules = policy.list_rules()
    names = [rule.name for rule in rules]
    assert len(names) == len(set(names))
    for rule in rules[len(policy.ROLES) :]:
        assert rule.description, rule.name
        assert rule.operations, rule.name


def test_every_resource_has_its_rules_listed() -> None:
    folder = pathlib.Path(nova_lite.api.__file__).parent
    assert {path.parent.name for path in folder.glob("*/policy.py")} == set(policy.RESOURCES)


def test_every_rule_name_is_used() -> None:
    folder = pathlib.Path(nova_lite.api.__file__).parent
    text = "\n".join(path.read_text() for path in folder.rglob("*.py") if path.name != "policy.py")
    for resource in policy.RESOURCES:
        module = importlib.import_module(f"nova_lite.api.{resource}.policy")
        for name, value in vars(module).items():
            if name.isupper() and not name.startswith("_") and isinstance(value, str):
                assert re.search(rf"policy\.{name}\b", text), f"{resource}: {name}"
