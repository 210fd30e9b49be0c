"""The dashboard's server without a browser: who is answered, what is listed, what is streamed."""

import asyncio
import http.client
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from harness import clock
from harness import journal as j
from harness.dashboard import Asked
from harness.dashboard.runs import Runs
from harness.dashboard.server import Dashboard, started
from tests.unit import story

OF = story.scenario({"outcome": "succeeded"})
TOKEN = "X-Rehearse-Token"


class Page:
    """A dashboard that listens, and one request to it with every header as given."""

    def __init__(self, dashboard: Dashboard) -> None:
        self.dashboard = dashboard

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, str, dict[str, str]]:
        return await asyncio.to_thread(
            self._ask, method, path, body, {k.replace("_", "-"): v for k, v in headers.items()}
        )

    def _ask(self, method: str, path: str, body: Any, headers: dict[str, str]) -> tuple[int, str, dict[str, str]]:
        connection = http.client.HTTPConnection("127.0.0.1", self.dashboard.port, timeout=10)
        connection.putrequest(method, path, skip_host=True)
        sent = {"Host": f"127.0.0.1:{self.dashboard.port}", **headers}
        data = b"" if body is None else json.dumps(body).encode()
        if body is not None:
            sent = {"Content-Type": "application/json", "Content-Length": str(len(data)), **sent}
        for name, value in sent.items():
            connection.putheader(name, value)
        connection.endheaders(data)
        answer = connection.getresponse()
        found = answer.status, answer.read().decode(), dict(answer.getheaders())
        connection.close()
        return found

    @property
    def token(self) -> dict[str, str]:
        return {TOKEN: self.dashboard.token}


def with_page(work: Any, runs: Path) -> None:
    async def run() -> None:
        dashboard = Dashboard(Asked(runs=runs, scenarios=runs, port=0))
        runner = await started(dashboard)
        try:
            await work(Page(dashboard))
        finally:
            await runner.cleanup()

    asyncio.run(run())


def test_dashboard_answers_only_to_its_own_name(tmp_path: Path):
    """DNS rebinding: the attacker's name leads here, but the browser sends that name."""

    async def work(page: Page) -> None:
        port = page.dashboard.port
        for host in ("evil.example", f"evil.example:{port}", "127.0.0.1", f"127.0.0.1:{port}.evil.example", ""):
            for path in ("/", "/api/look", "/api/follow", "/assets/main.js"):
                status, said, _ = await page.ask("GET", path, Host=host)
                assert status == 403, (host, path)
                assert page.dashboard.token not in said
        for host in (f"127.0.0.1:{port}", f"localhost:{port}"):
            assert (await page.ask("GET", "/", Host=host))[0] == 200

    with_page(work, tmp_path)


@pytest.mark.parametrize("path", ["/api/start", "/api/act"])
def test_dashboard_does_nothing_for_another_site_or_without_the_token(tmp_path: Path, path: str):
    async def work(page: Page) -> None:
        body, own = {"scenario": "x", "run": "y", "action": "stop"}, f"http://127.0.0.1:{page.dashboard.port}"
        token = page.token
        refused: list[dict[str, str]] = [
            {},
            {TOKEN: ""},
            {TOKEN: page.dashboard.token[:-1]},
            {TOKEN: "é"},
            {**token, "Origin": "http://evil.example"},
            {**token, "Origin": "null"},
            {**token, "Origin": own.replace("http", "https")},
            {**token, "Origin": f"http://127.0.0.1:{page.dashboard.port + 1}"},
            {**token, "Sec-Fetch-Site": "cross-site"},
            {**token, "Sec-Fetch-Site": "same-site"},
            {**token, "Content-Type": "text/plain"},
            {**token, "Content-Type": "application/x-www-form-urlencoded"},
        ]
        for headers in refused:
            status, said, _ = await asyncio.to_thread(page._ask, "POST", path, body, headers)
            assert status == 403, (headers, said)
        allowed = {**token, "Origin": own, "Sec-Fetch-Site": "same-origin"}
        status, said, _ = await asyncio.to_thread(page._ask, "POST", path, body, allowed)
        assert status == 409, said  # there is neither such a scenario nor such a run

    with_page(work, tmp_path)


def test_dashboard_gives_no_other_site_leave_to_read_or_frame_it(tmp_path: Path):
    async def work(page: Page) -> None:
        status, said, headers = await page.ask("GET", "/")
        assert status == 200
        assert page.dashboard.token not in said
        assert "Access-Control-Allow-Origin" not in headers
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert "unsafe-inline" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert (await page.ask("OPTIONS", "/api/act", Origin="http://evil.example"))[0] == 403

    with_page(work, tmp_path)


def test_dashboard_serves_nothing_beside_its_own_files_and_reports(tmp_path: Path):
    (tmp_path / "report.html").write_text("secret", encoding="utf-8")

    async def work(page: Page) -> None:
        paths = (
            "/assets/../server.py",
            "/assets/%2e%2e/server.py",
            "/assets//etc/passwd",
            "/assets/..%2fserver.py",
            "/report/..",
            "/report/%2e%2e/x",
        )
        for path in paths:
            status, said, _ = await page.ask("GET", path)
            assert status == 404, path
            assert "secret" not in said

    with_page(work, tmp_path)


def test_dashboard_listens_on_the_loopback_interface_only(tmp_path: Path):
    async def work(page: Page) -> None:
        import psutil

        addresses = {
            one.laddr.ip
            for one in psutil.Process().net_connections(kind="tcp")
            if one.status == psutil.CONN_LISTEN and one.laddr.port == page.dashboard.port
        }
        assert addresses == {"127.0.0.1"}

    with_page(work, tmp_path)


async def events(page: Page, run: str = "") -> AsyncIterator[tuple[str, Any]]:
    async with aiohttp.ClientSession() as session:
        async with session.get(f"http://127.0.0.1:{page.dashboard.port}/api/follow", params={"run": run}) as answer:
            kind = ""
            async for raw in answer.content:
                line = raw.decode().strip()
                if line.startswith("event: "):
                    kind = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    yield kind, json.loads(line.removeprefix("data: "))


def test_stream_tells_the_runs_then_the_picture_and_at_the_end_the_verdict(tmp_path: Path):
    story.written(tmp_path / "one" / "told", story.happy(OF))

    async def work(page: Page) -> None:
        async with asyncio.timeout(20):
            kinds = []
            async for kind, told in events(page):
                kinds.append(kind)
                if kind == "picture" and told["verdict"]:
                    assert told["verdict"]["verdict"] == "met"
                    assert told["users"]["requests"] == 1000
                    break
        assert kinds[0] == "runs"

    with_page(work, tmp_path)


def test_two_watchers_share_one_reader_and_none_is_left_when_they_go(tmp_path: Path):
    story.written(tmp_path / "one" / "told", story.happy(OF))

    async def work(page: Page) -> None:
        async with asyncio.timeout(30):
            first, second = events(page), events(page, "one/told")
            for stream in (first, second):
                async for kind, _ in stream:
                    if kind == "picture":
                        break
            assert len(page.dashboard._channels) == 1
            for stream in (first, second):
                await stream.aclose()  # type: ignore[attr-defined]
            while page.dashboard._channels:  # noqa: ASYNC110 - the server says nothing when a watcher has gone
                await asyncio.sleep(0.05)

    with_page(work, tmp_path)


def test_a_run_is_live_while_its_process_is(tmp_path: Path):
    dead = story.started(OF, at=clock.now(), pid=2**22 - 1)
    mine = story.started(OF, at=clock.now(), pid=os.getpid())
    older = story.started(OF, at=1000.0, pid=os.getpid())  # this process began later: another one had its number
    for name, first in (("dead", dead), ("mine", mine), ("older", older), ("unknown", story.started(OF))):
        story.written(tmp_path / name, [first])
    story.written(tmp_path / "ended", [mine, j.RunEnded(at=clock.now(), complete=True)])
    assert {run.id: (run.ended, run.live) for run in Runs(tmp_path).all()} == {
        "dead": (False, False),
        "mine": (False, True),
        "older": (False, False),
        "unknown": (False, False),
        "ended": (True, False),
    }


def test_a_journal_that_cannot_be_read_is_not_among_the_runs(tmp_path: Path):
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "journal.jsonl").write_text("not json\n", encoding="utf-8")
    story.written(tmp_path / "good", story.happy(OF))
    assert [run.id for run in Runs(tmp_path).all()] == ["good"]
