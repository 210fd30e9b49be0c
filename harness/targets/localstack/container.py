"""LocalStack's image through testcontainers: what it is given, and how it is found again after a crash.

The token is passed from the environment to the container, and to nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness import owner, proxies
from harness.errors import TargetUnavailable
from harness.targets.localstack.endpoint import DEFAULT_PORT, TOKEN

IMAGE = "localstack/localstack:2026.3.0"  # the version whose behaviour was surveyed; one image for every plan
SOCKET = "/var/run/docker.sock"  # its ECS and Lambda start containers on the machine's engine
LISTENER_PORTS = (80, 8080)  # its gateway answers for a load balancer's listener only on ports that it listens on
HOME_LABEL, RUNNER_LABEL = "rehearse.home", "rehearse.runner"
RYUK_DISABLED = "TESTCONTAINERS_RYUK_DISABLED"  # its reaper is an image of its own, to be pulled at the first start
STARTS_WITHIN = 180
ENGINE_TIMEOUT = 5
READY = r"^Ready\.$"  # a line of its log


def engine() -> tuple[bool, str]:
    """Whether a Docker engine answers, and which one or why not."""
    from docker.errors import DockerException

    from harness import engine

    try:
        with engine.connected(ENGINE_TIMEOUT) as client:
            return True, f"Docker {client.version()['Version']}"
    except DockerException as error:
        return False, f"no Docker engine answers ({engine.first_line(error)})"


def described(home: Path, token: str) -> Any:
    """The container, not started: testcontainers' LocalStackContainer."""
    os.environ[RYUK_DISABLED] = "true"  # before the import, which reads it
    from testcontainers.community.localstack import LocalStackContainer
    from testcontainers.core.config import testcontainers_config
    from testcontainers.core.wait_strategies import LogMessageWaitStrategy

    testcontainers_config.ryuk_disabled = True
    listen = ",".join(f"0.0.0.0:{port}" for port in (DEFAULT_PORT, *LISTENER_PORTS))  # inside the container
    container: Any = (
        LocalStackContainer(image=IMAGE, edge_port=DEFAULT_PORT, region_name="us-east-1")
        .with_env(TOKEN, token)
        .with_env("GATEWAY_LISTEN", listen)
        .with_env("DISABLE_EVENTS", "1")
        .with_volume_mapping(SOCKET, SOCKET, "rw")
        .with_kwargs(labels={HOME_LABEL: str(home), RUNNER_LABEL: owner.this_process()})
        # Its own way to ask by HTTP asks the environment's proxy; endpoint.py asks for the rest.
        .waiting_for(LogMessageWaitStrategy(READY).with_startup_timeout(STARTS_WITHIN))
    )
    for name, proxy in outbound().items():
        container.with_env(name, proxy)
    container.ports = {f"{DEFAULT_PORT}/tcp": ("127.0.0.1", None)}  # its own method publishes on every interface
    return container


def outbound() -> dict[str, str]:
    """How LocalStack leaves its container, to have its licence activated; its own calls inside ask no proxy."""
    told = proxies.for_builds(os.environ)
    return {f"OUTBOUND_{name}": told[name] for name in ("HTTP_PROXY", "HTTPS_PROXY") if name in told}


@contextmanager
def started(home: Path, token: str) -> Iterator[str]:
    """Its URL. Raises TargetUnavailable where it does not start, without the token in the message."""
    from docker.errors import DockerException

    container = described(home, token)
    try:
        try:
            container.start()
        except (DockerException, TimeoutError, RuntimeError) as error:
            told = str(error).replace(token, "***").partition("\n")[0]  # the rest is its whole log
            raise TargetUnavailable(
                f"{IMAGE} does not start: {told}. Without {TOKEN} localstack-core is used instead"
            ) from None
        yield f"http://127.0.0.1:{container.get_exposed_port(DEFAULT_PORT)}"
    finally:
        container.stop()


def gateway_of(port: int) -> str | None:
    """Where the container that publishes `port` reaches this machine; None where no container does."""
    from docker.errors import DockerException

    from harness import engine

    try:
        with engine.connected(ENGINE_TIMEOUT) as client:
            for one in client.containers.list():
                published = [bound for bounds in (one.ports or {}).values() for bound in bounds or []]
                if any(bound.get("HostPort") == str(port) for bound in published):
                    networks = one.attrs["NetworkSettings"]["Networks"].values()
                    return next((str(network["Gateway"]) for network in networks if network.get("Gateway")), None)
    except DockerException:
        return None
    return None


def sweep(home: Path) -> list[str]:
    """Remove containers of `home` whose run is gone; one line for each."""
    from docker.errors import DockerException, NotFound

    from harness import engine

    removed = []
    try:
        with engine.connected(ENGINE_TIMEOUT) as client:
            for one in client.containers.list(all=True, filters={"label": f"{HOME_LABEL}={home}"}):
                if owner.lives(one.labels.get(RUNNER_LABEL, "")):
                    continue
                try:
                    one.remove(force=True, v=True)
                except NotFound:
                    continue
                removed.append(f"LocalStack's container {one.short_id}, whose run is gone")
    except engine.NoEngine:
        return removed
    except DockerException as error:
        return [*removed, f"(LocalStack's containers could not be listed: {error})"]
    return removed
