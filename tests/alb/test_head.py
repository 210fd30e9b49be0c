"""Request heads: how AWS's desync library classifies them, what a target gets of them, and that the quick way says what the thorough says.

The cases of VERDICTS are facts from the test vectors and the documentation of https://github.com/aws/http-desync-guardian (Apache-2.0,
Copyright Amazon.com): which fault has which tier and reason. They are written here as whole requests.
"""

import contextlib

import httptools
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.emulator.alb import head as heads
from harness.emulator.alb import heads as heads_of
from harness.emulator.alb.desync import Tier
from harness.emulator.alb.head import Head, end_of_head, parse, thorough
from harness.emulator.alb.heads import Heads
from harness.emulator.alb.options import Options

ACCEPTABLE, AMBIGUOUS, SEVERE = Tier.ACCEPTABLE, Tier.AMBIGUOUS, Tier.SEVERE
OK = (Tier.COMPLIANT, "-")


def request(*headers: bytes, line: bytes = b"POST /foo/bar HTTP/1.1") -> bytes:
    return b"\r\n".join([line, b"Host: localhost", *headers]) + b"\r\n\r\n"


def get(*headers: bytes) -> bytes:
    return request(*headers, line=b"GET /foo/bar HTTP/1.1")


VERDICTS: list[tuple[bytes, tuple[Tier, str]]] = [
    (get(), OK),
    (request(b"Transfer-Encoding: chunked"), OK),
    (request(b"Content-Length: 1000"), OK),
    (request(b"My-Custom-Header.!#$%&'*+^_`|~0123456789: \t\tv;\x60\x85\x93\xa0"), OK),
    (request(b"My_Custom_Header: v"), OK),
    (request(b"Transfer-Encoding: gzip , deflate , \tidentity\t, compress\t, chunked"), OK),
    (request(b"Transfer-Encoding:   gzip   ;   ", b"Transfer-Encoding: \tchunked;custom_param;\t"), OK),
    (
        request(
            line=b"GET /user:pass@example.com:8080/index.php?a=%20++~!@#$%^&*()_+:<>?,./;'[]{}`~\\\"|&b=x#form HTTP/1.1"
        ),
        OK,
    ),
    (request(line="GET /странные-символы HTTP/1.1".encode()), OK),
    (request(line=b"GET /path-%09%20%0D%0A HTTP/1.1"), OK),
    (request(line=b"GET /foo HTTP/1.0"), OK),
    # acceptable
    (request(b"x-my-custom-header : v"), (ACCEPTABLE, "NonCompliantHeader")),
    (request(b"\x01x-my-custom-header: v", b"Transfer-Encoding: chunked"), (ACCEPTABLE, "NonCompliantHeader")),
    (request(b"Some-Custom-Header: v\x01"), (ACCEPTABLE, "NonCompliantHeader")),
    (request(b"Some-Custom-Header: v\x7f"), (ACCEPTABLE, "NonCompliantHeader")),
    (get(b"Content-Length: 0"), (ACCEPTABLE, "GetHeadZeroContentLength")),
    (request(b"Content-Length: 0", line=b"HEAD / HTTP/1.1"), (ACCEPTABLE, "GetHeadZeroContentLength")),
    (request(line=b"GET /foo HTTP/0.9"), (ACCEPTABLE, "NonCompliantVersion")),
    (request(line=b"GET /foo"), (ACCEPTABLE, "NonCompliantVersion")),
    (request(line=b"GET /foo HTTP/1.2"), (ACCEPTABLE, "NonCompliantVersion")),
    (request(line=b"GET /foo HTTP/1.1 "), (ACCEPTABLE, "NonCompliantVersion")),
    (request(line=b"GET /a?param=not escaped spaces HTTP/1.1"), (ACCEPTABLE, "SpaceInUri")),
    (b"GET / HTTP/1.1\nHost: x\n\n", (ACCEPTABLE, "NonCrLfLineTermination")),
    (b"GET / HTTP/1.1\r\nHost: x\n\r\n", (ACCEPTABLE, "NonCrLfLineTermination")),
    # ambiguous
    (request(b"Transfer-Encoding : chunked"), (AMBIGUOUS, "SuspiciousHeader")),
    (request(b"Transfer-Encoding\t: chunked"), (AMBIGUOUS, "SuspiciousHeader")),
    (request(b"\x01Transfer-Encoding: chunked"), (AMBIGUOUS, "SuspiciousHeader")),
    (request(b"Transfer-Encoding\x01: chunked"), (AMBIGUOUS, "SuspiciousHeader")),
    (request(b"\x01\x01Content-Length: 1"), (AMBIGUOUS, "SuspiciousHeader")),
    (request(b"Content-Length\x01: 1"), (AMBIGUOUS, "SuspiciousHeader")),
    (request(b"Transfer- Encoding: chunked"), (AMBIGUOUS, "SuspiciousHeader")),
    (request(b"Transfer_Encoding: chunked"), (AMBIGUOUS, "SuspiciousHeader")),
    (request(b"Transfer---Encoding: chunked"), (AMBIGUOUS, "SuspiciousHeader")),
    (request(b"Content_Length: 1000"), (AMBIGUOUS, "SuspiciousHeader")),
    (request(b"Transfer-Encoding x: chunked"), (AMBIGUOUS, "SuspiciousHeader")),
    (request(b"Transfer-Encoding \x01: chunked"), (AMBIGUOUS, "SuspiciousHeader")),
    (request(b"Transfer-Encoding : chunked", b"Content-Length: 1000"), (AMBIGUOUS, "SuspiciousHeader")),
    (request("Tran\u017ffer-Encoding: chunked".encode()), (AMBIGUOUS, "SuspiciousHeader")),
    (request("Transfer-Encod\u0131ng: chunked".encode()), (AMBIGUOUS, "SuspiciousHeader")),
    (request("Transfer\u2015Encoding: chunked".encode()), (AMBIGUOUS, "SuspiciousHeader")),
    (request(b"Transfer-Encoding\x88: chunked"), (AMBIGUOUS, "SuspiciousHeader")),
    (request(b"\xa0Content-Length: 100"), (AMBIGUOUS, "SuspiciousHeader")),
    (request(b"Content-Length: 1000", b"Content-Length: 1000"), (AMBIGUOUS, "DuplicateContentLength")),
    (request(b"Transfer-Encoding: chunked", b"Content-Length: 100"), (AMBIGUOUS, "BothTeClPresent")),
    (request(b"Content-Length: 4", b"Transfer-Encoding: chunked"), (AMBIGUOUS, "BothTeClPresent")),
    (request(b"Transfer-Encoding: gzip", b"Content-Length: 100"), (AMBIGUOUS, "BothTeClPresent")),
    (get(b"Content-Length: 22"), (AMBIGUOUS, "UndefinedContentLengthSemantics")),
    (get(b"Transfer-Encoding: chunked"), (AMBIGUOUS, "UndefinedTransferEncodingSemantics")),
    (get(b"A: \x01", b"Transfer-Encoding: chunked"), (AMBIGUOUS, "UndefinedTransferEncodingSemantics")),
    (
        request(b"Transfer-Encoding: chunked", line=b"POST / HTTP/1.0"),
        (AMBIGUOUS, "UndefinedTransferEncodingSemantics"),
    ),
    (request(b"Content-Length: 100", line=b"POST / HTTP/0.9"), (AMBIGUOUS, "UndefinedContentLengthSemantics")),
    (request(b": chunked", b"Content-Length: 1000"), (AMBIGUOUS, "EmptyHeader")),
    (request(b":SomeHeader:Transfer-Encoding:: chunked"), (AMBIGUOUS, "EmptyHeader")),
    (request(line=b"GET /endpoint_a\tHTTP/1.1 HTTP/1.1"), (AMBIGUOUS, "AmbiguousUri")),
    (request(line=b"GET /endpoint_a\x01 HTTP/1.1"), (AMBIGUOUS, "AmbiguousUri")),
    (request(line=b"GET HTTP/1.1"), (AMBIGUOUS, "MissingUri")),
    (request(b"NoColon"), (AMBIGUOUS, "MissingHeaderColon")),
    (request(b"A: b", b" folded"), (AMBIGUOUS, "MultilineHeader")),
    (request(b"A: b", b" Transfer-Encoding: chunked"), (AMBIGUOUS, "MultilineHeader")),
    # severe
    (request(b"Content-Length: 1000", b"Content-Length: 100"), (SEVERE, "MultipleContentLength")),
    (request(b"Content-Length : 100", b"Content-Length: 1000"), (SEVERE, "MultipleContentLength")),
    (request(b"Content-Length: 5", b" 0"), (SEVERE, "MultipleContentLength")),
    (request(b"Content-Length: 1000,1000"), (SEVERE, "BadContentLength")),
    (request(b"Content-Length: 1000 1000"), (SEVERE, "BadContentLength")),
    (request(b"Content-Length: 1000.1000"), (SEVERE, "BadContentLength")),
    (request(b"Content-Length: +5"), (SEVERE, "BadContentLength")),
    (request(b"Content-Length: 18446744073709551616"), (SEVERE, "BadContentLength")),
    (request(b"Content-Length: 1000\x11"), (SEVERE, "BadContentLength")),
    (request(b"A: \x12", b"Content-Length: \x011000"), (SEVERE, "BadContentLength")),
    (request(b"Transfer-Encoding: xchunked"), (SEVERE, "BadTransferEncoding")),
    (request(b"Transfer-Encoding: chunk", b"Content-Length: 4"), (SEVERE, "BadTransferEncoding")),
    (request(b"Transfer-Encoding: chunked\x11"), (SEVERE, "BadTransferEncoding")),
    (request(b"Transfer-Encoding: \xa0chunked"), (SEVERE, "BadTransferEncoding")),
    (request(b"Transfer-Encoding:", b" chunked"), (SEVERE, "BadTransferEncoding")),
    (
        request(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
        (SEVERE, "MultipleTransferEncodingChunked"),
    ),
    (request(b"Transfer-Encoding: chunked,chunked"), (SEVERE, "MultipleTransferEncodingChunked")),
    (
        request(b"Transfer-Encoding : chunked", b"Transfer-Encoding: chunked"),
        (SEVERE, "MultipleTransferEncodingChunked"),
    ),
    (request(b"Some-Bad-Header\x00: v"), (SEVERE, "BadHeader")),
    (request(b"Some-Bad-Header: v\x00content-length: 1000"), (SEVERE, "BadHeader")),
    (request(b"X-test: x\rTransfer-Encoding: chunked"), (SEVERE, "BadHeader")),
    (request(b"\rTransfer-Encoding: chunked", b"Content-Length: 4"), (SEVERE, "BadHeader")),
    (request(b"\x00Transfer-Encoding: chunked", b"Content-Length: 4"), (SEVERE, "BadHeader")),
    (request(line=b"GET /endpoint_a\rHTTP/1.1 HTTP/1.1"), (SEVERE, "BadUri")),
    (request(line=b"GET \x00/endpoint_a HTTP/1.1"), (SEVERE, "BadUri")),
    (request(line=b"GET /endpoint_a HTTP/2.0"), (SEVERE, "BadVersion")),
    (request(line=b"GET /endpoint_a HTTP/1.1x"), (SEVERE, "BadVersion")),
    (request(line=b"bad_method\x01 / HTTP/1.1"), (SEVERE, "BadMethod")),
]


@pytest.mark.parametrize(("raw", "expected"), VERDICTS, ids=lambda value: repr(value)[:60])
def test_classification_is_that_of_the_desync_guardian(raw: bytes, expected: tuple[Tier, str]):
    head = parse(raw)
    assert (head.tier, head.reason) == expected


def as_a_strict_target_reads(raw: bytes) -> list[tuple[bytes, bytes, tuple[tuple[bytes, bytes], ...]]]:
    """What llhttp, an independent and strict parser, makes of bytes sent to a target: (method, URI, headers) of each request."""
    seen: list[tuple[bytes, bytes, tuple[tuple[bytes, bytes], ...]]] = []

    class Target:
        def on_message_begin(self) -> None:
            self.uri, self.headers = b"", []

        def on_url(self, part: bytes) -> None:
            self.uri += part

        def on_header(self, name: bytes, value: bytes) -> None:
            self.headers.append((name.lower(), value.strip(b" \t")))

        def on_headers_complete(self) -> None:
            seen.append((parser.get_method(), self.uri, tuple(self.headers)))

    parser = httptools.HttpRequestParser(Target())
    with contextlib.suppress(httptools.HttpParserUpgrade):
        parser.feed_data(raw)
    return seen


@pytest.mark.parametrize("mode", ["monitor", "defensive"])
@pytest.mark.parametrize("raw", [raw for raw, _ in VERDICTS], ids=lambda value: repr(value)[:60])
def test_whatever_is_forwarded_is_one_well_formed_request_with_one_framing(raw: bytes, mode: str):
    head = Heads(Options(desync=mode), 80, "http").read(raw)
    if head.status:
        return
    (seen,) = as_a_strict_target_reads(head.outgoing + b"\r\n")
    names = [name for name, _ in seen[2]]
    assert names.count(b"content-length") + names.count(b"transfer-encoding") == (head.length < 0 or head.has_length)
    assert names.count(b"host") == 1


@pytest.mark.parametrize(
    ("mode", "refused"),
    [
        ("monitor", set()),
        ("defensive", {SEVERE}),
        ("strictest", {ACCEPTABLE, AMBIGUOUS, SEVERE}),
    ],
)
def test_mode_decides_which_tiers_are_refused(mode: str, refused: set[Tier]):
    reading = Heads(Options(desync=mode), 80, "http")
    for raw, (tier, reason) in VERDICTS:
        if reason in heads.UNREADABLE or parse(raw).status:
            continue  # refused by every mode
        assert (reading.read(raw).status == 400) == (tier in refused), raw


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
        (b"GARBAGE\r\n\r\n", 400),
        (b"GET no-slash HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\n", 400),
        (b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 405),
        (get(b"X: " + b"y" * 16384), 400),
        (get(*[b"X: " + b"y" * 16000] * 5), 400),
        (request(line=b"GET /" + b"y" * 16384 + b" HTTP/1.1"), 414),
        (get(b"X-Forwarded-For: " + b", ".join([b"192.0.2.1"] * 31)), 463),
        (get(b"X-Forwarded-For: " + b", ".join([b"192.0.2.1"] * 30)), 0),
        (request(b"Transfer-Encoding: gzip"), 501),
        (request(b"Transfer-Encoding: gzip, chunked"), 501),
        (request(b"Transfer-Encoding: identity"), 0),
        (request(b"Transfer-Encoding: bogus"), 400),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_refusal_has_the_status_of_alb(raw: bytes, status: int):
    assert Heads(Options(), 80, "http").read(raw).status == status


@pytest.mark.parametrize(
    ("raw", "outgoing"),
    [
        (get(b"A: b", b"\tc"), b"GET /foo/bar HTTP/1.1\r\nHost: localhost\r\nA: b c\r\n"),
        (get(b"A: \x01b"), b"GET /foo/bar HTTP/1.1\r\nHost: localhost\r\nA: b\r\n"),
        (get(b"A : b"), b"GET /foo/bar HTTP/1.1\r\nHost: localhost\r\n"),
        (get(b"Connection: close", b"Keep-Alive: 5", b"TE: trailers"), b"GET /foo/bar HTTP/1.1\r\nHost: localhost\r\n"),
        (
            request(b"Content-Length: 3", b"Content-Length: 3"),
            b"POST /foo/bar HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n",
        ),
        (
            request(b"Content-Length: 3", b"Transfer-Encoding: chunked"),
            b"POST /foo/bar HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n",
        ),
        (request(line=b"GET /a b\x01 HTTP/1.1"), b"GET /a%20b%01 HTTP/1.1\r\nHost: localhost\r\n"),
        (request(line=b"GET http://other/x?y HTTP/1.1"), b"GET /x?y HTTP/1.1\r\nHost: other\r\n"),
        (request(line=b"GET HTTP/1.1"), b"GET / HTTP/1.1\r\nHost: localhost\r\n"),
        (request(line=b"OPTIONS * HTTP/1.1"), b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n"),
        (b"GET / HTTP/1.0\r\n\r\n", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n"),
        (b"GET / HTTP/1.1\nHost: x\n\n", b"GET / HTTP/1.1\r\nHost: x\r\n"),
        (
            get(b"Connection: Upgrade", b"Upgrade: websocket"),
            b"GET /foo/bar HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: websocket\r\n",
        ),
        (get(b"Connection: Upgrade", b"Upgrade: h2c"), b"GET /foo/bar HTTP/1.1\r\nHost: localhost\r\n"),
    ],
    ids=lambda value: repr(value)[:60],
)
def test_target_gets_a_normal_form(raw: bytes, outgoing: bytes):
    assert Heads(Options(), 80, "http").read(raw).outgoing == outgoing


@pytest.mark.parametrize(
    ("options", "port", "host", "expected"),
    [
        (Options(), 80, b"a", b"a"),
        (Options(), 8080, b"a", b"a:8080"),
        (Options(), 8080, b"a:1", b"a:1"),
        (Options(), 8080, b"[::1]", b"[::1]:8080"),
        (Options(preserve_host=True), 8080, b"a", b"a"),
    ],
)
def test_host_gets_the_port_of_its_listener_unless_it_is_preserved(
    options: Options, port: int, host: bytes, expected: bytes
):
    raw = b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n\r\n"
    assert b"Host: " + expected + b"\r\n" in Heads(options, port, "http").read(raw).outgoing


def test_invalid_header_fields_are_dropped_where_that_is_asked_for():
    raw = get(b"x_y: 1", b"X-Y: 2")
    assert b"x_y: 1" in Heads(Options(), 80, "http").read(raw).outgoing
    strict = Heads(Options(drop_invalid=True), 80, "http").read(raw).outgoing
    assert b"x_y" not in strict
    assert b"X-Y: 2\r\n" in strict


# ---- the quick way and the thorough one

names = st.sampled_from(
    b"Accept Cookie X-A Host host Connection Content-Length Transfer-Encoding Content_Length Upgrade TE Expect X-Forwarded-For "
    b"Content-Type Keep-Alive User-Agent X-Amzn-Trace-Id Trailer content-LENGTH transfer.encoding".split()
)
values = st.one_of(
    st.sampled_from(
        [b"keep-alive", b"close", b"0", b"5", b"chunked", b"a.example", b"websocket", b"", b"100-continue"]
    ),
    st.binary(max_size=8),
)
spaces = st.sampled_from([b"", b" ", b"\t ", b"  "])
lines = st.builds(lambda a, b, c, d, e: a + b + b":" + c + d + e, names, st.just(b""), spaces, values, spaces)
odd_lines = st.one_of(lines, lines, lines, st.binary(max_size=12), st.just(b" folded"))
request_lines = st.one_of(
    st.sampled_from(
        [b"GET / HTTP/1.1", b"POST /a?b=c HTTP/1.1", b"GET /x HTTP/1.0", b"TRACE / HTTP/1.1", b"get / HTTP/1.1"]
    ),
    st.binary(max_size=20),
)
raw_heads = st.builds(
    lambda first, others, line_end: line_end.join([first, b"Host: example.com", *others]) + line_end * 2,
    request_lines,
    st.lists(odd_lines, max_size=6),
    st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n"]),
)


def meaning(head: Head) -> tuple[object, ...]:
    return (
        *(
            head.method,
            head.uri,
            head.path,
            head.query,
            head.host,
            head.v11,
            head.keep_alive,
            head.length,
            head.has_length,
        ),
        *(head.upgrade, head.xff, head.trace, head.status, head.tier, head.reason, head.size, head.all_fields()),
    )


@settings(max_examples=600, deadline=None)
@given(raw_heads)
def test_plain_heads_mean_what_the_thorough_parser_says(raw: bytes):
    raw = raw[: end_of_head(raw)]
    quick = heads.plain(raw)
    if quick is not None:
        assert quick.user_agent() == thorough(raw).user_agent()
        assert meaning(quick) == meaning(thorough(raw))
        assert as_a_strict_target_reads(quick.lines() + b"\r\n") == as_a_strict_target_reads(
            thorough(raw).lines() + b"\r\n"
        )


varying = st.builds(
    lambda name, value: name + value,
    st.sampled_from(
        [b"Cookie: ", b"cookie:", b"Referer: ", b"If-None-Match: ", b"Range:", b"X-Request-Id: ", b"traceparent: "]
    ),
    st.one_of(st.sampled_from([b"a=b", b"", b"x\xff\ty", b"a\0b", b"a\rb", b"a\nHost: evil"]), st.binary(max_size=6)),
)
steady = st.lists(
    st.sampled_from(
        [
            b"Accept: */*",
            b"User-Agent: me",
            b"Connection: keep-alive",
            b"x_y: 1",
            b"X-Y: 2",
            b"connection: Keep-Alive",
            b"A:",
        ]
    ),
    max_size=4,
)


@st.composite
def related(draw: st.DrawFn) -> tuple[bytes, bytes, bytes]:
    """Two heads that are alike but for what varies, and bytes made of the same lines that may be no head at all."""
    lines = [b"Host: example.com", *draw(steady)]

    def one(*, broken: bool) -> bytes:
        mixed = list(lines)
        for line in draw(st.lists(varying, max_size=3)):
            mixed.insert(draw(st.integers(0, len(mixed) + 2 * broken)), line)
        first = draw(
            st.sampled_from([b"GET / HTTP/1.1", b'GET /a?b="c HTTP/1.1', b"DELETE /%20 HTTP/1.1"])
            if not broken
            else request_lines
        )
        end = (
            draw(st.sampled_from([b"\r\n\r\n", b"\r\n", b"\n\n", b"\r\n\r\nCookie: a\r\n", b"\r\n\r\n\r\n"]))
            if broken
            else b"\r\n\r\n"
        )
        return b"\r\n".join([first, *mixed]) + end

    return one(broken=False), one(broken=False), one(broken=True)


def varied(reading: Heads, raw: bytes) -> Head | None:
    """The head in `raw`, where it is known but for what varies."""
    head = reading.quick(raw)
    return head if head is not None and head.common is not None else None


def check_alike(head: Head, raw: bytes, options: Options, port: int) -> None:
    """It means what the thorough parser says of `raw`, and a target gets the same."""
    assert end_of_head(raw) == len(raw)
    assert meaning(head) == meaning(thorough(raw))
    assert head.user_agent() == thorough(raw).user_agent()
    if head.method not in KNOWN_TO_LLHTTP:
        return
    sent, anew = (
        as_a_strict_target_reads(one.outgoing + b"\r\n") for one in (head, Heads(options, port, "http").read(raw))
    )
    assert [(method, uri, sorted(fields)) for method, uri, fields in sent] == [
        (method, uri, sorted(fields)) for method, uri, fields in anew
    ]


@pytest.mark.parametrize("options", [Options(), Options(drop_invalid=True)])
@pytest.mark.parametrize("port", [80, 8080])
def test_head_that_varies_from_a_known_one_means_what_the_thorough_parser_says(options: Options, port: int):
    hits = 0

    @settings(max_examples=300, deadline=None)
    @given(related())
    def check(three: tuple[bytes, bytes, bytes]) -> None:
        nonlocal hits
        reading = Heads(options, port, "http")
        for raw in three[:2]:
            reading.quick(raw)
        for raw in three:
            if (head := varied(reading, raw)) is not None:
                hits += 1
                check_alike(head, raw, options, port)

    check()
    assert hits > 30


@pytest.mark.parametrize("options", [Options(), Options(drop_invalid=True)])
@pytest.mark.parametrize("port", [80, 8080])
def test_head_that_is_laid_out_like_another_means_what_the_thorough_parser_says(options: Options, port: int):
    hits = 0

    @settings(max_examples=150, deadline=None)
    @given(related(), st.binary(max_size=8), st.integers(0, 200))
    def check(three: tuple[bytes, bytes, bytes], noise: bytes, at: int) -> None:
        nonlocal hits
        reading = Heads(options, port, "http")
        for _ in range(heads_of.WORTHWHILE + 2):
            head = reading.quick(three[0])
        if head is None or head.common is None:
            return
        assert head.common.layouts
        for raw in (*three, three[0].replace(b": ", b": " + noise), three[0][:at] + noise + three[0][at:]):
            if (found := reading.again(raw, head.common)) is not None:
                hits += 1
                check_alike(found, raw, options, port)

    check()
    assert hits > 50


def test_layouts_of_a_head_are_few_and_forgotten_with_it():
    reading = Heads(Options(), 80, "http")
    for number in range(heads_of.MOST_LAYOUTS + 2):
        lines = b"".join(b"%b: %d\r\n" % (name, number) for name in (b"Cookie", b"Range", b"Referer")[: number % 4])
        ends = (b"", b"Cookie: again\r\n")[number // 4]
        for _ in range(heads_of.WORTHWHILE + 3):
            head = reading.quick(b"GET / HTTP/1.1\r\n%bHost: a\r\n%b\r\n" % (lines, ends))
    assert head is not None is not head.common
    assert len(head.common.layouts) == heads_of.MOST_LAYOUTS
    assert reading.forget(1e9)
    assert reading.commons.known == {}


def test_line_behind_a_head_is_no_part_of_it():
    """What is cut out must be whole lines of the head: else the second of two requests on one connection would become a header."""
    reading = Heads(Options(), 80, "http")
    for number in range(2):
        reading.quick(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number)
    assert varied(reading, b"GET /2 HTTP/1.1\r\nHost: a\r\nCookie: b\r\n\r\n") is not None
    for behind in (b"Cookie: b\r\n", b"\r\nCookie: b\r\n", b"Cookie:\r\n\r\n"):
        assert varied(reading, b"GET /2 HTTP/1.1\r\nHost: a\r\n\r\n" + behind) is None
    for number in range(2):
        reading.quick(b"GET /%d HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n" % number)
    assert varied(reading, b"GET /2 HTTP/1.1\r\nHost: a\r\nCookie: b\r\nX: y\r\n\r\n") is not None
    assert varied(reading, b"GET /2 HTTP/1.1\r\nHost: a\r\r\nCookie: b\nX: y\r\n\r\n") is None
    assert varied(reading, b"GET /2 HTTP/1.1\r\nHost: a\r\nCookie: b\rX: y\r\n\r\n") is None


@settings(max_examples=600, deadline=None)
@given(raw_heads)
def test_any_head_is_refused_or_becomes_one_request_that_a_strict_target_accepts(raw: bytes):
    raw = raw[: end_of_head(raw)]
    head = Heads(Options(), 80, "http").read(raw)
    if not head.status and head.method in KNOWN_TO_LLHTTP:
        assert len(as_a_strict_target_reads(head.outgoing + b"\r\n")) == 1


KNOWN_TO_LLHTTP = {b"GET", b"POST", b"HEAD", b"PUT", b"DELETE", b"OPTIONS", b"PATCH"}
