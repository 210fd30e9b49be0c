"""What Lambda knows of a function: its configuration and code, checked on the way in and rendered on the way out."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import json
import re
import uuid
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from harness import clock
from harness.emulator.cloud import Answer, AwsError, Caller, Cloud, Request
from harness.emulator.services.lambda_run import Program, Sandboxes

DEFAULTS: Mapping[str, Any] = {
    "Description": "",
    "Timeout": 3,
    "MemorySize": 128,
    "TracingConfig": {"Mode": "PassThrough"},
    "EphemeralStorage": {"Size": 512},
    "Architectures": ["x86_64"],
    "SnapStart": {"ApplyOn": "None"},
}
SETTINGS = (
    *DEFAULTS,
    "Runtime",
    "Role",
    "Handler",
    "Environment",
    "VpcConfig",
    "DeadLetterConfig",
    "KMSKeyArn",
    "LoggingConfig",
)
LIMITS = {"Timeout": (1, 900), "MemorySize": (128, 10240)}  # seconds, MiB
RUNTIME = re.compile(r"python3\.\d+")
ROLE = re.compile(r"arn:aws[a-zA-Z-]*:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+")
REFERENCE = re.compile(
    r"(?:arn:aws[a-zA-Z-]*:lambda:)?(?:(?P<region>[a-z]{2}(?:-[a-z]+)+-\d):)?(?:(?P<account>\d{12}):)?(?:function:)?"
    r"(?P<name>[a-zA-Z0-9_-]{1,64})(?::(?P<qualifier>\$LATEST|[a-zA-Z0-9_-]+))?"
)
RESERVED = {
    *("_HANDLER", "_X_AMZN_TRACE_ID", "AWS_EXECUTION_ENV", "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR"),
    *(
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
    ),
    *(f"AWS_LAMBDA_{what}" for what in ("INITIALIZATION_TYPE", "LOG_GROUP_NAME", "LOG_STREAM_NAME", "RUNTIME_API")),
    *(f"AWS_LAMBDA_FUNCTION_{what}" for what in ("NAME", "MEMORY_SIZE", "VERSION")),
}
LARGEST_VARIABLES = 4096  # bytes of all variables as JSON
LARGEST_UNZIPPED = 262144000  # bytes


@dataclass(frozen=True, slots=True)
class Reference:
    """What a FunctionName names: a name, a full ARN or a part of one, with a qualifier ("" for none)."""

    name: str
    arn: str
    qualifier: str

    @classmethod
    def of(cls, caller: Caller, spelled: str) -> Reference:
        """Raises AwsError for a name that is none, and for a function of somewhere else."""
        found = REFERENCE.fullmatch(spelled)
        if found is None:
            raise constraint(
                spelled, "functionName", f"Member must satisfy regular expression pattern: {REFERENCE.pattern}"
            )
        region, account = found["region"] or caller.region, found["account"] or caller.account
        name, qualifier = found["name"], found["qualifier"] or ""
        if region != caller.region:
            raise AwsError(
                "ResourceNotFoundException",
                f"Functions from '{region}' are not reachable in this region ('{caller.region}')",
            )
        reference = cls(name, Caller(region, account).arn("lambda", f"function:{name}"), qualifier)
        if account != caller.account:
            raise reference.missing()
        return reference

    def missing(self) -> AwsError:
        qualified = f"{self.arn}:{self.qualifier}" if self.qualifier else self.arn
        return AwsError("ResourceNotFoundException", f"Function not found: {qualified}")


@dataclass
class Function:
    """One function. `settings` has the configuration in CreateFunction's shape; `modified` is in seconds since the epoch."""

    caller: Caller
    name: str
    settings: dict[str, Any]
    code: bytes
    tags: dict[str, str]
    modified: float
    sandboxes: Sandboxes
    revision: str = field(default_factory=lambda: str(uuid.uuid4()))
    policy: dict[str, Any] = field(default_factory=dict)  # statements by Sid

    @property
    def arn(self) -> str:
        return self.caller.arn("lambda", f"function:{self.name}")

    @classmethod
    def made(cls, cloud: Cloud, caller: Caller, name: str, given: Mapping[str, Any], code: bytes) -> Function:
        settings = {**DEFAULTS, **given}
        sandboxes = Sandboxes(cloud, program_of(caller, name, settings, code))
        return cls(caller, name, settings, code, {}, cloud.clock.now(), sandboxes)

    def update(self, at: float, *, settings: Mapping[str, Any] | None = None, code: bytes | None = None) -> None:
        """Invocations from now on run the new state."""
        self.settings = {**self.settings, **(settings or {})}
        self.code = self.code if code is None else code
        self.modified = at
        self.touch()
        self.sandboxes.use(program_of(self.caller, self.name, self.settings, self.code))

    def touch(self) -> None:
        self.revision = str(uuid.uuid4())

    def expect(self, revision: str | None) -> None:
        """Raises AwsError where the caller knows another revision than this."""
        if revision not in (None, self.revision):
            raise AwsError(
                "PreconditionFailedException",
                "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to "
                "retrieve the latest Revision Id",
            )


def program_of(caller: Caller, name: str, settings: Mapping[str, Any], code: bytes) -> Program:
    return Program(
        caller=caller,
        name=name,
        arn=caller.arn("lambda", f"function:{name}"),
        runtime=settings["Runtime"],
        handler=settings["Handler"],
        timeout=settings["Timeout"],
        memory=settings["MemorySize"],
        role=settings["Role"],
        variables=settings.get("Environment", {}).get("Variables", {}),
        code=code,
        in_vpc=bool(settings.get("VpcConfig", {}).get("SubnetIds")),
    )


# ---- rendering


def render(function: Function) -> Answer:
    """FunctionConfiguration: the settings as they are kept, and what Lambda adds."""
    settings = function.settings
    return {
        **settings,
        "FunctionName": function.name,
        "FunctionArn": function.arn,
        "CodeSize": len(function.code),
        "CodeSha256": base64.b64encode(hashlib.sha256(function.code).digest()).decode(),
        "LastModified": clock.utc(function.modified).isoformat(timespec="milliseconds").replace("+00:00", "+0000"),
        "Version": "$LATEST",
        "RevisionId": function.revision,
        "State": "Active",
        "LastUpdateStatus": "Successful",
        "PackageType": "Zip",
        "SnapStart": {**settings["SnapStart"], "OptimizationStatus": "Off"},
        "LoggingConfig": {
            "LogFormat": "Text",
            "LogGroup": f"/aws/lambda/{function.name}",
            **settings.get("LoggingConfig", {}),
        },
    }


def statement_of(function: Function, request: Request) -> dict[str, Any]:
    """The policy statement that AddPermission adds."""
    principal = request["Principal"]
    who: Any = {"Service": principal} if "." in principal else {"AWS": principal}
    statement = {
        "Sid": request["StatementId"],
        "Effect": "Allow",
        "Principal": "*" if principal == "*" else who,
        "Action": request["Action"],
        "Resource": function.arn,
    }
    equals = {
        key: request[name]
        for name, key in (
            ("SourceAccount", "AWS:SourceAccount"),
            ("PrincipalOrgID", "aws:PrincipalOrgID"),
            ("EventSourceToken", "lambda:EventSourceToken"),
            ("FunctionUrlAuthType", "lambda:FunctionUrlAuthType"),
        )
        if name in request
    }
    like = {"AWS:SourceArn": request["SourceArn"]} if "SourceArn" in request else {}
    condition = {kind: what for kind, what in (("StringEquals", equals), ("ArnLike", like)) if what}
    return {**statement, "Condition": condition} if condition else statement


# ---- checks


def constraint(value: object, member: str, said: str) -> AwsError:
    return AwsError(
        "ValidationException",
        f"1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: {said}",
    )


def invalid(message: str) -> AwsError:
    return AwsError("InvalidParameterValueException", message)


def chosen(request: Request) -> dict[str, Any]:
    """The settings of a request. Raises AwsError for one that is wrong, or that would be ignored here."""
    if request.get("PackageType", "Zip") != "Zip":
        raise invalid(f"PackageType {request.get('PackageType')} is not emulated by rehearse: it must be Zip")
    settings = {name: request[name] for name in SETTINGS if request.get(name) is not None}
    if "Runtime" in settings and not RUNTIME.fullmatch(settings["Runtime"]):
        raise invalid(f"Runtime {settings['Runtime']} is not emulated by rehearse: only python3.* is")
    if "Role" in settings and not ROLE.fullmatch(settings["Role"]):
        raise constraint(settings["Role"], "role", f"Member must satisfy regular expression pattern: {ROLE.pattern}")
    for name, (least, most) in LIMITS.items():
        if name in settings and not least <= settings[name] <= most:
            side = f"less than or equal to {most}" if settings[name] > most else f"greater than or equal to {least}"
            raise constraint(settings[name], name[0].lower() + name[1:], f"Member must have value {side}")
    check_variables(settings.get("Environment", {}).get("Variables", {}))
    return settings


def check_variables(variables: Mapping[str, str]) -> None:
    refused = (
        "Lambda was unable to configure your environment variables because the environment variables you have provided"
    )
    if reserved := sorted(RESERVED & variables.keys()):
        raise invalid(
            f"{refused} contains reserved keys that are currently not supported for modification. "
            f"Reserved keys used in this request: {', '.join(reserved)}"
        )
    measured = json.dumps(variables, separators=(",", ":"), ensure_ascii=False)
    if len(measured.encode()) > LARGEST_VARIABLES:
        raise invalid(f"{refused} exceeded the 4KB limit. String measured: {measured}")


# ---- code


async def code_of(cloud: Cloud, caller: Caller, given: Mapping[str, Any]) -> bytes:
    """The zip that `ZipFile`, or `S3Bucket` and `S3Key`, gives. Raises AwsError."""
    if given.get("ImageUri"):
        raise invalid("ImageUri is not emulated by rehearse: the code must be a zip")
    if given.get("ZipFile") is not None:
        code = bytes(given["ZipFile"])
    elif given.get("S3Bucket") and given.get("S3Key"):
        code = await _from_s3(cloud, caller, given)
    else:
        raise invalid("Please provide a source for function code.")
    await asyncio.to_thread(check_zip, code)
    return code


async def _from_s3(cloud: Cloud, caller: Caller, given: Mapping[str, Any]) -> bytes:
    version = {"VersionId": given["S3ObjectVersion"]} if given.get("S3ObjectVersion") else {}
    try:
        answer = await cloud.call(caller, "s3", "GetObject", Bucket=given["S3Bucket"], Key=given["S3Key"], **version)
    except AwsError as error:
        raise invalid(
            f"Error occurred while GetObject. S3 Error Code: {error.code}. S3 Error Message: {error.message}"
        ) from error
    return bytes(answer["Body"])


def check_zip(code: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(code)) as archive:
            sizes = [entry.file_size for entry in archive.infolist()]
            damaged = archive.testzip() if sum(sizes) <= LARGEST_UNZIPPED else None
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        raise invalid("Could not unzip uploaded file. Please check your file, then try to upload again.") from error
    if not sizes:
        raise invalid("Uploaded file must be a non-empty zip")
    if sum(sizes) > LARGEST_UNZIPPED:
        raise invalid(f"Unzipped size must be smaller than {LARGEST_UNZIPPED} bytes")
    if damaged:
        raise invalid("Could not unzip uploaded file. Please check your file, then try to upload again.")
