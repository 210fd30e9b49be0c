"""`make picture`: docs/picture.png, a real run on the dashboard while its users meet errors, and docs/report.png, its report."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from harness import clock
from tests.browser.chromium import Browser, chromium, missing, serving

ROOT = Path(__file__).parent.parent.parent
SCENARIO = "5xx-after-cutover"


def take(browser: Browser, home: Path) -> None:
    with serving(home / "runs", ROOT / "scenarios", ("--runtime", "process")) as served:
        browser.window(1280, 720).open(served.with_token)
        browser.until("document.querySelector('#scenarios option')")
        browser.js(
            f"document.getElementById('scenarios').value = '{SCENARIO}'; document.getElementById('start').click()"
        )
        shifting = "document.getElementById('state').textContent.includes('AllowTraffic')"
        failing = "/✘ ([3-9]|\\d\\d)/.test(document.getElementById('numbers').textContent)"
        browser.until(f"{shifting} && {failing}", within=120)
        clock.pause(1.2)  # until the second in which they failed is over, and drawn
        browser.driver.save_screenshot(str(ROOT / "docs" / "picture.png"))
        browser.until("!document.getElementById('verdict').hidden", within=120)
        report = browser.js("return document.querySelector('#verdict a').href")
        browser.window(1100, 1000).open(report)
        browser.js("document.getElementById('chart').scrollIntoView()")
        browser.driver.save_screenshot(str(ROOT / "docs" / "report.png"))


def main() -> int:
    if why := missing():
        print(f"no picture: {why}", file=sys.stderr)
        return 3
    with tempfile.TemporaryDirectory(prefix="rehearse-picture-") as home, chromium() as browser:
        os.environ["REHEARSAL_HOME"] = home
        take(browser, Path(home))
    print("docs/picture.png docs/report.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
