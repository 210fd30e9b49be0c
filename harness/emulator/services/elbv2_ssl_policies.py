"""TLS policies by name: protocols, newest first, and ciphers by priority, as DescribeSSLPolicies shows them.

The post-quantum (PQ) ones are here so that templates naming them work; their key exchange is whatever OpenSSL has.
"""

from __future__ import annotations

from collections.abc import Mapping

Policy = tuple[tuple[str, ...], tuple[str, ...]]

TLS13 = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")


def _ecdhe(*endings: str) -> tuple[str, ...]:
    return tuple(f"ECDHE-{kind}-{ending}" for ending in endings for kind in ("ECDSA", "RSA"))


GCM = _ecdhe("AES128-GCM-SHA256", "AES256-GCM-SHA384")
SHA2 = _ecdhe("AES128-GCM-SHA256", "AES128-SHA256", "AES256-GCM-SHA384", "AES256-SHA384")
SHA1 = _ecdhe("AES128-GCM-SHA256", "AES128-SHA256", "AES128-SHA", "AES256-GCM-SHA384", "AES256-SHA384", "AES256-SHA")
RSA_SHA2 = ("AES128-GCM-SHA256", "AES128-SHA256", "AES256-GCM-SHA384", "AES256-SHA256")
RSA_SHA1 = ("AES128-GCM-SHA256", "AES128-SHA256", "AES128-SHA", "AES256-GCM-SHA384", "AES256-SHA256", "AES256-SHA")
V13, V12, V11, V10 = "TLSv1.3", "TLSv1.2", "TLSv1.1", "TLSv1"

POLICIES: Mapping[str, Policy] = {
    "ELBSecurityPolicy-TLS13-1-3-2021-06": ((V13,), TLS13),
    "ELBSecurityPolicy-TLS13-1-3-PQ-2025-09": ((V13,), TLS13),
    "ELBSecurityPolicy-TLS13-1-2-2021-06": ((V13, V12), TLS13 + SHA2),
    "ELBSecurityPolicy-TLS13-1-2-PQ-2025-09": ((V13, V12), TLS13 + SHA2),
    "ELBSecurityPolicy-TLS13-1-2-Res-2021-06": ((V13, V12), TLS13 + GCM),
    "ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09": ((V13, V12), TLS13 + GCM),
    "ELBSecurityPolicy-TLS13-1-2-Ext1-2021-06": ((V13, V12), TLS13 + SHA2 + RSA_SHA2),
    "ELBSecurityPolicy-TLS13-1-2-Ext1-PQ-2025-09": ((V13, V12), TLS13 + SHA2 + RSA_SHA2),
    "ELBSecurityPolicy-TLS13-1-2-Ext2-2021-06": ((V13, V12), TLS13 + SHA1 + RSA_SHA1),
    "ELBSecurityPolicy-TLS13-1-2-Ext2-PQ-2025-09": ((V13, V12), TLS13 + SHA1 + RSA_SHA1),
    "ELBSecurityPolicy-TLS13-1-1-2021-06": ((V13, V12, V11), TLS13 + SHA1 + RSA_SHA1),
    "ELBSecurityPolicy-TLS13-1-0-2021-06": ((V13, V12, V11, V10), TLS13 + SHA1 + RSA_SHA1),
    "ELBSecurityPolicy-TLS13-1-0-PQ-2025-09": ((V13, V12, V11, V10), TLS13 + SHA1 + RSA_SHA1),
    "ELBSecurityPolicy-2016-08": ((V12, V11, V10), SHA1 + RSA_SHA1),
    "ELBSecurityPolicy-TLS-1-0-2015-04": ((V12, V11, V10), SHA1 + RSA_SHA1),
    "ELBSecurityPolicy-TLS-1-1-2017-01": ((V12, V11), SHA1 + RSA_SHA1),
    "ELBSecurityPolicy-TLS-1-2-2017-01": ((V12,), SHA2 + RSA_SHA2),
    "ELBSecurityPolicy-TLS-1-2-Ext-2018-06": ((V12,), SHA1 + RSA_SHA1),
    "ELBSecurityPolicy-FS-2018-06": ((V12, V11, V10), SHA1),
    "ELBSecurityPolicy-FS-1-1-2019-08": ((V12, V11), SHA1),
    "ELBSecurityPolicy-FS-1-2-2019-08": ((V12,), SHA1),
    "ELBSecurityPolicy-FS-1-2-Res-2019-08": ((V12,), SHA2),
    "ELBSecurityPolicy-FS-1-2-Res-2020-10": ((V12,), GCM),
}
