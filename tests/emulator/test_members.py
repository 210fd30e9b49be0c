"""Members that are not emulated, asked for by boto3: every one is refused by an error that names it."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError
from botocore.model import ListShape, MapShape, Shape, StructureShape

from harness.emulator import members
from harness.emulator.services import SERVICES
from harness.emulator.wire import service_model
from tests.unit.test_members import emulated


def example(shape: Shape) -> Any:
    """A value that asks for something and that botocore takes."""
    match shape:
        case StructureShape():
            wanted = shape.required_members or list(shape.members)[:1]
            return {key: example(shape.members[key]) for key in wanted}
        case ListShape():
            return [example(shape.member)]
        case MapShape():
            return {"key": example(shape.value)}
    kinds: dict[str, Any] = {
        "boolean": True,
        "blob": b"x",
        "timestamp": "2026-01-01T00:00:00Z",
        "double": 1.0,
        "float": 1.0,
    }
    least = max(1, int(shape.metadata.get("min", 1)))
    if shape.type_name in ("integer", "long"):
        return least
    return kinds.get(shape.type_name) or (shape.enum[0] if shape.type_name == "string" and shape.enum else "x" * least)


def asking(
    service: str, shape: Shape, tables: members.Members, within: tuple[str, ...] = ()
) -> Iterator[tuple[str, Any]]:
    """(member, a request that asks for it) for each member that is refused."""
    match shape:
        case StructureShape() if shape.name not in within:
            for key, member in shape.members.items():
                rest = example(shape) if shape.required_members else {}
                if key in tables.refused.get(shape.name, ()):
                    yield key, {**rest, key: example(member)}
                elif tables.goes_on(shape.name, key):
                    inner = asking(service, member, tables, (*within, shape.name))
                    yield from ((name, {**rest, key: value}) for name, value in inner)
        case ListShape():
            yield from ((name, [value]) for name, value in asking(service, shape.member, tables, within))


def requests(service: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for name in emulated(service):
        if (shape := service_model(service).operation_model(name).input_shape) is not None:
            yield from ((name, member, request) for member, request in asking(service, shape, members.of(service)))


@pytest.mark.parametrize("service", SERVICES)
def test_every_member_that_is_not_emulated_is_refused_by_name(aws: Any, service: str):
    client, asked = aws.client(service), list(requests(service))
    assert asked
    for operation, member, request in asked:
        with pytest.raises(ClientError) as error:
            getattr(client, xform_name(operation))(**request)
        assert member.lower() in error.value.response["Error"]["Message"].lower(), (
            f"{operation} with {member}: {error.value}"
        )
