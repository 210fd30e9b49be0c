"""The door to the Docker engine: what it says where none answers, and that nothing is left open then."""

import gc
import json
import socket
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from harness import engine, images


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], None]:
    """Says where the engine is to be looked for."""
    for name in ("DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    return lambda host: monkeypatch.setenv("DOCKER_HOST", host)


@contextmanager
def nothing_left_open() -> Iterator[None]:
    """Fails where the collector finds a socket that nobody closed."""
    gc.collect()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", ResourceWarning)
        yield
        gc.collect()
    assert [str(one.message) for one in told] == []


@contextmanager
def answering(status: int, body: bytes) -> Iterator[str]:
    """An HTTP server that says the same to every request; its address for DOCKER_HOST."""

    class Same(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # the connection stays in the client's pool

        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *told: object) -> None:
            """Quiet."""

    with HTTPServer(("127.0.0.1", 0), Same) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"tcp://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def why_not() -> str:
    with pytest.raises(engine.DockerException) as told, engine.connected(5):
        pytest.fail("an engine was seen")
    return str(told.value)


def test_socket_without_an_engine_is_closed_and_told(place: Callable[[str], None], tmp_path: Path):
    path = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    place(f"unix://{path}")
    with nothing_left_open():
        assert why_not() == f"{path}: Connection refused"
        assert images.docker_ready() == (False, f"no Docker engine answers ({path}: Connection refused)")


def test_no_socket_at_all_is_told(place: Callable[[str], None], tmp_path: Path):
    place(f"unix://{tmp_path}/nowhere.sock")
    with nothing_left_open():
        assert why_not() == f"{tmp_path}/nowhere.sock: No such file or directory"


def test_socket_that_takes_connections_and_says_nothing_is_closed_in_time(place: Callable[[str], None], tmp_path: Path):
    path = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(path))
        mute.listen()
        place(f"unix://{path}")
        with nothing_left_open(), pytest.raises(engine.NoEngine, match="timed out"):
            engine.connect(0.2)


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [
        (500, b'{"message": "it is starting"}', "it is starting"),
        (200, b"<html>welcome</html>", "Expecting value"),
        (200, b'{"version": "2026.3.0"}', "is no Docker engine: it says no ApiVersion"),
        (200, json.dumps({"ApiVersion": "1.12"}).encode(), "API versions below 1.24"),
    ],
)
def test_what_answers_and_is_no_engine_is_told(place: Callable[[str], None], status: int, body: bytes, why: str):
    with answering(status, body) as address:
        place(address)
        with nothing_left_open():
            assert why in why_not()


@pytest.mark.parametrize(
    "host", ["nonsense://x", "tcp://127.0.0.1:1", "tcp://127.0.0.1:port", "tcp://[::1", "unix:///" + "long/" * 30]
)
def test_docker_host_that_leads_nowhere_is_told_in_one_line(place: Callable[[str], None], host: str):
    place(host)
    with nothing_left_open():
        ready, why = images.docker_ready()
    assert (ready, why.startswith("no Docker engine answers ("), "\n" in why) == (False, True, False)


def test_engine_that_stops_answering_is_told_as_one_that_does_not_answer(place: Callable[[str], None]):
    with ExitStack() as server:
        place(server.enter_context(answering(200, b'{"ApiVersion": "1.44"}')))
        with nothing_left_open(), pytest.raises(engine.NoEngine):
            ask_after(server.close)


def ask_after(ended: Callable[[], None]) -> None:
    with engine.connected(5) as client:
        ended()
        client.ping()


@pytest.mark.docker
def test_engine_that_answers_is_spoken_to_in_its_own_version():
    with nothing_left_open(), engine.connected(5) as client:
        assert client.api.api_version == client.version()["ApiVersion"]
