"""Certificates and TLS policies of HTTPS listeners.

Certificates are ACM's, asked for as AWS does. Where ACM gives no private key (a delegate that keeps it to itself), the listener shows
a self-signed certificate for the same names. Keys are held in memory, sent to the data plane over its socket pair, never logged.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from harness import clock
from harness.emulator.alb.plane import Certificate, Tls
from harness.emulator.cloud import AwsError, Caller, Cloud
from harness.emulator.services.elbv2_ssl_policies import POLICIES

DEFAULT_POLICY = "ELBSecurityPolicy-2016-08"  # of the API; the console's is another
LIFETIME = timedelta(days=395)


async def certificate_of(cloud: Cloud, caller: Caller, arn: str) -> Certificate:
    """Raises CertificateNotFound, and UnsupportedCertificate for one that is not issued (what AWS says of a pending one)."""
    if ":acm:" not in arn:
        raise AwsError("CertificateNotFound", f"Certificate '{arn}' not found")
    try:
        described = (await cloud.call(caller, "acm", "DescribeCertificate", CertificateArn=arn))["Certificate"]
    except AwsError as error:
        if error.code not in ("ResourceNotFoundException", "ValidationException", "InvalidArnException"):
            raise
        raise AwsError("CertificateNotFound", f"Certificate '{arn}' not found") from error
    if described["Status"] != "ISSUED":
        said = "must have a fully-qualified domain name, a supported signature, and a supported key size."
        raise AwsError("UnsupportedCertificate", f"The certificate '{arn}' {said}")
    names = list(
        dict.fromkeys(
            name.lower()
            for name in (described.get("DomainName"), *described.get("SubjectAlternativeNames", ()))
            if name
        )
    )
    key = await cloud.key_of(caller, arn)
    if key is None:
        return self_signed(arn, names)
    issued = await cloud.call(caller, "acm", "GetCertificate", CertificateArn=arn)
    return Certificate(arn, _chain(issued), key, tuple(names))


def _chain(issued: dict[str, Any]) -> str:
    """The certificate and those of its chain that really vouch for it: moto adds a root that does not."""
    last = x509.load_pem_x509_certificate(issued["Certificate"].encode())
    chain = [last]
    given = issued.get("CertificateChain", "").encode()
    for one in x509.load_pem_x509_certificates(given) if given else []:
        if one.subject == last.issuer and one not in chain:
            chain.append(one)
            last = one
    return "".join(one.public_bytes(serialization.Encoding.PEM).decode() for one in chain)


def self_signed(arn: str, names: Sequence[str]) -> Certificate:
    """A new key, and a certificate of its own for the names."""
    key, now = ec.generate_private_key(ec.SECP256R1()), clock.utc()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, names[0][:64])])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(one) for one in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    chain = made.public_bytes(serialization.Encoding.PEM).decode()
    return Certificate(arn, chain, private.decode(), tuple(names))


def check_policy(name: str) -> str:
    """Raises SSLPolicyNotFound."""
    if name not in POLICIES:
        raise AwsError("SSLPolicyNotFound", f"SSL policy '{name}' not found")
    return name


def settings_of(policy: str, certificates: Sequence[Certificate]) -> Tls:
    """What the data plane needs of a listener with this policy; ciphers of TLS 1.3 are OpenSSL's own."""
    protocols, ciphers = POLICIES[policy]
    older = tuple(cipher for cipher in ciphers if not cipher.startswith("TLS_"))
    return Tls(tuple(certificates), protocols[-1], protocols[0], older)


def render_policy(name: str) -> dict[str, Any]:
    protocols, ciphers = POLICIES[name]
    return {
        "Name": name,
        "SslProtocols": list(protocols),
        "Ciphers": [{"Name": cipher, "Priority": number} for number, cipher in enumerate(ciphers, 1)],
        "SupportedLoadBalancerTypes": ["application", "network"],
    }
