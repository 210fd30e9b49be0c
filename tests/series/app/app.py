"""The project of the series: a page with one sentence, and a page for the load balancer's health checks. Python alone is needed."""

import os
import signal
import sys
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from types import FrameType
from wsgiref.simple_server import WSGIServer, make_server

MESSAGE = os.environ.get("APP_MESSAGE", "Hello, World!")


def app(environ: dict[str, str], start_response: Callable[[str, list[tuple[str, str]]], object]) -> Iterable[bytes]:
    pages = {"/": MESSAGE, "/healthz": "ok"}
    text = pages.get(environ["PATH_INFO"], "not found")
    status = "200 OK" if environ["PATH_INFO"] in pages else "404 Not Found"
    body = f"{text}\n".encode()
    start_response(status, [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))])
    return [body]


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


def stop(number: int, frame: FrameType | None) -> None:
    sys.exit(0)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, stop)
    make_server(os.environ.get("HOST", "0.0.0.0"), int(os.environ.get("PORT", "8080")), app, Server).serve_forever()
