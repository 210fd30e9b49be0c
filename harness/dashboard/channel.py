"""One journal, read once for all who look on: folded into a picture, sent as it stands now. Nothing is queued, so nothing grows."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from harness import clock, expectations, journal
from harness.dashboard.shown import judged, shown
from harness.errors import HarnessError
from harness.journal import Event, Follower
from harness.picture import Picture

EVERY = 0.25  # seconds between two looks at the journal, and between two pictures


class Channel:
    """`message` is the newest picture as JSON; `count` rises with each."""

    def __init__(self, path: Path) -> None:
        self.path, self.picture = path, Picture()
        self.message, self.count, self.watchers = "{}", 0, 0
        self._follower = Follower(path)
        self._verdict: dict[str, Any] | None = None
        self._task: asyncio.Task[None] | None = None

    def __enter__(self) -> Channel:
        self.watchers += 1
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._read())
        return self

    def __exit__(self, *_: object) -> None:
        self.watchers -= 1
        if not self.watchers and self._task is not None:
            self._task.cancel()
            self._task = None

    async def _read(self) -> None:
        """Until the journal has ended; a long one in pieces, off the loop."""
        wall = clock.Wall()
        while True:
            try:
                events = await asyncio.to_thread(self._follower.new)
            except HarnessError as error:
                return self._publish(str(error))
            for event in events:
                self.picture.add(event)
            if self.picture.ended and not events:
                self._verdict = await asyncio.to_thread(_judge, self.path)
                return self._publish()
            if self.picture.run is not None:
                self._publish()
            await wall.sleep(0 if len(events) > 1000 else EVERY)

    def _publish(self, problem: str = "") -> None:
        told: dict[str, Any] = shown(self.picture, clock.now())
        told |= {"verdict": self._verdict, "problem": problem}
        self.message, self.count = json.dumps(told, ensure_ascii=False), self.count + 1


def _judge(path: Path) -> dict[str, Any]:
    events: list[Event] = journal.read(path)
    return judged(expectations.judge(events))
