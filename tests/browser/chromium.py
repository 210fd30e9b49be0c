"""A real browser: Debian's chromium, driven by its own chromedriver, with a fresh profile; and a dashboard in a thread."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from harness import clock, dashboard
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


def missing() -> str:
    wanted = {"chromium": CHROMIUM, "chromedriver": DRIVER}
    lacking = [name for name, path in wanted.items() if path is None]
    return f"there is no {' and no '.join(lacking)} on this machine" if lacking else ""


class Browser:
    """What the tests ask of a page."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def window(
        self, width: int, height: int, *, dark: bool = False, print_: bool = False, still: bool = False
    ) -> Browser:
        """Before `open`: media queries are answered as given."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        features = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        features.append({"name": "prefers-reduced-motion", "value": "reduce" if still else "no-preference"})
        media = "print" if print_ else ""
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": features})
        return self

    def fresh(self) -> Browser:
        self.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
        self.open("about:blank").errors()
        return self

    def open(self, where: str | Path) -> Browser:
        self.driver.get(where.as_uri() if isinstance(where, Path) else where)
        return self

    def js(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def text(self, selector: str) -> str:
        return str(self.js("return document.querySelector(arguments[0]).textContent", selector))

    def until(self, script: str, within: float = 15.0) -> Any:
        """The first true value of a script, asked again and again; fails with the script, the console's words and the page's."""
        end = clock.monotonic() + within
        while not (value := self.js(f"return {script}")):
            if clock.monotonic() >= end:
                raise AssertionError(
                    f"never true: {script}; {self.errors()}; {self.js('return document.body.innerText')}"
                )
            clock.pause(0.05)
        return value

    def errors(self) -> list[str]:
        """What the page complained of since this was last asked."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]

    def violations(self) -> list[str]:
        """What axe-core finds against WCAG 2.2 A and AA."""
        self.js(AXE.read_text(encoding="utf-8"))
        found = self.driver.execute_async_script(
            "const done = arguments[0];"
            "axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']})"
            ".then((result) => done(result.violations), (error) => done([{id: String(error), nodes: []}]))"
        )
        return [f"{one['id']}: {[node['target'] for node in one['nodes'][:3]]}" for one in found]

    def point_at(self, selector: str, right: float = 0.5, down: float = 0.5) -> None:
        """With a real pointer, at a place of the element: 0 is its left and its top, 1 its right and its bottom."""
        self.js("document.querySelector(arguments[0]).scrollIntoView({block: 'center'})", selector)
        element = self.driver.find_element(By.CSS_SELECTOR, selector)
        size = element.size
        ActionChains(self.driver).move_to_element_with_offset(
            element, round((right - 0.5) * size["width"]), round((down - 0.5) * size["height"])
        ).perform()

    def tab_to(self, selector: str, at_most: int = 60) -> None:
        """With the Tab key, as far as it takes."""
        for _ in range(at_most):
            self.keys(Keys.TAB)
            if self.js("return document.activeElement.matches(arguments[0])", selector):
                return
        raise AssertionError(f"Tab never comes to {selector}")

    def keys(self, *keys: str) -> None:
        for key in keys:
            ActionChains(self.driver).send_keys(key).perform()


@contextmanager
def chromium() -> Iterator[Browser]:
    """Nothing is downloaded: browser and driver are this machine's own."""
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with tempfile.TemporaryDirectory(prefix="rehearse-chromium-", ignore_cleanup_errors=True) as profile:
        for flag in (*FLAGS, f"--user-data-dir={profile}", "--lang=en"):
            options.add_argument(flag)
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


@contextmanager
def serving(runs: Path, scenarios: Path | None = None, options: tuple[str, ...] = ()) -> Iterator[Served]:
    """A dashboard of a directory of runs; a run that it started is asked to clean up in the end."""
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
    try:
        yield Served(made)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(120)
