"""A request's head: from bytes as a client sent them to the one meaning that a target gets (C.5-C.7). No I/O.

`parse` is the specification. Heads that are plain, which is nearly all of them, are recognised by a few regular expressions in `plain`;
tests/alb/test_head.py holds it to what the thorough parser says. Whatever is odd but tolerated is normalised: a target never sees two
lengths, a folded line, a name that is not a token, a control character or a URI that has to be guessed at.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from harness.emulator.alb.desync import (
    BAD,
    NON_COMPLIANT_VALUE,
    TOKEN,
    Field,
    Tier,
    Verdict,
    coding,
    judge_fields,
    judge_framing,
    judge_line,
    kind,
    length_of,
)
from harness.emulator.alb.framing import Body, Chunks, Length

if TYPE_CHECKING:
    from harness.emulator.alb.heads import Common

LONGEST_LINE = 16 * 1024  # request line, or one header (C.5)
LARGEST = 64 * 1024
MOST_FORWARDED_IPS = 30
# Said anew on the way to the target, or meant for us alone.
OURS = frozenset(
    b"connection keep-alive proxy-connection te trailer transfer-encoding content-length upgrade "
    b"x-forwarded-for x-forwarded-proto x-forwarded-port x-amzn-trace-id".split()
)
HOST = re.compile(rb"[A-Za-z0-9._~%!$&'()*+,;=:\[\]\-]++")
ABSOLUTE = re.compile(rb"https?://([^/?#]++)", re.IGNORECASE)


class Head:
    """What a request's head says. `status` is that of a refusal, 0 where there is none; `length` is -1 where the body is chunked.

    `fields` are the headers for the target but those of `OURS`; `xff` and `trace` are the client's own, kept apart. One head may serve
    many exchanges, so nobody writes to it after `parse`. The defaults sit in the class: a plain head sets only what differs.
    """

    method = b"-"
    uri = b""
    host = b""
    v11 = True
    keep_alive = True
    length = 0
    has_length = False  # the client gave a length, even if it is 0
    upgrade = b""
    xff: bytes | None = None
    trace = b""
    status = 0
    tier = Tier.COMPLIANT
    reason = "-"
    size = 0
    fields: tuple[Field, ...] | None = None
    logged = b""  # what every line of the access log says of it: filled in by the log
    outgoing = b""  # what a target gets of it, up to the forwarding headers: filled in by `Heads`
    # No refusal, body, HEAD, upgrade, close, ambiguity, X-Forwarded-For or trace id: nothing to look out for. Filled in by `Heads`.
    simple = False
    common: Common | None = None  # what it shares with others, where it differs from them only in what varies
    raw = b""  # such a head as it came
    _lines = b""

    @property
    def path(self) -> bytes:
        return self.uri.partition(b"?")[0]

    @property
    def query(self) -> bytes:
        return self.uri.partition(b"?")[2]

    def header(self, name: bytes) -> list[bytes]:
        """Values of a header that goes to the target, or of X-Forwarded-For; `name` in lower case."""
        if name == b"x-forwarded-for" and self.xff is not None:
            return [self.xff]
        return [value for key, value in self.all_fields() if key.lower() == name]

    def all_fields(self) -> tuple[Field, ...]:
        """`fields`; of a plain head they are taken apart when somebody asks for the first time."""
        if self.fields is None:
            if self.common is not None and not self._lines:
                self._lines = self.raw.replace(self.common.connection, b"", bool(self.common.connection))[:-2]
            lines = self._lines.split(b"\r\n")[1:-1]
            pairs = (line.partition(b":") for line in lines)
            self.fields = tuple((name, value.strip(b" \t")) for name, _, value in pairs)
        return self.fields

    def user_agent(self) -> bytes:
        """The first User-Agent, `-` where there is none or nothing in it."""
        if self.common is not None:
            return self.common.head.user_agent()
        if self.fields is None:
            found = USER_AGENT.search(self._lines)
            return self._lines[found.start(1) : found.end(1)] if found else b"-"
        return next(iter(self.header(b"user-agent")), b"") or b"-"

    @property
    def classification(self) -> str:
        """As the access log spells it; `-` for what complies."""
        return self.tier.name.capitalize() if self.tier else "-"

    def body(self) -> Body | None:
        """A reader for the body that follows; None where there is none."""
        if self.length < 0:
            return Chunks()
        return Length(self.length) if self.length else None

    def lines(self, fields: tuple[Field, ...] | None = None) -> bytes:
        """Request line, headers (or `fields` in their place) and framing, without the empty line."""
        if self._lines and fields is None:
            return self._lines
        out = [self.method, b" ", self.uri, b" HTTP/1.1\r\n"]
        for name, value in self.all_fields() if fields is None else fields:
            out += (name, b": ", value, b"\r\n")
        if self.length < 0:
            out.append(b"Transfer-Encoding: chunked\r\n")
        elif self.has_length:
            out.append(b"Content-Length: %d\r\n" % self.length)
        if self.upgrade:
            out += (b"Connection: upgrade\r\nUpgrade: ", self.upgrade, b"\r\n")
        return b"".join(out)


def end_of_head(data: bytes) -> int:
    """Where the first empty line of `data` ends; -1 where there is none yet."""
    end = data.find(b"\n\r\n")
    bare = data.find(b"\n\n", 0, end + 1 if end >= 0 else len(data))
    return bare + 2 if bare >= 0 else end + 3 if end >= 0 else -1


def too_large(data: bytes) -> int:
    """The status with which a head that has not ended yet must be refused already, else 0."""
    line_end = data.find(b"\n")
    if (len(data) if line_end < 0 else line_end) > LONGEST_LINE:
        return 414
    if len(data) > LARGEST or len(data) - data.rfind(b"\n") > LONGEST_LINE:
        return 400
    return 0


def parse(raw: bytes) -> Head:
    """The head in `raw`, which ends with its empty line and holds no earlier one."""
    head = plain(raw)
    return head if head is not None and head.size == len(raw) else thorough(raw)


# ---- plain heads

PLAIN = re.compile(
    rb"([A-Z]++) (/[\x21-\x7e]*+) HTTP/1\.1\r\n"
    rb"(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]++:[\t\x20-\x7e\x80-\xff]*+\r\n)*+\r\n"
)
# Names (in lower case) that need care, and whatever resembles the two that say where a body ends.
CARE = re.compile(
    rb"\n(?:keep-alive:|proxy-connection:|te:|trailer:|upgrade:|expect:|x-forwarded-(?:for|proto|port):|x-amzn-trace-id:"
    rb"|[^0-9a-z:\r]*+(?:transfer[^:][^0-9a-z:]*+encoding|content[^:][^0-9a-z:]*+length))"
)
ONE_HOST = re.compile(rb"\nhost:[ \t]*+([a-z0-9._:\-]++)[ \t]*+\r\n")
USER_AGENT = re.compile(rb"\n[Uu][Ss][Ee][Rr]-[Aa][Gg][Ee][Nn][Tt]:[ \t]*+([^\r]*[^\r \t])")
KEEP_ALIVE = b"\r\nconnection: keep-alive\r\n"
LARGEST_PLAIN = 8 * 1024


def plain(data: bytes) -> Head | None:
    """The head at the beginning of `data`, where it has no body and nothing that needs care; `size` says where it ends."""
    found = PLAIN.match(data)
    if found is None or (size := found.end()) > LARGEST_PLAIN:
        return None
    raw = data if size == len(data) else data[:size]
    lower = raw.lower()
    at = lower.find(b"\nhost:")
    host = ONE_HOST.match(lower, at) if at >= 0 else None
    if host is None or lower.find(b"\nhost:", at + 1) >= 0 or CARE.search(lower) is not None:
        return None
    method, uri = found.groups()
    if method in (b"TRACE", b"CONNECT"):
        return None
    head = Head()
    head.method, head.uri, head.size = method, uri, size
    head.host = raw[host.start(1) : host.end(1)]
    if (at := lower.find(b"\nconnection:")) >= 0:
        if not lower.startswith(KEEP_ALIVE, at - 1) or lower.find(b"\nconnection:", at + 1) >= 0:
            return None
        raw = raw[: at + 1] + raw[at + len(KEEP_ALIVE) - 1 :]
    head._lines = raw[:-2]
    return head


# ---- every other head


def thorough(raw: bytes) -> Head:
    """The same for any head at all, one step after the other."""
    head, verdict = Head(), Verdict()
    head.size = len(raw)
    lines = raw.split(b"\n")[:-2]  # the empty line, and what is behind it
    if any(line[-1:] != b"\r" for line in lines) or not raw.endswith(b"\r\n"):
        verdict.worsen(Tier.ACCEPTABLE, "NonCrLfLineTermination")
    lines = [line.removesuffix(b"\r") for line in lines]
    method, uri, version = _request_line(lines[0], verdict)
    kept, judged = _unfold(lines[1:], verdict)
    codings, lengths = judge_fields(judged, verdict)
    head.method, head.v11 = method, version.strip(b" \t") >= b"HTTP/1.1"
    judge_framing(method, version.strip(b" \t") or b"HTTP/0.9", codings, lengths, verdict)
    judge_line(method, uri, version, verdict)
    head.tier, head.reason = verdict.tier, verdict.reason
    _understand(head, uri, kept)
    head.status = _refusal(head, lines, uri, version) or head.status
    return head


NO_TOKEN = bytes(byte for byte in range(256) if TOKEN.fullmatch(bytes((byte,))) is None)


def _request_line(line: bytes, verdict: Verdict) -> tuple[bytes, bytes, bytes]:
    """(method, URI, version); whatever is behind the last space is the version, so that a URI may hold spaces."""
    method, _, rest = line.partition(b" ")
    cut = rest.rstrip(NO_TOKEN).rfind(b" ")
    if cut >= 0:
        uri, version = rest[:cut], rest[cut + 1 :]
    else:
        uri, version = (b"", rest) if rest.startswith(b"HTTP/1.") else (rest, b"")
    if not uri:
        verdict.worsen(Tier.AMBIGUOUS, "MissingUri")
    return method, uri, version


def _unfold(lines: list[bytes], verdict: Verdict) -> tuple[list[Field], list[Field]]:
    """(headers with folded lines joined, all that must be judged: a folded line is also judged as the header it may pose as)."""
    kept: list[Field] = []
    judged: list[Field] = []
    for line in lines:
        folded = line[:1] in (b" ", b"\t")
        name, colon, value = line.partition(b":")
        if not folded:
            judged.append((name, value))
            if colon:
                kept.append((name, value.strip(b" \t")))
            else:
                verdict.worsen(Tier.AMBIGUOUS, "MissingHeaderColon")
            continue
        media = bool(kept) and kept[-1][0].lower() == b"content-type"
        judged.append((name, value) if colon and not media else (kept[-1][0] if kept else name, line))
        if not media:
            verdict.worsen(Tier.AMBIGUOUS, "MultilineHeader")
        if kept:
            kept[-1] = (kept[-1][0], kept[-1][1] + b" " + line.strip(b" \t"))
    return kept, judged


def _understand(head: Head, uri: bytes, kept: list[Field]) -> None:
    """What the headers mean to us, and the ones that go on to the target."""
    fields: list[Field] = []
    ours: dict[bytes, list[bytes]] = {}
    for name, value in kept:
        key = name.lower()
        if BAD.search(value):
            continue
        if key in OURS:
            ours.setdefault(key, []).append(value)
        elif TOKEN.fullmatch(name) and not kind(name)[1]:
            fields.append((name, NON_COMPLIANT_VALUE.sub(b" ", value).strip(b" \t")))
    _frame(head, ours)
    tokens = [token.strip(b" \t").lower() for value in ours.get(b"connection", []) for token in value.split(b",")]
    head.keep_alive = b"close" not in tokens and (head.v11 or b"keep-alive" in tokens)
    upgrade = b"".join(ours.get(b"upgrade", []))
    wanted = head.v11 and b"upgrade" in tokens and TOKEN.match(upgrade) and not upgrade.lower().startswith(b"h2")
    if wanted and not head.length and not NON_COMPLIANT_VALUE.search(upgrade) and not BAD.search(upgrade):
        head.upgrade = upgrade
    forwarded = [NON_COMPLIANT_VALUE.sub(b" ", value) for value in ours.get(b"x-forwarded-for", [])]
    head.xff = b", ".join(forwarded) if forwarded else None
    head.trace = NON_COMPLIANT_VALUE.sub(b" ", next(iter(ours.get(b"x-amzn-trace-id", [])), b""))
    _address(head, uri, fields)


def _frame(head: Head, ours: dict[bytes, list[bytes]]) -> None:
    """One framing, ours: chunks win over a length (RFC 9112 section 6.3), and the same length said twice is said once."""
    names = [coding(item) for value in ours.get(b"transfer-encoding", []) for item in value.split(b",")]
    if b"chunked" in names:
        head.length = -1
    elif (lengths := ours.get(b"content-length")) is not None:
        head.length, head.has_length = length_of(lengths[0]) or 0, True
    if any(name not in (b"chunked", b"identity") for name in names) or (
        b"chunked" in names and names[-1] != b"chunked"
    ):
        head.status = 501


def _address(head: Head, uri: bytes, fields: list[Field]) -> None:
    """Origin form for the target, with the host of an absolute URI in place of the Host header (RFC 9112 section 3.2.2)."""
    hosts = [value for name, value in fields if name.lower() == b"host"]
    head.host = hosts[0] if hosts else b""
    if len(hosts) > 1 or (hosts and HOST.fullmatch(hosts[0]) is None) or (head.v11 and not hosts):
        head.status = 400
    if (absolute := ABSOLUTE.match(uri)) is not None:
        rest = uri[absolute.end() :]
        uri, head.host = rest if rest.startswith(b"/") else b"/" + rest, absolute[1].rpartition(b"@")[2]
        fields[:] = [(b"Host", head.host), *(field for field in fields if field[0].lower() != b"host")]
        if HOST.fullmatch(head.host) is None:
            head.status = 400
    elif not uri.startswith(b"/") and uri and not (uri == b"*" and head.method == b"OPTIONS"):
        head.status = 400
    head.uri = re.sub(rb"[^\x21-\x7e]", lambda found: b"%%%02X" % found[0][0], uri or b"/")
    head.fields = tuple(fields)


def _refusal(head: Head, lines: list[bytes], uri: bytes, version: bytes) -> int:
    """The status of a refusal that does not depend on the desync mitigation mode (C.5, C.6), or 0."""
    if len(lines[0]) > LONGEST_LINE:
        return 414
    if head.size > LARGEST or any(len(line) > LONGEST_LINE for line in lines):
        return 400
    if not uri and not version:  # no request line at all: the access log has dashes for it
        head.method, head.uri = b"-", b""
        return 400
    if head.method == b"CONNECT":
        return 400
    if head.method == b"TRACE":
        return 405
    if head.xff is not None and head.xff.count(b",") + 1 > MOST_FORWARDED_IPS:
        return 463
    return 0


# What no mode forwards: the end of the body, the resource or the method would be a guess.
UNREADABLE = frozenset(
    ("BadMethod", "BadUri", "BadVersion", "MultipleContentLength", "BadContentLength", "BadTransferEncoding")
)


def refused(head: Head, mode: str) -> bool:
    """Whether a desync mitigation mode refuses the head (400). Even `monitor` cannot forward what has no certain meaning."""
    if head.tier is Tier.COMPLIANT:
        return False
    if mode == "strictest":
        return True
    return head.tier is Tier.SEVERE and (mode == "defensive" or head.reason in UNREADABLE)
