"""Access logs that the data plane writes: JSON lines of the latest requests, and ALB's own format (C.8)."""

import json
import re
from copy import copy
from pathlib import Path

import pytest

from harness import clock
from harness.emulator.alb import access_log
from harness.emulator.alb.access_log import AccessLog, _any_line, json_lines
from harness.emulator.alb.exchange import Exchange, whole
from harness.emulator.alb.heads import Heads
from harness.emulator.alb.messages import AccessRow
from harness.emulator.alb.options import Options
from harness.emulator.alb.reply import parse
from tests.alb.conftest import Balancer, balancer, ended, forward, story
from tests.alb.features import ask, certificate, group, listen, secure, tls, trusting

# As the Athena documentation reads ALB's format, one group a field.
LINE = re.compile(
    r"(\S+) (\S+) (\S+) (\S+):(\d+) (\S+) ([-.0-9]+) ([-.0-9]+) ([-.0-9]+) (\d{3}) (-|\d{3}) (\d+) (\d+) "
    r'"(\S+) (\S+) (- |\S*)" "([^"]*)" (\S+) (\S+) (\S+) "([^"]*)" "([^"]*)" "([^"]*)" (-?\d+|-) (\S+) "([^"]*)" "([^"]*)" '
    r'"([^"]*)" "([^"]*)" "([^"]*)" "([^"]*)" "([^"]*)"'
)
ROW = AccessRow(
    *(0.0, "app/test/1", 80, "127.0.0.1:1", "-", "", -1.0, -1.0, -1.0, 200, None, 1, 1),
    *("GET", "/", "HTTP/1.1", "-", "-", "1", "FixedResponse", "-"),
)
LOGGED = {"access_logs.s3.enabled": "true"}


def lines(folder: Path, name: str = "test.log") -> list[str]:
    path = folder / name
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def fields(line: str) -> tuple[str, ...]:
    found = LINE.fullmatch(line)
    assert found, line
    return found.groups()


async def logged(lb: Balancer, folder: Path, number: int) -> list[str]:
    await lb.until(lambda: len(lines(folder)) >= number)
    return lines(folder)


def test_request_is_logged_with_its_target_in_both_formats(tmp_path):
    @story
    async def run() -> None:
        async with balancer(tmp_path) as lb:
            (blue,) = await group(lb, "arn:aws:tg", "blue")
            lb.attributes = LOGGED
            await listen(lb, forward({"arn:aws:tg": 1}), port=80)
            await lb.get("/a?b=c", 'User-Agent: a"gent\r\n')
            (line,) = await logged(lb, tmp_path, 1)
            found = fields(line)
            target = f"10.0.0.1:{blue.port}"
            assert found[0] == "http"
            assert found[2:4] == ("app/test/1", "127.0.0.1")
            assert found[5] == target
            assert all(float(value) >= 0 for value in found[6:9])
            assert found[9:11] == ("200", "200")
            assert int(found[11]) > 50 < int(found[12])
            assert found[13:17] == ("GET", "http://example.com:80/a?b=c", "HTTP/1.1", r"a\x22gent")
            assert found[17:20] == ("-", "-", "arn:aws:tg")
            assert re.fullmatch(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24}", found[20])
            assert found[21:24] == ("-", "-", "0")
            assert found[25:] == ("forward", "-", "-", target, "200", "-", "-")
            assert clock.utc().isoformat()[:10] == found[1][:10] == found[24][:10]
            (row,) = [json.loads(one) for one in lines(tmp_path, "test.jsonl")]
            assert (row["target"], row["elb_status"], row["url"]) == (target, 200, "/a?b=c")
            assert row["user_agent"] == 'a"gent'

    run()


def test_what_never_reached_a_target_has_dashes_and_minus_one(tmp_path):
    @story
    async def run() -> None:
        async with balancer(tmp_path) as lb:
            await group(lb, "blue")
            lb.attributes = LOGGED
            await listen(lb, forward({"blue": 1}), port=80)
            await lb.get()
            await lb.raw(b"nonsense\r\n\r\n")
            empty, malformed = map(fields, await logged(lb, tmp_path, 2))
            assert empty[5:11] == ("-", "-1", "-1", "-1", "503", "-")
            assert malformed[9] == "400"
            assert malformed[13:16] == ("-", "-", "- ")
            assert malformed[23:26][0] == "-1"
            assert malformed[25] == "-"

    run()


def test_redirect_and_tls_are_told(tmp_path):
    @story
    async def run() -> None:
        async with balancer(tmp_path) as lb:
            own = certificate("example.com")
            lb.attributes = LOGGED
            config = {"StatusCode": "HTTP_302", "Host": "other.test", "Path": "/#{path}", "Port": "443"}
            await listen(lb, {"Type": "redirect", "RedirectConfig": config}, settings=tls(own))
            connection = await secure(lb.port, trusting(own), "example.com")
            connection[1].write(b"GET /x HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n")
            await connection[0].read()
            connection[1].close()
            found = fields((await logged(lb, tmp_path, 1))[0])
            assert found[0] == "https"
            assert found[14] == "https://example.com:443/x"
            assert (found[17], found[18]) == ("TLS_AES_256_GCM_SHA384", "TLSv1.3")
            assert found[21:23] == ("example.com", own.arn)
            assert found[25:27] == ("redirect", "https://other.test:443/x")

    run()


def test_own_format_is_written_only_where_it_is_asked_for(tmp_path):
    @story
    async def run() -> None:
        async with balancer(tmp_path) as lb:
            await group(lb, "blue", "blue")
            await listen(lb, forward({"blue": 1}), port=80)
            await lb.get()
            await lb.until(lambda: lines(tmp_path, "test.jsonl"))
            assert lines(tmp_path) == []
            lb.attributes = LOGGED
            await listen(lb, forward({"blue": 1}), port=80)
            await lb.get()
            path, size = await lb.plane.cut_log("app/test/1")
            assert path == tmp_path / "test.log"
            assert size == len(path.read_bytes()) > 0
            assert len(lines(tmp_path)) == 1

    run()


def numbered(first: int, last: int) -> list[Exchange]:
    """Requests that have ended, with their number as the path."""
    many, one = [], ended(ROW)
    for number in range(first, last):
        many.append(copy(one))
        many[-1].head = copy(one.head)
        many[-1].head.uri = b"/%d" % number
    return many


def test_the_last_ten_thousand_rows_are_kept_and_no_more_than_twice_as_many(tmp_path):
    log = AccessLog(tmp_path, "test")
    for number in range(0, 35_000, 500):
        log.write([*numbered(number, number + 500)])
        while log.flush():
            pass
    log.close()
    kept = [*lines(tmp_path, "test.1.jsonl"), *lines(tmp_path, "test.jsonl")]
    assert access_log.KEPT_ROWS <= len(kept) <= 2 * access_log.KEPT_ROWS
    assert [json.loads(one)["url"] for one in kept[-10_000:]] == [f"/{n}" for n in range(25_000, 35_000)]


def test_rows_that_come_too_fast_are_dropped_from_the_oldest(tmp_path):
    log = AccessLog(tmp_path, "test")
    log.write([*numbered(0, 25_000)])
    while log.flush():
        pass
    log.close()
    kept = lines(tmp_path, "test.jsonl")
    assert [json.loads(one)["url"] for one in kept] == [f"/{number}" for number in range(15_000, 25_000)]


@pytest.mark.parametrize("common", [False, True])
@pytest.mark.parametrize("uri", [b"/a?b=c", b'/a?b="c', b"/a\\b", b"/50%?a=%b"])
def test_line_that_is_written_the_quick_way_says_what_the_other_would(uri: bytes, common: bool):
    heads = Heads(Options(), 80, "http")
    for number in range(3):
        raw = b'GET %b HTTP/1.1\r\nHost: x\r\nUser-Agent: a"b\xe4\r\nCookie: %d\r\n\r\n' % (uri, number)
        head = heads.quick(raw) if common or number < 2 else Heads(Options(), 80, "http").quick(raw)
    assert head is not None
    assert (head.common is not None) == (common and not {*b'"\\'} & {*uri})
    exchange = ended(ROW._replace(time=1000.5, target_group="tg", target_status=203))
    assert exchange.member is not None is not exchange.rule
    reply = parse(b"HTTP/1.1 203 \r\nContent-Length: 200\r\n\r\n")
    passed = (1000.5, 1000.75, 10**11 + 7, exchange.client, head, exchange.member, exchange.rule, reply)
    quick, thorough = (json.loads(one) for one in (json_lines([passed]), _any_line(whole(passed))))
    assert quick == thorough
    assert (quick["target_time"], quick["url"], quick["user_agent"]) == (0.25, uri.decode(), 'a"b\xe4')
    assert (quick["sent_bytes"], quick["received_bytes"], quick["elb_status"]) == (reply.size, len(raw), 203)
    assert quick["trace_id"] == whole(passed).trace.decode()
    row = whole(passed).row()
    assert {name: quick[name] for name in quick if name != "time"} == {
        name: value for name, value in row._asdict().items() if name in quick and name != "time"
    }


def test_log_that_grew_large_starts_anew_when_it_is_cut(tmp_path, monkeypatch):
    monkeypatch.setattr(access_log, "LARGEST_LOG", 10)
    log = AccessLog(tmp_path, "test")
    log.log.write_text("more than ten bytes\n", encoding="utf-8")
    assert log.cut() == (tmp_path / "test.1.log", 20)
    assert log.cut() == (tmp_path / "test.log", 0)


@story
async def test_kept_connection_logs_each_request_once_over_tls():
    own = certificate("example.com")
    async with balancer() as lb:
        await group(lb, "blue", "blue")
        await listen(lb, forward({"blue": 1}), settings=tls(own))
        connection = await secure(lb.port, trusting(own), "example.com")
        for number in range(3):
            await ask(connection, f"/{number}")
        connection[1].close()
        await lb.until(lambda: len(lb.rows) == 3)
        assert [row.url for row in lb.rows] == ["/0", "/1", "/2"]
        assert {row.ssl_protocol for row in lb.rows} == {"TLSv1.3"}
