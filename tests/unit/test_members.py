"""Every member of every request is executed, recorded with a reason, or refused by name: the tables against botocore's models."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore import xform_name
from botocore.model import ListShape, MapShape, Shape, StructureShape

from harness.emulator import members
from harness.emulator.cloud import AwsError
from harness.emulator.services import SERVICES, handlers_of
from harness.emulator.wire import service_model

EMULATOR = Path(members.__file__).parent.parent


def emulated(service: str) -> list[str]:
    handlers = handlers_of(service)
    return [name for name in service_model(service).operation_names if hasattr(handlers, xform_name(name))]


def reachable(service: str) -> Iterator[tuple[str, str]]:
    """(shape, member) of all that a request can hold; what is recorded or refused is that as a whole."""
    tables, seen = members.of(service), set[str]()

    def walk(shape: Shape) -> Iterator[tuple[str, str]]:
        if isinstance(shape, ListShape):
            yield from walk(shape.member)
        if isinstance(shape, MapShape):
            yield from walk(shape.value)
        if not isinstance(shape, StructureShape) or shape.name in seen:
            return
        seen.add(shape.name)
        for key, member in shape.members.items():
            yield shape.name, key
            if tables.goes_on(shape.name, key):
                yield from walk(member)

    for name in emulated(service):
        if (shape := service_model(service).operation_model(name).input_shape) is not None:
            yield from walk(shape)


def said(service: str) -> list[tuple[str, str]]:
    """(shape, member), as often as the tables have it."""
    tables = members.of(service)
    each = (tables.executed, tables.refused, tables.by_operation, tables.recorded)
    return [(shape, member) for table in each for shape, names in table.items() for member in names]


@pytest.mark.parametrize("service", SERVICES)
def test_every_member_of_a_request_is_in_exactly_one_table(service: str):
    there, listed = list(reachable(service)), said(service)
    assert not set(there) - set(listed), "a member that AWS has added: say what becomes of it"
    assert not {one for one in listed if listed.count(one) > 1}, "in two tables"
    assert not set(listed) - set(there), "no request has it"


def test_executed_member_is_named_somewhere_in_the_code():
    """It cannot be executed where nothing names it; that its name is read where it should be is for the tests of its operation."""
    sources = [path for path in EMULATOR.rglob("*.py") if "members" not in path.parts]
    literals = set(re.findall(r'"(\w+)"', "".join(path.read_text(encoding="utf-8") for path in sources)))
    executed = {
        (service, shape, member)
        for service in SERVICES
        for shape, names in members.of(service).executed.items()
        for member in names
    }
    assert not {one for one in executed if one[2] not in literals}


@pytest.mark.parametrize("service", SERVICES)
def test_what_is_recorded_has_a_reason(service: str):
    reasons = {why for table in members.of(service).recorded.values() for why in table.values()}
    assert all(len(why.split()) > 2 for why in reasons)


def refusal(operation: str, **request: object) -> str:
    with pytest.raises(AwsError) as error:
        members.check("ecs", operation, request)
    assert (error.value.code, error.value.status) == ("NotImplemented", 501)
    return error.value.message


def test_member_that_no_table_knows_is_refused_by_name():
    assert "CreateService with addedByAws is not emulated" in refusal("CreateService", addedByAws="x")
    container = {"name": "app", "portMappings": [{"containerPort": 80}, {"addedByAws": 0}]}
    says = "RegisterTaskDefinition with containerDefinitions[].portMappings[].addedByAws is not emulated"
    assert says in refusal("RegisterTaskDefinition", containerDefinitions=[container])


@pytest.mark.parametrize(
    "value", [None, [], {}, "", False, {"enabled": False, "restartAttemptPeriod": 60}, {"initProcessEnabled": False}]
)
def test_refused_member_that_asks_for_nothing_is_let_through(value: object):
    members.check("ecs", "RegisterTaskDefinition", {"containerDefinitions": [{"restartPolicy": value}]})


@pytest.mark.parametrize("value", [0, "x", True, ["x"], {"enabled": True}, {"capabilities": {"add": ["SYS_PTRACE"]}}])
def test_refused_member_that_asks_for_anything_is_refused(value: object):
    assert "restartPolicy" in refusal("RegisterTaskDefinition", containerDefinitions=[{"restartPolicy": value}])
