"""HTTP through the proxy, byte by byte, one behaviour a test. What ALB and HAProxy share runs on both; on ours every case is run three
times, so that it goes down the slow path and the fast one."""

import asyncio
import socket
import struct

from harness import clock
from tests.alb.conftest import forward
from tests.alb.wire import TIMES, Front, Message, Talk, front, on, read_chunks, read_head, read_message

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


def post(*headers: bytes, body: bytes = b"") -> bytes:
    return b"\r\n".join([b"POST /p HTTP/1.1", b"Host: x", *headers]) + b"\r\n\r\n" + body


# ---- plain exchanges


@on()
async def test_request_and_answer_with_a_length_pass_on_one_connection(proxy: str):
    async with front(proxy) as it:
        client = await it.connect()
        for _ in range(TIMES):
            answer = await client.ask(GET)
            assert (answer.status, answer.body) == (200, b"hello")
        assert [request.line for request in it.target.requests] == [b"GET / HTTP/1.1"] * TIMES
        assert it.target.connections == 1


@on()
async def test_body_with_a_length_passes_in_one_piece_and_in_bytes(proxy: str):
    async with front(proxy) as it:
        client = await it.connect()
        request = post(b"Content-Length: 5", body=b"abcde")
        assert (await client.ask(request)).status == 200
        for byte in request:
            client.writer.write(bytes((byte,)))
            await asyncio.sleep(0)
        assert (await client.answer()).status == 200
        assert [request.body for request in it.target.requests] == [b"abcde"] * 2
        assert [request.get("content-length") for request in it.target.requests] == [b"5"] * 2


@on()
async def test_chunked_body_arrives_whole_however_it_is_cut(proxy: str):
    async with front(proxy) as it:
        client = await it.connect()
        request = post(b"Transfer-Encoding: chunked", body=b"3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n")
        assert (await client.ask(request)).status == 200
        for byte in request:
            client.writer.write(bytes((byte,)))
            await asyncio.sleep(0)
        assert (await client.answer()).status == 200
        assert [request.body for request in it.target.requests] == [b"abc0123456789"] * 2


@on()
async def test_chunked_answer_arrives_whole(proxy: str):
    async with front(proxy) as it:
        it.target.reply = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
        client = await it.connect()
        for _ in range(TIMES):
            answer = await client.ask(GET)
            assert (answer.get("transfer-encoding"), answer.body) == (b"chunked", b"abcde")


@on("rehearse")
async def test_trailers_are_dropped_both_ways(proxy: str):
    async with front(proxy) as it:
        it.target.reply = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n"
        client = await it.connect()
        request = post(b"Transfer-Encoding: chunked", b"Trailer: X", body=b"1\r\nq\r\n0\r\nX: y\r\n\r\n")
        for _ in range(TIMES):  # read_message asserts that there are no trailers
            assert (await client.ask(request)).body == b"abc"
        assert it.target.requests[0].get("trailer") is None


@on()
async def test_head_gets_the_length_but_no_body(proxy: str):
    async with front(proxy) as it:
        it.target.reply = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
        client = await it.connect()
        for _ in range(TIMES):
            answer = await client.ask(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", bodiless=True)
            assert answer.get("content-length") == b"5"
        it.target.reply = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
        assert (await client.ask(GET)).body == b"hello"


@on()
async def test_answers_204_and_304_have_no_body(proxy: str):
    async with front(proxy) as it:
        client = await it.connect()
        for reply in (b"HTTP/1.1 204 No Content\r\n\r\n", b"HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n"):
            it.target.reply = reply
            for _ in range(TIMES):
                assert (await client.ask(GET)).status == int(reply.split()[1])
        it.target.reply = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
        assert (await client.ask(GET)).body == b"ok"


@on()
async def test_answer_of_an_http_1_0_target_ends_with_its_connection(proxy: str):
    async with front(proxy) as it:

        async def script(talk: Talk) -> None:
            await read_message(talk.reader)
            talk.writer.write(b"HTTP/1.0 200 OK\r\nServer: old\r\n\r\nuntil the end")

        it.target.script = script
        for _ in range(TIMES):
            client = await it.connect()
            assert (await client.ask(GET)).body == b"until the end"


@on("rehearse")  # HAProxy 2.6 sends the chunks as they are
async def test_client_of_http_1_0_gets_chunks_taken_apart_and_a_close(proxy: str):
    async with front(proxy) as it:
        it.target.reply = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
        for _ in range(TIMES):
            client = await it.connect()
            client.writer.write(b"GET / HTTP/1.0\r\nHost: x\r\n\r\n")
            received = await client.rest()
            assert received.endswith(b"\r\n\r\nabc")
            assert b"ransfer-" not in received


@on("rehearse")
async def test_client_of_http_1_0_may_keep_its_connection(proxy: str):
    async with front(proxy) as it:
        client = await it.connect()
        for _ in range(TIMES):
            answer = await client.ask(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            assert (answer.get("connection"), answer.body) == (b"keep-alive", b"hello")
        assert it.target.requests[0].line == b"GET / HTTP/1.1"


@on()
async def test_connection_close_of_the_client_is_honoured(proxy: str):
    async with front(proxy) as it:
        for _ in range(TIMES):
            client = await it.connect()
            answer = await client.ask(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert answer.get("connection") == b"close"
            assert await client.rest() == b""


@on()
async def test_pipelined_requests_are_answered_in_order(proxy: str):
    async with front(proxy) as it:

        async def script(talk: Talk) -> None:
            while True:
                request = await read_message(talk.reader)
                path = request.line.split()[1]
                talk.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(path), path))

        it.target.script = script
        client = await it.connect()
        client.writer.write(b"".join(b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % i for i in range(50)))
        assert [(await client.answer()).body for _ in range(50)] == [b"/%d" % i for i in range(50)]


@on()
async def test_requests_with_bodies_may_be_pipelined(proxy: str):
    async with front(proxy) as it:
        client = await it.connect()
        one = post(b"Content-Length: 3", body=b"one")
        two = post(b"Transfer-Encoding: chunked", body=b"3\r\ntwo\r\n0\r\n\r\n")
        client.writer.write((one + two) * 5 + b"\r\n" + GET)
        for _ in range(11):
            assert (await client.answer()).status == 200
        assert [request.body for request in it.target.requests] == [b"one", b"two"] * 5 + [b""]


# ---- interim answers, early answers


@on()
async def test_100_continue_of_the_target_reaches_the_client_before_the_body_is_sent(proxy: str):
    async with front(proxy) as it:
        bodies: list[bytes] = []

        async def script(talk: Talk) -> None:
            while True:
                await read_head(talk.reader)
                talk.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                bodies.append(await talk.reader.readexactly(4))
                talk.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

        it.target.script = script
        client = await it.connect()
        for _ in range(TIMES):
            assert (await client.ask(post(b"Expect: 100-continue", b"Content-Length: 4"))).status == 100
            assert (await client.ask(b"body")).body == b"ok"
        assert bodies == [b"body"] * TIMES


@on("rehearse")
async def test_client_of_http_1_0_gets_no_interim_answer(proxy: str):
    async with front(proxy) as it:
        it.target.reply = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
        client = await it.connect()
        assert (await client.ask(b"GET / HTTP/1.0\r\nHost: x\r\n\r\n")).body == b"ok"
        client = await it.connect()
        assert [(await client.ask(GET)).status, (await client.answer()).status] == [103, 200]


@on()
async def test_answer_before_the_end_of_the_body_reaches_a_client_that_is_still_sending(proxy: str):
    async with front(proxy) as it:

        async def script(talk: Talk) -> None:
            await read_head(talk.reader)
            talk.writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nno!")

        it.target.script = script
        client = await it.connect()
        client.writer.write(post(b"Content-Length: 300000"))
        answer = await client.ask(b"x" * 1000)
        assert (answer.status, answer.body) == (413, b"no!")


# ---- upgrades

UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
SWITCHED = (
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)


async def echo(talk: Talk) -> None:
    await read_head(talk.reader)
    talk.writer.write(SWITCHED + b"welcome")
    while data := await talk.reader.read(1000):
        talk.writer.write(data.upper())


@on()
async def test_upgrade_that_is_granted_becomes_a_tunnel_for_early_bytes_too(proxy: str):
    async with front(proxy) as it:
        it.target.script = echo
        client = await it.connect()
        answer = await client.ask(UPGRADE + b"early", bodiless=True)
        assert (answer.status, answer.get("upgrade")) == (101, b"websocket")
        assert await client.reader.readexactly(12) == b"welcomeEARLY"
        client.writer.write(b"GET / HTTP/1.1\r\n\r\n")
        assert await client.reader.readexactly(18) == b"GET / HTTP/1.1\r\n\r\n"


@on()
async def test_tunnel_ends_for_both_when_either_side_closes(proxy: str):
    async with front(proxy) as it:
        ended = asyncio.Event()

        async def script(talk: Talk) -> None:
            await echo(talk)
            ended.set()

        it.target.script = script
        client = await it.connect()
        await client.ask(UPGRADE, bodiless=True)
        client.writer.close()
        async with asyncio.timeout(5):
            await ended.wait()


@on()
async def test_upgrade_that_is_refused_goes_on_as_plain_http(proxy: str):
    async with front(proxy) as it:
        client = await it.connect()
        for _ in range(TIMES):
            client.writer.write(UPGRADE + GET)
            assert [(await client.answer()).body for _ in range(2)] == [b"hello"] * 2
        assert len(it.target.requests) == 2 * TIMES


@on("rehearse")
async def test_101_that_nobody_asked_for_is_a_bad_gateway(proxy: str):
    async with front(proxy) as it:
        it.target.reply = SWITCHED
        client = await it.connect()
        assert (await client.ask(GET)).status == 502


# ---- streaming


@on()
async def test_server_sent_events_are_delivered_one_by_one(proxy: str):
    async with front(proxy) as it:
        go_on = asyncio.Event()

        async def script(talk: Talk) -> None:
            await read_head(talk.reader)
            talk.writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
            )
            for word in (b"one", b"two"):
                talk.writer.write(b"%x\r\n%b\r\n" % (len(word), word))
                await go_on.wait()
                go_on.clear()
            talk.writer.write(b"0\r\n\r\n")

        it.target.script = script
        client = await it.connect()
        client.writer.write(GET)
        async with asyncio.timeout(10):
            await read_head(client.reader)
            assert await client.reader.readexactly(8) == b"3\r\none\r\n"
            go_on.set()
            assert await client.reader.readexactly(8) == b"3\r\ntwo\r\n"
            go_on.set()
            assert (await read_chunks(client.reader))[0] == b""


@on()
async def test_request_body_reaches_the_target_while_it_is_still_being_sent(proxy: str):
    async with front(proxy) as it:
        parts: list[bytes] = []

        async def script(talk: Talk) -> None:
            await read_head(talk.reader)
            parts.append(await talk.reader.readexactly(5))
            parts.append(await talk.reader.readexactly(5))
            talk.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

        it.target.script = script
        client = await it.connect()
        client.writer.write(post(b"Content-Length: 10", body=b"first"))
        await it.until(lambda: parts == [b"first"])
        assert (await client.ask(b"other")).status == 200


@on()
async def test_large_bodies_pass_both_ways(proxy: str):
    async with front(proxy) as it:
        size = 3_000_000

        async def script(talk: Talk) -> None:
            request = await read_message(talk.reader)
            talk.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
            talk.writer.write(request.body)
            await talk.writer.drain()

        it.target.script = script
        client = await it.connect()
        answer = await client.ask(post(b"Content-Length: %d" % size, body=bytes(range(250)) * (size // 250)))
        assert answer.body == bytes(range(250)) * (size // 250)


# ---- ends


@on()
async def test_half_close_of_the_client_still_gets_its_answers(proxy: str):
    async with front(proxy) as it:
        client = await it.connect()
        client.writer.write(GET)
        client.writer.write_eof()
        assert (await client.rest()).endswith(b"\r\n\r\nhello")


@on()
async def test_answer_that_breaks_off_breaks_for_the_client_too(proxy: str):
    async with front(proxy) as it:

        async def script(talk: Talk) -> None:
            await read_message(talk.reader)
            talk.writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nonly ")

        it.target.script = script
        client = await it.connect()
        client.writer.write(GET)
        received = await client.rest()
        assert not received.endswith(b"0\r\n\r\n")
        assert b"502" not in received


@on()
async def test_request_that_breaks_off_breaks_for_the_target_too(proxy: str):
    async with front(proxy) as it:
        client = await it.connect()
        client.writer.write(post(b"Content-Length: 100", body=b"only this"))
        await it.until(lambda: it.target.connections)
        reset(client)
        await it.until(lambda: it.target.broken)
        assert it.target.requests == []


def reset(client: Talk) -> None:
    handle = client.writer.get_extra_info("socket")
    handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.writer.transport.abort()


@on()
async def test_target_that_closes_without_an_answer_is_a_bad_gateway(proxy: str):
    async with front(proxy) as it:

        async def script(talk: Talk) -> None:
            await read_message(talk.reader)

        it.target.script = script
        client = await it.connect()
        assert (await client.ask(GET)).status == 502


@on("rehearse")
async def test_answers_with_conflicting_framing_are_a_bad_gateway(proxy: str):
    replies = [
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\na",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA : b\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\0\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"ICY 200 OK\r\n\r\n",
        b"HTTP/1.1 99 No\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 33000 + b"\r\nContent-Length: 0\r\n\r\n",
    ]
    async with front(proxy) as it:
        for reply in replies:
            it.target.reply = reply
            client = await it.connect()
            assert (await client.ask(GET)).status == 502, reply


@on()
async def test_bytes_behind_an_answer_reach_no_other_client(proxy: str):
    async with front(proxy) as it:
        it.target.reply = (
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
        )
        for _ in range(TIMES):
            client = await it.connect()
            assert (await client.ask(GET)).body == b"ok"
        assert it.target.connections == TIMES


# ---- ambiguous and hostile requests


async def refused(it: Front, data: bytes, status: int) -> None:
    client = await it.connect()
    client.writer.write(data)
    received = await client.rest()
    assert received.startswith(b"HTTP/1.1 %d" % status), (data, received)
    assert received.count(b"HTTP/1.1") == 1


@on()
async def test_requests_without_a_certain_end_are_refused_and_their_connection_closed(proxy: str):
    hostile = [
        post(b"Content-Length: 1", b"Content-Length: 2", body=b"ab"),
        post(b"Content-Length: 1x", body=b"a"),
        post(b"Content-Length: -1", body=b"a"),
        post(b"Content-Length: 99999999999999999999", body=b"a"),
        post(b"A\0: b"),
        b"GARBAGE\r\n\r\n",
    ]
    only_alb = [
        post(b"A: b\0"),
        post(b"A: b\rc"),
        post(b"Transfer-Encoding: chunked, chunked"),
        b"GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n",
    ]
    async with front(proxy) as it:
        for data in hostile + (only_alb if it.lb else []):
            await refused(it, data + GET, 400)
        assert it.target.requests == []


@on("rehearse")
async def test_bad_chunks_are_refused_and_their_target_sees_no_whole_request(proxy: str):
    bodies = [
        b"g\r\nx\r\n0\r\n\r\n",
        b"-1\r\nx\r\n0\r\n\r\n",
        b"0x1\r\nx\r\n0\r\n\r\n",
        b"1\nx\r\n0\r\n\r\n",
        b"1\r\nxy\r\n0\r\n\r\n",
        b"1\r\nx\n0\r\n\r\n",
        b"1\r\nx\r\n0\r\nbad trailer\r\n\r\n",
        b"11111111111111111\r\nx",
        b"1;" + b"x" * 5000 + b"\r\nx\r\n0\r\n\r\n",
        b"\r\n0\r\n\r\n",
    ]
    async with front(proxy) as it:
        for body in bodies:
            await refused(it, post(b"Transfer-Encoding: chunked", body=body + GET), 400)
            client = await it.connect()
            client.writer.write(post(b"Transfer-Encoding: chunked", body=b"1\r\na\r\n"))
            await it.until(lambda: it.target.connections > len(it.target.requests) + it.target.broken)
            client.writer.write(body + GET)
            assert (await client.rest()).startswith(b"HTTP/1.1 400")
        assert it.target.requests == []


@on("rehearse")
async def test_ambiguous_request_is_forwarded_with_one_framing_and_both_connections_close(proxy: str):
    chunks = b"3\r\nabc\r\n0\r\n\r\n"
    async with front(proxy) as it:
        for number, (data, body) in enumerate(
            [
                (post(b"Content-Length: 4", b"Transfer-Encoding: chunked", body=chunks), b"abc"),
                (post(b"Content-Length: 3", b"Content-Length: 3", body=b"abc"), b"abc"),
                (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", b"abc"),
                (post(b"Transfer-Encoding : chunked", body=chunks), b""),
                (post(b"Content_Length: 3", body=b"abc"), b""),
                (post(b"A: b", b" folded"), b""),
            ],
            start=1,
        ):
            client = await it.connect()
            answer = await client.ask(data + GET)
            assert (answer.status, answer.get("connection")) == (200, b"close"), data
            assert await client.rest() == b""
            assert len(it.target.requests) == number  # what came behind was never taken for a request
            assert it.target.requests[-1].body == body
            assert it.target.connections == number


@on("rehearse")
async def test_row_names_the_classification_and_its_reason(proxy: str):
    async with front(proxy) as it:
        assert it.lb is not None
        for data in (
            GET,
            GET.replace(b"/", b"/a b", 1),
            post(b"Content-Length: 0", b"Content-Length: 0"),
            post(b"A: \0"),
        ):
            client = await it.connect()
            await client.ask(data)
        await it.until(lambda: it.lb and len(it.lb.rows) == 4)
        assert [(row.elb_status, row.classification, row.classification_reason) for row in it.lb.rows] == [
            (200, "-", "-"),
            (200, "Acceptable", "SpaceInUri"),
            (200, "Ambiguous", "DuplicateContentLength"),
            (400, "Severe", "BadHeader"),
        ]


@on("rehearse")
async def test_strictest_mode_refuses_what_is_merely_acceptable(proxy: str):
    async with front(proxy, {"routing.http.desync_mitigation_mode": "strictest"}) as it:
        await refused(it, b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", 400)
        client = await it.connect()
        assert (await client.ask(GET)).status == 200


@on("rehearse")
async def test_monitor_mode_lets_a_bad_header_pass_without_it(proxy: str):
    async with front(proxy, {"routing.http.desync_mitigation_mode": "monitor"}) as it:
        client = await it.connect()
        assert (await client.ask(post(b"Bad: \0", b"Good: 1"))).status == 200
        assert it.target.requests[0].get("bad") is None
        assert it.target.requests[0].get("good") == b"1"
        await refused(it, post(b"Content-Length: 1", b"Content-Length: 2", body=b"ab"), 400)


@on("rehearse")
async def test_oversized_heads_are_refused_before_they_end(proxy: str):
    async with front(proxy) as it:
        await refused(it, b"GET /" + b"x" * 17000, 414)
        await refused(it, b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"x" * 17000, 400)
        await refused(it, b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 12000, 400)


# ---- what the load balancer says itself


def page(title: bytes) -> bytes:
    return (
        b"<html>\r\n<head><title>%b</title></head>\r\n<body>\r\n<center><h1>%b</h1></center>\r\n</body>\r\n</html>\r\n"
        % (title, title)
    )


@on("rehearse")
async def test_own_answers_are_those_of_alb_byte_for_byte(proxy: str):
    many = b"X-Forwarded-For: " + b",".join([b"192.0.2.1"] * 31)
    async with front(proxy) as it:
        for data, title, length in (
            (b"GET / HTTP/1.1\r\n\r\n", b"400 Bad Request", 122),
            (b"TRACE / HTTP/1.1\r\nHost: x\r\n\r\n", b"405 Not Allowed", 122),
            (b"GET /" + b"x" * 17000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", b"414 Request-URI Too Long", None),
            (b"GET / HTTP/1.1\r\nHost: x\r\n" + many + b"\r\n\r\n", b"463 ", None),
            (post(b"Transfer-Encoding: gzip"), b"501 Not Implemented", None),
        ):
            client = await it.connect()
            answer = await client.ask(data)
            assert answer.line == b"HTTP/1.1 " + title
            assert answer.body == page(title)
            assert length in (None, len(answer.body))
            assert [name for name, _ in answer.headers] == [
                b"server",
                b"date",
                b"content-type",
                b"content-length",
                b"connection",
            ]
            assert (answer.get("server"), answer.get("content-type")) == (b"awselb/2.0", b"text/html")


@on("rehearse")
async def test_bad_gateway_leaves_the_clients_connection_open(proxy: str):
    async with front(proxy) as it:
        it.target.close()
        client = await it.connect()
        for _ in range(TIMES):
            answer = await client.ask(GET)
            assert (answer.line, answer.body) == (b"HTTP/1.1 502 Bad Gateway", page(b"502 Bad Gateway"))
            assert (answer.get("connection"), len(answer.body)) == (b"keep-alive", 122)


@on("rehearse")
async def test_head_gets_an_error_without_its_page(proxy: str):
    async with front(proxy) as it:
        it.target.close()
        client = await it.connect()
        for _ in range(TIMES):
            answer = await client.ask(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", bodiless=True)
            assert (answer.status, answer.get("content-length")) == (502, b"122")


# ---- forwarding headers


async def seen(attributes: dict[str, str], *headers: bytes) -> Message:
    async with front("rehearse", attributes) as it:
        client = await it.connect()
        for _ in range(TIMES):
            await client.ask(b"\r\n".join([b"GET / HTTP/1.1", b"Host: x", *headers]) + b"\r\n\r\n")
        it.target.requests[-1].headers.append((b"client-port", b"%d" % client.writer.get_extra_info("sockname")[1]))
        first, *others = (
            [field for field in one.headers if b"-" not in field[0] or b"for" in field[0]] for one in it.target.requests
        )
        assert all(other == first for other in others)  # the memo changes nothing
        return it.target.requests[-1]


MODE = "routing.http.xff_header_processing.mode"
THEIRS = (
    b"X-Forwarded-For: 192.0.2.1",
    b"X-Forwarded-For: 192.0.2.2",
    b"X-Forwarded-Proto: spoofed",
    b"X-Forwarded-Port: 1",
)


@on("rehearse")
async def test_client_is_appended_to_x_forwarded_for_and_the_rest_is_ours(proxy: str):
    request = await seen({}, *THEIRS)
    assert request.get("x-forwarded-for") == b"192.0.2.1, 192.0.2.2, 127.0.0.1"
    assert (request.get("x-forwarded-proto"), request.get("x-forwarded-port")) == (b"http", b"80")
    assert (await seen({})).get("x-forwarded-for") == b"127.0.0.1"


@on("rehearse")
async def test_x_forwarded_for_is_preserved_or_removed_where_that_is_asked_for(proxy: str):
    assert (await seen({MODE: "preserve"}, *THEIRS)).get("x-forwarded-for") == b"192.0.2.1, 192.0.2.2"
    assert (await seen({MODE: "preserve"})).get("x-forwarded-for") is None
    assert (await seen({MODE: "remove"}, *THEIRS)).get("x-forwarded-for") is None
    assert (await seen({MODE: "remove"})).get("x-forwarded-for") is None


@on("rehearse")
async def test_port_of_the_client_is_told_where_that_is_asked_for(proxy: str):
    request = await seen({"routing.http.xff_client_port.enabled": "true"})
    assert request.get("x-forwarded-for") == b"127.0.0.1:" + (request.get("client-port") or b"")


@on("rehearse")
async def test_change_of_an_attribute_reaches_connections_that_are_open(proxy: str):
    async with front(proxy) as it:
        assert it.lb is not None
        client = await it.connect()
        for _ in range(TIMES):
            await client.ask(GET)
        it.lb.attributes = {MODE: "remove"}
        await it.lb.rules(forward({"blue": 1}))
        await client.ask(GET)
        assert [request.get("x-forwarded-for") for request in it.target.requests] == [b"127.0.0.1"] * TIMES + [None]


# ---- time


@on("rehearse", times=1)
async def test_slow_head_is_answered_408_and_costs_nobody_else(proxy: str):
    async with front(proxy, {"idle_timeout.timeout_seconds": "1"}) as it:
        slow, quick = await it.connect(), await it.connect()
        ended = asyncio.ensure_future(slow.rest())
        letters = iter(b"GET / HTTP/1.1\r\nHost: x\r\nX-Endless: " + b"a" * 1000)
        while not ended.done():  # a byte now and then must not keep a head alive
            slow.writer.write(bytes((next(letters),)))
            assert (await quick.ask(GET)).status == 200
            await asyncio.wait({ended}, timeout=0.1)
        assert (await ended).startswith(b"HTTP/1.1 408 Request Timeout\r\n")


@on("rehearse", times=1)
async def test_slow_body_is_answered_408(proxy: str):
    async with front(proxy, {"idle_timeout.timeout_seconds": "1"}) as it:
        client = await it.connect()
        assert (await client.ask(post(b"Content-Length: 10", body=b"half"))).status == 408
        assert it.lb is not None
        await it.until(lambda: it.lb and [row.elb_status for row in it.lb.rows] == [408])


@on("rehearse", times=1)
async def test_silent_target_is_answered_504_and_a_stalled_answer_is_cut(proxy: str):
    async with front(proxy, {"idle_timeout.timeout_seconds": "1"}) as it:

        async def script(talk: Talk) -> None:
            request = await read_head(talk.reader)
            while len(it.target.requests) < TIMES:  # until it is the memo that answers
                it.target.requests.append(request)
                talk.writer.write(it.target.reply)
                request = await read_head(talk.reader)
            if b"/stall" in request.line:
                talk.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
            await talk.rest()

        it.target.script = script
        client, stalled = await it.connect(), await it.connect()
        for _ in range(TIMES):
            assert (await client.ask(GET)).status == 200
        stalled.writer.write(b"GET /stall HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await client.ask(GET)).status == 504
        assert b"504" not in await stalled.rest()


@on("rehearse", times=1)
async def test_idle_connection_and_idle_tunnel_are_closed(proxy: str):
    async with front(proxy, {"idle_timeout.timeout_seconds": "1"}) as it:
        it.target.script = echo
        fresh, tunnel = await it.connect(), await it.connect()
        await tunnel.ask(UPGRADE, bodiless=True)
        assert await fresh.rest() == b""
        assert await tunnel.rest() == b"welcome"


@on("rehearse", times=1)
async def test_connection_older_than_client_keep_alive_is_closed_with_its_next_answer(proxy: str):
    async with front(proxy, {"client_keep_alive.seconds": "1"}) as it:
        busy, idle = await it.connect(), await it.connect()
        assert (await busy.ask(GET)).get("connection") == b"keep-alive"
        ended = asyncio.ensure_future(idle.rest())
        deadline = clock.monotonic() + 10
        while (await busy.ask(GET)).get(
            "connection"
        ) == b"keep-alive":  # without a pause: idle, it would just be closed
            assert clock.monotonic() < deadline
        assert await busy.rest() == b""
        assert await ended == b""
