"""The attributes of a load balancer that shape what its data plane does with a request (C.5, C.7; desync mitigation)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

MODES = ("monitor", "defensive", "strictest")
XFF_MODES = ("append", "preserve", "remove")


@dataclass(frozen=True, slots=True)
class Options:
    """Seconds, modes and switches; the defaults are AWS's. Raises ValueError where a mode is unknown."""

    idle_timeout: float = 60.0
    keep_alive: float = 3600.0  # greatest age of a client's connection
    desync: str = "defensive"
    drop_invalid: bool = False
    xff: str = "append"
    xff_port: bool = False
    preserve_host: bool = False

    def __post_init__(self) -> None:
        if self.desync not in MODES:
            raise ValueError(f"routing.http.desync_mitigation_mode is {self.desync}; it must be one of {MODES}")
        if self.xff not in XFF_MODES:
            raise ValueError(f"routing.http.xff_header_processing.mode is {self.xff}; it must be one of {XFF_MODES}")

    @classmethod
    def of(cls, attributes: Mapping[str, str]) -> Options:
        """From load balancer attributes, as AWS spells keys and values."""

        def on(key: str) -> bool:
            return attributes.get(key) == "true"

        return cls(
            idle_timeout=float(attributes.get("idle_timeout.timeout_seconds", 60)),
            keep_alive=float(attributes.get("client_keep_alive.seconds", 3600)),
            desync=attributes.get("routing.http.desync_mitigation_mode", "defensive"),
            drop_invalid=on("routing.http.drop_invalid_header_fields.enabled"),
            xff=attributes.get("routing.http.xff_header_processing.mode", "append"),
            xff_port=on("routing.http.xff_client_port.enabled"),
            preserve_host=on("routing.http.preserve_host_header.enabled"),
        )
