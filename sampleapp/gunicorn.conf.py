"""gunicorn: one process of threads, so that a slow answer never holds up a health check."""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

_kind = os.environ.get("FAULT_KIND", "")
_after = float(os.environ.get("FAULT_AFTER", "0"))

bind = f"{os.environ.get('HOST', '0.0.0.0')}:{os.environ.get('PORT', '8080')}"
worker_class = "gthread"
workers = 1
threads = 128  # made as they are needed: late answers (FAULT_KIND=latency) must not use up those of the health checks
keepalive = 75  # longer than the load balancer's idle timeout of 60 s, so that it is never the app that closes first
graceful_timeout = 20  # below ECS's stopTimeout of 30 s: in-flight requests finish before the SIGKILL
timeout = 120
accesslog = None
errorlog = "-"
loglevel = "warning"
control_socket_disable = True


def on_starting(server: object) -> None:
    """Faults of the start: they come before the port is open."""
    if _kind == "slow_start":
        signal.signal(signal.SIGTERM, lambda *_: os._exit(128 + signal.SIGTERM))  # as process 1 it would be ignored
        time.sleep(float(os.environ.get("FAULT_SECONDS", "10")))


def when_ready(server: Any) -> None:
    """Faults of the whole process, `FAULT_AFTER` seconds after the start."""
    if _kind == "crash":
        _later(lambda: _die(server, 1))
    if _kind == "oom":
        _later(_eat_memory)
    if _kind == "ignore_sigterm":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if _kind == "exit_on_sigterm":
        signal.signal(signal.SIGTERM, lambda *_: _die(server, 0))


def _later(action: Callable[[], None]) -> None:
    timer = threading.Timer(_after, action)
    timer.daemon = True
    timer.start()


def _die(server: Any, code: int) -> None:
    """At once, in-flight requests or not: workers and all."""
    sys.stdout.flush()
    for worker in list(server.WORKERS):
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker, signal.SIGKILL)
    os._exit(code)


def _eat_memory() -> None:
    held = []
    while True:
        held.append(bytearray(16 * 1024 * 1024))
        time.sleep(0.02)
