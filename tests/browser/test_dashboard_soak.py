"""The dashboard for as long as a long deployment, under many requests: neither its server nor its page may grow."""

import os
import statistics
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from harness import clock
from harness import journal as j
from tests.browser.chromium import Browser
from tests.browser.live import answered, live

ROOT = Path(__file__).parent.parent.parent
MINUTES = float(os.environ.get("REHEARSE_SOAK_MINUTES", "10"))
RATE = 200  # requests per second
SAMPLES = 10  # per minute
FULL_AFTER = 0.4  # of the soak: what is kept (180 s of bars, 30 changes) is full, and from there nothing may grow
HEAP_MAY_VARY, SERVER_MAY_VARY = 400_000, 2_000_000  # bytes; a leaked picture of 8 kB would come to 11 MB
CPU_AT_MOST = 0.25  # of one core, for the server
BEHIND_AT_MOST = 3.0  # seconds of requests that the page has yet to show


@dataclass(frozen=True)
class Sample:
    """Bytes of the page's heap after a collection, its nodes, and resident bytes of the server."""

    heap: int
    nodes: int
    server: int


@contextmanager
def dashboard_process(runs: Path) -> Iterator[tuple[psutil.Process, str]]:
    """`rehearse dashboard` as people start it, so that its memory is its own; the address that it prints."""
    command = [sys.executable, "-m", "harness.cli", "dashboard", "--port", "0", "--runs", str(runs)]
    started = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, encoding="utf-8"
    )
    assert started.stdout is not None
    try:
        yield psutil.Process(started.pid), started.stdout.readline().split()[-1]
    finally:
        started.terminate()
        started.wait(30)
        started.stdout.close()


class Traffic:
    """Writes RATE requests a second into a journal, one in a hundred failed, and now and then what else a run tells."""

    def __init__(self, journal: j.Journal) -> None:
        self.journal, self.sent = journal, 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._write, daemon=True)

    def __enter__(self) -> "Traffic":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _write(self) -> None:
        began = clock.now()
        while not self._stop.wait(0.1):
            for number in range(self.sent, int((clock.now() - began) * RATE)):
                self._one(number, began + number / RATE)
                self.sent = number + 1

    def _one(self, number: int, at: float) -> None:
        self.journal.write(answered(at, "v1" if number % 10 else "v2", 500 if number % 100 == 0 else 200))
        if number % RATE == 0:
            green = number // RATE % 100
            self.journal.write(j.WeightsSeen(at=at, route="production", blue=100 - green, green=green))
            self.journal.write(j.TaskSeen(at=at, task="bbbb2222", side="green", version="v2", status=f"{number}"))


def sample(browser: Browser, server: psutil.Process) -> Sample:
    browser.driver.execute_cdp_cmd("HeapProfiler.collectGarbage", {})
    heap = browser.driver.execute_cdp_cmd("Runtime.getHeapUsage", {})["usedSize"]
    nodes = browser.driver.execute_cdp_cmd("Memory.getDOMCounters", {})["nodes"]
    return Sample(int(heap), int(nodes), server.memory_info().rss)


def shown_requests(browser: Browser) -> int:
    return int(browser.js("return document.querySelector('#numbers dd').textContent.replace(/\\D/g, '')"))


def growth(samples: list[Sample], name: str) -> float:
    """Median of the last quarter less that of the first, of what came after everything kept was full."""
    seen = [getattr(one, name) for one in samples[int(len(samples) * FULL_AFTER) :]]
    quarter = max(1, len(seen) // 4)
    return statistics.median(seen[-quarter:]) - statistics.median(seen[:quarter])


@pytest.mark.slow
@pytest.mark.timeout(MINUTES * 60 + 180)
def test_dashboard_does_not_grow_in_ten_minutes_of_200_requests_a_second(browser: Browser, tmp_path: Path):
    """In real time, with a server process of its own; motion is reduced, which saves a core of drawing, not a byte."""
    with live(tmp_path / "one" / "told") as journal, dashboard_process(tmp_path) as (server, url):
        browser.window(1280, 720, still=True).open(url)
        browser.until("document.getElementById('numbers').children.length > 4")
        samples, behind, spent = list[Sample](), list[int](), sum(server.cpu_times()[:2])
        with Traffic(journal) as traffic:
            began = clock.monotonic()
            for number in range(1, int(MINUTES * SAMPLES) + 1):
                clock.pause(max(0.0, began + number * 60 / SAMPLES - clock.monotonic()))
                sent = traffic.sent
                behind.append(sent - shown_requests(browser))
                samples.append(sample(browser, server))
        lasted, cpu = clock.monotonic() - began, sum(server.cpu_times()[:2]) - spent
        browser.until(f"document.querySelector('#numbers dd').textContent.replace(/\\D/g, '') === '{traffic.sent}'")
        told(samples, traffic.sent, lasted, cpu)
        assert traffic.sent >= lasted * RATE * 0.99
        assert growth(samples, "heap") < HEAP_MAY_VARY, samples
        assert growth(samples, "nodes") < 50, samples
        assert growth(samples, "server") < SERVER_MAY_VARY, samples
        assert cpu / lasted < CPU_AT_MOST
        assert statistics.median(behind) < BEHIND_AT_MOST * RATE, behind
        assert browser.errors() == []


def told(samples: list[Sample], sent: int, lasted: float, cpu: float) -> None:
    full = samples[int(len(samples) * FULL_AFTER)]
    last = samples[-1]
    print(
        f"\n{sent} requests in {lasted:.0f} s; server {cpu / lasted:.1%} of a core; once full -> at the end: "
        f"heap {full.heap / 1e6:.2f} -> {last.heap / 1e6:.2f} MB, nodes {full.nodes} -> {last.nodes}, "
        f"server {full.server / 1e6:.1f} -> {last.server / 1e6:.1f} MB"
    )
