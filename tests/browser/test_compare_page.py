"""The page of two runs, as a person reads it: by mouse, by keyboard, in the dark, on a phone, on paper, in Korean."""

from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys

from harness import journal as j
from harness.report import compare, compare_page
from tests.browser.chromium import Browser
from tests.unit import story
from tests.unit.story import T0

A, B = "svg.wide[data-run=A0]", "svg.wide[data-run=B0]"
EVIL = "<img src=x onerror=\"document.title='owned'\"></script><script>document.title='owned'</script>"


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """A is rolled back at 25 s after failures, B succeeds."""
    of = story.scenario({"outcome": "rolled_back", "users": {"max_failed_percent": 5}})
    health = [
        j.TargetHealthSeen(at=T0 + 0.4, side="blue", states={"healthy": 1}, targets={"10.0.0.5:8080": "healthy"}),
        j.TargetHealthSeen(at=T0 + 8, side="green", states={"healthy": 1}, targets={"10.0.0.6:8080": "healthy"}),
        j.Waited(at=T0 + 13.4, why="after 10 %", declared=300, effective=12.5),
    ]
    story.written(tmp_path / "a", story.rolled_back(of, *health))
    story.written(tmp_path / "b", story.happy(of, *health))
    return compare_page.write(compare.of_directories(tmp_path / "a", tmp_path / "b"), tmp_path)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280], ids=["phone", "desk"])
def test_compare_page_is_accessible_and_fits(browser: Browser, page: Path, width: int, dark: bool):
    browser.window(width, 900, dark=dark).open(page)
    assert browser.violations() == []
    assert browser.js("return document.documentElement.scrollWidth") <= width
    ground = browser.js("return getComputedStyle(document.documentElement).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") is not dark
    assert browser.errors() == []


def test_compare_page_draws_the_same_second_at_the_same_place(browser: Browser, page: Path):
    browser.window(1280, 900).open(page)
    of_each = "[one.dataset.start, one.dataset.end, one.getBoundingClientRect().left]"
    scales = browser.js(f"return [...document.querySelectorAll('svg.wide')].map((one) => {of_each})")
    assert len(scales) == 2
    assert scales[0] == scales[1]


def test_compare_page_can_show_differences_only_and_speaks_korean(browser: Browser, page: Path):
    browser.window(1280, 900).open(page)
    visible = "return [...document.querySelectorAll('tbody tr:not(.group)')].filter((one) => one.offsetParent).length"
    everything = browser.js(visible)
    browser.js("document.getElementById('only').click(); document.getElementById('lang-ko').click()")
    assert 0 < browser.js(visible) < everything
    shown = browser.js("return document.body.innerText")
    assert "판정이 다름" in shown
    assert "충족" in shown
    for english in ("verdict differs", "met", "Point at", "Where B differs", "rollback:"):
        assert english not in shown.replace("rolled_back", "")
    assert browser.violations() == []


def test_pointing_at_one_timeline_tells_of_the_same_second_in_both(browser: Browser, page: Path):
    browser.window(1280, 900).open(page)
    browser.point_at(B, right=0.9)
    said = {run: browser.text(f"#tip-{run}") for run in ("A0", "B0")}
    at = {run: told.split(" · ")[0] for run, told in said.items()}
    assert at["A0"].removeprefix("A: ") == at["B0"].removeprefix("B: ")
    assert "■ blue 100, ▲ green 0" in said["A0"]
    assert "≠ B: ■ 0 ▲ 100" in said["A0"]
    assert "≠ A: ■ 100 ▲ 0" in said["B0"]
    lines = browser.js("return [...document.querySelectorAll('svg.wide .cursor')].map((one) => one.getAttribute('x1'))")
    assert len(lines) == 2
    assert lines[0] == lines[1]


def test_timelines_are_walked_by_keyboard_from_difference_to_difference(browser: Browser, page: Path):
    browser.window(1280, 900).open(page)
    browser.tab_to(A)
    valued = "return [document.activeElement.getAttribute('aria-valuenow'), document.activeElement.getAttribute('aria-valuetext')]"
    browser.keys("f")
    _, said = browser.js(valued)
    assert "A: " in said
    assert "✘ failed" in said
    assert " · B: " in said
    browser.keys(Keys.HOME)
    met = []
    for _ in range(4):
        browser.keys("d")
        now, said = browser.js(valued)
        assert "≠" in said
        met.append(float(now))
    assert met == sorted(met)
    browser.keys(Keys.ARROW_RIGHT)
    assert float(browser.js(valued)[0]) > met[-1]
    browser.tab_to(B)
    assert browser.js("return document.activeElement.getAttribute('role')") == "slider"


def test_timelines_say_in_signs_and_words_where_they_differ(browser: Browser, page: Path):
    """Not by colour alone."""
    browser.window(1280, 900).open(page)
    texts = (
        "return [...document.querySelectorAll(arguments[0] + ' text')]"
        ".map((one) => one.querySelector('.en')?.textContent ?? one.textContent)"
    )
    shown = browser.js(texts, A)
    assert "≠ Where B differs" in shown
    assert "≠ ✘ AllowTraffic 11.7 s" in shown
    assert "≠ ↩ rollback" in shown
    assert "BeforeInstall 0.1 s" in shown
    assert any(one.startswith("≠ termination wait") for one in browser.js(texts, B))


def test_timelines_touched_on_a_phone_tell_as_well(browser: Browser, page: Path):
    browser.window(390, 844).open(page).js("document.getElementById('lang-ko').click()")
    browser.point_at("svg.narrow[data-run=A0]", right=0.4)
    assert "프로덕션 트래픽" in browser.text("#tip-A0")
    assert browser.js("return document.documentElement.scrollWidth") <= 390


def test_compare_page_prints_on_paper_without_controls(browser: Browser, page: Path):
    browser.window(794, 1123, dark=True, print_=True).open(page)
    for hidden in (".bar fieldset", ".only", ".keys", ".tip"):
        assert browser.js("return getComputedStyle(document.querySelector(arguments[0])).display", hidden) == "none"
    assert browser.js("return getComputedStyle(document.querySelector('svg.wide')).display") == "block"
    assert browser.js("return getComputedStyle(document.documentElement).backgroundColor") == "rgb(255, 255, 255)"
    pdf = browser.driver.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})
    assert len(pdf["data"]) > 20_000


def test_compare_page_without_javascript_still_shows_both_timelines(browser: Browser, page: Path):
    browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    browser.window(1280, 900).open(page)
    charts = browser.driver.find_elements("css selector", "svg.wide")
    assert len([one for one in charts if one.is_displayed()]) == 2
    assert "Point at either chart" not in browser.driver.find_element("tag name", "body").text


def test_compare_page_keeps_hostile_text_as_text(browser: Browser, tmp_path: Path):
    of = story.scenario({"outcome": "succeeded"}, title={"en": EVIL, "ko": EVIL})
    events = [
        j.AlarmSeen(at=T0 + 5, name=EVIL, state="ALARM", since=T0 + 5, reason=EVIL),
        j.LifecycleSeen(at=T0 + 5, deployment=story.DEPLOYMENT, name=EVIL, status="Failed", started=T0, ended=T0 + 5),
        j.TargetHealthSeen(at=T0 + 5, side="green", states={EVIL: 1}, reasons=(EVIL,), targets={EVIL: EVIL}),
        story.request(5, version=EVIL, status=500, error=EVIL),
    ]
    story.written(tmp_path / "a", story.happy(of, *events))
    story.written(tmp_path / "b", story.happy(of))
    browser.window(1280, 900).open(compare_page.write(compare.of_directories(tmp_path / "a", tmp_path / "b"), tmp_path))
    browser.js("document.querySelector('svg.wide').focus()")
    browser.keys("f", "d")
    assert "onerror" in browser.text("#tip-A0")
    assert "owned" not in browser.driver.title
    assert browser.js("return document.images.length") == 0
