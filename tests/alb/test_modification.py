"""What a listener changes in what passes: headers of answers, what targets are told of TLS; and rules with regular expressions."""

import asyncio
from typing import Any

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
        for more in (b"", b"", b"", b"X-Forwarded-For: 192.0.2.1\r\n"):
            connection[1].write(b"GET / HTTP/1.1\r\nHost: example.com\r\nmy-cipher: x\r\n%b\r\n" % more)
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


def transforms(**kinds: tuple[str, str]) -> dict[str, Any]:
    names = {"host": ("host-header-rewrite", "HostHeaderRewriteConfig"), "url": ("url-rewrite", "UrlRewriteConfig")}
    return {
        "Transforms": [
            {"Type": names[kind][0], names[kind][1]: {"Rewrites": [{"Regex": expression, "Replace": new}]}}
            for kind, (expression, new) in kinds.items()
        ]
    }


@story
async def test_target_gets_the_host_and_the_uri_of_the_transforms_and_the_log_those_of_the_client():
    async with balancer() as lb:
        (blue,) = await group(lb, "blue", "blue")
        changed = transforms(
            host=(r"^(.+)\.example\.com$", "internal.$1.test"), url=(r"^/dp/([A-Za-z0-9]+)/?$", "/product.php?id=$1")
        )
        path = {"Field": "path-pattern", "Values": ["/dp/*"]}
        failing = transforms(url=("^/dq/(.*)", "$1 with a space"))
        await lb.rules(
            forward({"blue": 1}),
            rule(1, path, forward({"blue": 1})) | changed,
            rule(2, {"Field": "path-pattern", "Values": ["/dq/*"]}, forward({"blue": 1})) | failing,
        )
        reader, writer = await asyncio.open_connection("127.0.0.1", lb.port)
        for more in ("", "", "", "X-Forwarded-For: 192.0.2.1\r\n", "Content-Length: 0\r\n"):
            writer.write(f"GET /dp/B09 HTTP/1.1\r\nHost: shop.example.com:80\r\nX-A: b\r\n{more}\r\n".encode())
            await reader.readuntil(b"blue")
        for head in blue.seen:
            lines = head.split(b"\r\n")
            assert lines[0] == b"GET /product.php?id=B09 HTTP/1.1"
            assert [line for line in lines if line.lower().startswith(b"host:")] == [b"Host: internal.shop.test:80"]
            assert lines.count(b"X-A: b") == 1
        writer.close()
        assert (await lb.get("/dp/no-match"))[1] == "blue"
        assert blue.seen[-1].startswith(b"GET /dp/no-match HTTP/1.1\r\n")
        assert (await lb.get("/dq/x"))[0] == 500
        await lb.until(lambda: len(lb.rows) == 7)
        assert [(row.url, row.host, row.elb_status) for row in lb.rows[4:]] == [
            ("/dp/B09", "shop.example.com:80", 200),
            ("/dp/no-match", "example.com", 200),
            ("/dq/x", "example.com", 500),
        ]


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
