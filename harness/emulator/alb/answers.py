"""What the load balancer answers by itself: byte for byte as ALB does (C.6)."""

from __future__ import annotations

from email.utils import formatdate
from typing import NamedTuple

TITLES = {
    400: "400 Bad Request",
    405: "405 Not Allowed",
    408: "408 Request Timeout",
    414: "414 Request-URI Too Long",
    463: "463 ",
    500: "500 Internal Server Error",
    501: "501 Not Implemented",
    502: "502 Bad Gateway",
    503: "503 Service Temporarily Unavailable",
    504: "504 Gateway Time-out",
}
# status of a redirect action -> status line, title of the page
REDIRECTS = {
    "HTTP_301": ("301 Moved Permanently", "301 Moved Permanently"),
    "HTTP_302": ("302 Moved Temporarily", "302 Found"),
}


class Manner(NamedTuple):
    """How to answer: closing the connection, without a body, with our name in `Server`, with lines that the listener inserts."""

    close: bool
    head_only: bool
    server: bool = True
    inserted: bytes = b""


def error(status: int, manner: Manner) -> bytes:
    """One of ALB's own error pages."""
    title = TITLES[status]
    page = f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n</body>\r\n</html>\r\n"
    return _answer(title, "text/html", page.encode(), manner)


def fixed(status: int, content_type: str, body: str, manner: Manner) -> bytes:
    """A fixed-response action."""
    return _answer(f"{status} ", content_type or "text/plain", body.encode(), manner)


def redirect(status: str, location: str, manner: Manner) -> bytes:
    """A redirect action; `status` is HTTP_301 or HTTP_302."""
    line, title = REDIRECTS[status]
    page = f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n</body>\r\n</html>\r\n"
    return _answer(line, "text/html", page.encode(), manner, extra=f"Location: {location}\r\n")


def _answer(status: str, content_type: str, body: bytes, manner: Manner, extra: str = "") -> bytes:
    server = "Server: awselb/2.0\r\n" if manner.server else ""
    head = (
        f"HTTP/1.1 {status}\r\n{server}Date: {formatdate(usegmt=True)}\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: {len(body)}\r\nConnection: {'close' if manner.close else 'keep-alive'}\r\n{extra}"
    ).encode("latin-1")
    return head + manner.inserted + (b"\r\n" if manner.head_only else b"\r\n" + body)
