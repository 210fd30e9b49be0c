"""Any bytes, cut anywhere: the proxy never crashes, never loses its place, and never gives one client's bytes to another.

The target is a model: llhttp reads what it gets, strictly, and the answer names the request and the hash of its body.
"""

import asyncio
import contextlib
import hashlib
import itertools
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import httptools
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.emulator.alb.messages import Datum, Target
from tests.alb.conftest import Balancer, balancer, forward


def name(method: bytes, uri: bytes, body: bytes) -> bytes:
    return b"%b %b %b" % (method, uri, hashlib.sha1(body).hexdigest().encode())


@dataclass
class Model:
    """All connections of the target; `seen` names every request that came in full."""

    seen: list[bytes] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


class Strict(asyncio.Protocol):
    def __init__(self, model: Model) -> None:
        self.model = model
        self.parser = httptools.HttpRequestParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self.parser = httptools.HttpRequestParser(self)
            if rest := data[upgrade.args[0] :]:
                self.data_received(rest)
        except httptools.HttpParserInvalidMethodError:  # llhttp knows a list of methods, any token is one
            self.transport.close()
        except httptools.HttpParserError as error:
            self.model.errors.append(f"{error}: {data!r}")
            self.transport.close()

    def on_message_begin(self) -> None:
        self.uri, self.body = b"", b""

    def on_url(self, part: bytes) -> None:
        self.uri += part

    def on_body(self, part: bytes) -> None:
        self.body += part

    def on_message_complete(self) -> None:
        said = name(self.parser.get_method(), self.uri, self.body)
        self.model.seen.append(said)
        self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(said), said))  # type: ignore[attr-defined]


class Arena:
    """A load balancer and the model behind it, in a thread with an event loop of its own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.model, self.numbers, self.counted = Model(), itertools.count(), 0
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()

    async def begin(self) -> None:
        self.server = server = await self.loop.create_server(lambda: Strict(self.model), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        self.behind = balancer()
        self.lb: Balancer = await self.behind.__aenter__()
        await self.lb.plane.put_target_group("blue", {"HealthCheckEnabled": False}, {})
        await self.lb.plane.register("blue", [Target("10.0.0.1", port, ("127.0.0.1", port))])
        await self.lb.rules(forward({"blue": 1}))
        self.lb.plane.on_metrics = self._count
        self.bystander = await asyncio.open_connection("127.0.0.1", self.lb.port)

    def _count(self, data: list[Datum]) -> None:
        """Of the load balancer, not once more of its group."""
        answers = [one for one in data if one.name == "HTTPCode_Target_2XX_Count" and not one.target_group]
        self.counted += int(sum(sum(one.counts) for one in answers))

    async def close(self) -> None:
        self.bystander[1].close()
        await self.behind.__aexit__(None, None, None)
        self.server.close()

    def do(self, work: object) -> object:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)  # type: ignore[arg-type]

    async def round(self, stream: bytes, cuts: list[int]) -> list[bytes]:
        """Send a stream in pieces, with a bystander's request in between; the bodies of the answers, in order."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.lb.port)
        for start, end in itertools.pairwise(sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})):
            writer.write(stream[start:end])
            await asyncio.sleep(0)
        _, told = self.bystander
        mark = b"/bystander/%d" % next(self.numbers)
        told.write(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % mark)
        writer.write_eof()
        try:
            received = await self._rest(reader)
        finally:
            writer.close()
            await self._bystander(mark)
        return bodies(received)

    async def _bystander(self, mark: bytes) -> None:
        beside, _ = self.bystander
        head = await beside.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK"), head
        body = await beside.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
        assert body == name(b"GET", mark, b"")

    async def _rest(self, reader: asyncio.StreamReader) -> bytes:
        received = b""
        with contextlib.suppress(ConnectionResetError):
            async with asyncio.timeout(5):
                while part := await reader.read(1 << 16):
                    received += part
        return received


def bodies(received: bytes) -> list[bytes]:
    """Every answer must have a length, and nothing may be left over or missing but where an own answer broke the connection."""
    found = []
    while received:
        head, separator, rest = received.partition(b"\r\n\r\n")
        assert separator, received
        assert head.startswith(b"HTTP/1.1 "), head
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        assert len(rest) >= length
        found.append(rest[:length] if head.startswith(b"HTTP/1.1 200") else b"")
        received = rest[length:]
    return found


@pytest.fixture(scope="module")
def arena() -> Iterator[Arena]:
    made = Arena()
    made.do(made.begin())
    yield made
    made.do(made.close())
    made.loop.call_soon_threadsafe(made.loop.stop)
    made.thread.join()
    made.loop.close()


# ---- streams

payloads = st.binary(max_size=40)


def _chunks(body: bytes, size: int) -> bytes:
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def _get(number: int, body: bytes, size: int) -> tuple[bytes, bytes]:
    uri = b"/get/%d" % number
    return b"GET %b HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n\r\n" % uri, name(b"GET", uri, b"")


def _post(number: int, body: bytes, size: int) -> tuple[bytes, bytes]:
    uri = b"/post/%d" % number
    head = b"POST %b HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (uri, len(body))
    return head + body, name(b"POST", uri, body)


def _chunked(number: int, body: bytes, size: int) -> tuple[bytes, bytes]:
    uri = b"/chunked/%d" % number
    head = b"PUT %b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" % uri
    return head + _chunks(body, size), name(b"PUT", uri, body)


def _upgrade(number: int, body: bytes, size: int) -> tuple[bytes, bytes]:
    uri = b"/upgrade/%d" % number
    return (
        b"GET %b HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n" % uri,
        name(b"GET", uri, b""),
    )


good = st.builds(
    lambda make, number, body, size: make(number, body, size),
    st.sampled_from([_get, _get, _post, _chunked, _upgrade]),
    st.integers(0, 3),
    payloads,
    st.integers(1, 20),
)
cuts = st.lists(st.integers(0, 1 << 16), max_size=6)
ODD = [
    b"GET / HTTP/1.1\nHost: a\n\n",
    b"\r\n\r\n",
    b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer_Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n",
    b"POST / HTTP/1.0\r\nContent-Length: 2\r\n\r\nok",
    b"OPTIONS * HTTP/1.1\r\nHost: a\r\nA: b\r\n c\r\n\r\n",
]
bad = st.one_of(st.sampled_from(ODD), st.binary(max_size=30))


@st.composite
def hostile(draw: st.DrawFn) -> bytes:
    """Good requests and odd ones, with a few bytes changed."""
    pieces = draw(st.lists(st.one_of(good.map(lambda one: one[0]), bad), max_size=5))
    stream = bytearray(b"".join(pieces))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(stream)))
        stream[at : at + draw(st.integers(0, 2))] = draw(
            st.sampled_from([b"", b"\0", b"\r", b"\n", b" ", b":", b"x", b"\xff"])
        )
    return bytes(stream)


def settle(examples: int) -> settings:
    return settings(
        max_examples=examples,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )


def check_good(arena: Arena, requests: list[tuple[bytes, bytes]], where: list[int]) -> None:
    stream = b"".join(data for data, _ in requests)
    assert arena.do(arena.round(stream, where)) == [answer for _, answer in requests]
    assert not arena.model.errors


def check_hostile(arena: Arena, stream: bytes, where: list[int]) -> None:
    before = len(arena.model.seen)
    answered = [body for body in arena.do(arena.round(stream, where)) if body]  # type: ignore[attr-defined]
    seen = [one for one in arena.model.seen[before:] if b"/bystander/" not in one]
    assert answered == seen[: len(answered)]
    assert len(seen) - len(answered) <= 1  # the last may have been cut off by a refusal
    errors, arena.model.errors = arena.model.errors, []
    assert errors == []


def check_rows(arena: Arena) -> None:
    """Every request that the target has seen has one row, and no row is made up: metrics are counted from rows."""

    async def compare() -> None:
        await arena.lb.until(lambda: arena.counted == len(arena.model.seen))

    arena.do(compare())


@settle(120)
@given(requests=st.lists(good, max_size=6), where=cuts)
def test_good_requests_are_answered_in_order_however_they_are_cut(
    arena: Arena, requests: list[tuple[bytes, bytes]], where: list[int]
):
    check_good(arena, requests, where)


@settle(250)
@given(stream=hostile(), where=cuts)
def test_hostile_bytes_reach_no_target_and_no_other_client(arena: Arena, stream: bytes, where: list[int]):
    check_hostile(arena, stream, where)


def test_rows_match_what_the_target_has_seen(arena: Arena):
    check_rows(arena)


@pytest.mark.slow
@settle(4000)
@given(stream=hostile(), where=cuts)
def test_hostile_bytes_for_long(arena: Arena, stream: bytes, where: list[int]):
    check_hostile(arena, stream, where)


@pytest.mark.slow
def test_rows_still_match_after_long(arena: Arena):
    check_rows(arena)
