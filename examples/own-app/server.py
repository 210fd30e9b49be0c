"""A small shop with nothing in it but the standard library: the kind of app that a team brings along.

It listens on HOST and PORT, says its version in the JSON of every answer, and finishes what is in flight on SIGTERM.
"""

import json
import os
import signal
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

VERSION = os.environ.get("APP_VERSION", "dev")
GREETING = os.environ.get("GREETING", "welcome")


in_flight = 0
counting = threading.Lock()


@contextmanager
def counted():
    global in_flight
    with counting:
        in_flight += 1
    try:
        yield
    finally:
        with counting:
            in_flight -= 1


class Shop(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 75  # seconds an idle connection is kept: longer than the load balancer's 60

    def do_GET(self) -> None:
        pages = {"/up": {"ok": True}, "/": {"greeting": GREETING}}
        with counted():
            self.answer(200 if self.path in pages else 404, pages.get(self.path, {"error": "no such page"}))

    def do_POST(self) -> None:
        with counted():
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.path == "/orders":
                self.answer(201, {"ordered": json.loads(body)})
            else:
                self.answer(404, {"error": "no such page"})

    def answer(self, status: int, told: dict) -> None:
        body = json.dumps({**told, "build": {"version": VERSION}}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


if __name__ == "__main__":
    server = Server((os.environ.get("HOST", "0.0.0.0"), int(os.environ.get("PORT", "5000"))), Shop)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever()
    deadline = time.monotonic() + 20  # below ECS's stopTimeout of 30 s
    while in_flight and time.monotonic() < deadline:
        time.sleep(0.05)
