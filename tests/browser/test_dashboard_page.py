"""The dashboard in a browser: it follows a journal that is being written, stays on its feet, and acts."""

from collections.abc import Callable
from pathlib import Path

import pytest

from harness import clock
from harness import journal as j
from tests.browser.chromium import Browser, Served
from tests.browser.live import answered, live
from tests.unit import story

ROOT = Path(__file__).parent.parent.parent
EVIL = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"


def test_dashboard_shows_a_run_as_its_journal_is_written(
    browser: Browser, serve: Callable[..., Served], tmp_path: Path
):
    with live(tmp_path / "one" / "told") as journal:
        browser.window(1280, 720).open(serve(tmp_path).with_token)
        browser.until("document.getElementById('state').textContent.includes('AllowTraffic')")
        diagram = browser.text("#diagram")
        assert "v1 healthy" in diagram
        assert "v2 unhealthy" in diagram
        assert "■ 90 %" in diagram
        assert "on AWS" in browser.text("#clocks")
        for _ in range(30):
            journal.write(answered(clock.now(), "v2", 500))
        browser.until("document.getElementById('numbers').textContent.includes('✘ 30')")
        assert "500 v2" in browser.text("#errors")
        journal.write(j.WeightsSeen(at=clock.now(), route="production", blue=0, green=100))
        browser.until("document.getElementById('diagram').textContent.includes('▲ 100 %')")
        assert browser.js("return location.hash") == ""  # the token is not on the projector
        assert browser.errors() == []


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (1920, 1080), (390, 844)])
@pytest.mark.parametrize("language", ["en", "ko"])
def test_dashboard_fits_and_is_accessible(
    browser: Browser, serve: Callable[..., Served], tmp_path: Path, width: int, height: int, language: str
):
    with live(tmp_path / "one" / "told"):
        browser.window(width, height, dark=language == "ko").open(f"{serve(tmp_path).url}/?lang={language}")
        browser.until("document.getElementById('numbers').children.length > 4")
        assert browser.js("return document.documentElement.scrollWidth") <= width
        if width > 1000:
            assert browser.js("return document.documentElement.scrollHeight") <= height
            assert browser.js("return parseFloat(getComputedStyle(document.documentElement).fontSize)") >= 15
        assert browser.violations() == []
        assert browser.js("return document.documentElement.lang") == language


def test_dashboard_without_a_run_says_so_and_names_its_parts(
    browser: Browser, serve: Callable[..., Served], tmp_path: Path
):
    browser.window(1280, 720).open(serve(tmp_path, ROOT / "scenarios").with_token)
    browser.until("document.getElementById('notice').textContent.includes('No run yet')")
    diagram = browser.text("#diagram")
    for said in ("Users", "Production", "Test", "blue target group", "green target group", "no tasks"):
        assert said in diagram
    assert browser.js("return document.getElementById('numbers').children.length") == 0
    assert browser.violations() == []
    assert browser.errors() == []


def test_dashboard_on_a_phone_shows_the_whole_picture_in_letters_one_can_read(
    browser: Browser, serve: Callable[..., Served], tmp_path: Path
):
    with live(tmp_path / "one" / "told"):
        browser.window(390, 844).open(serve(tmp_path).url)
        browser.until("document.getElementById('diagram').textContent.includes('v2')")
        drawn = "[...document.querySelectorAll('#diagram rect, #diagram text')].filter((one) => one.matches('rect') || one.textContent)"
        boxes = browser.js(f"return {drawn}.map((one) => one.getBoundingClientRect().toJSON())")
        assert max(box["right"] for box in boxes) <= 390
        assert min(box["height"] for box in boxes) >= 11
        browser.window(1280, 720)  # turned: drawn anew, side by side
        browser.until("document.querySelector('#diagram svg').viewBox.baseVal.width === 900")
        assert "v2" in browser.text("#diagram")


def test_dashboard_offers_only_what_the_deployment_can_do(
    browser: Browser, serve: Callable[..., Served], tmp_path: Path
):
    disabled = "document.querySelector('[data-action={}]').disabled"
    with live(tmp_path / "one" / "told") as journal:
        browser.window(1280, 720).open(serve(tmp_path).with_token)
        browser.until(f"!{disabled.format('stop')}")
        assert browser.js(f"return {disabled.format('continue')}")
        journal.write(story.deployment("Ready", None, at=clock.now(), created=clock.now() - 3, started=clock.now() - 3))
        browser.until(f"!{disabled.format('continue')}")


def test_dashboard_keeps_the_chosen_scenario_when_the_language_changes(
    browser: Browser, serve: Callable[..., Served], tmp_path: Path
):
    browser.window(1280, 720).open(serve(tmp_path, ROOT / "scenarios").with_token)
    browser.until("document.querySelectorAll('#scenarios option').length > 5")
    browser.js("document.getElementById('scenarios').value = '5xx-after-cutover'")
    browser.js("document.getElementById('language').click()")
    browser.until("document.querySelector('#scenarios option').textContent.match(/[가-힣]/)")
    assert browser.js("return document.getElementById('scenarios').value") == "5xx-after-cutover"


def test_dashboard_does_not_call_a_run_broken_off_that_ended(
    browser: Browser, serve: Callable[..., Served], tmp_path: Path
):
    """The list of runs may know of the end a moment before the picture does."""
    with live(tmp_path / "one" / "told") as journal:
        browser.window(1280, 720).open(serve(tmp_path).url)
        browser.until("document.getElementById('numbers').children.length > 4")
        browser.js(
            "window.said = []; const box = document.getElementById('notice');"
            "new MutationObserver(() => said.push(box.textContent)).observe(box, {childList: true, characterData: true, subtree: true})"
        )
        journal.write(j.RunEnded(at=clock.now(), complete=True))
        browser.until("!document.getElementById('verdict').hidden")
        clock.pause(1.2)  # the list of runs is read once a second
        assert [one for one in browser.js("return said") if "broke" in one] == []


def test_dashboard_tells_changes_in_korean(browser: Browser, serve: Callable[..., Served], tmp_path: Path):
    with live(tmp_path / "one" / "told") as journal:
        journal.write(j.WeightsSeen(at=clock.now(), route="production", blue=50, green=50))
        browser.window(1280, 720).open(f"{serve(tmp_path).url}/?lang=ko")
        browser.until("document.getElementById('news').textContent.includes('프로덕션 리스너: 블루 50 %, 그린 50 %')")
        assert "비정상 1" in browser.text("#diagram")


def test_dashboard_without_the_token_only_looks(browser: Browser, serve: Callable[..., Served], tmp_path: Path):
    with live(tmp_path / "one" / "told"):
        browser.window(1280, 720).open(serve(tmp_path).url)
        browser.until("document.getElementById('numbers').children.length > 4")
        assert browser.js("return [...document.querySelectorAll('[data-action], #start')].every((one) => one.disabled)")
        assert "token" in browser.text("#notice")


def test_dashboard_says_what_an_action_met_and_journals_it(
    browser: Browser, serve: Callable[..., Served], tmp_path: Path
):
    """Nothing answers at the endpoint of this run."""
    with live(tmp_path / "one" / "told"):
        browser.window(1280, 720).open(serve(tmp_path).with_token)
        browser.until("!document.querySelector('[data-action=rollback]').disabled")
        browser.js("document.querySelector('[data-action=rollback]').click()")
        said = browser.until(
            "(document.getElementById('notice').textContent.match(/refused.*/) || [''])[0]", within=150
        )  # boto's own retries
        assert "StepFailed" in said
    (taken,) = j.of(j.read(tmp_path / "one" / "told" / "journal.jsonl"), j.ActionTaken)
    assert (taken.action, taken.error) == ("stop", "StepFailed")
    assert "from the dashboard" in taken.detail


def test_dashboard_keeps_hostile_text_as_text(browser: Browser, serve: Callable[..., Served], tmp_path: Path):
    of = story.scenario({"outcome": "succeeded"}, title={"en": EVIL, "ko": EVIL})
    with live(tmp_path / "one" / "told", of) as journal:
        now = clock.now()
        journal.write(j.TaskStopped(at=now, task="x", side="green", stop_code=EVIL, reason=EVIL, exit_code=1))
        journal.write(j.TaskSeen(at=now, task=EVIL, side="green", version=EVIL, status=EVIL, address=EVIL))
        journal.write(j.AlarmSeen(at=now, name=EVIL, state="ALARM", since=now, reason=EVIL))
        journal.write(j.RequestDone(at=now, seq=1, due=now, sent=now, status=None, version=EVIL, error=EVIL))
        browser.window(1280, 720).open(serve(tmp_path).url)
        browser.until("document.getElementById('errors').textContent.includes('onerror')")
        assert "onerror" in browser.text("#title")
        assert browser.js("return document.images.length") == 0
        assert browser.js("return document.querySelectorAll('main script').length") == 0
        browser.until("document.title.includes('rehearse')")
        assert "owned" not in browser.driver.title


def test_dashboard_opens_the_report_of_a_run_in_a_sandbox(
    browser: Browser, serve: Callable[..., Served], tmp_path: Path
):
    story.written(tmp_path / "one" / "told", story.rolled_back(story.scenario({"outcome": "rolled_back"})))
    browser.window(1280, 720).open(serve(tmp_path).with_token)
    browser.until("!document.getElementById('verdict').hidden")
    assert "✔ met" in browser.text("#state")
    assert "rolled_back" in browser.text("#verdict")
    browser.open(browser.js("return document.querySelector('#verdict a').href"))
    browser.until("document.documentElement.classList.contains('scripted')")
    assert browser.js("return self.origin") == "null"
    assert browser.js("try { return sessionStorage.getItem('token') } catch (error) { return error.name }") == (
        "SecurityError"
    )


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_dashboard_starts_a_scenario_rolls_it_back_and_shows_the_verdict(
    browser: Browser, serve: Callable[..., Served], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("REHEARSAL_HOME", str(tmp_path / "home"))
    served = serve(tmp_path / "runs", ROOT / "scenarios", ("--runtime", "process"))
    browser.window(1280, 720).open(served.with_token)
    browser.until("document.querySelector('#scenarios option[value=\"happy-canary\"]')")
    browser.js("document.getElementById('scenarios').value = 'happy-canary'; document.getElementById('start').click()")
    browser.until("document.getElementById('state').textContent.includes('AllowTraffic')", within=90)
    browser.js("document.querySelector('[data-action=rollback]').click()")
    browser.until("document.getElementById('lifecycle-h').textContent.includes('Rollback')", within=30)
    browser.until("document.getElementById('verdict').textContent.includes('unmet')", within=120)
    (path,) = (tmp_path / "runs").glob("*/happy-canary/journal.jsonl")
    events = j.read(path)
    assert [one.action for one in j.of(events, j.ActionTaken)] == ["deploy", "stop"]
    assert any(one.rollback_of for one in j.of(events, j.DeploymentSeen))
    browser.js("document.querySelector('#verdict a').target = '_self'; document.querySelector('#verdict a').click()")
    browser.until("document.querySelector('svg.wide') !== null")
    assert browser.js("return document.documentElement.classList.contains('scripted')")
