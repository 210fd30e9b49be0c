"""Where the emulator and its listeners listen: 127.0.0.1, unless `rehearse up --bind 0.0.0.0` says otherwise.

Who reaches the API port may start any process on this machine (a task definition names a command). So 0.0.0.0 is for a container
whose ports are published on the loopback of its host, and for nothing else. The data plane is a process of its own and learns all
this from the environment.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence

from harness.errors import TargetUnavailable, UsageError

LOOPBACK, EVERYWHERE = "127.0.0.1", "0.0.0.0"
BIND, LISTENER_PORTS = "REHEARSE_BIND", "REHEARSE_LISTENER_PORTS"
FALLBACK_PORTS = range(18000, 20000)
REACHED_WITHIN = 5.0


def need_loopback() -> None:
    """Raises TargetUnavailable where this machine does not reach itself: in a network namespace of its own `lo` is down at first."""
    try:
        with socket.create_server((LOOPBACK, 0)) as listening:
            socket.create_connection(listening.getsockname(), REACHED_WITHIN).close()
    except OSError as error:
        raise TargetUnavailable(
            f"{LOOPBACK} cannot be reached ({error.strerror or error}): bring it up with `ip link set lo up`, or let a firewall "
            "pass what goes from this machine to itself"
        ) from error


def address() -> str:
    return os.environ.get(BIND, LOOPBACK)


def listener_ports(declared: int) -> Sequence[int]:
    """Where a listener may listen, first choice first: its declared port, else one of a fixed range; only that range where
    REHEARSE_LISTENER_PORTS names one (a container publishes ports before there is any listener). Raises UsageError."""
    told = os.environ.get(LISTENER_PORTS)
    if not told:
        return (declared, *FALLBACK_PORTS)
    first, dash, last = told.partition("-")
    if not (dash and first.isdecimal() and last.isdecimal() and 0 < int(first) <= int(last) <= 65535):
        raise UsageError(f"{LISTENER_PORTS}={told}: it must be a range of ports, such as 18000-18031")
    return range(int(first), int(last) + 1)
