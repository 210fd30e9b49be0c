"""The page of two runs, as a person reads it."""

from pathlib import Path

import pytest

from harness.report import compare, compare_page
from tests.browser.chromium import Browser
from tests.unit import story


@pytest.fixture
def page(tmp_path: Path) -> Path:
    of = story.scenario({"outcome": "rolled_back", "users": {"max_failed_percent": 5}})
    story.written(tmp_path / "a", story.rolled_back(of))
    story.written(tmp_path / "b", story.happy(of))
    return compare_page.write(compare.of_directories(tmp_path / "a", tmp_path / "b"), tmp_path)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280], ids=["phone", "desk"])
def test_compare_page_is_accessible_and_fits(browser: Browser, page: Path, width: int, dark: bool):
    browser.window(width, 900, dark=dark).open(page)
    assert browser.violations() == []
    assert browser.js("return document.documentElement.scrollWidth") <= width
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
    assert "verdict differs" not in shown
