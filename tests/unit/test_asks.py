"""What the probe asks, with whose cookies, and where an answer says its version."""

import pytest

from harness.probe.asks import Ask, Asks, keep, mixed, version_in

BROWSE, CART, PAY = Ask("/", weight=2), Ask("/cart", "POST", '{"item": "tea"}'), Ask("/pay", "POST", "")


def lines(text: bytes) -> list[str]:
    return text.decode().split("\r\n")


def test_get_has_neither_body_nor_length():
    text, jar = Asks([Ask("/a?b=1")], "shop:80").of(0)
    assert lines(text) == ["GET /a?b=1 HTTP/1.1", "Host: shop:80", "User-Agent: rehearse-probe", "Accept: */*", "", ""]
    assert jar is None


def test_post_has_its_body_type_and_length_in_bytes():
    text, _ = Asks([Ask("/cart", "POST", '{"item": "차"}')], "shop").of(0)
    assert "Content-Type: application/json" in lines(text)
    assert "Content-Length: 15" in lines(text)
    assert text.endswith('\r\n\r\n{"item": "차"}'.encode())


def test_post_without_a_body_says_so():
    text, _ = Asks([Ask("/pay", "POST")], "shop").of(0)
    assert "Content-Length: 0" in lines(text)


@pytest.mark.parametrize(
    ("weights", "turns"), [([1], [0]), ([3, 1], [0, 0, 1, 0]), ([1, 1], [0, 1]), ([5, 1, 1], [0, 0, 1, 0, 2, 0, 0])]
)
def test_kinds_are_mixed_by_their_weights(weights: list[int], turns: list[int]):
    assert mixed(weights) == turns


def test_without_sessions_kinds_come_by_weight_and_nobody_has_cookies():
    asks = Asks([BROWSE, CART, PAY], "shop")
    paths = [asks.of(seq)[0].split()[1] for seq in range(400)]
    assert (paths.count(b"/"), paths.count(b"/cart"), paths.count(b"/pay")) == (200, 100, 100)


def test_each_session_goes_through_the_kinds_in_order():
    asks = Asks([BROWSE, CART, PAY], "shop", sessions=3)
    of_second = [asks.of(seq)[0].split()[1] for seq in range(1, 24, 3)]
    assert of_second == [b"/", b"/", b"/cart", b"/pay"] * 2


def test_cookies_stay_with_their_session():
    asks = Asks([BROWSE], "shop", sessions=2)
    jar = asks.of(0)[1]
    assert jar == {}
    keep(jar, "cart=tea; Path=/; HttpOnly")
    keep(jar, "theme=dark")
    assert "Cookie: cart=tea; theme=dark" in lines(asks.of(2)[0])
    assert not [line for line in lines(asks.of(3)[0]) if line.startswith("Cookie")]


def test_cookie_that_ends_is_forgotten():
    jar = {"cart": "tea"}
    keep(jar, "cart=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/")
    assert jar == {}


@pytest.mark.parametrize("header", ["", "novalue", "=x", "; Path=/"])
def test_header_that_is_no_cookie_is_ignored(header: str):
    jar: dict[str, str] = {}
    keep(jar, header)
    assert jar == {}


@pytest.mark.parametrize(
    ("body", "version"),
    [
        (b'{"build": {"version": "v2"}}', "v2"),
        (b'{"build": {"version": 7}}', "7"),
        (b'{"build": {"version": true}}', None),
        (b'{"build": {"version": {"a": 1}}}', None),
        (b'{"build": "v2"}', None),
        (b"[]", None),
        (b"<html>", None),
        (b"\xff\xfe", None),
        (b"", None),
    ],
)
def test_version_in_a_json_body(body: bytes, version: str | None):
    assert version_in(body, ("build", "version")) == version
