"""A package index at the end of a slow link: a folder of wheels, given on at so many bytes a second."""

from __future__ import annotations

import hashlib
import http.server
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

RATE = 3e6  # bytes a second, of all connections together
DELAY = 0.05  # seconds, before each answer
PIECE = 64 * 1024


class Link:
    """`files` are those that went over it, `sent` are all its bytes, `dropped` the pages that were asked for in vain at first."""

    def __init__(self, folder: Path) -> None:
        self._wheels = {one.name: one for one in folder.iterdir()}
        self._turn, self._free = threading.Lock(), 0.0
        self.files: set[str] = set()
        self.dropped: set[str] = set()
        self.sent = 0

    def page(self, package: str) -> bytes | None:
        links = [
            f'<a href="/files/{name}#sha256={hashlib.sha256(path.read_bytes()).hexdigest()}">{name}</a>'
            for name, path in sorted(self._wheels.items())
            if normal(name.partition("-")[0]) == package
        ]
        return "\n".join(links).encode() if links else None

    def wheel(self, name: str) -> bytes:
        self.files.add(name)
        return self._wheels[name].read_bytes()

    def carry(self, count: int) -> None:
        """Returns when so many bytes are through."""
        with self._turn:
            self.sent += count
            self._free = max(self._free, time.monotonic()) + count / RATE
            free = self._free
        time.sleep(max(0.0, free - time.monotonic()))


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@contextmanager
def slow_index(folder: Path, *, drops: str) -> Iterator[tuple[str, Link]]:
    """Its URL. Whoever first asks for the page of the package `drops` is hung up on."""
    link = Link(folder)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            time.sleep(DELAY)
            *_, kind, name = self.path.strip("/").split("/")
            if name == drops and name not in link.dropped:
                link.dropped.add(name)
                self.close_connection = True
                return
            body = link.wheel(name) if kind == "files" else link.page(name)
            if body is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Type", "application/octet-stream" if kind == "files" else "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            for start in range(0, len(body), PIECE):
                piece = body[start : start + PIECE]
                link.carry(len(piece))
                self.wfile.write(piece)

        def log_message(self, *told: object) -> None:
            """Nobody reads it."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/simple", link
        finally:
            server.shutdown()
            thread.join()
