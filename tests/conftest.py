"""Shared by all tests: what a container test needs, and who says so when it is missing."""

import gc
import os
import signal
from collections.abc import Iterator
from functools import cache

import pytest
from hypothesis import HealthCheck, settings

from harness import images

os.environ["LC_ALL"] = "C.UTF-8"  # the terminal speaks the locale's language, and most tests read English
for told_by_make in (
    "MAKEFLAGS",
    "MFLAGS",
    "MAKELEVEL",
):  # a make that a test runs is no part of the one that runs the tests
    os.environ.pop(told_by_make, None)
# How long an example takes is the machine's, and what else it does.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")
# A shell starts what it puts in the background deaf to Ctrl-C, and so would be the commands that tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="module", autouse=True)
def nothing_is_left_for_the_collector() -> Iterator[None]:
    """What a module's tests did not close is collected, and thereby told, before the next module's: else it is chance whose test it
    fails."""
    yield
    gc.collect()


@cache
def docker_ready() -> tuple[bool, str]:
    return images.docker_ready()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """A container test skips with its reason; where REHEARSE_REQUIRE_DOCKER is set (CI), it fails instead."""
    if item.get_closest_marker("docker") is None:
        return
    ready, why = docker_ready()
    if ready:
        return
    if os.environ.get("REHEARSE_REQUIRE_DOCKER"):
        pytest.fail(f"containers are required here, but {why}", pytrace=False)
    pytest.skip(why)
