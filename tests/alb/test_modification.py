"""What a listener changes in what passes: headers of answers, what targets are told of TLS; and rules with regular expressions."""

import pytest

from harness.emulator.alb.regex import BadRegex, compiled
from tests.alb.conftest import Balancer, answer, balancer, forward, rule, story
from tests.alb.features import ask, certificate, group, listen, secure, tls, trusting

INSERTED = {
    "routing.http.response.strict_transport_security.header_value": "max-age=31536000; includeSubDomains",
    "routing.http.response.x_frame_options.header_value": "DENY",
}
FIXED = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "200", "MessageBody": "own"}}


async def head_of(lb: Balancer, path: str = "/") -> list[str]:
    raw = await lb.raw(f"GET {path} HTTP/1.1\r\nHost: a.example.com\r\nConnection: close\r\n\r\n".encode())
    return raw.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]


@story
async def test_answers_get_the_headers_of_the_listener_in_place_of_their_own():
    async with balancer() as lb:
        (blue,) = await group(lb, "blue", "blue")

        async def respond(reader, writer, head) -> None:
            writer.write(answer(b"x", headers="x-frame-options: SAMEORIGIN\r\nServer: theirs\r\n"))

        blue.respond = respond
        lb.attributes = INSERTED
        other = rule(1, {"Field": "path-pattern", "Values": ["/own"]}, FIXED)
        await lb.rules(forward({"blue": 1}), other)
        for _ in range(3):  # parsed; parsed and remembered; from the memo
            lines = await head_of(lb)
            assert [line for line in lines if "frame" in line.lower()] == ["X-Frame-Options: DENY"]
            assert "Strict-Transport-Security: max-age=31536000; includeSubDomains" in lines
            assert "Server: theirs" in lines
        assert "X-Frame-Options: DENY" in await head_of(lb, "/own")
        lb.attributes = {}
        await lb.rules(forward({"blue": 1}), other)
        assert "x-frame-options: SAMEORIGIN" in await head_of(lb)
        assert "X-Frame-Options: DENY" not in await head_of(lb, "/own")


@story
async def test_own_answers_do_not_say_who_made_them_where_that_is_asked_for():
    async with balancer() as lb:
        await lb.plane.put_target_group("blue", {}, {})
        for enabled in ("true", "false"):
            lb.attributes = {"routing.http.response.server.enabled": enabled}
            await lb.rules(forward({"blue": 1}))
            assert ("Server: awselb/2.0" in await head_of(lb)) == (enabled == "true")


@story
async def test_targets_are_told_of_tls_under_the_names_that_were_asked_for():
    async with balancer() as lb:
        own = certificate("example.com")
        (blue,) = await group(lb, "blue", "blue")
        lb.attributes = {
            "routing.http.x_amzn_tls_version_and_cipher_suite.enabled": "true",
            "routing.http.request.x_amzn_tls_cipher_suite.header_name": "My-Cipher",
        }
        await listen(lb, forward({"blue": 1}), settings=tls(own))
        connection = await secure(lb.port, trusting(own), "example.com")
        for number in range(3):
            connection[1].write(b"GET / HTTP/1.1\r\nHost: example.com\r\nmy-cipher: %d\r\n\r\n" % number)
            await connection[0].readuntil(b"blue")
        for head in blue.seen:
            said = [line for line in head.split(b"\r\n") if b"Tls" in line or b"cipher" in line.lower()]
            assert said == [b"X-Amzn-Tls-Version: TLSv1.3", b"My-Cipher: TLS_AES_256_GCM_SHA384"]
        lb.attributes = {}
        await listen(lb, forward({"blue": 1}), settings=tls(own))
        await ask(connection)
        assert b"X-Amzn-Tls" not in blue.seen[-1]
        connection[1].close()


@story
async def test_regular_expressions_match_host_path_and_headers():
    async with balancer() as lb:
        for name in ("blue", "host", "path", "header"):
            await group(lb, name, name)
        by_host = {"Field": "host-header", "HostHeaderConfig": {"RegexValues": [r"^(api|www)\.example\.org$"]}}
        by_path = {"Field": "path-pattern", "PathPatternConfig": {"RegexValues": [r"^/v[0-9]+/", "never"]}}
        by_header = {
            "Field": "http-header",
            "HttpHeaderConfig": {"HttpHeaderName": "X-Side", "RegexValues": ["gr[ae]+n"]},
        }
        others = [
            rule(number, condition, forward({name: 1}))
            for number, (name, condition) in enumerate(
                (("host", by_host), ("path", by_path), ("header", by_header)), start=1
            )
        ]
        await lb.rules(forward({"blue": 1}), *others)
        assert (await lb.get("/v12/x"))[1] == "path"
        assert (await lb.get("/x/v12/"))[1] == "blue"
        assert (await lb.get("/V12/"))[1] == "blue"
        assert (await lb.get("/", "X-Side: a green one\r\n"))[1] == "header"
        raw = await lb.raw(b"GET / HTTP/1.1\r\nHost: API.example.org\r\nConnection: close\r\n\r\n")
        assert raw.endswith(b"host")


@pytest.mark.parametrize(
    "text", [r"^/a/?(.*)$", r"(?:a|b)+", r"\++", r"[*+]+", r"a\\+b", r"(?i)a", r"x{2,3}", r"\d+\.\w*"]
)
def test_usual_regular_expression_is_taken(text: str):
    assert compiled(text)


@pytest.mark.parametrize(
    "text",
    ["(?=a)", "(?!a)", "(?<=a)b", r"(a)\1", "(?>a)", "a++", "a*+", "[ab]?+", "a{2}+", r"\p{L}", "(?P<n>a)(?P=n)", "("],
)
def test_regular_expression_that_the_balancer_lacks_is_refused(text: str):
    with pytest.raises(BadRegex):
        compiled(text)
