"""`[aws]` of rehearsal.toml: which account and regions may be used, by whom, for how long, and with what."""

from __future__ import annotations

import getpass
import re
from collections.abc import Mapping
from pathlib import Path as File
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError

from harness import text
from harness.errors import UsageError
from harness.scenario import nearest
from harness.scenario.values import Duration, Part

FILE = File("rehearsal.toml")
Profile = Literal["lean", "seed"]
Account = Annotated[str, Field(pattern=r"^\d{12}$")]
Region = Annotated[str, Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$")]
PROVIDER = r"^arn:aws[\w-]*:iam::\d{12}:oidc-provider/token\.actions\.githubusercontent\.com$"
SLUG = r"^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$"


def _network(cidr: str) -> str:
    """Raises ValueError for an address range that the whole world is in."""
    if cidr.endswith("/0"):
        raise ValueError("everybody is in it: the load balancer of a rehearsal admits its caller only")
    return cidr


Cidr = Annotated[str, Field(pattern=r"^\d{1,3}(\.\d{1,3}){3}/\d{1,2}$"), AfterValidator(_network)]


class AwsSettings(Part):
    """Everything has a default but `expected_account`: without it nothing is made.

    The first of `regions` is used where nobody names one. `ttl` is how long the stack lives before it destroys itself.
    `caller_cidr` is who may reach the load balancers: this machine's public address where it is not given. `instance_type` and
    `instances` are of the seed profile's cluster, `nat_instance_type` of its NAT instance.
    `github_repository` is whose workflow may deploy, `github_provider` the ARN of GitHub's OIDC provider where the account has it
    already: it can have only one.
    """

    expected_account: Account | None = None
    regions: Annotated[tuple[Region, ...], Field(min_length=1)] = ("ap-northeast-2",)
    blocked_accounts: tuple[Account, ...] = ()
    profile: Profile = "lean"
    ttl: Annotated[Duration, Field(ge=900, le=604800)] = 7200.0
    owner: Annotated[str, Field(pattern=SLUG)] | None = None
    instance_type: Annotated[str, Field(pattern=r"^[a-z0-9-]+\.[a-z0-9-]+$")] = "t3.small"
    instances: Annotated[int, Field(ge=1, le=10)] = 2
    nat_instance_type: Annotated[str, Field(pattern=r"^[a-z0-9-]+\.[a-z0-9-]+$")] = "t4g.nano"
    architecture: Literal["amd64", "arm64"] | None = None
    vpc_cidr: Cidr = "10.0.0.0/16"
    caller_cidr: Cidr | None = None
    domain: Annotated[str, Field(pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+)+$")] | None = None
    hosted_zone: Annotated[str, Field(pattern=r"^Z[A-Z0-9]+$")] | None = None
    github_repository: Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+$")] | None = None
    github_provider: Annotated[str, Field(pattern=PROVIDER)] | None = None

    @property
    def who(self) -> str:
        """The owner, else this machine's user, as a slug."""
        return self.owner or re.sub(r"[^a-z0-9]+", "-", getpass.getuser().lower()).strip("-")[:32] or "somebody"


def load(file: File = FILE) -> AwsSettings:
    """Raises UsageError with the file and the key."""
    if not file.is_file():
        return AwsSettings()
    try:
        return AwsSettings.model_validate(text.toml(file).get("aws", {}))
    except ValidationError as invalid:
        raise UsageError(f"{file}: [aws] {_first(invalid)}") from invalid


def changed(said: AwsSettings, changes: Mapping[str, Any]) -> AwsSettings:
    """`said`, with what the command line says instead. Raises UsageError."""
    try:
        return AwsSettings.model_validate({**said.model_dump(mode="json"), **changes})
    except ValidationError as invalid:
        raise UsageError(f"--{_first(invalid)}") from invalid


def _first(invalid: ValidationError) -> str:
    error: dict[str, Any] = dict(min(invalid.errors(), key=lambda one: one["type"] != "extra_forbidden"))
    name = ".".join(map(str, error["loc"]))
    if error["type"] == "extra_forbidden":
        known = list(AwsSettings.model_fields)
        return f"{name} is no key{nearest(name, known) or '; known here: ' + ', '.join(known)}"
    return f"{name} is {error['input']!r}: {error['msg'].removeprefix('Value error, ')}"
