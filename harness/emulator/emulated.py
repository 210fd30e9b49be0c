"""Writes docs/EMULATED.md from the code: `python -m harness.emulator.emulated`. A test compares the two."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping

from botocore import xform_name

from harness.emulator import members
from harness.emulator.cloudformation.every import KINDS
from harness.emulator.services import SERVICES, handlers_of
from harness.emulator.services.ecs_container_checks import LOG_OPTIONS_RECORDED
from harness.emulator.settings import documented
from harness.emulator.wire import service_model

HEAD = """# What is emulated

Generated from the code by `make docs`; do not edit.

The emulator has been checked against its own tests and against what is published of AWS's behaviour, never against AWS itself.
An operation of these services that is not listed answers `NotImplemented` and names itself. Every other service is answered by
moto behind the same endpoint.
"""

RECORDED = """## Members that are recorded without effect

Kept, and shown again by whatever shows them on AWS. Nothing else comes of them here.

| service | members | why |
| --- | --- | --- |"""
REFUSED = """
## Members that are refused

A request that asks for one is answered by an error that names it, mostly `NotImplemented`; empty, false or switched off they pass. So is
a member that AWS has added to its models since. All other members are executed, or checked as AWS checks them.

| service | members |
| --- | --- |"""


BALANCERS = """## What load balancers do not do

**HTTP/2 is not emulated**: listeners speak HTTP/1.1, whatever `routing.http2.enabled` says, and target groups of `HTTP2` or `GRPC` are
refused by name. So are mutual TLS, `authenticate-*` and `jwt-validation` actions, and `anomaly_mitigation`. An attribute that is only kept
is a warning in the log when it is set. The rest is in [LOAD_BALANCER.md](LOAD_BALANCER.md).
"""


def operations(service: str, handler: type) -> tuple[list[str], list[str]]:
    """(emulated, not emulated) operation names of a botocore service."""
    names = service_model(service).operation_names
    emulated = [name for name in names if hasattr(handler, xform_name(name))]
    return emulated, [name for name in names if name not in emulated]


def page() -> str:
    parts = [HEAD]
    for service in SERVICES:
        emulated, missing = operations(service, handlers_of(service))
        parts.append(
            f"## {service}: {len(emulated)} of {len(emulated) + len(missing)} operations\n\n{', '.join(emulated)}\n"
        )
    parts += [RECORDED, *_recorded(), REFUSED, *_refused(), "", BALANCERS]
    parts.append(f"## CloudFormation's resource types: {len(KINDS)}\n\n{', '.join(sorted(KINDS))}\n")
    parts.append(
        "## Where nobody knows how AWS behaves\n\nEach is a setting (`[emulator]` in rehearsal.toml), with this default:\n"
    )
    parts.append("| setting | default | what is not known |\n| --- | --- | --- |")
    parts.extend(f"| `{name}` | `{default}` | {_cell(why)} |" for name, default, why in documented())
    return "\n".join(parts) + "\n"


def _recorded() -> list[str]:
    """A row for each reason of a service."""
    rows = []
    for service in SERVICES:
        by_reason: dict[str, list[str]] = {}
        for shape, reasons in members.of(service).recorded.items():
            for member, why in reasons.items():
                by_reason.setdefault(why, []).append(f"`{_spoken(shape)}.{member}`")
        rows += [f"| {service} | {', '.join(sorted(names))} | {_cell(why)} |" for why, names in by_reason.items()]
    options = ", ".join(f"`{one}`" for one in LOG_OPTIONS_RECORDED)
    said = "a line goes to CloudWatch Logs as it is written, and a group that is missing is made"
    return [*rows, f"| ecs | of the options of awslogs {options}; all of json-file | {said} |"]


def _refused() -> list[str]:
    """A row for each service that refuses any."""
    rows = []
    for service in SERVICES:
        tables = members.of(service)
        names = [*_names(tables.refused), *_names(tables.by_operation)]
        rows.append(f"| {service} | {', '.join(sorted(names))} |")
    return [*rows, ""]


def _names(table: Mapping[str, frozenset[str]]) -> list[str]:
    return [f"`{_spoken(shape)}.{member}`" for shape, found in table.items() for member in found]


def _spoken(shape: str) -> str:
    """Without what only the model says: `CreateServiceRequest` is the operation."""
    return re.sub("(Request|Input)$", "", shape)


def _cell(text: str) -> str:
    """Text in a table: a bar would end the cell."""
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.buffer.write(page().encode())
