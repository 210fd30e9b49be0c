"""A proxy of a company: it writes down what it is asked for, and lets nothing through."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SPELLINGS = tuple(name for kind in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY") for name in (kind, kind.lower()))


@dataclass
class RefusingProxy:
    """`asked` are the targets of its requests: a whole URL, or `host:port` of a CONNECT."""

    url: str
    asked: list[str] = field(default_factory=list)

    @property
    def variables(self) -> dict[str, str]:
        """Every spelling of every variable, and no exception."""
        return {**dict.fromkeys(SPELLINGS, self.url), "NO_PROXY": "", "no_proxy": ""}


@contextmanager
def refusing() -> Iterator[RefusingProxy]:
    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            proxy.asked.append(self.path)
            self.send_response(502)
            self.send_header("Content-Length", "0")
            self.send_header("Connection", "close")
            self.end_headers()
            self.close_connection = True

        do_GET = do_POST = do_PUT = do_HEAD = do_CONNECT = handle_any

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    proxy = RefusingProxy(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
