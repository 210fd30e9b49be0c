"""What every runtime does alike: one suite over processes and containers."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from harness import clock, images
from harness.emulator.runtime import docker as docker_runtime
from harness.emulator.runtime import process as process_runtime
from harness.emulator.runtime.base import CannotPull, CannotStart, Container, ContainerSpec, Runtime

ROOT = Path(__file__).parent.parent.parent
SWEEP = {"process": process_runtime.sweep, "docker": docker_runtime.sweep}
pytestmark = pytest.mark.parametrize("kind", ["process", pytest.param("docker", marks=[pytest.mark.docker])])


def made(kind: str, home: Path) -> Runtime:
    return {"process": process_runtime.ProcessRuntime, "docker": docker_runtime.DockerRuntime}[kind](home)


@asynccontextmanager
async def running(kind: str, home: Path, **spec: Any) -> AsyncIterator[Container]:
    """The sample app as a task of its own, answering."""
    runtime = made(kind, home)
    await runtime.prepare()
    try:
        image = images.build(home, kind, revision=spec.pop("revision", "v1"))
        container = await runtime.start(ContainerSpec(task_id="t1", name="app", image=image, ports=(8080,), **spec))
        yield container
    finally:
        await runtime.close()


async def get(container: Container, path: str = "/", port: int = 8080) -> tuple[int, dict[str, str], str]:
    """One request on a new connection: status, headers in lower case, body."""
    reader, writer = await asyncio.open_connection(*container.addresses[port])
    writer.write(f"GET {path} HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\r\n".encode())
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    if not head:
        raise ConnectionResetError("no answer")
    lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines[1:])
    return int(lines[0].split()[1]), headers, body.decode()


async def answering(container: Container) -> tuple[int, dict[str, str], str]:
    deadline = clock.monotonic() + 20
    while True:
        try:
            return await get(container)
        except OSError:
            assert clock.monotonic() < deadline, await container.logs()
            await clock.Wall().sleep(0.05)


def test_container_answers_on_its_published_port_with_the_version_of_its_image(kind: str, tmp_path: Path):
    async def story() -> None:
        async with running(kind, tmp_path, revision="v7") as container:
            status, headers, body = await answering(container)
            assert (status, headers["x-app-version"], body) == (200, "v7", "Hello, World!\n")
            assert container.addresses[8080][0] == "127.0.0.1"

    asyncio.run(story())


def test_environment_of_the_task_reaches_the_app_and_the_emulators_own_does_not(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-for-tasks")

    async def story() -> None:
        command = ("python3", "-c", "import os, json; print(json.dumps(dict(os.environ)))")
        async with running(kind, tmp_path, environment={"COLOUR": "blue"}, command=command) as container:
            await container.wait()
            seen = json.loads(await container.logs())
            assert seen["COLOUR"] == "blue"
            assert seen["APP_VERSION"] == "v1"
            assert "not-for-tasks" not in seen.values()

    asyncio.run(story())


def test_exit_code_and_logs_are_kept_after_the_end(kind: str, tmp_path: Path):
    async def story() -> None:
        command = ("python3", "-c", "import sys; print('last words'); sys.exit(3)")
        async with running(kind, tmp_path, command=command) as container:
            assert (await container.wait()).code == 3
            assert "last words" in await container.logs()
            assert (await container.stop()).code == 3

    asyncio.run(story())


def test_stop_lets_a_request_in_flight_finish(kind: str, tmp_path: Path):
    async def story() -> None:
        async with running(kind, tmp_path, stop_timeout=10.0) as container:
            await answering(container)
            slow = asyncio.ensure_future(get(container, "/slow?seconds=1"))
            await clock.Wall().sleep(0.3)
            end = await container.stop()
            status, _, body = await slow
            assert (status, body) == (200, "Hello, World! after 1 s\n")
            assert end.code == 0
            with pytest.raises(OSError):
                await get(container)

    asyncio.run(story())


def test_stop_kills_what_ignores_sigterm_after_the_stop_timeout(kind: str, tmp_path: Path):
    async def story() -> None:
        async with running(kind, tmp_path, stop_timeout=2.0, environment={"FAULT_KIND": "ignore_sigterm"}) as container:
            await answering(container)
            began = clock.monotonic()
            end = await container.stop()
            assert end.code == 128 + signal.SIGKILL
            assert clock.monotonic() - began >= 1.9

    asyncio.run(story())


def test_crash_ends_the_container_with_its_exit_code(kind: str, tmp_path: Path):
    async def story() -> None:
        async with running(kind, tmp_path, environment={"FAULT_KIND": "crash", "FAULT_AFTER": "0.5"}) as container:
            async with asyncio.timeout(20):
                assert (await container.wait()).code == 1

    asyncio.run(story())


def test_memory_over_the_limit_kills_with_the_reason_of_ecs(kind: str, tmp_path: Path):
    async def story() -> None:
        async with running(kind, tmp_path, memory_mib=160, environment={"FAULT_KIND": "oom"}) as container:
            async with asyncio.timeout(60):
                end = await container.wait()
            assert end.code in (137, 1)  # the engine kills the container's first process, or one of its children
            assert end.reason == "OutOfMemoryError: Container killed due to memory usage"

    asyncio.run(story())


def test_ulimits_hold_for_the_container(kind: str, tmp_path: Path):
    told = "while [ $(ulimit -Sn) != 512 ]; do sleep 0.05; done; echo soft $(ulimit -Sn) hard $(ulimit -Hn)"

    async def story() -> None:
        limits = {"nofile": (512, 1024), "core": (0, 0)}
        async with running(kind, tmp_path, ulimits=limits, command=("/bin/sh", "-c", told)) as container:
            async with asyncio.timeout(20):
                assert (await container.wait()).code == 0
            assert "soft 512 hard 1024" in await container.logs()

    asyncio.run(story())


def test_ulimit_that_cannot_be_set_fails_the_start(kind: str, tmp_path: Path):
    async def story() -> None:
        with pytest.raises(CannotStart, match="CannotStartContainerError"):
            async with running(kind, tmp_path, ulimits={"nosuch": (1, 1)}):
                pass

    asyncio.run(story())


def test_port_that_the_image_does_not_listen_on_is_closed(kind: str, tmp_path: Path):
    async def story() -> None:
        runtime = made(kind, tmp_path)
        await runtime.prepare()
        try:
            image = images.build(tmp_path, kind)
            container = await runtime.start(ContainerSpec(task_id="t1", name="app", image=image, ports=(8080, 9090)))
            await answering(container)
            with pytest.raises(OSError):
                await get(container, port=9090)
        finally:
            await runtime.close()

    asyncio.run(story())


def test_missing_image_has_the_text_of_ecs(kind: str, tmp_path: Path):
    async def story() -> None:
        runtime = made(kind, tmp_path)
        await runtime.prepare()
        try:
            with pytest.raises(CannotPull, match=r"^CannotPullContainerError: .*sampleapp:never-built.*not found"):
                await runtime.start(ContainerSpec(task_id="t1", name="app", image="sampleapp:never-built"))
        finally:
            await runtime.close()

    asyncio.run(story())


def test_nothing_is_left_after_stop_nor_after_close(kind: str, tmp_path: Path):
    async def story() -> None:
        async with running(kind, tmp_path) as container:
            await answering(container)
            await container.stop()
            assert SWEEP[kind](tmp_path) == []
        async with running(kind, tmp_path) as container:
            await answering(container)
        assert SWEEP[kind](tmp_path) == []

    asyncio.run(story())


def test_sweep_removes_what_a_killed_owner_left(kind: str, tmp_path: Path):
    images.build(tmp_path, kind)
    owner = textwrap.dedent(
        f"""
        import asyncio
        from pathlib import Path
        from harness.emulator.runtime.base import ContainerSpec
        from harness.emulator.runtime.{kind} import {kind.title()}Runtime

        async def main():
            runtime = {kind.title()}Runtime(Path({str(tmp_path)!r}))
            await runtime.prepare()
            for number in range(2):
                await runtime.start(ContainerSpec(task_id=f"t{{number}}", name="app", image="sampleapp:v1", ports=(8080,)))
            print("started", flush=True)
            await asyncio.Event().wait()

        asyncio.run(main())
        """
    )
    process = subprocess.Popen(
        [sys.executable, "-c", owner],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        encoding="utf-8",
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "started\n"
    process.kill()
    process.wait()
    process.stdout.close()
    assert len(SWEEP[kind](tmp_path)) >= 2
    assert SWEEP[kind](tmp_path) == []


def test_command_run_inside_sees_the_environment_and_the_containers_own_port(kind: str, tmp_path: Path):
    async def story() -> None:
        async with running(kind, tmp_path, environment={"COLOUR": "blue"}) as container:
            await answering(container)
            ask = "import urllib.request as r; r.urlopen('http://localhost:8080/healthz')"
            assert await container.execute(("/bin/sh", "-c", f'[ "$COLOUR" = blue ] && python3 -c "{ask}"')) == 0
            assert await container.execute(("/bin/sh", "-c", "exit 9")) == 9
            assert await container.execute(("/no/such/program",)) in (126, 127)

    asyncio.run(story())


def test_output_is_read_line_by_line_once_each_also_after_the_end(kind: str, tmp_path: Path):
    async def story() -> None:
        script = (
            "import time; print('one'); print('two', flush=True); time.sleep(1); print('three', end='', flush=True)"
        )
        async with running(kind, tmp_path, command=("python3", "-u", "-c", script)) as container:
            seen, cursor = await container.output("")
            deadline = clock.monotonic() + 20
            while len(seen) < 2:
                assert clock.monotonic() < deadline, seen
                await clock.Wall().sleep(0.05)
                lines, cursor = await container.output(cursor)
                seen += lines
            await container.wait()
            lines, cursor = await container.output(cursor)
            assert [*seen, *lines] == ["one", "two", "three"]
            assert (await container.output(cursor))[0] == []

    asyncio.run(story())
