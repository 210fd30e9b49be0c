"""The attributes of a load balancer and its listener that shape what the data plane does with a request (C.5, C.7; desync mitigation)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

MODES = ("monitor", "defensive", "strictest")
XFF_MODES = ("append", "preserve", "remove")
TLS_HEADERS = "routing.http.x_amzn_tls_version_and_cipher_suite.enabled"
RENAMED = "routing.http.request.x_amzn_{}.header_name"
INSERTED = "routing.http.response.{}.header_value"
INSERTABLE = (  # headers of an answer that a listener can set (User Guide, "HTTP header modification")
    "Strict-Transport-Security",
    "Access-Control-Allow-Origin",
    "Access-Control-Allow-Methods",
    "Access-Control-Allow-Headers",
    "Access-Control-Allow-Credentials",
    "Access-Control-Expose-Headers",
    "Access-Control-Max-Age",
    "Content-Security-Policy",
    "X-Content-Type-Options",
    "X-Frame-Options",
)


def key_of(header: str) -> str:
    """As a header is called in the key of an attribute."""
    return header.lower().replace("-", "_")


@dataclass(frozen=True, slots=True)
class Options:
    """Seconds, modes and switches; the defaults are AWS's. Raises ValueError where a mode is unknown.

    `inserted` are headers that every answer gets, in place of the target's own. `server`: whether our own answers say what we are.
    `tls_headers`: what the two headers are called that tell a target of the client's TLS; none where it is not told.
    """

    idle_timeout: float = 60.0
    keep_alive: float = 3600.0  # greatest age of a client's connection
    desync: str = "defensive"
    drop_invalid: bool = False
    xff: str = "append"
    xff_port: bool = False
    preserve_host: bool = False
    server: bool = True
    inserted: tuple[tuple[str, str], ...] = ()
    tls_headers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.desync not in MODES:
            raise ValueError(f"routing.http.desync_mitigation_mode is {self.desync}; it must be one of {MODES}")
        if self.xff not in XFF_MODES:
            raise ValueError(f"routing.http.xff_header_processing.mode is {self.xff}; it must be one of {XFF_MODES}")

    @classmethod
    def of(cls, attributes: Mapping[str, str]) -> Options:
        """From attributes of the load balancer and of the listener, as AWS spells keys and values."""

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
            server=attributes.get("routing.http.response.server.enabled") != "false",
            inserted=tuple(
                (name, value) for name in INSERTABLE if (value := attributes.get(INSERTED.format(key_of(name))))
            ),
            tls_headers=tuple(
                attributes.get(RENAMED.format(key_of(name)), f"X-Amzn-{name}")
                for name in ("Tls-Version", "Tls-Cipher-Suite")
            )
            if on(TLS_HEADERS)
            else (),
        )

    @property
    def set_on_answers(self) -> bytes:
        """The lines of `inserted`."""
        return "".join(f"{name}: {value}\r\n" for name, value in self.inserted).encode("latin-1")

    @property
    def not_passed_on(self) -> frozenset[bytes]:
        """Headers that a client may not say, in lower case, since targets believe us."""
        return frozenset(name.lower().encode() for name in self.tls_headers)
