"""The local target: our emulator as a process of its own for this run, or one that is running already (`--endpoint`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from harness import images
from harness.driver.ecs import image_of
from harness.driver.elbv2 import LoadBalancer
from harness.errors import TargetUnavailable, UsageError
from harness.scenario import OwnApp, Scenario, Version
from harness.targets import emulators, starting
from harness.targets.base import Asked, RuntimeAsked, Target
from harness.targets.starting import REGION

OTHER_ARCHITECTURE = {"amd64": "arm64", "arm64": "amd64"}


@contextmanager
def opened(asked: Asked) -> Iterator[Target]:
    """Start an emulator, or join the one at `asked.endpoint`; build the images that the scenarios need. Raises HarnessError."""
    if asked.endpoint:
        status = emulators.ask(asked.endpoint, "/_rehearsal/status")
        build_images(asked.home, status["runtime"], asked.scenarios, asked.app)
        yield target(asked.home, asked.endpoint, status["runtime"], "the running emulator's")
        return
    runtime, why = choose_runtime(asked.runtime)
    build_images(asked.home, runtime, asked.scenarios, asked.app)
    with started(asked.home, runtime) as endpoint:
        yield target(asked.home, endpoint, runtime, why)


def choose_runtime(asked: RuntimeAsked) -> tuple[str, str]:
    """docker or process, and why. Raises TargetUnavailable where Docker was asked for and cannot be had."""
    if asked == "process":
        return "process", "asked for"
    ready, why = images.docker_ready()
    if asked == "docker" and not ready:
        raise TargetUnavailable(f"--runtime docker: {why}; --runtime process needs no Docker")
    return ("docker" if ready else "process"), why


@contextmanager
def started(home: Path, runtime: str, *options: str) -> Iterator[str]:
    """An emulator of our own on a free port; its endpoint. It is stopped however this ends. `options`: more of its own."""
    command = starting.command(home, "--port", "0", "--runtime", runtime, *options)
    process, log = starting.start(command, home / "emulator.log", **emulators.mark())
    try:
        yield starting.ready(process, log)
    finally:
        starting.stop(process)


def target(home: Path, endpoint: str, runtime: str, why: str) -> Target:
    return Target(
        name="local",
        region=REGION,
        endpoint=endpoint,
        runtime=runtime,
        why=why,
        compresses=True,
        reach=reach_of(endpoint),
        waits=waits_of(endpoint),
        digest=partial(images.digest, home, runtime),
        unsupported=unsupported,
    )


def reach_of(endpoint: str) -> Callable[[LoadBalancer, int], str]:
    def reach(load_balancer: LoadBalancer, port: int) -> str:
        """A listener binds the declared port where it can, else another one: the emulator knows which."""
        for one in emulators.ask(endpoint, "/_rehearsal/status")["load_balancers"]:
            for listener in one["listeners"]:
                if (one["arn"], listener["port"]) == (load_balancer.arn, port):
                    return str(listener["url"])
        raise TargetUnavailable(f"the emulator does not say where listener {port} of {load_balancer.arn} is reached")

    return reach


def waits_of(endpoint: str) -> Callable[[int], list[Mapping[str, Any]]]:
    return lambda after: list(emulators.ask(endpoint, f"/_rehearsal/waits?after={after}"))


def unsupported(scenario: Scenario) -> str | None:
    """Why the scenario cannot run here."""
    if scenario.deploy.controller == "ecs":
        return "ECS-native blue/green (controller: ecs) is not built yet"
    for version in (scenario.release.from_, scenario.release.to):
        fault = version.fault
        if fault is not None and fault.kind == "too_much_memory" and scenario.service.capacity is None:
            return "Fargate's capacity is not counted here: give the scenario instances (service.capacity) for too_much_memory"
    return None


def build_images(
    home: Path,
    runtime: str,
    scenarios: Sequence[Scenario],
    app: OwnApp | None = None,
    architecture: str | None = None,
) -> None:
    """Every image that a version of a scenario runs; each once, for `architecture` (this machine's where none is given). `app` says
    how a team's own are built."""
    built: set[str] = set()
    for scenario in scenarios:
        for version in (scenario.release.from_, scenario.release.to):
            image = image_of(scenario.service, version)
            if image not in built:
                built.add(image)
                _build(home, runtime, scenario, version, image, app, architecture)


def _build(
    home: Path,
    runtime: str,
    scenario: Scenario,
    version: Version,
    image: str,
    app: OwnApp | None,
    architecture: str | None,
) -> None:
    kind = version.fault.kind if version.fault else None
    if kind == "missing_tag":
        return None
    name, revision = images.split(image)
    recipe: dict[str, Any] = {}
    if scenario.service.image != images.SAMPLE_APP.name:
        if app is None or app.folder is None or app.image != scenario.service.image:
            return _expect(home, runtime, scenario, version, image)
        recipe = {"path": Path(app.folder), "name": name, "command": app.command, "port": app.port}
    meant = architecture or images.architecture_of_this_machine()
    other = OTHER_ARCHITECTURE[meant] if kind == "wrong_architecture" else None
    if other is not None and not recipe:
        images.build_foreign(home, runtime, revision=revision, architecture=other)
    else:
        images.build(home, runtime, revision=revision, architecture=other or architecture, **recipe)
    return None


def _expect(home: Path, runtime: str, scenario: Scenario, version: Version, image: str) -> None:
    """An image of somebody's own making: containers come from the engine, or are pulled; processes must have been built."""
    if runtime == "process" and images.find_process_image(home, image) is None:
        raise UsageError(
            f"{scenario.id}: there is no image {image}; make it with: rehearse build --revision {version.version} PATH, or say "
            "in rehearsal.toml what it is built from: [app] folder"
        )
