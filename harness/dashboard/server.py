"""The dashboard's server: a page, a stream per watcher, and two actions."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from aiohttp import web

from harness import clock, journal
from harness.dashboard import guard
from harness.dashboard.actions import Starter, act
from harness.dashboard.channel import EVERY, Channel
from harness.dashboard.runs import Run, Runs
from harness.dashboard.shown import appearance, stylesheet
from harness.errors import HarnessError, TargetUnavailable, UsageError
from harness.report import page
from harness.report.facts import facts_of

PAGE = files("harness.dashboard") / "page"
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".txt": "text/plain"}
LISTED_EVERY = 1.0  # seconds
ALIVE_EVERY = 15.0  # seconds after which a quiet stream says that it is still there
BODY_AT_MOST = 4096
log = logging.getLogger("rehearse.dashboard")
REPORT_POLICY = (
    "sandbox allow-scripts; default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """`options` are passed on to `rehearse run`; `port` 0 takes a free one."""

    runs: Path
    scenarios: Path
    port: int = 8765
    options: tuple[str, ...] = ()


@dataclass
class Dashboard:
    asked: Asked
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    port: int = 0
    _channels: dict[Path, Channel] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.runs = Runs(self.asked.runs)
        self.starter = Starter(self.asked.scenarios, self.asked.runs, self.asked.options)
        self._listed: tuple[float, list[Run]] = (-LISTED_EVERY, [])
        self._closing = False

    def app(self) -> web.Application:
        made = web.Application(
            middlewares=[guard.middleware(lambda: self.port, self.token)], client_max_size=BODY_AT_MOST
        )
        made.on_response_prepare.append(guard.add_headers)
        made.on_shutdown.append(self._close)
        made.router.add_get("/", self._page)
        made.router.add_get("/assets/{name:.+}", self._asset)
        made.router.add_get("/api/look", self._look)
        made.router.add_get("/api/follow", self._follow)
        made.router.add_get("/report/{run:.+}", self._report)
        made.router.add_post("/api/start", self._start)
        made.router.add_post("/api/act", self._act)
        return made

    async def _close(self, app: web.Application) -> None:
        """Every stream ends at its next turn."""
        self._closing = True

    # ---- what is looked at

    async def _page(self, request: web.Request) -> web.Response:
        return _file("index.html")

    async def _asset(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name == "look.css":
            return web.Response(text=stylesheet(), content_type="text/css")
        return _file(name)

    async def _look(self, request: web.Request) -> web.Response:
        known = await asyncio.to_thread(self.starter.known)
        scenarios = [{"id": name, "title": one.title.model_dump(mode="json")} for name, (_, one) in known.items()]
        return web.json_response({**appearance(), "scenarios": scenarios})

    async def _report(self, request: web.Request) -> web.Response:
        """The report, from the journal as it is now, in a sandbox: it is not the dashboard's own origin, and cannot reach its token."""
        run = await self._find(request.match_info["run"])
        if run is None:
            raise web.HTTPNotFound(text="there is no such run")
        try:
            text = await asyncio.to_thread(lambda: page.text(facts_of(journal.read(run.journal))))
        except HarnessError as error:
            raise web.HTTPNotFound(text=str(error)) from error
        return web.Response(text=text, content_type="text/html", headers={"Content-Security-Policy": REPORT_POLICY})

    async def _follow(self, request: web.Request) -> web.StreamResponse:
        """`runs` when their list changes, `picture` of the run asked for (the newest where none is)."""
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        await answer.prepare(request)
        await answer.write(b"retry: 1000\n\n")
        try:
            await self._stream(answer, request.query.get("run", ""))
        except ConnectionError:
            log.debug("a watcher has gone")
        return answer

    async def _stream(self, answer: web.StreamResponse, wanted: str) -> None:
        wall, said, listed = clock.Wall(), clock.monotonic(), ""
        followed: tuple[Run, Channel] | None = None
        count = -1
        try:
            while not self._closing:
                runs = await self._list()
                if (told := self._runs_message(runs)) != listed:
                    listed, said = told, clock.monotonic()
                    await answer.write(_message("runs", told))
                run = next((one for one in runs if one.id == wanted), None) if wanted else self._newest(runs)
                if run is not None and (followed is None or followed[0].journal != run.journal):
                    self._leave(followed)
                    followed, count = (run, self._join(run)), -1
                if followed is not None and followed[1].count != count and followed[1].count:
                    count, said = followed[1].count, clock.monotonic()
                    await answer.write(_message("picture", followed[1].message))
                if clock.monotonic() - said > ALIVE_EVERY:
                    said = clock.monotonic()
                    await answer.write(b": still here\n\n")
                await wall.sleep(EVERY)
        finally:
            self._leave(followed)

    def _newest(self, runs: list[Run]) -> Run | None:
        """The newest, and a live one before any that is over."""
        return next((run for run in runs if run.live), runs[0] if runs else None)

    def _join(self, run: Run) -> Channel:
        return self._channels.setdefault(run.journal, Channel(run.journal)).__enter__()

    def _leave(self, followed: tuple[Run, Channel] | None) -> None:
        if followed is None:
            return
        run, channel = followed
        channel.__exit__()
        if not channel.watchers:
            self._channels.pop(run.journal, None)

    async def _list(self) -> list[Run]:
        """Read at most once a second, however many look on."""
        at, runs = self._listed
        if clock.monotonic() - at >= LISTED_EVERY:
            runs = await asyncio.to_thread(self.runs.all)
            self._listed = (clock.monotonic(), runs)
        return runs

    async def _find(self, wanted: str) -> Run | None:
        return await asyncio.to_thread(self.runs.find, wanted)

    def _runs_message(self, runs: list[Run]) -> str:
        current, starting = self.starter.current, None
        if current is not None and not any(run.journal.parent == current.directory for run in runs):
            starting = {"scenario": current.scenario, "running": current.running, "said": current.last_words}
        told = {"runs": [run.as_dict() for run in runs], "starting": starting}
        return json.dumps(told | {"busy": current is not None and current.running}, ensure_ascii=False)

    # ---- what is done

    async def _start(self, request: web.Request) -> web.Response:
        asked = await _json(request)
        return await _answered(lambda: self._started(str(asked.get("scenario", ""))))

    async def _started(self, scenario: str) -> dict[str, Any]:
        started = await asyncio.to_thread(self.starter.start, scenario)
        return {"run": started.directory.relative_to(self.asked.runs).as_posix()}

    async def _act(self, request: web.Request) -> web.Response:
        asked = await _json(request)
        return await _answered(lambda: self._acted(str(asked.get("run", "")), str(asked.get("action", ""))))

    async def _acted(self, wanted: str, action: str) -> dict[str, Any]:
        run = await self._find(wanted)
        channel = self._channels.get(run.journal) if run else None
        if run is None or channel is None:
            raise UsageError("nobody looks at that run")
        return {"deployment": await asyncio.to_thread(act, run, channel.picture, action)}


async def _json(request: web.Request) -> dict[str, Any]:
    try:
        told = await request.json()
    except ValueError:
        told = None
    if not isinstance(told, dict):
        raise web.HTTPBadRequest(text="a JSON object is expected")
    return told


async def _answered(do: Callable[[], Awaitable[dict[str, Any]]]) -> web.Response:
    try:
        return web.json_response(await do())
    except HarnessError as error:
        return web.json_response({"error": str(error)}, status=409)


def _file(name: str) -> web.Response:
    """Of the page's own folder, by a name without any way out of it."""
    found = PAGE.joinpath(*name.split("/"))
    if ".." in name.split("/") or not found.is_file():
        raise web.HTTPNotFound(text="there is no such file")
    return web.Response(
        text=found.read_text(encoding="utf-8"), content_type=TYPES.get(Path(name).suffix, "application/octet-stream")
    )


def _message(kind: str, data: str) -> bytes:
    return f"event: {kind}\ndata: {data}\n\n".encode(errors="replace")


# ---- running it


async def started(dashboard: Dashboard) -> web.AppRunner:
    """Listening on the loopback interface; `dashboard.port` says where. Raises TargetUnavailable where the port is taken."""
    runner = web.AppRunner(dashboard.app(), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", dashboard.asked.port)
    try:
        await site.start()
    except OSError as error:
        await runner.cleanup()
        raise TargetUnavailable(
            f"port {dashboard.asked.port} of this machine: {error.strerror}; choose --port"
        ) from error
    dashboard.port = runner.addresses[0][1]
    return runner


async def _serve(asked: Asked) -> None:
    dashboard, stop = Dashboard(asked), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    runner = await started(dashboard)
    print(f"the dashboard is at http://127.0.0.1:{dashboard.port}/#{dashboard.token}", flush=True)
    print("it follows the runs in", asked.runs, "- Ctrl-C ends it", file=sys.stderr, flush=True)
    try:
        await stop.wait()
    finally:
        await runner.cleanup()
        await asyncio.to_thread(dashboard.starter.close)


def serve(asked: Asked) -> None:
    """Until Ctrl-C; a run that it started is asked to clean up first."""
    asyncio.run(_serve(asked))
