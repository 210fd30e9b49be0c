"""A real browser: Debian's chromium, driven by its own chromedriver. Nothing is downloaded, and each test has a fresh profile."""

from __future__ import annotations

import asyncio
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from harness import dashboard
from harness.dashboard.server import Dashboard, started

AXE = Path(__file__).parent / "vendor" / "axe-4.14.1.min.js"
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--hide-scrollbars",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of this folder needs the browser; one at a time on a machine."""
    for item in items:
        if Path(__file__).parent in Path(item.path).parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.xdist_group("browser"))


def missing() -> str:
    wanted = {"chromium": CHROMIUM, "chromedriver": DRIVER}
    lacking = [name for name, path in wanted.items() if path is None]
    return f"there is no {' and no '.join(lacking)} on this machine" if lacking else ""


class Browser:
    """What the tests ask of a page."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def window(self, width: int, height: int, *, dark: bool = False, print_: bool = False) -> Browser:
        """Before `open`: media queries are answered as given."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        features = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        media = "print" if print_ else ""
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": features})
        return self

    def open(self, where: str | Path) -> Browser:
        self.driver.get(where.as_uri() if isinstance(where, Path) else where)
        return self

    def js(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def text(self, selector: str) -> str:
        return str(self.js("return document.querySelector(arguments[0]).textContent", selector))

    def until(self, script: str, within: float = 15.0) -> Any:
        """The first true value of a script, asked again and again; fails with the script and the console's words."""
        from harness import clock

        end = clock.monotonic() + within
        while not (value := self.js(f"return {script}")):
            assert clock.monotonic() < end, f"never true: {script}; {self.errors()}"
            clock.pause(0.05)
        return value

    def errors(self) -> list[str]:
        """What the page complained of since this was last asked."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]

    def violations(self) -> list[str]:
        """What axe-core finds against WCAG 2.2 A and AA."""
        self.js(AXE.read_text())
        found = self.driver.execute_async_script(
            "const done = arguments[0];"
            "axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']})"
            ".then((result) => done(result.violations), (error) => done([{id: String(error), nodes: []}]))"
        )
        return [f"{one['id']}: {[node['target'] for node in one['nodes'][:3]]}" for one in found]

    def keys(self, *keys: str) -> None:
        from selenium.webdriver.common.action_chains import ActionChains

        for key in keys:
            ActionChains(self.driver).send_keys(key).perform()


@pytest.fixture
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if why := missing():
        if os.environ.get("REHEARSE_REQUIRE_DOCKER"):
            pytest.fail(f"a browser is required here, but {why}", pytrace=False)
        pytest.skip(why)
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    profile = tmp_path_factory.mktemp("profile")
    for flag in (*FLAGS, f"--user-data-dir={profile}", "--lang=en"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
    try:
        yield Browser(driver)
    finally:
        driver.quit()


@dataclass(frozen=True)
class Served:
    """A dashboard in a thread of its own, on a free port."""

    dashboard: Dashboard

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.dashboard.port}"

    @property
    def with_token(self) -> str:
        return f"{self.url}/#{self.dashboard.token}"


@pytest.fixture
def serve() -> Iterator[Callable[..., Served]]:
    """Dashboards of a directory of runs; all are closed in the end."""
    stops: list[Callable[[], None]] = []

    def begin(runs: Path, scenarios: Path | None = None, options: tuple[str, ...] = ()) -> Served:
        asked = dashboard.Asked(runs=runs, scenarios=scenarios or runs, port=0, options=options)
        made, ready, stop = Dashboard(asked), threading.Event(), asyncio.Event()
        loop = asyncio.new_event_loop()

        async def work() -> None:
            runner = await started(made)
            ready.set()
            await stop.wait()
            await runner.cleanup()
            made.starter.close()

        def run() -> None:
            loop.run_until_complete(work())
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        assert ready.wait(10)

        def end() -> None:
            loop.call_soon_threadsafe(stop.set)
            thread.join(120)

        stops.append(end)
        return Served(made)

    yield begin
    for stop in stops:
        stop()
