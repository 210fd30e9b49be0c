"""TLS: what an HTTPS listener shows its clients (certificates by server name, the policy's protocols), and TLS to targets.

HTTP/2 is not emulated: ALPN offers http/1.1 alone. A private key arrives over the emulator's socket pair, is in a file of mode 0600
for as long as OpenSSL reads it, and is written nowhere else.
"""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

ALPN = ["http/1.1"]


@dataclass(frozen=True, slots=True)
class Certificate:
    """PEM texts, and the domain names it is for, in lower case (`*.example.com` is one label)."""

    arn: str
    chain: str
    key: str = field(repr=False)
    names: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {"arn": self.arn, "chain": self.chain, "key": self.key, "names": list(self.names)}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Certificate:
        return cls(raw["arn"], raw["chain"], raw["key"], tuple(raw["names"]))

    def covers(self, name: str) -> int:
        """2: by its very name; 1: by a wildcard; 0: not at all."""
        if name in self.names:
            return 2
        return 1 if "*." + name.partition(".")[2] in self.names else 0


@dataclass(frozen=True, slots=True)
class Tls:
    """An HTTPS listener's settings: the default certificate first, and the protocols and OpenSSL ciphers of its policy."""

    certificates: tuple[Certificate, ...]
    minimum: str  # TLSv1, TLSv1.1, TLSv1.2 or TLSv1.3
    maximum: str
    ciphers: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        certificates = [one.to_json() for one in self.certificates]
        return {
            "certificates": certificates,
            "minimum": self.minimum,
            "maximum": self.maximum,
            "ciphers": list(self.ciphers),
        }

    @classmethod
    def from_json(cls, raw: Mapping[str, Any] | None) -> Tls | None:
        if raw is None:
            return None
        certificates = tuple(Certificate.from_json(one) for one in raw["certificates"])
        return cls(certificates, raw["minimum"], raw["maximum"], tuple(raw["ciphers"]))


VERSIONS = {
    "TLSv1": ssl.TLSVersion.TLSv1,
    "TLSv1.1": ssl.TLSVersion.TLSv1_1,
    "TLSv1.2": ssl.TLSVersion.TLSv1_2,
    "TLSv1.3": ssl.TLSVersion.TLSv1_3,
}


class Secured(NamedTuple):
    """TLS of one connection, as the access log tells it."""

    cipher: str
    protocol: str
    domain_name: str
    cert_arn: str


NOT_SECURED = Secured("-", "-", "-", "-")


class CertificateUnusable(ValueError):
    """OpenSSL does not take a certificate or its key; the message names the certificate."""


class Front:
    """The TLS side of a listener. A change is in force for the next handshake; connections that stand are left alone."""

    def __init__(self, settings: Tls) -> None:
        self._sni: WeakKeyDictionary[Any, str] = WeakKeyDictionary()
        self._arns: WeakKeyDictionary[ssl.SSLContext, str] = WeakKeyDictionary()
        self.configure(settings)

    def configure(self, settings: Tls) -> None:
        """Raises CertificateUnusable, and then nothing has changed."""
        shown = [(one, _context(settings, one)) for one in settings.certificates]
        self._shown = shown
        for one, context in shown:
            self._arns[context] = one.arn
        self.context = shown[0][1]
        self.context.sni_callback = self._choose

    def _choose(self, connection: Any, name: str | None, _: ssl.SSLContext) -> None:
        """The best match for the name, else the default certificate."""
        if not name:
            return
        best, context = max(self._shown, key=lambda one: one[0].covers(name.lower()))
        if best.covers(name.lower()):
            self._sni[connection] = name
            connection.context = context

    def noted(self, connection: ssl.SSLObject) -> Secured:
        """What the access log tells of a connection (C.8)."""
        cipher = connection.cipher()
        return Secured(
            cipher=cipher[0] if cipher else "-",
            protocol=connection.version() or "-",
            domain_name=self._sni.get(connection, "-"),
            cert_arn=self._arns.get(connection.context, "-"),
        )


def _context(settings: Tls, certificate: Certificate) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # Below 1.2 only a security level of 0 lets OpenSSL shake hands at all: policies that allow it mean it.
    context.set_ciphers(":".join((*settings.ciphers, "@SECLEVEL=0")) if settings.ciphers else "DEFAULT:@SECLEVEL=0")
    context.minimum_version, context.maximum_version = VERSIONS[settings.minimum], VERSIONS[settings.maximum]
    context.set_alpn_protocols(ALPN)
    descriptor, path = tempfile.mkstemp(suffix=".pem")  # of mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(f"{certificate.key.strip()}\n{certificate.chain.strip()}\n")
        context.load_cert_chain(path)
    except ssl.SSLError as error:
        raise CertificateUnusable(f"certificate {certificate.arn} cannot be used: {error.reason}") from error
    finally:
        os.unlink(path)
    return context


@cache
def to_targets() -> ssl.SSLContext:
    """TLS to a target: like ALB, whatever certificate it shows."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
