"""`python -m harness.load.task`: a master or a worker as a task of ECS. RunTask says in the environment which, and for how long."""

from __future__ import annotations

import os
import signal
import sys

import gevent

from harness.load import __main__ as master
from harness.load import worker
from harness.load.plan import TASK_MASTER, TASK_PLAN, TASK_SECONDS

WORKERS_WITHIN = "300"  # seconds: Fargate takes a minute or two to place, pull and start
LONGER = 120.0  # seconds that a worker outlives its time, for the master to end first


def main() -> None:
    """HOST and PORT are where a master listens. Exits with 1 where the environment names neither a plan nor a master."""
    seconds = os.environ.get(TASK_SECONDS, "3600")
    if plan := os.environ.get(TASK_PLAN):
        listen = f"{os.environ.get('HOST', '127.0.0.1')}:{os.environ.get('PORT', '5557')}"
        options = ["--plan", plan, "--listen", listen, "--workers-from-elsewhere", "--workers-within", WORKERS_WITHIN]
        master.main([*options, "--seconds", seconds])
    elif address := os.environ.get(TASK_MASTER):
        # The first process of a container is ended by no signal that it does not handle.
        gevent.signal_handler(signal.SIGTERM, os._exit, 0)
        gevent.spawn_later(float(seconds) + LONGER, os._exit, 0)
        worker.main(["--master", address])
    else:
        sys.exit(f"{TASK_PLAN} makes a master, {TASK_MASTER} a worker; neither is in the environment")


if __name__ == "__main__":
    main()
