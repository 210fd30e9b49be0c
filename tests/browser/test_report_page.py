"""The report as a person opens it: by mouse, by keyboard, in the dark, on a phone, on paper, in Korean."""

import re
from pathlib import Path
from typing import Any

import pytest

from harness import journal as j
from harness import report
from tests.browser.chromium import Browser
from tests.unit import story
from tests.unit.story import T0

EVIL = "<img src=x onerror=\"document.title='owned'\"></script><script>document.title='owned'</script>"
EXPECTED: dict[str, Any] = {"outcome": "rolled_back", "cause": "alarm", "users": {"max_failed_percent": 5}}


@pytest.fixture
def page(tmp_path: Path) -> Path:
    health = [
        j.TargetHealthSeen(at=T0 + 0.4, side="blue", states={"healthy": 1}, targets={"10.0.0.5:8080": "healthy"}),
        j.TargetHealthSeen(at=T0 + 8, side="green", states={"healthy": 1}, targets={"10.0.0.6:8080": "healthy"}),
        j.TargetHealthSeen(at=T0 + 25, side="green", states={"draining": 1}, targets={"10.0.0.6:8080": "draining"}),
        j.Waited(at=T0 + 13.4, why="after 10 %", declared=300, effective=12.5),
        j.TaskStopped(at=T0 + 30, task="abc", side="green", stop_code="X", reason="the last <one>", exit_code=1),
    ]
    report.write(story.written(tmp_path, story.rolled_back(story.scenario(EXPECTED), *health)))
    return tmp_path / "report.html"


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280], ids=["phone", "desk"])
def test_report_page_is_accessible_and_fits(browser: Browser, page: Path, width: int, dark: bool):
    browser.window(width, 900, dark=dark).open(page)
    assert browser.violations() == []
    assert browser.js("return document.documentElement.scrollWidth") <= width
    assert browser.errors() == []
    ground = browser.js("return getComputedStyle(document.documentElement).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") is not dark


def test_report_page_in_korean_shows_no_english_word_of_its_own(browser: Browser, page: Path):
    browser.window(1280, 900).open(page).js("document.getElementById('lang-ko').click()")
    shown = browser.js("return document.body.innerText")
    assert "언제 무슨 일이 있었나" in shown
    assert "What happened, and when" not in shown
    assert "Limit in this run" not in shown
    assert browser.violations() == []


def test_report_chart_tells_what_is_pointed_at(browser: Browser, page: Path):
    browser.window(1280, 900).open(page)
    browser.point_at("svg.wide")
    said = browser.text("#tip-")
    assert "AllowTraffic" in said
    assert "■ blue 90" in said


def test_report_chart_is_walked_by_keyboard_to_the_failures(browser: Browser, page: Path):
    browser.window(1280, 900).open(page)
    browser.tab_to("svg.wide")
    browser.keys("f")
    assert re.search(r"✘ failed (\d+) \(500 v2 × \1\)", browser.text("#tip-"))
    first = browser.js("return document.activeElement.getAttribute('aria-valuenow')")
    browser.keys("\ue014")  # arrow right
    assert float(browser.js("return document.activeElement.getAttribute('aria-valuenow')")) > float(first)
    assert browser.js("return document.activeElement.getAttribute('aria-valuetext')") == browser.text("#tip-")


def test_report_chart_speaks_the_language_that_is_shown(browser: Browser, page: Path):
    """Its name for a screen reader, and the details of what was pointed at before the language was changed."""
    browser.window(1280, 900).open(page)
    named = (
        "return document.getElementById(document.querySelector('svg.wide').getAttribute('aria-labelledby')).textContent"
    )
    browser.point_at("svg.wide")
    assert browser.js(named).startswith("What happened, and when. Lifecycle events: 7")
    browser.js("document.getElementById('lang-ko').click()")
    assert browser.js(named).startswith("언제 무슨 일이 있었나. 수명 주기 이벤트 7개")
    assert "■ 블루 90" in browser.text("#tip-")
    assert browser.js("return document.documentElement.lang") == "ko"


def test_report_prints_on_paper_without_controls(browser: Browser, page: Path):
    browser.window(794, 1123, dark=True, print_=True).open(page)
    assert browser.js("return getComputedStyle(document.querySelector('.bar fieldset')).display") == "none"
    assert browser.js("return getComputedStyle(document.querySelector('svg.wide')).display") == "block"
    assert browser.js("return getComputedStyle(document.documentElement).backgroundColor") == "rgb(255, 255, 255)"
    pdf = browser.driver.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})
    assert len(pdf["data"]) > 20_000


def test_report_without_javascript_still_shows_everything(browser: Browser, page: Path):
    browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    browser.window(1280, 900).open(page)
    from selenium.webdriver.common.by import By

    shown = browser.driver.find_element(By.TAG_NAME, "body").text
    assert "How the deployment ended" in shown
    assert "Point at the chart" not in shown


def test_report_keeps_hostile_text_as_text(browser: Browser, tmp_path: Path):
    of = story.scenario({"outcome": "succeeded"}, title={"en": EVIL, "ko": EVIL}, why={"en": EVIL, "ko": EVIL})
    events = [
        j.TaskStopped(at=T0 + 5, task="abc", side="green", stop_code=EVIL, reason=EVIL, exit_code=1),
        j.ServiceEventSeen(at=T0 + 5, created=T0 + 5, message=EVIL),
        j.AlarmSeen(at=T0 + 5, name=EVIL, state="ALARM", since=T0 + 5, reason=EVIL),
        j.ActionTaken(at=T0 + 5, action="stop", detail=EVIL, error=EVIL),
        j.TargetHealthSeen(at=T0 + 5, side="green", states={EVIL: 1}, reasons=(EVIL,), targets={EVIL: EVIL}),
        story.request(5, version=EVIL, status=500, error=EVIL),
    ]
    report.write(story.written(tmp_path, story.happy(of, *events)))
    browser.window(1280, 900).open(tmp_path / "report.html")
    browser.js("document.querySelector('svg.wide').focus()")
    browser.keys("f")
    assert "owned" not in browser.driver.title
    assert browser.js("return document.images.length") == 0
    assert EVIL in browser.js("return document.querySelector('h1').textContent")
