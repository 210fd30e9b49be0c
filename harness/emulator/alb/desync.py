"""How dangerous a request's framing is: the tiers and reasons of AWS's http-desync-guardian, which ALB applies and logs.

https://github.com/aws/http-desync-guardian/blob/master/docs/README.md says what each reason means; the order of the checks is the
library's too, since of several faults in one tier the first one found is named. Written anew from that description.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import IntEnum

Field = tuple[bytes, bytes]


class Tier(IntEnum):
    COMPLIANT = 0
    ACCEPTABLE = 1
    AMBIGUOUS = 2
    SEVERE = 3


class Verdict:
    """The worst tier so far, and the reason that was found first in it. `tier` and `reason` are for reading."""

    __slots__ = ("reason", "tier")

    def __init__(self) -> None:
        self.tier, self.reason = Tier.COMPLIANT, "-"

    def worsen(self, tier: Tier, reason: str) -> None:
        if tier > self.tier:
            self.tier, self.reason = tier, reason


TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++")
BAD = re.compile(rb"[\0\r\n]")
NON_COMPLIANT_VALUE = re.compile(rb"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f]")
CODINGS = frozenset((b"chunked", b"identity", b"gzip", b"deflate", b"compress"))
LARGEST_LENGTH = 2**64 - 1


def _resembling(name: str) -> re.Pattern[bytes]:
    """Names (in lower case) that some server could take for `name`: other delimiters, controls between the letters, look-alikes."""
    alike = {"s": rb"(?:s|\xc5\xbf)", "i": rb"(?:i|\xc4\xb1)"}
    words = [rb"[\x00-\x20]*+".join(alike.get(letter, letter.encode()) for letter in word) for word in name.split("-")]
    return re.compile(
        rb"[^0-9a-z]*" + rb"[\x00-\x20]*+[^\x00-\x20][^0-9a-z]*+".join(words) + rb"(?:[^0-9a-z]*|[ \t].*)", re.DOTALL
    )


LIKE_TRANSFER_ENCODING = _resembling("transfer-encoding")
LIKE_CONTENT_LENGTH = _resembling("content-length")


def kind(name: bytes) -> tuple[bytes, bool]:
    """(`transfer-encoding`, `content-length` or nothing; whether the name only resembles it)."""
    lower = name.lower()
    if lower in (b"transfer-encoding", b"content-length"):
        return lower, False
    if LIKE_TRANSFER_ENCODING.fullmatch(lower):
        return b"transfer-encoding", True
    if LIKE_CONTENT_LENGTH.fullmatch(lower):
        return b"content-length", True
    return b"", False


def judge_fields(fields: Sequence[Field], verdict: Verdict) -> tuple[list[bytes], list[bytes]]:
    """Judge names and values; the values of everything that is, or resembles, Transfer-Encoding, and Content-Length."""
    codings: list[bytes] = []
    lengths: list[bytes] = []
    for name, value in fields:
        bad = BAD.search(name) or BAD.search(value)
        if bad:
            verdict.worsen(Tier.SEVERE, "BadHeader")
        elif TOKEN.fullmatch(name) is None or NON_COMPLIANT_VALUE.search(value):
            verdict.worsen(Tier.ACCEPTABLE, "NonCompliantHeader")
        trimmed = name.strip(b" \t")
        if not trimmed or trimmed.startswith(b":"):
            verdict.worsen(Tier.AMBIGUOUS, "EmptyHeader")
            continue
        what, resembles = kind(name)
        if not what or (resembles and bad):
            continue
        if resembles:
            verdict.worsen(Tier.AMBIGUOUS, "SuspiciousHeader")
        (codings if what == b"transfer-encoding" else lengths).append(value)
    return codings, lengths


def judge_framing(
    method: bytes, version: bytes, codings: Sequence[bytes], lengths: Sequence[bytes], verdict: Verdict
) -> None:
    """Judge what says where the body ends. `version` is `HTTP/1.1`, `HTTP/1.0` or `HTTP/0.9`."""
    if codings and version <= b"HTTP/1.0":
        return verdict.worsen(Tier.AMBIGUOUS, "UndefinedTransferEncodingSemantics")
    if lengths and version < b"HTTP/1.0":
        return verdict.worsen(Tier.AMBIGUOUS, "UndefinedContentLengthSemantics")
    _judge_codings(codings, verdict)
    length = _judge_lengths(lengths, verdict)
    if method in (b"GET", b"HEAD"):
        if codings:
            verdict.worsen(Tier.AMBIGUOUS, "UndefinedTransferEncodingSemantics")
        if length == 0:
            verdict.worsen(Tier.ACCEPTABLE, "GetHeadZeroContentLength")
        elif length is not None:
            verdict.worsen(Tier.AMBIGUOUS, "UndefinedContentLengthSemantics")
    if codings and length is not None:
        verdict.worsen(Tier.AMBIGUOUS, "BothTeClPresent")
    return None


def coding(item: bytes) -> bytes:
    """A transfer coding without its parameters, in lower case."""
    return item.partition(b";")[0].strip(b" \t").lower()


def _judge_codings(codings: Sequence[bytes], verdict: Verdict) -> None:
    seen = False
    for value in codings:
        for item in value.split(b","):
            name = coding(item)
            if name not in CODINGS:
                verdict.worsen(Tier.SEVERE, "BadTransferEncoding")
            elif name == b"chunked":
                if seen:
                    verdict.worsen(Tier.SEVERE, "MultipleTransferEncodingChunked")
                seen = True


def length_of(value: bytes) -> int | None:
    """A Content-Length; nothing at all counts as 0, as in AWS's library. None where it is not a number of 64 bits."""
    digits = value.strip(b" \t")
    if not digits:
        return 0
    if not digits.isdigit() or len(digits) > 1000 or (length := int(digits)) > LARGEST_LENGTH:
        return None
    return length


def _judge_lengths(lengths: Sequence[bytes], verdict: Verdict) -> int | None:
    first: int | None = None
    for value in lengths:
        length = length_of(value)
        if length is None:
            verdict.worsen(Tier.SEVERE, "BadContentLength")
        elif first is None:
            first = length
        elif length != first:
            verdict.worsen(Tier.SEVERE, "MultipleContentLength")
        else:
            verdict.worsen(Tier.AMBIGUOUS, "DuplicateContentLength")
    return first


VERSION = re.compile(rb"HTTP/1\.[0-9]")


def judge_line(method: bytes, uri: bytes, version: bytes, verdict: Verdict) -> None:
    """Judge the request line; an empty `version` is HTTP/0.9."""
    if TOKEN.fullmatch(method) is None:
        verdict.worsen(Tier.SEVERE, "BadMethod")
    trimmed = version.strip(b" \t")
    if trimmed in (b"", b"HTTP/0.9"):
        verdict.worsen(Tier.ACCEPTABLE, "NonCompliantVersion")
    elif VERSION.fullmatch(trimmed) is None:
        verdict.worsen(Tier.SEVERE, "BadVersion")
    elif trimmed != version or trimmed > b"HTTP/1.1":
        verdict.worsen(Tier.ACCEPTABLE, "NonCompliantVersion")
    if BAD.search(uri):
        verdict.worsen(Tier.SEVERE, "BadUri")
    elif re.search(rb"[\x00-\x1f\x7f]", uri):
        verdict.worsen(Tier.AMBIGUOUS, "AmbiguousUri")
    elif b" " in uri:
        verdict.worsen(Tier.ACCEPTABLE, "SpaceInUri")
