"""Writes docs/EMULATED.md from the code: `python -m harness.emulator.emulated`. A test compares the two."""

from __future__ import annotations

import botocore.session
from botocore import xform_name

from harness.emulator.cloudformation.every import KINDS
from harness.emulator.settings import documented
from harness.emulator.up import SERVICES

HEAD = """# What is emulated

Generated from the code by `make docs`; do not edit.

The emulator has been checked against its own tests and against what is published of AWS's behaviour, never against AWS itself.
An operation of these services that is not listed answers `NotImplemented` and names itself. Every other service is answered by
moto behind the same endpoint.
"""


BALANCERS = """## What load balancers do not do

**HTTP/2 is not emulated**: listeners speak HTTP/1.1, whatever `routing.http2.enabled` says, and target groups of `HTTP2` or `GRPC` are
refused by name. So are mutual TLS, `authenticate-*` and `jwt-validation` actions, and `anomaly_mitigation`. An attribute that is only kept
is a warning in the log when it is set. The rest is in [LOAD_BALANCER.md](LOAD_BALANCER.md).
"""


def operations(service: str, handler: type) -> tuple[list[str], list[str]]:
    """(emulated, not emulated) operation names of a botocore service."""
    names = botocore.session.get_session().get_service_model(service).operation_names
    emulated = [name for name in names if hasattr(handler, xform_name(name))]
    return emulated, [name for name in names if name not in emulated]


def page() -> str:
    parts = [HEAD]
    for service, handler in SERVICES.items():
        emulated, missing = operations(service, handler)
        parts.append(
            f"## {service}: {len(emulated)} of {len(emulated) + len(missing)} operations\n\n{', '.join(emulated)}\n"
        )
    parts.append(BALANCERS)
    parts.append(f"## CloudFormation's resource types: {len(KINDS)}\n\n{', '.join(sorted(KINDS))}\n")
    parts.append(
        "## Where nobody knows how AWS behaves\n\nEach is a setting (`[emulator]` in rehearsal.toml), with this default:\n"
    )
    parts.append("| setting | default | what is not known |\n| --- | --- | --- |")
    parts.extend(f"| `{name}` | `{default}` | {_cell(why)} |" for name, default, why in documented())
    return "\n".join(parts) + "\n"


def _cell(text: str) -> str:
    """Text in a table: a bar would end the cell."""
    return text.replace("|", "\\|")


if __name__ == "__main__":
    print(page(), end="")
