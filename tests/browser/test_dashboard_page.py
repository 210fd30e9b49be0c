"""The dashboard in a browser: it follows a journal that is being written, stays on its feet, and acts."""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness import clock
from harness import journal as j
from tests.browser.chromium import Browser, Served
from tests.unit import story

ROOT = Path(__file__).parent.parent.parent
EVIL = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"


def live(directory: Path, of: Any = None, *, end: bool = False) -> j.Journal:
    """A journal of this very process, so that it counts as going on; its deployment began just now."""
    of = of or story.scenario({"outcome": "succeeded"})
    now = clock.now()
    journal = j.Journal(directory / "journal.jsonl")
    events: list[Any] = [
        story.started(of, at=now - 9, pid=os.getpid()),
        j.PhaseEntered(at=now - 8, phase="provision"),
        j.Provisioned(
            at=now - 7,
            resources={},
            endpoint="http://127.0.0.1:9",
            region="us-east-1",
            listeners={"production": "http://127.0.0.1:18000", "test": "http://127.0.0.1:18001"},
        ),
        j.SteadyState(at=now - 5, reached=True),
        j.PhaseEntered(at=now - 4, phase="deploy"),
        story.deployment("InProgress", None, at=now - 3, created=now - 3, started=now - 3),
        j.WeightsSeen(at=now - 2, route="production", blue=90, green=10),
        j.LifecycleSeen(
            at=now - 2, deployment=story.DEPLOYMENT, name="AllowTraffic", status="InProgress", started=now - 2
        ),
        j.Waited(at=now - 2, why="after 10 %", declared=300, effective=60),
        *(
            j.TargetHealthSeen(at=now - 2, side=side, states={state: 1}, targets={f"{address}:8080": state})
            for side, address, state in (("blue", "10.0.0.5", "healthy"), ("green", "10.0.0.6", "unhealthy"))
        ),
        j.TaskSeen(at=now - 2, task="aaaa1111", side="blue", version="v1", status="RUNNING", address="10.0.0.5"),
        j.TaskSeen(at=now - 2, task="bbbb2222", side="green", version="v2", status="RUNNING", address="10.0.0.6"),
    ]
    for event in events:
        journal.write(event)
    return journal


def answered(at: float, version: str = "v1", status: int = 200) -> j.RequestDone:
    return j.RequestDone(at=at, seq=0, due=at - 0.01, sent=at - 0.009, status=status, version=version)


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
        browser.until(
            "document.getElementById('notice').textContent.includes('StepFailed')", within=150
        )  # boto's own retries
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


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_dashboard_memory_does_not_grow_under_200_requests_a_second(
    browser: Browser, serve: Callable[..., Served], tmp_path: Path
):
    """Ten minutes of traffic in two: what is kept (180 s of bars, 30 changes) is full after a third, and from there nothing may grow."""
    minutes = float(os.environ.get("REHEARSE_SOAK_MINUTES", "2"))
    factor = 10 / minutes
    with live(tmp_path / "one" / "told") as journal:
        browser.window(1280, 720).open(serve(tmp_path).url)
        browser.until("document.getElementById('numbers').children.length > 4")
        stop = threading.Event()
        writer = threading.Thread(target=_traffic, args=(journal, stop, factor), daemon=True)
        writer.start()
        began, sizes = clock.monotonic(), list[tuple[float, float]]()
        try:
            while clock.monotonic() - began < 60 * minutes:
                clock.pause(60 * minutes / 12)
                sizes.append((_heap(browser), psutil.Process().memory_info().rss))
        finally:
            stop.set()
            writer.join()
        third = len(sizes) // 3
        (heap_then, rss_then), (heap_now, rss_now) = sizes[third], sizes[-1]
        print(
            f"heap {heap_then / 1e6:.1f} -> {heap_now / 1e6:.1f} MB, server {rss_then / 1e6:.1f} -> {rss_now / 1e6:.1f} MB"
        )
        assert heap_now < heap_then * 1.15 + 1e6, sizes
        assert rss_now < rss_then * 1.05 + 4e6, sizes
        assert browser.errors() == []
    assert (tmp_path / "one" / "told" / "journal.jsonl").stat().st_size > 10_000_000


def _traffic(journal: j.Journal, stop: threading.Event, factor: float) -> None:
    """200 requests of each second of a time that goes `factor` times as fast; one in a hundred fails."""
    began, sent = clock.now(), 0
    while not stop.wait(0.05):
        due = int((clock.now() - began) * factor * 200)
        for number in range(sent, due):
            at = began + number / 200
            journal.write(answered(at, "v1" if number % 10 else "v2", 500 if number % 100 == 0 else 200))
        sent = due


def _heap(browser: Browser) -> float:
    """Bytes of the page's heap after a collection."""
    browser.driver.execute_cdp_cmd("HeapProfiler.collectGarbage", {})
    return float(browser.js("return performance.memory.usedJSHeapSize"))
