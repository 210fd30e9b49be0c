"""What the load balancer answers by itself: byte for byte as ALB does (C.6)."""

from __future__ import annotations

from email.utils import formatdate

TITLES = {
    400: "400 Bad Request",
    405: "405 Not Allowed",
    408: "408 Request Timeout",
    414: "414 Request-URI Too Long",
    463: "463 ",
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


def error(status: int, *, close: bool, head_only: bool) -> bytes:
    """One of ALB's own error pages."""
    title = TITLES[status]
    page = f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n</body>\r\n</html>\r\n"
    return _answer(title, "text/html", page.encode(), close=close, head_only=head_only)


def fixed(status: int, content_type: str, body: str, *, close: bool, head_only: bool) -> bytes:
    """A fixed-response action."""
    return _answer(f"{status} ", content_type or "text/plain", body.encode(), close=close, head_only=head_only)


def redirect(status: str, location: str, *, close: bool, head_only: bool) -> bytes:
    """A redirect action; `status` is HTTP_301 or HTTP_302."""
    line, title = REDIRECTS[status]
    page = f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n</body>\r\n</html>\r\n"
    return _answer(
        line, "text/html", page.encode(), close=close, head_only=head_only, extra=f"Location: {location}\r\n"
    )


def _answer(status: str, content_type: str, body: bytes, *, close: bool, head_only: bool, extra: str = "") -> bytes:
    head = (
        f"HTTP/1.1 {status}\r\nServer: awselb/2.0\r\nDate: {formatdate(usegmt=True)}\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: {len(body)}\r\nConnection: {'close' if close else 'keep-alive'}\r\n{extra}\r\n"
    ).encode("latin-1")
    return head if head_only else head + body
