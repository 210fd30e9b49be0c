"""Fixtures of the browser tests: all of this folder is marked `browser`, and skips with the reason where there is none."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.browser.chromium import Browser, Served, chromium, missing, serving


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of this folder needs the browser."""
    for item in items:
        if Path(__file__).parent in Path(item.path).parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="module")
def chromium_of_this_module() -> Iterator[Browser]:
    if why := missing():
        if os.environ.get("REHEARSE_REQUIRE_DOCKER"):
            pytest.fail(f"a browser is required here, but {why}", pytrace=False)
        pytest.skip(why)
    with chromium() as opened:
        yield opened


@pytest.fixture
def browser(chromium_of_this_module: Browser) -> Browser:
    """As if it had just been started: no page, no storage (each dashboard has a port, so an origin, of its own), no complaint."""
    return chromium_of_this_module.fresh()


@pytest.fixture
def serve() -> Iterator[Callable[..., Served]]:
    """Dashboards of directories of runs; all are closed in the end."""
    with ExitStack() as stack:

        def begin(runs: Path, scenarios: Path | None = None, options: tuple[str, ...] = ()) -> Served:
            return stack.enter_context(serving(runs, scenarios, options))

        yield begin
