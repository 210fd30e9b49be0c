"""HTTPS listeners and TLS to targets (C.1): certificates by name, policies, changes that nobody notices."""

import asyncio
import re
import ssl
import tempfile
from pathlib import Path

import pytest

from harness.emulator.alb.plane import PlaneRefused
from tests.alb.conftest import balancer, forward, story
from tests.alb.features import (
    Outspoken,
    SecureBackend,
    ask,
    certificate,
    configure,
    der,
    group,
    listen,
    secure,
    shown,
    tls,
    trusting,
)

DEFAULT, SHOP, WILD = certificate("example.com"), certificate("shop.test"), certificate("*.shop.test", "shop.example")
REDIRECT = {
    "Type": "redirect",
    "RedirectConfig": {
        "Protocol": "HTTPS",
        "Port": "443",
        "Host": "#{host}",
        "Path": "/#{path}",
        "Query": "#{query}",
        "StatusCode": "HTTP_301",
    },
}


@story
async def test_request_over_tls_reaches_the_target_as_https_with_the_declared_port():
    async with balancer() as lb:
        (blue,) = await group(lb, "blue", "blue")
        await listen(lb, forward({"blue": 1}), settings=tls(DEFAULT))
        connection = await secure(lb.port, trusting(DEFAULT), "example.com")
        assert await ask(connection) == (200, b"blue")
        assert b"X-Forwarded-Proto: https\r\nX-Forwarded-Port: 443\r\n" in blue.seen[0]
        connection[1].close()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("shop.test", SHOP),
        ("SHOP.test", SHOP),
        ("a.shop.test", WILD),
        ("a.b.shop.test", DEFAULT),
        ("shop.example", WILD),
        ("elsewhere.test", DEFAULT),
    ],
)
def test_certificate_is_the_one_of_the_server_name_else_the_default(name, expected):
    async def run() -> None:
        async with balancer() as lb:
            await listen(lb, forward({"blue": 1}), settings=tls(DEFAULT, SHOP, WILD)) if await group(
                lb, "blue", "blue"
            ) else None
            anybody = trusting(DEFAULT)
            anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
            connection = await secure(lb.port, anybody, name)
            assert shown(connection) == der(expected)
            assert (await ask(connection))[0] == 200
            connection[1].close()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("policy", "version", "accepted"),
    [
        ("ELBSecurityPolicy-TLS13-1-3-2021-06", ssl.TLSVersion.TLSv1_3, True),
        ("ELBSecurityPolicy-TLS13-1-3-2021-06", ssl.TLSVersion.TLSv1_2, False),
        ("ELBSecurityPolicy-TLS-1-2-2017-01", ssl.TLSVersion.TLSv1_2, True),
        ("ELBSecurityPolicy-TLS-1-2-2017-01", ssl.TLSVersion.TLSv1_1, False),
        ("ELBSecurityPolicy-TLS-1-2-2017-01", ssl.TLSVersion.TLSv1_3, False),
        ("ELBSecurityPolicy-2016-08", ssl.TLSVersion.TLSv1_1, True),
    ],
)
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_policy_decides_which_protocols_are_accepted(policy, version, accepted):
    async def run() -> None:
        async with balancer() as lb:
            await group(lb, "blue", "blue")
            await listen(lb, forward({"blue": 1}), settings=tls(DEFAULT, policy=policy))
            client = trusting(DEFAULT)
            client.set_ciphers("DEFAULT:@SECLEVEL=0")
            client.minimum_version = client.maximum_version = version
            if not accepted:
                with pytest.raises((ssl.SSLError, ConnectionError)):
                    await secure(lb.port, client, "example.com")
                return
            connection = await secure(lb.port, client, "example.com")
            assert (await ask(connection))[0] == 200
            connection[1].close()

    asyncio.run(run())


@story
async def test_http2_is_not_offered():
    async with balancer() as lb:
        await group(lb, "blue", "blue")
        await listen(lb, forward({"blue": 1}), settings=tls(DEFAULT))
        connection = await secure(lb.port, trusting(DEFAULT, alpn=("h2", "http/1.1")), "example.com")
        assert connection[1].get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"
        connection[1].close()


@story
async def test_new_certificate_is_shown_to_the_next_connection_and_the_old_connection_goes_on():
    async with balancer() as lb:
        await group(lb, "blue", "blue")
        await listen(lb, forward({"blue": 1}), settings=tls(DEFAULT))
        old = await secure(lb.port, trusting(DEFAULT), "example.com")
        renewed, port = certificate("example.com"), lb.port
        await listen(lb, forward({"blue": 1}), settings=tls(renewed))
        assert lb.port == port
        new = await secure(lb.port, trusting(renewed), "example.com")
        assert shown(new) == der(renewed)
        assert await ask(old) == await ask(new) == (200, b"blue")
        for _, writer in (old, new):
            writer.close()


@story
async def test_listener_becomes_https_and_http_again_on_its_port_under_load():
    async with balancer() as lb:
        await group(lb, "blue", "blue")
        await listen(lb, forward({"blue": 1}), port=8099)
        port = lb.port
        await listen(lb, forward({"blue": 1}), settings=tls(DEFAULT), port=8099)
        connection = await secure(lb.port, trusting(DEFAULT), "example.com")
        assert (await ask(connection))[0] == 200
        await listen(lb, forward({"blue": 1}), port=8099)
        assert lb.port == port
        assert await lb.get() == (200, "blue")
        connection[1].close()


@story
async def test_key_that_does_not_fit_is_refused_and_the_listener_stays_as_it_was():
    async with balancer() as lb:
        await group(lb, "blue", "blue")
        await listen(lb, forward({"blue": 1}), settings=tls(DEFAULT))
        wrong = type(SHOP)(SHOP.arn, SHOP.chain, DEFAULT.key, SHOP.names)
        with pytest.raises(PlaneRefused, match=r"certificate arn:certificate/shop\.test cannot be used"):
            await listen(lb, forward({"blue": 1}), settings=tls(wrong))
        connection = await secure(lb.port, trusting(DEFAULT), "example.com")
        assert await ask(connection) == (200, b"blue")
        connection[1].close()


@story
async def test_private_key_is_neither_left_in_a_file_nor_printed():
    before = set(Path(tempfile.gettempdir()).glob("*.pem"))
    async with balancer() as lb:
        await group(lb, "blue", "blue")
        await listen(lb, forward({"blue": 1}), settings=tls(DEFAULT, SHOP))
        assert set(Path(tempfile.gettempdir()).glob("*.pem")) <= before
    assert "PRIVATE" not in repr(tls(DEFAULT))


@story
async def test_megabytes_pass_over_tls_both_ways():
    async with balancer() as lb:
        (blue,) = await group(lb, "blue", "blue")
        size = 8 * 1024 * 1024

        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
            length = int(re.search(rb"content-length: (\d+)", head, re.IGNORECASE)[1])
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length)
            writer.write(await reader.readexactly(length))

        blue.respond = echo
        await listen(lb, forward({"blue": 1}), settings=tls(DEFAULT))
        reader, writer = await secure(lb.port, trusting(DEFAULT), "example.com")
        sent = bytes(range(256)) * (size // 256)
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size + sent)
        await reader.readuntil(b"\r\n\r\n")
        assert await reader.readexactly(size) == sent
        writer.close()


@story
async def test_http_is_redirected_to_https_and_served_there():
    async with balancer() as lb:
        await group(lb, "blue", "blue")
        await listen(lb, REDIRECT, port=80)
        received = await lb.raw(b"GET /a/b?c=d HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n")
        assert received.startswith(b"HTTP/1.1 301 Moved Permanently\r\n")
        assert b"\r\nLocation: https://example.com:443/a/b?c=d\r\n" in received


def test_target_group_of_https_speaks_tls_to_targets_whatever_they_show(tmp_path):
    async def run() -> None:
        async with balancer() as lb:
            backend = await SecureBackend("blue", tmp_path).start()
            lb.backends.append(backend)
            await configure(lb, "blue", protocol="HTTPS")
            await lb.plane.put_target_group(
                "blue",
                {"HealthCheckProtocol": "HTTPS", "HealthCheckPath": "/healthz", "HealthCheckIntervalSeconds": 0.2},
                {},
                "HTTPS",
            )
            await lb.plane.register("blue", [backend.target()])
            await listen(lb, forward({"blue": 1}), port=80)
            await lb.healthy(backend)
            assert await lb.get() == (200, "blue")
            assert b"X-Forwarded-Proto: http\r\n" in backend.seen[0]

    asyncio.run(run())


@story
async def test_target_that_speaks_no_tls_gives_502():
    async with balancer() as lb:
        plain = await Outspoken("plain").start()
        lb.backends.append(plain)
        await configure(lb, "blue", protocol="HTTPS")
        await lb.plane.register("blue", [plain.target()])
        await listen(lb, forward({"blue": 1}), port=80)
        assert (await lb.get())[0] == 502
