"""The sample app as tasks run it: a real gunicorn, with the environment that the driver gives a version of a scenario."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness import images, owner
from harness.driver import ecs, until
from harness.scenario import Service, Version

TEST_LISTENER = {"X-Forwarded-Port": "8080"}
PRODUCTION = {"X-Forwarded-Port": "80"}
ALL_PATHS = ["/", "/healthz", "/version", "/slow?seconds=0", "/nothing-here"]


@dataclass
class Answer:
    status: int
    version: str | None
    body: str


@dataclass
class App:
    """One running sample app."""

    process: subprocess.Popen[bytes]
    port: int

    def get(self, path: str = "/", headers: dict[str, str] | None = None, timeout: float = 10.0) -> Answer:
        """Raises OSError or HTTPException where no whole answer comes."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request("GET", path, headers=headers or PRODUCTION)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers["X-App-Version"], answer.read().decode())
        finally:
            connection.close()

    def listens(self) -> bool:
        with socket.socket() as one:
            return one.connect_ex(("127.0.0.1", self.port)) == 0

    @property
    def connections(self) -> int:
        """That the app has accepted."""
        worker = psutil.Process(self.process.pid).children()[0]
        return sum(one.status == psutil.CONN_ESTABLISHED for one in worker.net_connections())

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)


@contextmanager
def app(
    fault: dict[str, Any] | None = None, *, wait: bool = True, service: Service | None = None, **environment: str
) -> Iterator[App]:
    """Version v2 of the sample app, with that fault, until the end of the context; `wait` until it answers."""
    version = Version.model_validate({"version": "v2", **({"fault": fault} if fault else {})})
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "app:app"],
        cwd=images.SAMPLE_APP,
        env={
            "PATH": os.environ["PATH"],
            "HOST": "127.0.0.1",
            "PORT": str(port),
            "APP_VERSION": "v2",
            "PYTHONDONTWRITEBYTECODE": "1",
            **ecs.environment(service or Service(), version),
            **environment,
        },
        start_new_session=True,
    )
    running = App(process, port)
    try:
        if wait:
            until(running.listens, 20, "the app to listen", every=0.02)
            running.get("/healthz")
        yield running
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)


@pytest.fixture(scope="module")
def healthy() -> Iterator[App]:
    with app(APP_MESSAGE="Guten Tag") as running:
        yield running


@contextmanager
def in_flight(running: App, path: str) -> Iterator[Any]:
    """A request that is on its way to an answer: the future of it."""
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(running.get, path, timeout=40)
        until(lambda: running.connections, 10, "the request in the app", every=0.02)
        running.get("/version")  # that one was taken first
        yield answer


# ---- well


def test_index_is_the_message(healthy: App):
    assert healthy.get("/") == Answer(200, "v2", "Guten Tag\n")


@pytest.mark.parametrize("path", ALL_PATHS)
def test_every_answer_says_its_version(healthy: App, path: str):
    assert healthy.get(path).version == "v2"


def test_version_is_json(healthy: App):
    assert json.loads(healthy.get("/version").body) == {"version": "v2", "message": "Guten Tag"}


@pytest.mark.parametrize("seconds", ["-1", "nan", "nonsense", "0.1"])
def test_slow_takes_any_seconds(healthy: App, seconds: str):
    assert healthy.get(f"/slow?seconds={seconds}").status == 200


def test_slow_answers_do_not_hold_up_health_checks(healthy: App):
    with ThreadPoolExecutor(60) as pool:
        slow = [pool.submit(healthy.get, "/slow?seconds=3") for _ in range(60)]
        until(lambda: healthy.connections >= 60, 10, "the slow requests in the app", every=0.02)
        began = time.monotonic()
        assert healthy.get("/healthz").status == 200
        assert time.monotonic() - began < 1.5
        assert {one.result().status for one in slow} == {200}


def test_connection_is_kept_for_the_next_request(healthy: App):
    connection = http.client.HTTPConnection("127.0.0.1", healthy.port, timeout=5)
    for _ in range(3):
        connection.request("GET", "/")
        answer = connection.getresponse()
        answer.read()
        first = connection.sock
        assert first is not None, "closed by the app"
    connection.close()


# ---- faults of answers


@pytest.mark.parametrize(
    ("where", "broken"),
    [
        ("production", {"production"}),
        ("test", {"test"}),
        ("health", {"health"}),
        ("all", {"production", "test"}),
        (None, {"production", "test"}),
    ],
)
def test_http_status_breaks_what_it_is_aimed_at(where: str | None, broken: set[str]):
    fault = {"kind": "http_status", "status": 503, **({"where": where} if where else {})}
    with app(fault) as running:
        seen = {
            "production": running.get("/", PRODUCTION),
            "test": running.get("/", TEST_LISTENER),
            "health": running.get("/healthz", {}),
        }
    assert {name for name, answer in seen.items() if answer.status == 503} == broken
    assert {answer.status for name, answer in seen.items() if name not in broken} == {200}
    assert {answer.version for answer in seen.values()} == {"v2"}


def test_http_status_of_a_path_leaves_the_others_alone():
    with app({"kind": "http_status", "path": "/version?x=1"}) as running:
        assert (running.get("/version?y=2").status, running.get("/").status) == (500, 200)


def test_http_status_breaks_its_share_of_requests():
    with app({"kind": "http_status", "percent": 30}) as running:
        broken = sum(running.get().status == 500 for _ in range(300))
    assert 45 <= broken <= 140


def test_http_status_begins_after_its_time():
    with app({"kind": "http_status", "after": "1500ms"}) as running:
        began = time.monotonic()
        assert running.get().status == 200
        until(lambda: running.get().status == 500, 10, "the fault", every=0.05)
        assert 0.5 < time.monotonic() - began < 5


def test_latency_is_late_and_leaves_health_checks_alone():
    with app({"kind": "latency", "seconds": 1}) as running:
        began = time.monotonic()
        assert running.get("/healthz").status == 200
        between = time.monotonic()
        assert running.get("/").status == 200
        late = time.monotonic() - between
    assert between - began < 0.9
    assert late >= 1


def test_latency_of_many_does_not_use_up_the_threads_of_health_checks():
    with app({"kind": "latency", "seconds": 3}) as running, ThreadPoolExecutor(60) as pool:
        late = [pool.submit(running.get) for _ in range(60)]
        until(lambda: running.connections >= 60, 10, "the late requests in the app", every=0.02)
        began = time.monotonic()
        assert running.get("/healthz").status == 200
        assert time.monotonic() - began < 1.5
        assert {one.result().status for one in late} == {200}


def test_wrong_body_is_a_200_with_another_text():
    with app({"kind": "wrong_body"}) as running:
        index, version = running.get("/"), running.get("/version")
    assert (index.status, version.status, index.version) == (200, 200, "v2")
    assert index.body != "Hello, World!\n"
    assert "{" not in version.body


def test_unhealthy_fails_health_checks_alone():
    with app({"kind": "unhealthy"}) as running:
        assert (running.get("/healthz").status, running.get("/").status) == (503, 200)


def test_unhealthy_knows_the_health_checks_of_the_scenario():
    service = Service.model_validate({"health_check": {"path": "/version?deep=1"}})
    with app({"kind": "unhealthy"}, service=service) as running:
        assert (running.get("/version?deep=1").status, running.get("/healthz").status) == (503, 200)


# ---- faults of the process


def test_crash_ends_the_process_after_its_time():
    with app({"kind": "crash", "after": "2s"}) as running:
        assert running.get().status == 200
        workers = psutil.Process(running.process.pid).children()
        assert running.process.wait(10) == 1
        assert owner.ended(workers)
        assert not running.listens()  # the workers held the socket too


def test_crash_without_a_time_ends_the_start():
    with app({"kind": "crash"}, wait=False) as running:
        assert running.process.wait(20) == 1


def test_slow_start_opens_the_port_late():
    with app() as quick:
        began = psutil.Process(quick.process.pid).create_time()
        usual = time.time() - began
    with app({"kind": "slow_start", "seconds": 2}) as running:
        late = time.time() - psutil.Process(running.process.pid).create_time()
        assert running.get().status == 200
    assert late >= 2
    assert usual < late


def test_slow_start_ends_on_sigterm_at_once():
    with app({"kind": "slow_start", "seconds": 60}, wait=False) as running:
        process = psutil.Process(running.process.pid)
        until(lambda: _handles_sigterm(process.pid), 20, "the start to be under way", every=0.02)
        running.terminate()
        assert running.process.wait(5) == 128 + signal.SIGTERM


def _handles_sigterm(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1)


def test_oom_takes_memory_until_it_is_killed():
    with app({"kind": "oom", "after": "1s"}) as running:
        assert running.get().status == 200
        process = psutil.Process(running.process.pid)
        before = process.memory_info().rss
        grown = 200 * 1024 * 1024
        until(
            lambda: process.memory_info().rss - before, 20, "200 MiB more", done=lambda more: more > grown, every=0.05
        )


# ---- stopping


def test_sigterm_finishes_what_is_in_flight():
    with app() as running:
        with in_flight(running, "/slow?seconds=5") as answer:
            running.terminate()
            assert not answer.done()
            assert answer.result(10) == Answer(200, "v2", "Hello, World! after 5 s\n")
        assert running.process.wait(10) == 0
        assert not running.listens()


def test_sigterm_cuts_what_takes_longer_than_the_graceful_timeout():
    with app(GUNICORN_CMD_ARGS="--graceful-timeout 1") as running:
        with in_flight(running, "/slow?seconds=30") as answer:
            began = time.monotonic()
            running.terminate()
            with pytest.raises((OSError, http.client.HTTPException)):
                answer.result(10)
        running.process.wait(10)
    assert 0.9 < time.monotonic() - began < 8


def test_sigterm_with_idle_connections_ends_soon():
    with app() as running:
        connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=5)
        connection.request("GET", "/")
        connection.getresponse().read()
        began = time.monotonic()
        running.terminate()
        assert running.process.wait(15) == 0
        connection.close()
    assert time.monotonic() - began < 5


def test_exit_on_sigterm_drops_what_is_in_flight():
    with app({"kind": "exit_on_sigterm"}) as running:
        with in_flight(running, "/slow?seconds=30") as answer:
            running.terminate()
            with pytest.raises((OSError, http.client.HTTPException)):
                answer.result(5)
        assert running.process.wait(5) == 0


def test_ignore_sigterm_goes_on_until_it_is_killed():
    with app({"kind": "ignore_sigterm"}) as running:
        running.terminate()
        began = time.monotonic()
        until(lambda: running.get().status == 200 and time.monotonic() - began, 10, "3 s", done=lambda long: long > 3)
        assert running.process.poll() is None
        running.process.kill()
        assert running.process.wait(5) == -signal.SIGKILL
