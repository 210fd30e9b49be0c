"""Who may look and who may act. The page is on this machine, and so is every other page that the same browser has open.

* A name that was made to point at this machine (DNS rebinding) has another Host: refused.
* Another site's page that sends a request (CSRF) has another Origin: refused; and it does not have the token.
* The token is in the part of the address that is never sent (`#...`); a request carries it in a header that forms cannot set.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

TOKEN_HEADER = "X-Rehearse-Token"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def names(port: int) -> tuple[str, ...]:
    """The only hosts that the page answers to."""
    return tuple(f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]"))


def refusal(request: web.Request, port: int, token: str) -> str:
    """Why a request is not answered, empty where it is."""
    if request.headers.get("Host", "") not in names(port):
        return "this Host is not the dashboard's"
    origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site")
    if origin is not None and origin not in [f"http://{name}" for name in names(port)]:
        return "this Origin is not the dashboard's"
    if site not in (None, "same-origin", "none"):
        return "a request from another site"
    if request.method in ("GET", "HEAD"):
        return ""
    if request.content_type != "application/json":
        return "an action is application/json"
    given = request.headers.get(TOKEN_HEADER, "").encode(errors="surrogateescape")
    return "" if hmac.compare_digest(given, token.encode()) else f"an action needs the token in {TOKEN_HEADER}"


def middleware(port: Callable[[], int], token: str) -> Middleware:
    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        why = refusal(request, port(), token)
        if why:
            return web.json_response({"error": why}, status=403, headers=HEADERS)
        return await handler(request)

    return guarded


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """On every answer, streams included; one that has a policy of its own keeps it."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
