"""Settings of a target group: defaults, and what is allowed (C.3)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from harness.emulator.cloud import AwsError
from harness.emulator.services.elbv2_rules import invalid

DEFAULTS: dict[str, Any] = {
    "TargetType": "instance",
    "ProtocolVersion": "HTTP1",
    "HealthCheckProtocol": "HTTP",
    "HealthCheckPort": "traffic-port",
    "HealthCheckEnabled": True,
    "HealthCheckPath": "/",
    "HealthCheckIntervalSeconds": 30,
    "HealthCheckTimeoutSeconds": 5,
    "HealthyThresholdCount": 5,
    "UnhealthyThresholdCount": 2,
    "Matcher": {"HttpCode": "200"},
    "IpAddressType": "ipv4",
}
RANGES = {
    "HealthCheckIntervalSeconds": (5, 300),
    "HealthCheckTimeoutSeconds": (2, 120),
    "HealthyThresholdCount": (2, 10),
    "UnhealthyThresholdCount": (2, 10),
}
LONGEST_PATH = 1024
CODES = re.compile(r"\d{3}(-\d{3})?(,\d{3}(-\d{3})?)*")


def check_settings(settings: Mapping[str, Any]) -> None:
    """Raises AwsError."""
    for key in ("Protocol", "Port"):
        if key not in settings:
            raise invalid(f"A target group {key.lower()} must be specified")
    if not 1 <= settings["Port"] <= 65535:
        raise invalid(f"Port '{settings['Port']}' must be between 1 and 65535")
    for key in ("Protocol", "HealthCheckProtocol"):
        if settings[key] not in ("HTTP", "HTTPS"):
            said = f"elbv2: target groups with {key} {settings[key]} are not emulated by rehearse"
            raise AwsError("NotImplemented", said, 501)
    if settings["ProtocolVersion"] != "HTTP1":
        said = f"elbv2: target groups with ProtocolVersion {settings['ProtocolVersion']} are not emulated by rehearse"
        raise AwsError("NotImplemented", said, 501)
    if not settings["HealthCheckEnabled"]:
        raise invalid(f"Health checks of target groups with target type '{settings['TargetType']}' cannot be disabled")
    for key, (low, high) in RANGES.items():
        if not low <= settings[key] <= high:
            raise invalid(f"{key} is {settings[key]}; it must be between {low} and {high}")
    if settings["HealthCheckTimeoutSeconds"] >= settings["HealthCheckIntervalSeconds"]:
        raise invalid("Health check timeout must be smaller than the interval")
    _check_request(settings)


def _check_request(settings: Mapping[str, Any]) -> None:
    """What is asked for in a health check, and which answers pass."""
    port, path, codes = settings["HealthCheckPort"], settings["HealthCheckPath"], settings["Matcher"].get("HttpCode")
    if port != "traffic-port" and not (port.isdecimal() and 1 <= int(port) <= 65535):
        raise invalid(f"Health check port '{port}' must be 'traffic-port' or between 1 and 65535")
    if not path.startswith("/") or len(path) > LONGEST_PATH:
        raise invalid(f"Health check path '{path}' must begin with '/' and have at most {LONGEST_PATH} characters")
    if not codes or not CODES.fullmatch(codes) or not all(200 <= int(one) <= 499 for one in re.split("[,-]", codes)):
        raise invalid(f"Health check matcher HTTP code '{codes}' must be within '200-499' inclusive")
