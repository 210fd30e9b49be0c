"""The proxy: who gets a request, what it looks like there, and what the client sees when a target fails (C.2, C.5-C.7)."""

import asyncio
import re
import resource
import socket
import struct
from collections import Counter

import pytest

from harness import clock
from harness.emulator.alb.plane import Target
from tests.alb.conftest import answer, balancer, forward, rule, story


@story
async def test_weights_decide_for_each_request_and_a_change_is_in_force_when_it_is_acknowledged():
    async with balancer() as lb:
        await lb.group("blue", "blue")
        await lb.group("green", "green")
        for weights, expected in (((100, 0), {"blue"}), ((0, 100), {"green"})):
            await lb.split(*weights)
            assert {(await lb.get())[1] for _ in range(30)} == expected
        await lb.split(50, 50)
        seen = Counter([(await lb.get())[1] for _ in range(200)])
        assert 60 < seen["green"] < 140


@story
async def test_weights_apply_to_each_request_of_a_kept_connection():
    async with balancer() as lb:
        await lb.group("blue", "blue")
        await lb.group("green", "green")
        await lb.split(100, 0)
        reader, writer = await asyncio.open_connection("127.0.0.1", lb.port)
        request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
        writer.write(request)
        await reader.readuntil(b"\r\n\r\n")
        assert await reader.readexactly(4) == b"blue"
        await lb.split(0, 100)
        writer.write(request)
        await reader.readuntil(b"\r\n\r\n")
        assert await reader.readexactly(5) == b"green"
        writer.close()


@story
async def test_request_in_flight_ends_where_it_began_when_the_weights_change():
    async with balancer() as lb:
        (blue,) = await lb.group("blue", "blue")
        await lb.group("green", "green")
        await lb.split(100, 0)
        blue.gate.clear()
        slow = asyncio.ensure_future(lb.get())
        await lb.until(lambda: blue.seen)
        await lb.split(0, 100)
        assert (await lb.get())[1] == "green"
        blue.gate.set()
        assert await slow == (200, "blue")


@story
async def test_targets_of_a_group_take_turns():
    async with balancer() as lb:
        backends = await lb.group("blue", "one", "two")
        await lb.rules(forward({"blue": 1}))
        await lb.healthy(*backends)
        assert Counter([(await lb.get())[1] for _ in range(10)]) == {"one": 5, "two": 5}


@story
async def test_target_sees_the_forwarded_headers_of_the_declared_port():
    async with balancer() as lb:
        (blue,) = await lb.group("blue", "blue")
        await lb.rules(forward({"blue": 1}))
        await lb.get("/a?b=c", "X-Forwarded-For: 203.0.113.9\r\nX-Custom: kept\r\n")
        (head,) = blue.seen
        assert head.startswith(b"GET /a?b=c HTTP/1.1\r\n")
        assert b"X-Forwarded-For: 203.0.113.9, 127.0.0.1\r\n" in head
        assert b"X-Forwarded-Proto: http\r\nX-Forwarded-Port: 80\r\n" in head
        assert b"X-Custom: kept\r\n" in head
        assert re.search(rb"X-Amzn-Trace-Id: Root=1-[0-9a-f]{8}-[0-9a-f]{24}\r\n", head)
        assert b"Connection: close" not in head


@story
async def test_trace_id_of_the_client_is_kept_beside_our_own():
    async with balancer() as lb:
        (blue,) = await lb.group("blue", "blue")
        await lb.rules(forward({"blue": 1}))
        await lb.get("/", "X-Amzn-Trace-Id: Root=1-11111111-222222222222222222222222\r\n")
        assert re.search(
            rb"X-Amzn-Trace-Id: Self=1-[0-9a-f-]+;Root=1-11111111-222222222222222222222222\r\n", blue.seen[0]
        )


@story
async def test_group_without_targets_answers_503_byte_for_byte():
    async with balancer() as lb:
        await lb.group("blue")
        await lb.rules(forward({"blue": 1}))
        received = await lb.raw(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        head, body = received.split(b"\r\n\r\n", 1)
        lines = head.split(b"\r\n")
        assert lines[:2] == [b"HTTP/1.1 503 Service Temporarily Unavailable", b"Server: awselb/2.0"]
        assert b"Content-Length: 162" in lines
        assert body == (
            b"<html>\r\n<head><title>503 Service Temporarily Unavailable</title></head>\r\n<body>\r\n"
            b"<center><h1>503 Service Temporarily Unavailable</h1></center>\r\n</body>\r\n</html>\r\n"
        )


@story
async def test_refused_connection_answers_502_of_122_bytes():
    async with balancer() as lb:
        (blue,) = await lb.group("blue", "blue")
        blue.close()
        await lb.rules(forward({"blue": 1}))
        status, body = await lb.get()
        assert (status, len(body)) == (502, 122)


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nbad header : x\r\n\r\n",
    ],
)
def test_target_that_closes_or_answers_nonsense_gives_502(said: bytes):
    async def run() -> None:
        async with balancer() as lb:
            (blue,) = await lb.group("blue", "blue")

            async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
                writer.write(said)
                writer.close()

            blue.respond = respond
            await lb.rules(forward({"blue": 1}))
            assert (await lb.get())[0] == 502

    asyncio.run(run())


@story
async def test_failed_request_is_not_sent_to_a_second_target():
    async with balancer() as lb:
        backends = await lb.group("blue", "one", "two")

        async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
            writer.close()

        for backend in backends:
            backend.respond = respond
        await lb.rules(forward({"blue": 1}))
        assert (await lb.get())[0] == 502
        assert sum(len(backend.seen) for backend in backends) == 1


@story
async def test_target_that_is_silent_for_the_idle_timeout_gives_504():
    async with balancer() as lb:
        (blue,) = await lb.group("blue", "blue")
        lb.attributes = {"idle_timeout.timeout_seconds": "1"}
        await lb.rules(forward({"blue": 1}))
        blue.gate.clear()
        status, body = await lb.get()
        assert (status, len(body)) == (504, 132)


@story
async def test_body_that_breaks_off_breaks_for_the_client_too():
    async with balancer() as lb:
        (blue,) = await lb.group("blue", "blue")

        async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this")
            await writer.drain()
            writer.close()

        blue.respond = respond
        await lb.rules(forward({"blue": 1}))
        try:
            received = await lb.raw(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        except ConnectionResetError:
            received = b""
        assert b"502" not in received
        await lb.until(lambda: [row.elb_status for row in lb.rows] == [502])


@story
async def test_chunked_body_passes_both_ways():
    async with balancer() as lb:
        (blue,) = await lb.group("blue", "blue")

        async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
            received = await reader.readuntil(b"0\r\n\r\n")
            assert received.replace(b"\r\n", b"|") == b"b|hello world|0||"
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")

        blue.respond = respond
        await lb.rules(forward({"blue": 1}))
        request = (
            b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"
        )
        received = await lb.raw(request)
        assert received.endswith(b"\r\n\r\n5\r\nabcde\r\n0\r\n\r\n")


@story
async def test_chunks_are_taken_apart_for_a_client_of_http_1_0():
    async with balancer() as lb:
        (blue,) = await lb.group("blue", "blue")

        async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")

        blue.respond = respond
        await lb.rules(forward({"blue": 1}))
        received = await lb.raw(b"GET / HTTP/1.0\r\nHost: x\r\n\r\n")
        assert received.endswith(b"\r\n\r\nabcde")
        assert b"chunked" not in received


@story
async def test_head_answer_has_no_body_and_the_connection_goes_on():
    async with balancer() as lb:
        await lb.group("blue", "blue")
        await lb.rules(forward({"blue": 1}))
        received = await lb.raw(
            b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
        assert received.count(b"HTTP/1.1 200 OK") == 2
        assert received.endswith(b"\r\n\r\nblue")


@story
async def test_pipelined_requests_are_answered_in_order():
    async with balancer() as lb:
        (blue,) = await lb.group("blue", "blue")

        async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
            writer.write(answer(head.split()[1]))

        blue.respond = respond
        await lb.rules(forward({"blue": 1}))
        requests = [
            f"GET /{i} HTTP/1.1\r\nHost: x\r\n{'Connection: close' if i == 4 else 'A: b'}\r\n\r\n" for i in range(5)
        ]
        received = await lb.raw("".join(requests).encode())
        assert re.findall(rb"\r\n\r\n/(\d)", received) == [b"0", b"1", b"2", b"3", b"4"]


@story
async def test_large_body_passes_with_back_pressure():
    size = 20 * 1024 * 1024
    async with balancer() as lb:
        (blue,) = await lb.group("blue", "blue")

        async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
            received = 0
            while received < size:
                received += len(await reader.read(1 << 20))
            writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode())
            for _ in range(size // (1 << 20)):
                writer.write(b"x" * (1 << 20))
                await writer.drain()

        blue.respond = respond
        await lb.rules(forward({"blue": 1}))
        request = (
            f"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {size}\r\n\r\n".encode() + b"y" * size
        )
        received = await lb.raw(request)
        assert len(received.split(b"\r\n\r\n", 1)[1]) == size


@story
async def test_upgrade_is_passed_through_as_a_tunnel():
    async with balancer() as lb:
        (blue,) = await lb.group("blue", "blue")

        async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
            writer.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
            while data := await reader.read(100):
                writer.write(data.upper())

        blue.respond = respond
        await lb.rules(forward({"blue": 1}))
        reader, writer = await asyncio.open_connection("127.0.0.1", lb.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"HELLO"
        writer.close()


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        b"GARBAGE\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 17000 + b"\r\n\r\n",
    ],
)
def test_request_that_is_malformed_is_refused_with_400(request_bytes: bytes):
    async def run() -> None:
        async with balancer() as lb:
            (blue,) = await lb.group("blue", "blue")
            await lb.rules(forward({"blue": 1}))
            assert (await lb.raw(request_bytes)).startswith(b"HTTP/1.1 400 Bad Request\r\n")
            assert blue.seen == []

    asyncio.run(run())


@story
async def test_half_close_of_the_client_still_gets_its_answer():
    async with balancer() as lb:
        (blue,) = await lb.group("blue", "blue")
        blue.gate.clear()
        await lb.rules(forward({"blue": 1}))
        asked = asyncio.ensure_future(
            lb.raw(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", half_close=True)
        )
        await lb.until(lambda: blue.seen)
        blue.gate.set()
        assert (await asked).endswith(b"\r\n\r\nblue")


@story
async def test_client_that_resets_its_connection_is_logged_as_460():
    async with balancer() as lb:
        (blue,) = await lb.group("blue", "blue")
        blue.gate.clear()
        await lb.rules(forward({"blue": 1}))
        _, writer = await asyncio.open_connection("127.0.0.1", lb.port)
        writer.write(b"GET /gone HTTP/1.1\r\nHost: x\r\n\r\n")
        await lb.until(lambda: blue.seen)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.close()
        await lb.until(lambda: [row.elb_status for row in lb.rows] == [460])


@story
async def test_every_request_has_one_row_with_its_target_and_times():
    async with balancer() as lb:
        (blue,) = await lb.group("blue", "blue")
        await lb.rules(forward({"blue": 1}))
        began = clock.now()
        for path in ("/a", "/b"):
            await lb.get(path, "User-Agent: probe/1\r\n")
        await lb.until(lambda: len(lb.rows) == 2)
        first = lb.rows[0]
        assert (first.url, first.method, first.elb_status, first.target_status) == ("/a", "GET", 200, 200)
        assert (first.target, first.target_group, first.load_balancer) == (
            f"10.0.0.1:{blue.port}",
            "blue",
            "app/test/1",
        )
        assert (first.listener_port, first.user_agent, first.rule_priority) == (80, "probe/1", "default")
        assert began <= first.time <= clock.now()
        assert 0 <= first.target_time < 5


@story
async def test_target_connections_are_kept_and_used_again():
    async with balancer() as lb:
        (blue,) = await lb.group("blue", "blue", HealthCheckEnabled=False)
        await lb.rules(forward({"blue": 1}))
        for _ in range(5):
            await lb.get()
        assert blue.connections == 1


@story
async def test_rules_are_tried_by_priority_and_the_default_is_last():
    async with balancer() as lb:
        await lb.group("blue", "blue")
        await lb.group("green", "green")
        fixed = {
            "Type": "fixed-response",
            "FixedResponseConfig": {"StatusCode": "418", "ContentType": "text/plain", "MessageBody": "short"},
        }
        redirect = {
            "Type": "redirect",
            "RedirectConfig": {"StatusCode": "HTTP_301", "Protocol": "HTTPS", "Port": "443"},
        }
        temporary = {"StatusCode": "HTTP_302", "Port": "8080"}
        await lb.rules(
            forward({"blue": 1}),
            rule(20, {"Field": "path-pattern", "PathPatternConfig": {"Values": ["/g*"]}}, forward({"green": 1})),
            rule(10, {"Field": "path-pattern", "PathPatternConfig": {"Values": ["/g/fixed"]}}, fixed),
            rule(
                30,
                {"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "X-Side", "Values": ["gr?en"]}},
                forward({"green": 1}),
            ),
            rule(
                40,
                {"Field": "query-string", "QueryStringConfig": {"Values": [{"Key": "side", "Value": "green"}]}},
                forward({"green": 1}),
            ),
            rule(
                50, {"Field": "host-header", "HostHeaderConfig": {"Values": ["*.example.org"]}}, forward({"green": 1})
            ),
            rule(
                60,
                {"Field": "http-request-method", "HttpRequestMethodConfig": {"Values": ["DELETE"]}},
                forward({"green": 1}),
            ),
            rule(70, {"Field": "source-ip", "SourceIpConfig": {"Values": ["192.0.2.0/24"]}}, forward({"green": 1})),
            rule(80, {"Field": "path-pattern", "Values": ["/old"]}, redirect),
            rule(90, {"Field": "path-pattern", "Values": ["/away"]}, {**redirect, "RedirectConfig": temporary}),
        )
        assert await lb.get("/") == (200, "blue")
        assert await lb.get("/green") == (200, "green")
        assert await lb.get("/g/fixed") == (418, "short")
        assert await lb.get("/", "X-Side: GREEN\r\n") == (200, "green")
        assert await lb.get("/", "X-Side: not green\r\n") == (200, "blue")
        assert await lb.get("/?side=green") == (200, "green")
        assert await lb.get("/Green") == (200, "blue")
        received = await lb.raw(b"GET /old?a=b HTTP/1.1\r\nHost: www.example.com\r\nConnection: close\r\n\r\n")
        assert received.startswith(b"HTTP/1.1 301 Moved Permanently\r\n")
        assert b"Location: https://www.example.com:443/old?a=b\r\n" in received
        received = await lb.raw(b"GET /away HTTP/1.1\r\nHost: www.example.com\r\nConnection: close\r\n\r\n")
        assert received.startswith(b"HTTP/1.1 302 Moved Temporarily\r\n")
        assert b"Content-Length: 110\r\n" in received
        assert b"Location: http://www.example.com:8080/away\r\n" in received


@story
async def test_no_request_is_lost_while_weights_change_under_load():
    async with balancer() as lb:
        await lb.group("blue", "blue")
        await lb.group("green", "green")
        await lb.split(100, 0)
        results: Counter[tuple[int, str]] = Counter()
        done = asyncio.Event()

        async def user() -> None:
            while not done.is_set():
                results[await lb.get()] += 1

        users = [asyncio.ensure_future(user()) for _ in range(8)]
        for turn in range(40):
            await lb.split(*((100, 0), (0, 100))[turn % 2])
            await clock.Wall().sleep(0.02)
        done.set()
        await asyncio.gather(*users)
        assert set(results) == {(200, "blue"), (200, "green")}


@story
async def test_client_that_leaves_breaks_off_its_own_request_and_nobody_elses():
    """An exchange serves one request of its client after the other: nothing of the last may be left in it."""
    get = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    async with balancer() as lb:
        (blue,) = await lb.group("blue", "blue", HealthCheckEnabled=False)
        await lb.rules(forward({"blue": 1}))
        leaver, stayer = [await asyncio.open_connection("127.0.0.1", lb.port) for _ in range(2)]
        for _ in range(4):  # parsed, remembered, from the memo
            leaver[1].write(get)
            await leaver[0].readuntil(b"blue")
        blue.gate.clear()
        stayer[1].write(get)
        await lb.until(lambda: len(blue.seen) == 5)
        await lb.plane.put_target_group("nowhere", {"HealthCheckEnabled": False}, {})
        await lb.plane.register("nowhere", [Target("10.0.0.9", 80, None)])
        await lb.rules(forward({"nowhere": 1}))
        leaver[1].write(get)
        for _ in range(3):  # until the data plane has read the request
            await lb.rules(forward({"nowhere": 1}))
        reset = leaver[1].get_extra_info("socket")
        reset.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        leaver[1].transport.abort()
        await lb.until(lambda: [row.elb_status for row in lb.rows] == [200] * 4 + [460])
        blue.gate.set()
        async with asyncio.timeout(10):
            assert (await stayer[0].readuntil(b"blue")).startswith(b"HTTP/1.1 200 OK")
        stayer[1].close()


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="only Linux tells the limits of another process")
@story
async def test_balancer_takes_all_the_open_files_that_it_may_have():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        async with balancer() as lb:
            await lb.plane.put_target_group("blue", {}, {})
            assert lb.plane._process is not None
            assert resource.prlimit(lb.plane._process.pid, resource.RLIMIT_NOFILE) == (hard, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
