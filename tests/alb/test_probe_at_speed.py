"""The probe keeps its schedule at 1,000 requests a second while the load balancer works on the same two cores."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from harness.emulator.alb.plane import Target
from harness.journal import ProbeEnded, RequestDone
from harness.probe.feed import Feed, Line
from tests.alb.conftest import balancer, forward

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]
RATE, SECONDS = 1000, 10
AT_MOST = 0.005  # seconds of lateness at the 99th percentile
RATIO = 3.0  # on a machine that is too busy for that: beside a probe that asks the backend itself
BACKEND = """
import asyncio, uvloop
ANSWER = b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\nX-App-Version: v1\\r\\n\\r\\nok"
class Backend(asyncio.Protocol):
    def connection_made(self, transport): self.transport, self.rest = transport, b""
    def data_received(self, data):
        *whole, self.rest = (self.rest + data).split(b"\\r\\n\\r\\n")
        self.transport.write(ANSWER * len(whole))
async def main():
    server = await asyncio.get_running_loop().create_server(Backend, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
uvloop.run(main())
"""


@contextmanager
def backend() -> Iterator[int]:
    process = subprocess.Popen([sys.executable, "-c", BACKEND], stdout=subprocess.PIPE, text=True, encoding="utf-8")
    assert process.stdout
    try:
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def probed(port: int) -> tuple[list[RequestDone], ProbeEnded]:
    """Every answer of ten seconds at full rate, and the probe's own last word."""
    lines: list[Line] = []
    enough = threading.Event()

    def hear(line: Line) -> None:
        lines.append(line)
        if len(lines) >= RATE * SECONDS:
            enough.set()

    feed = Feed(f"http://127.0.0.1:{port}/", rate=RATE, timeout=10, on_line=hear)
    try:
        assert enough.wait(SECONDS * 4)
    finally:
        feed.stop()
    end = lines[-1]
    assert isinstance(end, ProbeEnded)
    return [line for line in lines if isinstance(line, RequestDone)], end


def lateness(answers: list[RequestDone]) -> float:
    """Seconds by which requests were sent after they were due, 99th percentile."""
    late = sorted(max(0.0, one.sent - one.due) for one in answers)
    return late[int(len(late) * 0.99)]


async def behind_a_balancer(port: int) -> tuple[list[RequestDone], ProbeEnded]:
    async with balancer() as lb:
        for group in ("blue", "green"):
            await lb.group(group)
            await lb.plane.register(group, [Target("10.0.0.1", port, ("127.0.0.1", port))])
        await lb.rules(forward({"blue": 50, "green": 50}))
        return await asyncio.to_thread(probed, lb.port)


def test_probe_keeps_its_schedule_beside_the_load_balancer():
    with backend() as port:
        direct, _ = probed(port)
        answers, end = asyncio.run(behind_a_balancer(port))
    told = (
        f"p99 lateness: direct {1000 * lateness(direct):.2f} ms, behind the balancer {1000 * lateness(answers):.2f} ms"
    )
    print(told)
    assert {one.status for one in answers} == {200}
    assert end.done == end.planned
    assert lateness(answers) < max(AT_MOST, RATIO * lateness(direct)), told


def test_schedule_is_kept_to_the_request():
    """1,000 requests are due in every second of it, however many were late."""
    with backend() as port:
        answers, _ = probed(port)
    due = sorted(one.due for one in answers)
    assert due[5000] - due[0] == pytest.approx(5.0, abs=0.001)
    assert sorted(one.seq for one in answers) == list(range(len(answers)))
