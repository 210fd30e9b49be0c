"""How many scenarios run side by side: some always, more while the processors have time left for them."""

from __future__ import annotations

import threading

import psutil

from harness import clock

LOOK_EVERY = 1.0  # seconds: a scenario that has just begun must show in the processors' load before the next may
IDLE_BELOW, BUSY_FROM = 70.0, 90.0  # percent of all processors, everybody's work


class Room:
    """For `always` at once, and up to `at_most` as long as the machine bears it."""

    def __init__(self, always: int, at_most: int) -> None:
        self._free = threading.Semaphore(always)
        self._lock = threading.Lock()
        self._waiting, self._more, self._extra = 0, max(0, at_most - always), 0
        self._load, self._looked = 100.0, clock.monotonic()
        psutil.cpu_percent()  # the next answer is since this one

    def enter(self) -> None:
        """Wait for a place."""
        with self._lock:
            self._waiting += 1
        self._free.acquire()
        with self._lock:
            self._waiting -= 1

    def leave(self) -> None:
        """Give the place to the next, or back to a machine that is too busy for it."""
        with self._lock:
            shrink = self._extra > 0 and self._load >= BUSY_FROM
            self._extra -= shrink
        if not shrink:
            self._free.release()

    def look(self) -> None:
        """At the processors; call it often, from one thread."""
        now = clock.monotonic()
        if now - self._looked < LOOK_EVERY:
            return
        self._looked = now
        self.seen(psutil.cpu_percent())

    def seen(self, load: float) -> None:
        """Room for one more, where `load` percent leave it and somebody waits."""
        with self._lock:
            self._load = load
            grow = load < IDLE_BELOW and self._waiting > 0 and self._extra < self._more
            self._extra += grow
        if grow:
            self._free.release()
