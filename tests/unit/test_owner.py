"""A process that things belong to, after its end too."""

import subprocess
import sys

import psutil
import pytest

from harness import owner


def test_owner_lives_while_its_process_does():
    command = "from harness import owner; print(owner.this_process(), flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
    ) as process:
        assert process.stdout is not None
        told = process.stdout.readline().strip()
        assert owner.lives(told)
        process.communicate("\n")
    assert not owner.lives(told)


def test_owner_lives_though_the_clock_was_set():
    pid, _, started = owner.this_process().partition(":")
    assert owner.lives(f"{pid}:{float(started) + 1:.2f}")


def test_another_process_with_the_pid_is_not_the_owner():
    pid, _, started = owner.this_process().partition(":")
    assert not owner.lives(f"{pid}:{float(started) - 60:.2f}")


@pytest.mark.parametrize("told", ["", "x", "x:y", "1", "1:", "999999999:1.00"])
def test_what_names_no_process_does_not_live(told: str):
    assert not owner.lives(told)


def test_what_was_killed_is_waited_for_also_where_nobody_reaps_it():
    with subprocess.Popen(["sleep", "60"]) as mine:
        known = psutil.Process(mine.pid)
        told = f"{mine.pid}:{known.create_time():.2f}"
        assert owner.lives(told)
        mine.kill()
        assert owner.ended([known])
        assert known.status() == psutil.STATUS_ZOMBIE
        assert not owner.lives(told)
    assert owner.ended([known])
    assert not known.is_running()


def test_what_goes_on_running_has_not_ended():
    with subprocess.Popen(["sleep", "60"]) as mine:
        assert not owner.ended([psutil.Process(mine.pid)], within=0.1)
        mine.kill()
