"""What goes wrong while something is installed: one line in our words, and nothing half-made is believed to be whole."""

import hashlib
import http.server
import os
import resource
import signal
import socket
import ssl
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from harness import owner
from harness.driver import until
from harness.emulator.services.elbv2_tls import self_signed
from harness.install import causes
from harness.install.progress import AGAIN_TOLD
from tests.install.skeleton import BASE_PYTHON, Checkout, Done, closed_port, source, wheel

pytestmark = pytest.mark.slow
LOAD = ("setup", "EXTRA=load")
MINE = 12345  # a user who is not root, and owns nothing


def refused(checkout: Checkout, done: Done, *words: str) -> str:
    """The one line; make failed with it, and what was there before is there still, and whole."""
    assert done.code != 0
    line = done.said[-1]
    first, *between = done.said[:-1]
    assert first == "adding load to .venv (once)"
    assert between in ([], [f"adding load to .venv{AGAIN_TOLD}"])
    assert line.startswith("rehearse: ")
    assert line.endswith("(what pip said: .venv/install.log)"), checkout.log
    for one in words:
        assert one in line, checkout.log
    assert checkout.make("setup").said == []
    return line


# ---- the package index


@contextmanager
def index(
    answer: Callable[[http.server.BaseHTTPRequestHandler], None], tls: ssl.SSLContext | None = None
) -> Iterator[str]:
    """A server on the loopback that answers whatever is asked; HOST:PORT."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        do_CONNECT = do_GET

        def log_message(self, *told: object) -> None:
            """Nobody reads it."""

    class Server(http.server.ThreadingHTTPServer):
        def handle_error(self, *told: object) -> None:
            """A client that does not trust us hangs up."""

    with Server(("127.0.0.1", 0), Handler) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def status(code: int) -> Callable[[http.server.BaseHTTPRequestHandler], None]:
    return lambda handler: handler.send_error(code)


def from_index(url: str, **settings: str) -> dict[str, str]:
    return {
        "PIP_NO_INDEX": "0",
        "PIP_FIND_LINKS": "",
        "PIP_INDEX_URL": url,
        "PIP_RETRIES": "1",
        "PIP_TIMEOUT": "2",
        **settings,
    }


def test_no_network_is_told(ready: Checkout):
    done = ready.make(*LOAD, **from_index(f"http://127.0.0.1:{closed_port()}/simple"))
    refused(ready, done, "the package index does not answer", "HTTPS_PROXY")


def test_index_that_is_silent_is_told(ready: Checkout):
    silence = threading.Event()
    with index(lambda handler: bool(silence.wait(20))) as where:
        done = ready.make(*LOAD, **from_index(f"http://{where}/simple", PIP_RETRIES="0", PIP_TIMEOUT="1"))
        silence.set()
    refused(ready, done, "does not answer")


def test_proxy_that_refuses_is_told(ready: Checkout):
    with index(status(403)) as where:
        done = ready.make(*LOAD, **from_index("https://index.invalid/simple", PIP_PROXY=f"http://{where}"))
    refused(ready, done, "the proxy on the way to the package index refuses", "HTTPS_PROXY")


def test_proxy_that_is_gone_is_told_as_such(ready: Checkout):
    gone = f"http://127.0.0.1:{closed_port()}"
    done = ready.make(*LOAD, **from_index("https://index.invalid/simple", PIP_PROXY=gone, PIP_RETRIES="2"))
    line = refused(ready, done, "the proxy on the way to the package index does not answer", "HTTPS_PROXY")
    assert "password" not in line
    assert done.said.count(f"adding load to .venv{AGAIN_TOLD}") == 1


def test_proxy_that_is_silent_is_told_as_gone(ready: Checkout, tmp_path: Path):
    with index(hanging(tmp_path / "asked")) as where:
        settings = from_index("https://index.invalid/simple", PIP_PROXY=f"http://{where}", PIP_TIMEOUT="1")
        done = ready.make(*LOAD, **settings)
    refused(ready, done, "the proxy on the way to the package index does not answer")


def test_proxy_that_says_it_was_refused_itself_is_one_that_refuses():
    inner = "OSError('Tunnel connection failed: 503 Connection refused')"
    told = f"Max retries exceeded (Caused by ProxyError('Cannot connect to proxy.', {inner}))"
    assert "index refuses" in causes.words([told], python="3.11", place=".venv")


def test_certificate_that_is_not_trusted_is_told(ready: Checkout, tmp_path: Path):
    made = self_signed("arn", ["localhost"])
    (tmp_path / "both.pem").write_text(made.chain + made.key, encoding="utf-8")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "both.pem")
    with index(status(404), context) as where:
        done = ready.make(*LOAD, **from_index(f"https://{where.replace('127.0.0.1', 'localhost')}/simple"))
    refused(ready, done, "nobody here trusts the certificate", "PIP_CERT")


@pytest.mark.parametrize(
    ("code", "words"),
    [(401, "wants another name and password"), (403, "wants another name and password"), (503, "(503)")],
)
def test_index_that_refuses_is_told(ready: Checkout, code: int, words: str):
    with index(status(code)) as where:
        done = ready.make(*LOAD, **from_index(f"http://{where}/simple", PIP_RETRIES="0"))
    refused(ready, done, words)


def test_index_without_the_package_is_told(ready: Checkout):
    with index(status(404)) as where:
        done = ready.make(*LOAD, **from_index(f"http://{where}/simple"))
    refused(ready, done, "the package index has no milk", "PIP_INDEX_URL")


def reset(handler: http.server.BaseHTTPRequestHandler) -> None:
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    os.close(handler.connection.detach())


BREAKS: dict[str, Callable[[http.server.BaseHTTPRequestHandler], object]] = {
    "ends": lambda handler: None,
    "is reset": reset,
    "stands still": lambda handler: handler.connection.recv(1),
}


@pytest.mark.parametrize("hashed", [False, True])
@pytest.mark.parametrize("how", BREAKS)
def test_file_that_breaks_off_in_the_middle_is_told(ready: Checkout, how: str, hashed: bool):
    """Of pip's own words for it one tells of hashes that somebody may have tampered with, another is a traceback."""
    whole = wheel(ready.wheels, "milk", size=1_000_000).read_bytes()
    link = "/milk-1.0-py3-none-any.whl" + f"#sha256={hashlib.sha256(whole).hexdigest()}" * hashed

    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        is_file = handler.path.endswith(".whl")
        body = whole if is_file else f'<a href="{link}">milk-1.0-py3-none-any.whl</a>'.encode()
        handler.send_response(200)
        handler.send_header("Content-Type", "application/zip" if is_file else "text/html")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body[: len(body) // 2] if is_file else body)
        if is_file:
            BREAKS[how](handler)

    with index(answer) as where:
        done = ready.make(*LOAD, **from_index(f"http://{where}/simple", PIP_TIMEOUT="1"))
    refused(ready, done, "a file from the package index broke off on the way", "make again")


# ---- the packages


def test_package_in_other_versions_alone_is_told(ready: Checkout):
    next(ready.wheels.glob("milk*")).unlink()
    wheel(ready.wheels, "milk", "0.5")
    refused(ready, ready.make(*LOAD), "has milk, but not milk 1.0 for Python 3.", "PIP_INDEX_URL")


def test_package_for_another_python_is_told(ready: Checkout):
    next(ready.wheels.glob("milk*")).unlink()
    wheel(ready.wheels, "milk", python="<3.5")
    refused(ready, ready.make(*LOAD), "milk is not made for Python 3.", "make PYTHON=...")


def test_wheel_of_another_machine_is_told(ready: Checkout):
    made = next(ready.wheels.glob("milk*"))
    made.rename(made.with_name("milk-1.0-cp27-cp27m-win32.whl"))
    refused(ready, ready.make(*LOAD), "milk 1.0 has no wheel for Python 3.", "make PYTHON=...")


def test_package_without_a_wheel_is_told(ready: Checkout):
    next(ready.wheels.glob("milk*")).unlink()
    source(ready.wheels, "milk")
    refused(ready, ready.make(*LOAD), "milk has no wheel for Python 3.", "could not be built", "make PYTHON=...")


def test_versions_that_contradict_each_other_are_told(ready: Checkout, tmp_path: Path):
    (tmp_path / "theirs.txt").write_text("milk==7\n", encoding="utf-8")
    done = ready.make(*LOAD, PIP_CONSTRAINT=str(tmp_path / "theirs.txt"))
    refused(ready, done, "two constraints want different versions of milk", "pip config list")


# ---- the machine


def test_full_disk_is_told(ready: Checkout):
    next(ready.wheels.glob("milk*")).unlink()
    wheel(ready.wheels, "milk", size=3_000_000)
    most = 1_000_000  # of one file: a limit that needs no file system of its own
    done = subprocess.run(
        ready.command(*LOAD),
        cwd=ready.path,
        env=ready.settings,
        capture_output=True,
        text=True,
        timeout=60,
        encoding="utf-8",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most)),
    )
    assert done.returncode != 0
    line = Done(done.returncode, done.stdout, done.stderr).said[-1]
    assert "no room on the disk for .venv" in line, ready.log
    assert next_step(ready, "load") != "nothing"


@pytest.fixture
def as_nobody(fresh: Checkout) -> Iterator[dict[str, int]]:
    """For subprocess: a user who may read the checkout and not write to it."""
    if os.geteuid() != 0:
        fresh.path.chmod(0o555)
        yield {}
        fresh.path.chmod(0o755)
        return
    folders = [
        one
        for one in (fresh.path, *fresh.path.parents)
        if one.stat().st_uid == 0 and one.stat().st_mode & 0o005 != 0o005
    ]
    before = {one: one.stat().st_mode for one in folders}
    for one in folders:
        one.chmod(0o755)
    yield {"user": MINE, "group": MINE}
    for one, mode in before.items():
        one.chmod(mode)


def test_checkout_that_may_not_be_written_is_told(fresh: Checkout, as_nobody: dict[str, int]):
    python = usable_by(as_nobody)
    done = subprocess.run(  # type: ignore[call-overload]
        fresh.command("setup", f"PYTHON={python}"),
        cwd=fresh.path,
        env=fresh.settings,
        capture_output=True,
        text=True,
        encoding="utf-8",
        **as_nobody,
    )
    assert done.returncode != 0
    said = Done(done.returncode, done.stdout, done.stderr).said
    assert said == ["rehearse: no permission to write .venv: whose is it, and is the folder read-only?"]


def usable_by(user: dict[str, int]) -> str:
    """A Python that is new enough and not in a folder of root's own."""
    new_enough = "import sys; sys.exit(sys.version_info < (3, 11))"
    for python in (BASE_PYTHON, "/usr/bin/python3"):
        try:
            if subprocess.run([python, "-c", new_enough], check=False, **user).returncode == 0:  # type: ignore[call-overload]
                return python
        except PermissionError:
            continue
    pytest.skip("no Python that is new enough is everybody's")


def test_python_without_venv_is_told_how_to_get_it():
    debian = (
        "The virtual environment was not created successfully because ensurepip is not",
        "available.  On Debian/Ubuntu systems, you need to install the python3-venv",
        "package using the following command.",
    )
    said = causes.words(debian, python="3.11", place=".venv")
    assert (
        said
        == "Python 3.11 has no venv module: install it (Debian: apt install python3.11-venv), or name another by make PYTHON=..."
    )


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (
            "rehearse 0.1.0 requires pydantic, which is not installed.",
            "pydantic, which rehearse needs, was not installed: a setting of yours leaves it out",
        ),
        ('WARNING: The index url "nonsense" seems invalid, please provide a scheme.', "nonsense is no package index"),
    ],
)
def test_what_pip_says_in_passing_is_a_cause_too(line: str, words: str):
    assert causes.words([line, "ERROR: something general"], python="3.11", place=".venv").startswith(words)


def test_boilerplate_of_pip_is_no_cause():
    lines = ["ValueError: invalid variable 'd'", "error: subprocess-exited-with-error", "ERROR: Failed to build it"]
    assert causes.words(lines, python="3.11", place=".venv") == "invalid variable 'd'"


def test_cause_that_nobody_knows_is_the_last_error_of_the_installer():
    assert (
        causes.words(["ERROR: a", "ERROR: the moon is full", "see https://moon"], python="3.11", place=".venv")
        == "the moon is full"
    )
    assert causes.words(["one", "another", ""], python="3.11", place=".venv") == "another"


# ---- broken off


def hanging(path: Path) -> Callable[[http.server.BaseHTTPRequestHandler], None]:
    """An index that never answers, and says by a file that it was asked."""

    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        path.touch()
        handler.connection.recv(1)  # until the client goes away

    return answer


IN_BACKGROUND = ("/bin/sh", "-c", "trap '' INT; exec \"$@\"", "sh")  # a shell has what it starts with & ignore SIGINT


@pytest.mark.parametrize("times", [1, 200])
@pytest.mark.parametrize(
    ("number", "front"),
    [(signal.SIGINT, ()), (signal.SIGTERM, ()), (signal.SIGTERM, IN_BACKGROUND)],
    ids=["SIGINT", "SIGTERM", "in-background"],
)
def test_interrupted_installation_leaves_nothing_running_and_what_was_there(
    ready: Checkout, tmp_path: Path, number: signal.Signals, front: tuple[str, ...], times: int
):
    """Also where the signal comes again and again while it tidies up: make hands on what its group had, and some are impatient."""
    with index(hanging(tmp_path / "asked")) as where:
        scratch = tmp_path / "scratch"
        scratch.mkdir()
        settings = {**ready.settings, **from_index(f"http://{where}/simple", PIP_TIMEOUT="60", TMPDIR=str(scratch))}
        making = subprocess.Popen(
            [*front, *ready.command(*LOAD)],
            cwd=ready.path,
            env=settings,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            encoding="utf-8",
        )
        until((tmp_path / "asked").exists, 60, "a question for a package", every=0.05)
        started = psutil.Process(making.pid).children(recursive=True)
        for _ in range(times):
            os.killpg(making.pid, number)
        err = making.communicate(timeout=30)[1]
    assert making.returncode != 0
    assert "rehearse: interrupted; the next make goes on with .venv\n" in err
    assert owner.ended(started)
    assert list(scratch.iterdir()) == []
    assert ready.make("setup").said == []


def test_installation_that_is_killed_is_made_anew(ready: Checkout, tmp_path: Path):
    with index(hanging(tmp_path / "asked")) as where:
        settings = {**ready.settings, **from_index(f"http://{where}/simple", PIP_TIMEOUT="60")}
        making = subprocess.Popen(
            ready.command(*LOAD), cwd=ready.path, env=settings, stderr=subprocess.DEVNULL, start_new_session=True
        )
        until((tmp_path / "asked").exists, 60, "a question for a package", every=0.05)
        started = psutil.Process(making.pid).children(recursive=True)
        for one in started:
            one.kill()
        assert making.wait(30) != 0
    assert owner.ended(started)
    assert next_step(ready) == "make"


def test_failed_first_installation_is_not_believed(fresh: Checkout):
    done = fresh.make("setup", PIP_FIND_LINKS="")
    assert done.code != 0
    assert "has no tea" in done.said[-1]
    assert next_step(fresh) == "make"


def next_step(checkout: Checkout, *extras: str) -> str:
    """What another make would do."""
    look = (
        "import sys; from pathlib import Path; from harness.install import place; "
        "print(place.step(Path('.venv'), tuple(sys.argv[1:]), None).kind)"
    )
    done = subprocess.run(
        [BASE_PYTHON, "-c", look, *extras],
        cwd=checkout.path,
        capture_output=True,
        text=True,
        check=True,
        encoding="utf-8",
    )
    return done.stdout.strip()
