"""The probe against real sockets: what it sends, when, and what it says of it."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness import owner
from harness.driver import until
from harness.journal import ProbeEnded, RequestDone, WebsocketEnded
from harness.probe.feed import Feed, Line
from harness.probe.summary import Summary


class Site:
    """An HTTP server whose answers a test chooses."""

    def __init__(self) -> None:
        self.status, self.delay, self.headers = 200, 0.0, {"X-App-Version": "v1"}
        self.stalled, self.connections, self.hosts = threading.Event(), 0, set[str]()
        self.asked: list[tuple[str, str, bytes, str | None]] = []
        self.body = b"ok"
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                site.connections += 1

            def do_GET(self) -> None:
                site.hosts.add(self.headers["Host"])
                site.asked.append((self.command, self.path, self._body(), self.headers.get("Cookie")))
                if self.path == "/drop":
                    self.close_connection = True
                    return
                while site.stalled.is_set():
                    time.sleep(0.01)
                time.sleep(site.delay)
                self.send_response(site.status)
                for name, value in site.headers.items():
                    self.send_header(name, value)
                if self.path == "/chunked":
                    self.send_header("Transfer-Encoding", "chunked")
                    self.end_headers()
                    self.wfile.write(b"2\r\nok\r\n0\r\n\r\n")
                elif self.path == "/until-closed":
                    self.send_header("Connection", "close")
                    self.end_headers()
                    self.wfile.write(b"ok")
                else:
                    self.send_header("Content-Length", str(len(site.body)))
                    self.end_headers()
                    self.wfile.write(site.body)

            do_POST = do_GET

            def _body(self) -> bytes:
                return self.rfile.read(int(self.headers.get("Content-Length", 0)))

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, *_: object) -> None:
                """The client going away is what some tests are about."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def close(self) -> None:
        self.stalled.clear()
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()
    yield made
    made.close()


@contextmanager
def probing(url: str, *, rate: float = 50, timeout: float = 5.0, **more: Any) -> Iterator[tuple[Feed, list[Line]]]:
    lines: list[Line] = []
    feed = Feed(url, rate=rate, timeout=timeout, on_line=lines.append, **more)
    try:
        yield feed, lines
    finally:
        if feed.running:
            feed.stop()


def answers(lines: list[Line]) -> list[RequestDone]:
    return [line for line in lines if isinstance(line, RequestDone)]


def wait_for(lines: list[Line], count: int) -> None:
    until(lambda: len(answers(lines)), 15, f"{count} answers", done=lambda seen: seen >= count, every=0.02)


def test_probe_reports_status_version_and_its_own_end(site: Site):
    with probing(site.url) as (feed, lines):
        wait_for(lines, 30)
        feed.stop()
    seen = answers(lines)
    assert {(one.status, one.version, one.error) for one in seen} == {(200, "v1", None)}
    assert sorted(one.seq for one in seen) == list(range(len(seen)))
    end = lines[-1]
    assert isinstance(end, ProbeEnded)
    assert end.planned == end.done == len(seen)


def test_probe_keeps_its_rate(site: Site):
    with probing(site.url, rate=100) as (_, lines):
        wait_for(lines, 200)
    seen = {one.seq: one for one in answers(lines)}
    assert all(one.due == pytest.approx(seen[0].due + seq / 100, abs=0.001) for seq, one in seen.items())
    assert sum(one.sent - one.due > 0.2 for one in seen.values()) == 0


def test_stall_is_not_hidden(site: Site):
    """While nothing is answered, requests keep being due; each of them shows how long its user waited."""
    with probing(site.url, rate=50) as (_, lines):
        wait_for(lines, 10)
        site.stalled.set()
        began = time.time()
        until(lambda: time.time() - began, 5, "a second of stall", done=lambda seen: seen >= 1, every=0.05)
        site.stalled.clear()
        wait_for(lines, 80)
        seen = answers(lines)
    waited = [one.at - one.due for one in seen if began <= one.due <= began + 1]
    assert len(waited) >= 45
    assert max(waited) > 0.9
    assert 0.3 < sum(waited) / len(waited) < 0.8


def test_answer_that_never_comes_times_out_and_the_probe_goes_on(site: Site):
    site.stalled.set()
    with probing(site.url, rate=20, timeout=0.5) as (_, lines):
        wait_for(lines, 5)
        site.stalled.clear()
        until(lambda: [one for one in answers(lines) if one.status == 200], 10, "a good answer")
    lost = answers(lines)[0]
    assert (lost.status, lost.error) == (None, "no answer within 0.5 s")
    assert 0.45 < lost.at - lost.sent < 1.5


def test_nobody_listening_is_an_error_of_every_request():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        with probing(f"http://127.0.0.1:{closed.getsockname()[1]}/") as (_, lines):
            wait_for(lines, 5)
    assert {one.status for one in answers(lines)} == {None}
    assert "cannot connect" in (answers(lines)[0].error or "")


def test_connection_closed_without_an_answer_is_reported_and_not_retried(site: Site):
    with probing(site.url + "drop") as (_, lines):
        wait_for(lines, 10)
    assert {one.error for one in answers(lines)} == {"connection closed before an answer"}
    assert site.connections <= len(answers(lines)) + 1


@pytest.mark.parametrize("path", ["chunked", "until-closed"])
def test_every_way_to_end_a_body_is_understood(site: Site, path: str):
    with probing(site.url + path) as (_, lines):
        wait_for(lines, 15)
    assert {(one.status, one.error) for one in answers(lines)} == {(200, None)}


def test_connections_are_used_again_and_every_tenth_request_opens_a_new_one(site: Site):
    with probing(site.url, rate=100) as (feed, lines):
        wait_for(lines, 100)
        feed.stop()
    assert 0.1 * len(answers(lines)) <= site.connections <= 0.2 * len(answers(lines))


def test_host_header_is_the_one_asked_for(site: Site):
    with probing(site.url, host_header="shop.elb.localhost") as (_, lines):
        wait_for(lines, 3)
    assert site.hosts == {"shop.elb.localhost"}


def test_stopping_waits_for_what_is_under_way(site: Site):
    site.delay = 0.5
    with probing(site.url, rate=20) as (feed, lines):
        wait_for(lines, 1)
        feed.stop()
    assert {one.status for one in answers(lines)} == {200}
    assert len(answers(lines)) >= 10


def test_error_answers_and_answers_without_version_are_told_apart(site: Site):
    site.status, site.headers = 502, {}
    with probing(site.url) as (_, lines):
        wait_for(lines, 3)
    assert {(one.status, one.version) for one in answers(lines)} == {(502, None)}


COMMAND = [sys.executable, "-m", "harness.probe", "--rate", "50", "--timeout", "2"]


def test_several_requests_come_with_their_bodies_and_weights(site: Site):
    kinds = [{"path": "/", "weight": 3}, {"path": "/cart", "method": "POST", "body": '{"item": "tea"}'}]
    with probing(site.url, rate=100, more=["--requests", json.dumps(kinds)]) as (feed, lines):
        wait_for(lines, 80)
        feed.stop()
    assert {one[:3] for one in site.asked} == {("GET", "/", b""), ("POST", "/cart", b'{"item": "tea"}')}
    assert sum(one[0] == "POST" for one in site.asked) == pytest.approx(len(site.asked) / 4, abs=1)
    assert {one.status for one in answers(lines)} == {200}


def test_each_session_keeps_its_own_cookies(site: Site):
    site.headers = {"Set-Cookie": "seen=yes; Path=/; HttpOnly"}
    with probing(site.url, rate=50, more=["--sessions", "4"]) as (_, lines):
        wait_for(lines, 20)
    cookies = [one[3] for one in site.asked]
    assert cookies[:4] == [None] * 4
    assert set(cookies[8:]) == {"seen=yes"}


def test_without_sessions_nobody_keeps_a_cookie(site: Site):
    site.headers = {"Set-Cookie": "seen=yes"}
    with probing(site.url) as (_, lines):
        wait_for(lines, 10)
    assert {one[3] for one in site.asked} == {None}


@pytest.mark.parametrize(
    ("body", "version"), [(b'{"build": {"version": "v7"}}', "v7"), (b'{"build": {}}', None), (b"<html>", None)]
)
def test_version_can_be_in_the_json_of_an_answer(site: Site, body: bytes, version: str | None):
    site.body = body
    with probing(site.url, more=["--version-json", "build.version"]) as (_, lines):
        wait_for(lines, 5)
    assert {one.version for one in answers(lines)} == {version}


def test_version_can_be_in_another_header(site: Site):
    site.headers = {"X-Release": "2026.11"}
    with probing(site.url, more=["--version-header", "X-Release"]) as (_, lines):
        wait_for(lines, 5)
    assert {one.version for one in answers(lines)} == {"2026.11"}


# ---- connections that stay open


def listens(port: int) -> bool:
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def sample_app() -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """Its URL, and its process."""
    folder = Path(__file__).parents[2] / "sampleapp"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "HOST": "127.0.0.1", "PORT": str(port), "APP_VERSION": "v1"}
    app = subprocess.Popen([sys.executable, "-m", "gunicorn", "app:app"], cwd=folder, env=environment)
    try:
        until(lambda: listens(port), 15, "the sample app", every=0.1)
        yield f"http://127.0.0.1:{port}/", app
    finally:
        app.kill()
        app.wait()


def ended(lines: list[Line]) -> list[WebsocketEnded]:
    return [line for line in lines if isinstance(line, WebsocketEnded)]


def test_websocket_that_its_user_leaves_is_not_cut():
    with sample_app() as (url, _), probing(url, more=["--websockets", "3"]) as (feed, lines):
        wait_for(lines, 30)
        feed.stop()
    assert [(one.cut, one.error) for one in ended(lines)] == [(False, None)] * 3
    assert all(one.opened for one in ended(lines))


def test_websocket_that_the_service_ends_is_cut():
    with sample_app() as (url, app), probing(url, timeout=2, more=["--websockets", "3"]) as (_, lines):
        wait_for(lines, 20)
        for worker in psutil.Process(app.pid).children():
            worker.kill()
        app.kill()
        until(lambda: len(ended(lines)), 15, "the end of three connections", done=lambda seen: seen == 3)
    assert {one.cut for one in ended(lines)} == {True}
    assert all(one.error for one in ended(lines))


def test_websocket_that_is_not_upgraded_never_opened(site: Site):
    with probing(site.url, more=["--websockets", "1"]) as (feed, lines):
        wait_for(lines, 5)
        feed.stop()
    (one,) = ended(lines)
    assert (one.opened, one.cut, one.error) == (None, False, "no upgrade: the answer was 200")


def test_sigterm_ends_the_probe_with_its_last_line(site: Site):
    probe = subprocess.Popen(
        [*COMMAND, "--url", site.url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
    )
    assert probe.stdin
    assert probe.stdout
    with probe.stdin, probe.stdout:
        first = json.loads(probe.stdout.readline())
        probe.send_signal(signal.SIGTERM)
        last = json.loads(probe.stdout.readlines()[-1])
    assert (first["event"], last["event"], probe.wait(5)) == ("RequestDone", "ProbeEnded", 0)


def test_probe_ends_when_its_parent_is_killed(site: Site):
    parent = subprocess.Popen(
        [sys.executable, "-c", f"import subprocess, time; p = subprocess.Popen({[*COMMAND, '--url', site.url]!r}, stdin=-1, stdout=-3);"
         " print(p.pid, flush=True); time.sleep(60)"],
        stdout=subprocess.PIPE, text=True, encoding="utf-8",
    )  # fmt: skip
    assert parent.stdout
    with parent.stdout:
        probe = psutil.Process(int(parent.stdout.readline()))
    until(lambda: site.connections, 10, "the probe's first connection")
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    until(lambda: not owner.runs(probe), 10, "the probe's end")


def test_summary_counts_failures_and_measures_the_longest_gap():
    summary = Summary()
    for seq, (at, status) in enumerate([(100.0, 200), (100.5, 302), (101.0, 503), (101.5, None), (103.0, 200)]):
        summary.add(RequestDone(at=at, seq=seq, due=at, sent=at, status=status, version=None))
    assert (summary.requests, summary.failed, summary.longest_gap) == (5, 2, 2.5)
    assert summary.gap(110.0) == 7.0
    assert summary.rate(103.1) == 1.0
