"""A Python with the sample app's libraries imported, that forks a task for every line it reads; it ends with its socket.

It runs by itself, with the standard library and those libraries alone: nothing of this project is in a task. Reads
{"id", "module", "arguments", "workdir", "environment", "log"}, answers {"id", "pid"} and later {"pid", "code"}, the code as
`subprocess` counts. A task is a session of its own, and in it everything is as if its command had been executed, but for the time
that the imports take.
"""

import contextlib
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
from typing import Any

LIBRARIES = ("gunicorn.app.wsgiapp", "gunicorn.workers.gthread", "flask", "flask_sock", "simple_websocket")


def serve(connection: socket.socket) -> dict[str, Any]:
    """Until the connection ends; returns in each forked task, with what it is to run."""
    woken, wakes = os.pipe()
    for end in (woken, wakes):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(wakes)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    unread = b""
    while True:
        select.select([connection.fileno(), woken], [], [])
        with contextlib.suppress(BlockingIOError):
            os.read(woken, 4096)
        reap(connection)
        try:
            part = connection.recv(65536, socket.MSG_DONTWAIT)
        except BlockingIOError:
            continue
        if not part:
            sys.exit()
        *lines, unread = (unread + part).split(b"\n")
        for line in lines:
            asked: dict[str, Any] = json.loads(line)
            if (pid := os.fork()) == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                for one in (woken, wakes):
                    os.close(one)
                connection.close()
                return asked
            say(connection, {"id": asked["id"], "pid": pid})


def reap(connection: socket.socket) -> None:
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            say(connection, {"pid": ended[0], "code": os.waitstatus_to_exitcode(ended[1])})


def say(connection: socket.socket, message: dict[str, int]) -> None:
    connection.sendall(json.dumps(message).encode() + b"\n")


def become(asked: dict[str, Any], set_by_imports: dict[str, str]) -> None:
    """The task's session, directory, environment and output."""
    os.setsid()
    os.chdir(asked["workdir"])
    os.environ.clear()
    os.environ.update({**asked["environment"], **set_by_imports})
    log = os.open(asked["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for number in (1, 2):
        os.dup2(log, number)
    os.close(log)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(write_through=True, line_buffering=True)  # type: ignore[union-attr]  # PYTHONUNBUFFERED
    sys.path[0] = asked["workdir"]
    sys.argv = [asked["module"], *asked["arguments"]]


if __name__ == "__main__":
    sys.path.insert(0, "")  # where a task's own directory will be
    before = dict(os.environ)
    for library in LIBRARIES:
        importlib.import_module(library)
    gc.freeze()  # what is shared stays shared
    # The second argument is the pid of the emulator, for `rehearse sweep`.
    task = serve(socket.socket(fileno=int(sys.argv[1])))
    become(task, {name: value for name, value in os.environ.items() if name not in before})
    runpy.run_module(task["module"], run_name="__main__", alter_sys=True)
