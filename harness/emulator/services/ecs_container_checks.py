"""What a container definition may ask for: its health check and its log, and the members that are refused because they would have no
effect here. Roles, ulimits and the ephemeral storage are recorded without effect: nothing of a rehearsal depends on them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.emulator.cloud import not_emulated
from harness.emulator.services.ecs_lookup import Raw, client_error
from harness.emulator.services.ecs_state import HealthCheck, LogOptions

DOCUMENT_LACKS = ("volumes", "proxyConfiguration", "inferenceAccelerators", "pidMode", "ipcMode")
CONTAINER_LACKS = (
    "environmentFiles", "mountPoints", "volumesFrom", "links", "firelensConfiguration", "resourceRequirements",
    "repositoryCredentials", "disableNetworking", "credentialSpecs", "systemControls", "workingDirectory", "user", "hostname",
    "dnsServers", "dnsSearchDomains", "extraHosts", "privileged", "readonlyRootFilesystem", "dockerSecurityOptions",
    "linuxParameters", "interactive", "pseudoTerminal",
)  # fmt: skip
HEALTH_RANGES = {  # member -> (default, lowest, highest), D.3
    "interval": (30, 5, 300),
    "timeout": (5, 2, 60),
    "retries": (3, 1, 10),
    "startPeriod": (0, 0, 300),
}
LOG_DRIVERS = ("awslogs", "json-file", "none")
LOG_OPTIONS_UNKNOWN = ("awslogs-datetime-format", "awslogs-multiline-pattern")


def refuse_unemulated(document: Mapping[str, Any]) -> None:
    """Raises NotImplemented naming the first member that would have no effect."""
    for member in DOCUMENT_LACKS:
        if document.get(member):
            raise not_emulated("ecs", f"RegisterTaskDefinition with {member}")
    for raw in document["containerDefinitions"]:
        for member in CONTAINER_LACKS:
            if raw.get(member):
                raise not_emulated("ecs", f"RegisterTaskDefinition with containerDefinitions[].{member}")
        if raw.get("restartPolicy", {}).get("enabled"):
            raise not_emulated("ecs", "RegisterTaskDefinition with containerDefinitions[].restartPolicy")
        if any("containerPortRange" in mapping for mapping in raw["portMappings"]):
            raise not_emulated("ecs", "RegisterTaskDefinition with portMappings[].containerPortRange")
        _refuse_log(raw.get("logConfiguration") or {})


def _refuse_log(raw: Mapping[str, Any]) -> None:
    driver, options = raw.get("logDriver"), raw.get("options") or {}
    if driver and driver not in LOG_DRIVERS:
        raise not_emulated("ecs", f"RegisterTaskDefinition with logDriver {driver}")
    if raw.get("secretOptions"):
        raise not_emulated("ecs", "RegisterTaskDefinition with logConfiguration.secretOptions")
    for option in LOG_OPTIONS_UNKNOWN:
        if option in options:
            raise not_emulated("ecs", f"RegisterTaskDefinition with the log option {option}")


def check_container(raw: Raw) -> None:
    """Raises ClientException."""
    health_check(raw)
    logs = raw.get("logConfiguration") or {}
    options = logs.get("options") or {}
    if logs.get("logDriver") == "awslogs" and not options.get("awslogs-group"):
        raise client_error("Log driver awslogs requires options: awslogs-group, awslogs-region.")


def health_check(raw: Raw) -> HealthCheck | None:
    """With Docker's defaults; None without one and for NONE. Raises ClientException."""
    given = raw.get("healthCheck")
    if not given or given["command"] == ["NONE"]:
        return None
    command = tuple(given["command"])
    if len(command) < 2 or command[0] not in ("CMD", "CMD-SHELL"):
        raise client_error("The health check command must start with CMD or CMD-SHELL, followed by the command.")
    values = {}
    for member, (default, low, high) in HEALTH_RANGES.items():
        values[member] = given.get(member, default)
        if not low <= values[member] <= high:
            raise client_error(f"The health check {member} must be between {low} and {high}.")
    return HealthCheck(command, values["interval"], values["timeout"], values["retries"], values["startPeriod"])


def log_options(raw: Raw) -> LogOptions | None:
    """Of the awslogs driver; what other drivers write stays in the container's own log."""
    logs = raw.get("logConfiguration") or {}
    if logs.get("logDriver") != "awslogs":
        return None
    options = logs.get("options") or {}
    region, prefix = (options.get(f"awslogs-{name}", "") for name in ("region", "stream-prefix"))
    return LogOptions(options["awslogs-group"], region, prefix)
