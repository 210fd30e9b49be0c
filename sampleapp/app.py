"""The app that rehearsals deploy: it says which version it is, and breaks on request (see README.md for FAULT_*)."""

import json
import math
import os
import random
import time

from flask import Flask, Response, jsonify, request
from flask_sock import Sock
from simple_websocket import Server

VERSION = os.environ.get("APP_VERSION", "dev")
MESSAGE = os.environ.get("APP_MESSAGE", "Hello, World!")
TEST_PORT = os.environ.get("TEST_PORT", "8080")
HEALTH_PATH = os.environ.get("HEALTH_PATH", "/healthz")  # the target group's
STARTED = time.monotonic()
app = Flask(__name__)
sock = Sock(app)


class Fault:
    """What FAULT_* asks for. A fault of answers never touches health checks, unless it is `unhealthy` or aimed at them."""

    def __init__(self, environment: dict[str, str]) -> None:
        def option(name: str, default: str = "") -> str:
            return environment.get(f"FAULT_{name}", default)

        self.kind = option("KIND")
        self.status = int(option("STATUS", "500"))
        self.where = option("WHERE", "health" if self.kind == "unhealthy" else "all")
        self.path = option("PATH").partition("?")[0]
        self.after = float(option("AFTER", "0"))
        self.percent = float(option("PERCENT", "100"))
        self.seconds = float(option("SECONDS", "5"))

    def applies(self) -> bool:
        """To the request at hand."""
        if time.monotonic() - STARTED < self.after or random.random() * 100 >= self.percent:
            return False
        if request.path == HEALTH_PATH:
            return self.where == "health"
        if self.path and request.path != self.path:
            return False
        through_test = request.headers.get("X-Forwarded-Port") == TEST_PORT
        return self.where == "all" or self.where == ("test" if through_test else "production")


FAULT = Fault(dict(os.environ))


@app.before_request
def break_the_request() -> Response | None:
    """Answer wrongly, late, or not at all, where the fault says so."""
    if not FAULT.kind or not FAULT.applies():
        return None
    match FAULT.kind:
        case "http_status":
            return Response(f"fault: {FAULT.status}\n", FAULT.status)
        case "unhealthy":
            return Response("fault: unhealthy\n", 503)
        case "latency":
            time.sleep(FAULT.seconds)
        case "wrong_body":
            return Response("something else entirely\n", 200)
    return None


@app.after_request
def say_the_version(response: Response) -> Response:
    response.headers["X-App-Version"] = VERSION
    return response


@app.get("/")
def index() -> str:
    return f"{MESSAGE}\n"


@app.get("/healthz")
def healthz() -> str:
    return "ok\n"


@app.get("/version")
def version() -> Response:
    return jsonify(version=VERSION, message=MESSAGE)


@app.get("/slow")
def slow() -> str:
    """Answers after `seconds` (at most 60): a request to be in flight while traffic moves."""
    asked = request.args.get("seconds", 1.0, type=float)
    seconds = min(max(asked, 0.0), 60.0) if math.isfinite(asked) else 1.0
    time.sleep(seconds)
    return f"{MESSAGE} after {seconds:g} s\n"


@app.post("/cart")
def cart() -> Response:
    """Put an item into the cart. The cart is the cookie itself: every version of the app can read it, and no server keeps it."""
    items = [*in_cart(), str((request.get_json(silent=True) or {}).get("item", "something"))][-20:]
    answer = jsonify(items=items, version=VERSION)
    answer.set_cookie("cart", json.dumps(items), max_age=3600)
    return answer


@app.post("/checkout")
def checkout() -> tuple[Response, int]:
    """Pay for what is in the cart, and empty it; 409 where it is empty."""
    items = in_cart()
    answer = jsonify(paid=items, version=VERSION)
    answer.delete_cookie("cart")
    return answer, 201 if items else 409


def in_cart() -> list[str]:
    try:
        return [str(item) for item in json.loads(request.cookies.get("cart", "[]"))]
    except (TypeError, ValueError):
        return []


@sock.route("/ws")
def echo(connection: Server) -> None:
    """A connection that stays open for as long as the client, the load balancer and this task let it."""
    while True:
        connection.send(connection.receive())
