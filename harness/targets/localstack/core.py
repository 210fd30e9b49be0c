"""localstack-core without a token and without Docker: a Python 3.13, an environment of its own, a process on 127.0.0.1."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil

from harness import clock, proxies
from harness.errors import TargetUnavailable
from harness.targets import emulators, starting
from harness.targets.localstack import endpoint

VERSION = "2026.3.0"  # the one that was run and surveyed
REQUIREMENTS = (
    f"localstack-core[runtime]=={VERSION}",
    "cbor2<6",  # 6 has no cbor2._decoder, which its aws/client.py patches
    "pyopenssl<26",  # 26 has no X509Extension, which its utils/crypto.py makes certificates with
    "localstack-twisted<26",  # its HTTP server; 25.5 is the one that it was run with
)
PYTHON = (3, 13)  # on 3.11 and 3.12 it looks healthy, and its STS answers 500
LAUNCHER = Path(__file__).with_name("on_loopback.py")
STARTS_WITHIN = 90.0
STOPS_WITHIN = 20.0


def find_python(environment: Mapping[str, str] = os.environ) -> Path | None:
    """A Python 3.13: PYTHON313, the PATH, pyenv's versions. None where none of them really runs."""
    named = [environment["PYTHON313"]] if environment.get("PYTHON313") else []
    on_path = shutil.which("python3.13", path=environment.get("PATH"))
    pyenv = Path(environment.get("PYENV_ROOT") or Path.home() / ".pyenv")
    versions = sorted(pyenv.glob("versions/3.13.*/bin/python3.13"))
    candidates = [*named, *([on_path] if on_path else []), *map(str, versions)]
    return next((Path(one) for one in candidates if _is_wanted(one)), None)


def _is_wanted(python: str) -> bool:
    """A pyenv shim is on the PATH also where its version is not chosen, and then fails."""
    asked = [python, "-c", "import sys; print(*sys.version_info[:2])"]
    try:
        said = subprocess.run(
            asked,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=20,
            text=True,
            encoding="utf-8",
            errors="replace",
            env=starting.inherited(),
        ).stdout.split()
    except (OSError, subprocess.TimeoutExpired):
        return False
    return said == [str(part) for part in PYTHON]


def environment_of(home: Path) -> Path:
    return home / f"localstack-{VERSION}"


def ensure(home: Path, python: Path) -> Path:
    """The environment's Python, made once (two minutes). Raises TargetUnavailable with pip's last line."""
    place = environment_of(home)
    place.mkdir(parents=True, exist_ok=True)
    with (place / ".lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made, venv = place / ".made", place / "venv"
        if made.is_file() and made.read_text(encoding="utf-8") == "\n".join(REQUIREMENTS):
            return venv / "bin" / "python"
        print(f"making {place} with localstack-core {VERSION} (a few minutes, once)", file=sys.stderr, flush=True)
        shutil.rmtree(venv, ignore_errors=True)
        _run([str(python), "-m", "venv", str(venv)], place)
        _run(
            [str(venv / "bin/python"), "-m", "pip", "install", "-q", "--disable-pip-version-check", *REQUIREMENTS],
            place,
        )
        made.write_text("\n".join(REQUIREMENTS), encoding="utf-8")
        return venv / "bin" / "python"


def _run(command: list[str], place: Path) -> None:
    with (place / "making.log").open("ab") as log:
        done = subprocess.run(
            command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=starting.inherited()
        )
    if done.returncode:
        said = [
            line
            for line in (place / "making.log").read_text(errors="replace", encoding="utf-8").splitlines()
            if line.strip()
        ]
        raise TargetUnavailable(
            f"localstack-core could not be installed (see {place / 'making.log'}): {proxies.masked(said[-1])}"
        )


@contextmanager
def started(home: Path, python: Path) -> Iterator[str]:
    """localstack-core on a free port; its URL. It is stopped however this ends."""
    environment, port = ensure(home, python), _free_port()
    scratch, log = home / "localstack" / str(port), home / "localstack.log"
    scratch.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(
            [str(environment), str(LAUNCHER)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for the run, which still needs it to clean up
            env=variables(port, scratch),
        )
    record = scratch.with_suffix(".json")
    try:
        record.write_text(json.dumps({"pid": process.pid, "port": port}), encoding="utf-8")
        yield _ready(process, port, log)
    finally:
        if process.poll() is None:
            stop(psutil.Process(process.pid))
        process.wait()
        _forget(record)


def variables(port: int, scratch: Path) -> dict[str, str]:
    """Its environment: no credential of ours, no token (it needs none), nothing written outside `scratch`, nothing sent home."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    return {
        **kept,
        **emulators.mark(),
        "HOME": str(scratch),
        "TMPDIR": str(scratch),
        "GATEWAY_LISTEN": f"127.0.0.1:{port}",
        "LOCALSTACK_HOST": f"127.0.0.1:{port}",
        "DNS_ADDRESS": "0",  # no DNS server
        "DISABLE_EVENTS": "1",
        "SKIP_SSL_CERT_DOWNLOAD": "1",
        "PYTHONUNBUFFERED": "1",
        "PYTHONUTF8": "1",
    }


def _ready(process: subprocess.Popen[bytes], port: int, log: Path) -> str:
    where = endpoint.Place(f"http://127.0.0.1:{port}", "just started")
    deadline = clock.monotonic() + STARTS_WITHIN
    while process.poll() is None and clock.monotonic() < deadline:
        try:
            endpoint.wait_until_ready(endpoint.identify(where), deadline - clock.monotonic())
        except endpoint.NothingListens:
            clock.pause(endpoint.LOOK)
        else:
            return where.url
    said = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    raise TargetUnavailable(f"localstack-core {VERSION} did not start (see {log}): {(said or ['it said nothing'])[-1]}")


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def stop(process: psutil.Process) -> None:
    """SIGTERM, and SIGKILL to its whole group where that is not enough."""
    try:
        process.send_signal(signal.SIGTERM)
        process.wait(STOPS_WITHIN)
    except psutil.NoSuchProcess:
        return
    except psutil.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)


def sweep(home: Path) -> list[str]:
    """Stop what runs that are gone have left; one line for each."""
    removed = []
    for record in sorted((home / "localstack").glob("*.json")):
        try:
            said = json.loads(record.read_text(encoding="utf-8"))
            process = psutil.Process(said["pid"])
            ours = str(LAUNCHER) in process.cmdline()
        except (OSError, ValueError, KeyError, psutil.Error):
            _forget(record)
            continue
        if not ours:
            _forget(record)
        elif emulators.orphaned(process):
            stop(process)
            _forget(record)
            removed.append(f"LocalStack {process.pid} at port {said['port']}, whose run is gone")
    return removed


def _forget(record: Path) -> None:
    record.unlink(missing_ok=True)
    shutil.rmtree(record.with_suffix(""), ignore_errors=True)
