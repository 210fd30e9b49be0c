"""Attributes of load balancers, target groups and listeners: what there is, its default, and what has an effect here."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from harness.emulator.alb.options import INSERTABLE, INSERTED, RENAMED, TLS_HEADERS, key_of
from harness.emulator.cloud import AwsError

log = logging.getLogger("rehearse.elbv2")
BOOLEAN = ("true", "false")
ALGORITHM = "load_balancing.algorithm.type"
STICKY, SLOW_START = "stickiness.enabled", "slow_start.duration_seconds"
APP_COOKIE = "stickiness.app_cookie.cookie_name"
UNHEALTHY_ROUTING = "target_group_health.unhealthy_state_routing.minimum_healthy_targets"
DNS_FAILOVER = "target_group_health.dns_failover.minimum_healthy_targets"
WEEK = 604800  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """Attributes of one kind of resource. `effective` ones do here what they do on AWS, the others are only kept.

    `refused` ones would change who gets a request, and are not emulated: another value than the default is an error.
    """

    kind: str
    defaults: Mapping[str, str]
    effective: frozenset[str] = frozenset()
    refused: frozenset[str] = frozenset()
    ranges: Mapping[str, tuple[int, int]]
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    switchable: frozenset[str] = frozenset()  # numbers that may also be `off`
    texts: Mapping[str, re.Pattern[str]] = field(default_factory=dict)

    def of(self, pairs: Sequence[Mapping[str, str]]) -> dict[str, str]:
        """What a Modify call gives, checked. Raises AwsError."""
        given = {pair["Key"]: pair.get("Value", "") for pair in pairs}
        for key, value in given.items():
            self._check(key, value)
        return given

    def _check(self, key: str, value: str) -> None:
        if key not in self.defaults:
            raise AwsError("InvalidConfigurationRequest", f"{self.kind} attribute key '{key}' is not recognized")
        if value == self.defaults[key]:
            return
        self._check_value(key, value)
        if key in self.refused:
            raise AwsError(
                "NotImplemented", f"elbv2: the {self.kind.lower()} attribute {key} is not emulated by rehearse yet", 501
            )
        if key not in self.effective:
            log.warning("the %s attribute %s=%s is kept but has no effect here", self.kind.lower(), key, value)

    def _check_value(self, key: str, value: str) -> None:
        low, high = self.ranges.get(key, (0, 0))
        may_be_off = key in self.switchable and value == "off"
        if key in self.ranges and not may_be_off and not (value.isdecimal() and low <= int(value) <= high):
            raise AwsError(
                "InvalidConfigurationRequest",
                f"{self.kind} attribute value '{value}' of '{key}' must be a number between {low} and {high}",
            )
        if key in self.texts and not self.texts[key].fullmatch(value):
            said = f"{self.kind} attribute value '{value}' of '{key}' has characters that it cannot have, or too many"
            raise AwsError("InvalidConfigurationRequest", said)
        choices = BOOLEAN if self.defaults[key] in BOOLEAN else self.choices.get(key, (value,))
        if value not in choices:
            raise AwsError(
                "InvalidConfigurationRequest",
                f"{self.kind} attribute value '{value}' of '{key}' must be one of '{', '.join(choices)}'",
            )


LOAD_BALANCER = Attributes(
    kind="Load balancer",
    defaults={
        "access_logs.s3.enabled": "false",
        "access_logs.s3.bucket": "",
        "access_logs.s3.prefix": "",
        "client_keep_alive.seconds": "3600",
        "connection_logs.s3.enabled": "false",
        "connection_logs.s3.bucket": "",
        "connection_logs.s3.prefix": "",
        "deletion_protection.enabled": "false",
        "health_check_logs.s3.enabled": "false",
        "health_check_logs.s3.bucket": "",
        "health_check_logs.s3.prefix": "",
        "idle_timeout.timeout_seconds": "60",
        "load_balancing.cross_zone.enabled": "true",
        "routing.http.desync_mitigation_mode": "defensive",
        "routing.http.drop_invalid_header_fields.enabled": "false",
        "routing.http.preserve_host_header.enabled": "false",
        "routing.http.x_amzn_tls_version_and_cipher_suite.enabled": "false",
        "routing.http.xff_client_port.enabled": "false",
        "routing.http.xff_header_processing.mode": "append",
        "routing.http2.enabled": "true",
        "waf.fail_open.enabled": "false",
        "zonal_shift.config.enabled": "false",
    },
    effective=frozenset(
        {
            "access_logs.s3.bucket",
            "access_logs.s3.enabled",
            "access_logs.s3.prefix",
            "client_keep_alive.seconds",
            "deletion_protection.enabled",
            "idle_timeout.timeout_seconds",
            "routing.http.desync_mitigation_mode",
            "routing.http.drop_invalid_header_fields.enabled",
            "routing.http.preserve_host_header.enabled",
            TLS_HEADERS,
            "routing.http.xff_client_port.enabled",
            "routing.http.xff_header_processing.mode",
        }
    ),
    ranges={"idle_timeout.timeout_seconds": (1, 4000), "client_keep_alive.seconds": (60, WEEK)},
    choices={
        "routing.http.desync_mitigation_mode": ("monitor", "defensive", "strictest"),
        "routing.http.xff_header_processing.mode": ("append", "preserve", "remove"),
    },
)
TARGET_GROUP = Attributes(
    kind="Target group",
    defaults={
        "deregistration_delay.timeout_seconds": "300",
        ALGORITHM: "round_robin",
        "load_balancing.algorithm.anomaly_mitigation": "off",
        "load_balancing.cross_zone.enabled": "use_load_balancer_configuration",
        SLOW_START: "0",
        STICKY: "false",
        "stickiness.type": "lb_cookie",
        APP_COOKIE: "",
        "stickiness.app_cookie.duration_seconds": "86400",
        "stickiness.lb_cookie.duration_seconds": "86400",
        f"{DNS_FAILOVER}.count": "1",
        f"{DNS_FAILOVER}.percentage": "off",
        f"{UNHEALTHY_ROUTING}.count": "1",
        f"{UNHEALTHY_ROUTING}.percentage": "off",
    },
    effective=frozenset(
        {
            "deregistration_delay.timeout_seconds",
            ALGORITHM,
            SLOW_START,
            STICKY,
            "stickiness.type",
            APP_COOKIE,
            "stickiness.app_cookie.duration_seconds",
            "stickiness.lb_cookie.duration_seconds",
            f"{UNHEALTHY_ROUTING}.count",
            f"{UNHEALTHY_ROUTING}.percentage",
        }
    ),
    refused=frozenset({"load_balancing.algorithm.anomaly_mitigation"}),
    ranges={
        "deregistration_delay.timeout_seconds": (0, 3600),
        SLOW_START: (30, 900),
        "stickiness.app_cookie.duration_seconds": (1, WEEK),
        "stickiness.lb_cookie.duration_seconds": (1, WEEK),
        f"{DNS_FAILOVER}.count": (1, 1000),
        f"{DNS_FAILOVER}.percentage": (1, 100),
        f"{UNHEALTHY_ROUTING}.count": (1, 1000),
        f"{UNHEALTHY_ROUTING}.percentage": (1, 100),
    },
    switchable=frozenset({f"{DNS_FAILOVER}.count", f"{DNS_FAILOVER}.percentage", f"{UNHEALTHY_ROUTING}.percentage"}),
    choices={
        ALGORITHM: ("round_robin", "least_outstanding_requests", "weighted_random"),
        "load_balancing.algorithm.anomaly_mitigation": ("on", "off"),
        "load_balancing.cross_zone.enabled": (*BOOLEAN, "use_load_balancer_configuration"),
        "stickiness.type": ("lb_cookie", "app_cookie"),
    },
)


def check_together(attributes: Mapping[str, str]) -> None:
    """What attributes of a target group demand of each other (C.2). Raises AwsError."""
    if attributes[SLOW_START] != "0" and attributes[ALGORITHM] != "round_robin":
        said = f"Slow start cannot be used with the {attributes[ALGORITHM]} algorithm"
        raise AwsError("InvalidConfigurationRequest", said)
    if attributes[STICKY] == "true" and attributes["stickiness.type"] == "app_cookie":
        name = attributes[APP_COOKIE]
        if not name or name.startswith("AWSALB"):
            said = f"'{name}' is not a valid app cookie name: it must be given, and not begin with AWSALB"
            raise AwsError("InvalidConfigurationRequest", said)


HEADER_NAME = re.compile(r"[A-Za-z0-9_-]{1,40}")
HEADER_VALUE = re.compile(r"[A-Za-z0-9_ :;.,\\/'?!(){}\[\]@<>=\-+*#&`|~^%]{0,1024}")
SERVER = "routing.http.response.server.enabled"
TLS_NAMES = {RENAMED.format(key_of(name)): f"X-Amzn-{name}" for name in ("Tls-Version", "Tls-Cipher-Suite")}
CERTIFICATE = ("-Serial-Number", "-Issuer", "-Subject", "-Validity", "-Leaf", "")
MTLS_NAMES = {RENAMED.format(key_of(f"Mtls-Clientcert{part}")): f"X-Amzn-Mtls-Clientcert{part}" for part in CERTIFICATE}
INSERTED_VALUES = {INSERTED.format(key_of(name)): "" for name in INSERTABLE}
LISTENER = Attributes(
    kind="Listener",
    defaults={SERVER: "true", **INSERTED_VALUES},
    effective=frozenset({SERVER, *INSERTED_VALUES}),
    ranges={},
    texts=dict.fromkeys(INSERTED_VALUES, HEADER_VALUE),
)
# The names of what a target is told of a client's certificate have no effect: mutual TLS is refused by name.
HTTPS_LISTENER = Attributes(
    kind="Listener",
    defaults={**TLS_NAMES, **MTLS_NAMES, **LISTENER.defaults},
    effective=LISTENER.effective | frozenset(TLS_NAMES),
    ranges={},
    texts={**LISTENER.texts, **dict.fromkeys((*TLS_NAMES, *MTLS_NAMES), HEADER_NAME)},
)
