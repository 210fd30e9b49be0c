"""What a container definition may ask for: its health check, its limits and its log; and the values that are refused because they would
have no effect here. Members that are refused as a whole are in harness/emulator/members/ecs.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.emulator.cloud import not_emulated
from harness.emulator.services.ecs_lookup import Raw, client_error
from harness.emulator.services.ecs_state import HealthCheck, LogOptions

HEALTH_RANGES = {  # member -> (default, lowest, highest), D.3
    "interval": (30, 5, 300),
    "timeout": (5, 2, 60),
    "retries": (3, 1, 10),
    "startPeriod": (0, 0, 300),
}
LOG_DRIVERS = ("awslogs", "json-file", "none")
LOG_OPTIONS_UNKNOWN = ("awslogs-datetime-format", "awslogs-multiline-pattern")
LOG_OPTIONS_RECORDED = ("awslogs-create-group", "mode", "max-buffer-size")  # those of json-file, too
LOG_OPTIONS = {"awslogs-group", "awslogs-region", "awslogs-stream-prefix", *LOG_OPTIONS_UNKNOWN, *LOG_OPTIONS_RECORDED}


def refuse_unemulated(document: Mapping[str, Any]) -> None:
    """Raises NotImplemented naming the first value that would have no effect."""
    system = document.get("runtimePlatform", {}).get("operatingSystemFamily") or "LINUX"
    if system != "LINUX":
        raise not_emulated("ecs", f"RegisterTaskDefinition with runtimePlatform.operatingSystemFamily {system}")
    for raw in document["containerDefinitions"]:
        _refuse_log(raw.get("logConfiguration") or {})


def _refuse_log(raw: Mapping[str, Any]) -> None:
    driver, options = raw.get("logDriver"), raw.get("options") or {}
    if driver and driver not in LOG_DRIVERS:
        raise not_emulated("ecs", f"RegisterTaskDefinition with logDriver {driver}")
    for option in LOG_OPTIONS_UNKNOWN:
        if option in options:
            raise not_emulated("ecs", f"RegisterTaskDefinition with the log option {option}")


def check_container(raw: Raw) -> None:
    """Raises ClientException."""
    health_check(raw)
    limits(raw)
    logs = raw.get("logConfiguration") or {}
    options = logs.get("options") or {}
    if logs.get("logDriver") == "awslogs" and not options.get("awslogs-group"):
        raise client_error("Log driver awslogs requires options: awslogs-group, awslogs-region.")
    if logs.get("logDriver") == "awslogs" and (strange := sorted(options.keys() - LOG_OPTIONS)):
        raise client_error(f"Log driver awslogs disallows options: {', '.join(strange)}")


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


def limits(raw: Raw) -> Mapping[str, tuple[int, int]]:
    """Of ulimits: name to soft and hard limit. Raises ClientException."""
    given = raw.get("ulimits") or ()
    for one in given:
        if one["softLimit"] > one["hardLimit"] >= 0:
            raise client_error(f"The soft limit of the ulimit {one['name']} must not be above its hard limit.")
    return {one["name"]: (one["softLimit"], one["hardLimit"]) for one in given}


def log_options(raw: Raw) -> LogOptions | None:
    """Of the awslogs driver; what other drivers write stays in the container's own log."""
    logs = raw.get("logConfiguration") or {}
    if logs.get("logDriver") != "awslogs":
        return None
    options = logs.get("options") or {}
    region, prefix = (options.get(f"awslogs-{name}", "") for name in ("region", "stream-prefix"))
    return LogOptions(options["awslogs-group"], region, prefix)
