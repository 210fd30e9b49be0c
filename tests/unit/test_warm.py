"""Tasks of the sample app that are forked instead of executed: nobody should see a difference but the time."""

import asyncio
import os
import signal
import urllib.request
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness import images, owner
from harness.driver import until
from harness.emulator.runtime.base import ContainerSpec
from harness.emulator.runtime.process import MARKER, ProcessContainer, ProcessRuntime, sweep
from harness.emulator.runtime.warm import Forked, can_be_forked

Story = Callable[[ProcessRuntime], Awaitable[None]]


def told(home: Path, story: Story) -> None:
    async def whole() -> None:
        runtime = ProcessRuntime(home)
        await runtime.prepare()
        try:
            await story(runtime)
        finally:
            await runtime.close()

    images.build(home, "process", revision="v1", message="from the image")
    asyncio.run(whole())
    assert left(home) == []


def left(home: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARKER) == str(home.resolve()) and owner.runs(process):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


async def started(runtime: ProcessRuntime, **environment: str) -> ProcessContainer:
    spec = ContainerSpec(
        task_id="task",
        name="app",
        image="sampleapp:v1",
        environment=environment,
        ports=(8080,),
        stop_timeout=1.0,
    )
    return await runtime.start(spec)


async def answer(container: ProcessContainer, path: str) -> str:
    host, port = container.addresses[8080]

    def ask() -> str:
        try:
            with urllib.request.urlopen(f"http://{host}:{port}{path}", timeout=5) as found:
                return str(found.read().decode())
        except OSError:
            return ""

    def answered() -> str:
        return until(ask, 15, "an answer", every=0.05)

    return await asyncio.to_thread(answered)


def process_of(container: ProcessContainer) -> Any:
    return container._process


def test_forked_task_has_its_own_session_directory_environment_and_log(tmp_path: Path):
    async def story(runtime: ProcessRuntime) -> None:
        first, second = await started(runtime, APP_MESSAGE="from the task"), await started(runtime)
        assert await answer(first, "/") == "from the task\n"
        assert await answer(second, "/") == "from the image\n"
        pid = process_of(first).pid
        assert isinstance(process_of(first), Forked)
        assert pid == os.getsid(pid) == os.getpgid(pid)
        assert psutil.Process(pid).cwd() == str(images.SAMPLE_APP)
        assert {Path(one).name for one in os.listdir(f"/proc/{pid}/fd")} >= {"0", "1", "2"}
        assert not [
            one for one in psutil.Process(pid).open_files() if one.path != str(runtime.home / "logs/task-app.log")
        ]
        assert (await first.stop()).code == 0
        assert (await second.stop()).code == 0

    told(tmp_path, story)


@pytest.mark.parametrize(
    ("fault", "code"),
    [({"FAULT_KIND": "crash", "FAULT_AFTER": "0.2"}, 1), ({"FAULT_KIND": "ignore_sigterm"}, 128 + signal.SIGKILL)],
)
def test_forked_task_ends_with_its_own_code(tmp_path: Path, fault: dict[str, str], code: int):
    async def story(runtime: ProcessRuntime) -> None:
        container = await started(runtime, **fault)
        if code == 1:
            assert (await container.wait()).code == 1
            return
        await answer(container, "/")
        assert (await container.stop()).code == code

    told(tmp_path, story)


def test_what_cannot_start_says_why_in_its_log(tmp_path: Path):
    async def story(runtime: ProcessRuntime) -> None:
        container = await started(runtime, FAULT_AFTER="soon")
        assert (await container.wait()).code == 1
        assert "ValueError: could not convert string to float: 'soon'" in await container.logs()

    told(tmp_path, story)


def test_tasks_end_with_the_parent_that_would_have_told_of_their_end_and_the_next_one_has_a_new_one(tmp_path: Path):
    async def story(runtime: ProcessRuntime) -> None:
        container = await started(runtime)
        await answer(container, "/")
        psutil.Process(process_of(container).pid).parent().kill()  # type: ignore[union-attr]
        assert (await container.wait()).code == 128 + signal.SIGKILL
        following = await started(runtime)
        assert await answer(following, "/") == "from the image\n"

    told(tmp_path, story)


def test_sweep_finds_a_forked_task_of_an_emulator_that_was_killed(tmp_path: Path):
    async def story(runtime: ProcessRuntime) -> None:
        container = await started(runtime)
        await answer(container, "/")
        assert any(f"process {process_of(container).pid}:" in line for line in sweep(tmp_path))
        assert (await container.wait()).code == 128 + signal.SIGKILL

    told(tmp_path, story)


def test_only_the_sample_app_as_it_is_can_be_forked(tmp_path: Path):
    images.build(tmp_path, "process", revision="v1")
    manifest = images.find_process_image(tmp_path, "sampleapp:v1")
    assert manifest is not None
    parent = {"LANG": "C.UTF-8"}
    same = {"PORT": "1", "PYTHONUNBUFFERED": "1", "LANG": "C.UTF-8", "LANGUAGE": "ko"}
    assert can_be_forked(manifest.argv, manifest.workdir, same, parent)
    for early in ({"PYTHONPATH": "/elsewhere"}, {"WEB_CONCURRENCY": "4"}, {"LANG": "ko_KR.eucKR"}, {"LC_ALL": "C"}):
        assert not can_be_forked(manifest.argv, manifest.workdir, {**same, **early}, parent)
    assert not can_be_forked(manifest.argv, str(tmp_path), same, parent)
    assert not can_be_forked(("/bin/sh", "-c", "true"), manifest.workdir, same, parent)
