"""Access logs: which target served which request (C.8).

`<name>.jsonl`  always: the last rows of a load balancer, one JSON object a line; `<name>.1.jsonl` has those before
`<name>.log`    where access_logs.s3.enabled is true: ALB's own format, which the emulator puts to S3

The data plane writes both itself; its rows never travel to the emulator.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable
from functools import lru_cache
from io import FileIO
from json.encoder import encode_basestring_ascii as quoted
from pathlib import Path

from harness import clock
from harness.emulator.alb.exchange import TRACES, Exchange
from harness.emulator.alb.head import Head
from harness.emulator.alb.messages import AccessRow
from harness.emulator.alb.targets import Member

KEPT_ROWS = 10_000  # of a load balancer, at least; twice as many at most
MOST_AT_ONCE = 500  # rows written in one step: a longer one would cost the latency of requests that come meanwhile
LARGEST_LOG = 16 * 1024 * 1024  # bytes of ALB's own format, before it starts anew
LONGEST_AGENT = 8 * 1024
ACTIONS = {"Forward": "forward", "Redirect": "redirect", "FixedResponse": "fixed-response"}
UNQUOTED = re.compile(rb"[ !#-\[\]-~]*+")  # what JSON takes as it is
UNPRINTABLE = re.compile(r'["\\]|[^\x20-\x7e]')


class AccessLog:
    """The files of one load balancer; `name` is what they are called. `own_format`: whether ALB's own is written too."""

    def __init__(self, folder: Path, name: str) -> None:
        self.recent, self.log = folder / f"{name}.jsonl", folder / f"{name}.log"
        self.own_format = False
        self._lines = 0
        self._pending: deque[Exchange] = deque(maxlen=KEPT_ROWS)
        self._file: FileIO | None = None  # of `recent`, once something was written
        folder.mkdir(parents=True, exist_ok=True)
        for old in (self.recent, self.log):
            old.unlink(missing_ok=True)

    def write(self, ended: list[Exchange]) -> None:
        self._pending.extend(ended)
        if self.own_format:
            with self.log.open("ab", buffering=0) as file:
                file.write("".join(line(one.row()) for one in ended).encode())

    def flush(self, most: int = MOST_AT_ONCE) -> bool:
        """Write some of the latest rows; whether there are more. Of those that come faster than this, the oldest are dropped."""
        pending = self._pending
        rows = [pending.popleft() for _ in range(min(most, len(pending)))]
        if rows and self._lines >= KEPT_ROWS:
            self.close()
            self.recent.replace(self.recent.with_suffix(".1.jsonl"))
            self._lines = 0
        if rows:
            self._lines += len(rows)
            if self._file is None:
                self._file = FileIO(self.recent, "ab")
            self._file.write(json_lines(rows))
        return bool(pending)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def cut(self) -> tuple[Path, int]:
        """(where the rows in ALB's own format are, how many bytes of them); a log that is too large starts anew."""
        size = self.log.stat().st_size if self.log.exists() else 0
        if size <= LARGEST_LOG:
            return self.log, size
        return self.log.replace(self.log.with_suffix(".1.log")), size


# In the order of a line: what differs in each, then what its statuses, rule, client, target and head say, quoted once for all of theirs.
LINE = (
    b'{"time": "%b.%%06dZ", "request_time": %b, "target_time": %%.6f, "response_time": %b, "received_bytes": %%d, '
    b'"sent_bytes": %%d, "trace_id": "%b", %%b, %%b, %%b, %%b, %%b}\n'
)
ANY_LINE = LINE % (b"%b", b"%.6f", b"%.6f", b"%b")
STATUS = b'"elb_status": %d, "target_status": %b, "error_reason": "%b"'
PASSED = tuple(
    STATUS % (status, b"%d" % status, b"-") for status in range(1000)
)  # what targets answered, for each status
NO_TARGET = b'"target": "-", "target_group": ""'
NO_RULE = b'"rule_priority": "-1", "actions": "-"'


def json_lines(ended: Iterable[Exchange]) -> bytes:
    """The fields are AccessRow's; times are seconds, -1 where there was none. By hand, from parts that many lines share, and formatted
    all at once: json.dumps takes ten times as long.

    Most requests have a simple head, were sent on at once and answered in one piece. Their lines say nothing that `_any_line` would not
    say, but say it in a third of the time.
    """
    templates: list[bytes] = []
    values: list[object] = []
    for exchange in ended:
        head, member, rule, status = exchange.head, exchange.member, exchange.rule, exchange.status
        arrived, first_byte = exchange.arrived, exchange.first_byte
        at_once = exchange.ended == first_byte and exchange.sent_at == arrived and exchange.elb_status == status
        if not (at_once and head.simple and member and rule and status) or exchange.error_reason != "-":
            templates.append(b"%b")
            values.append(_any_line(exchange))
            continue
        second = int(arrived)
        templates.append(LINES.get(second) or _line_of(second))
        values += (
            (arrived - second) * 1_000_000,
            first_byte - arrived,
            exchange.received + head.size,
            exchange.sent,
            exchange.traced,
            PASSED[status],
            rule.logged,
            exchange.client.logged or _logged_client(exchange),
            member.logged or _logged_member(member),
            head.logged or _logged_head(head),
        )
    return b"".join(templates) % tuple(values)


LINES: dict[int, bytes] = {}  # templates for the latest seconds


def _line_of(second: int) -> bytes:
    """The template for requests that arrived in a second."""
    if len(LINES) > 100:
        LINES.clear()
    nothing = b"%.6f" % 0
    LINES[second] = LINE % (_second(second).encode(), nothing, nothing, TRACES % second)
    return LINES[second]


def _any_line(exchange: Exchange) -> bytes:
    arrived, member, rule, status = exchange.arrived, exchange.member, exchange.rule, exchange.status
    second = int(arrived)
    request_time, target_time, response_time = exchange.times()
    return ANY_LINE % (
        *(_second(second).encode(), (arrived - second) * 1_000_000, request_time, target_time, response_time),
        *(exchange.received + exchange.head.size, exchange.sent),
        quoted(exchange.trace.decode("latin-1"))[1:-1].encode(),
        STATUS % (exchange.elb_status, b"%d" % status if status else b"null", exchange.error_reason.encode()),
        rule.logged if rule is not None else NO_RULE,
        exchange.client.logged or _logged_client(exchange),
        (member.logged or _logged_member(member)) if member is not None else NO_TARGET,
        exchange.head.logged or _logged_head(exchange.head),
    )


def _logged_client(exchange: Exchange) -> bytes:
    client = exchange.client
    protocol = exchange.secured.protocol if exchange.secured else "-"
    listener = client.listener
    client.logged = (
        f'"load_balancer": "{listener.load_balancer}", "listener_port": {listener.port}, "client": "{client.peer}", '
        f'"ssl_protocol": "{protocol}"'
    ).encode()
    return client.logged


def _logged_member(member: Member) -> bytes:
    member.logged = f'"target": "{member.name}", "target_group": "{member.group.arn}"'.encode()
    return member.logged


def _logged_head(head: Head) -> bytes:
    if head.common is not None and UNQUOTED.fullmatch(head.uri):  # a method that was not refused is letters
        shared = head.common.described or _described(head.common)
        head.logged = b'"method": "%b", "url": "%b", %b' % (head.method, head.uri, shared)
    else:
        method, url = (_quoted(value) for value in (head.method, head.uri))
        head.logged = b'"method": %b, "url": %b, %b' % (method, url, _described(head))
    return head.logged


def _described(head: Head) -> bytes:
    """What heads have in common that differ in their request line and in what varies."""
    host, agent = _quoted(head.host or b"-"), _quoted(head.user_agent())
    head.described = b'"host": %b, "protocol": "HTTP/1.%d", "user_agent": %b, "classification": "%b"' % (
        *(host, head.v11, agent),
        head.classification.encode(),
    )
    return head.described


def _quoted(value: bytes) -> bytes:
    return quoted(value.decode("latin-1")).encode()


def line(row: AccessRow) -> str:
    """ALB's own format (C.8); without the trace id of the connection, which was added later."""
    ended = row.time + sum(part for part in (row.request_time, row.target_time, row.response_time) if part > 0)
    status = "-" if row.target_status is None else row.target_status
    priority = "0" if row.rule_priority == "default" else row.rule_priority
    return (
        f"{_type(row)} {_time(ended)} {row.load_balancer} {row.client} {row.target} "
        f"{_seconds(row.request_time)} {_seconds(row.target_time)} {_seconds(row.response_time)} "
        f"{row.elb_status} {status} {row.received_bytes} {row.sent_bytes} "
        f'"{_request(row)}" "{_escaped(row.user_agent[:LONGEST_AGENT])}" {row.ssl_cipher} {row.ssl_protocol} '
        f'{row.target_group or "-"} "{_escaped(row.trace_id) or "-"}" "{_escaped(row.domain_name)}" "{row.cert_arn}" '
        f'{priority} {_time(row.time)} "{ACTIONS.get(row.actions, "-")}" "{_escaped(row.redirect_url)}" '
        f'"-" "{row.target}" "{status}" "{row.classification}" "{row.classification_reason}"\n'
    )  # error_reason is "-": it is of Lambda functions and authentication only


def _type(row: AccessRow) -> str:
    secure = row.ssl_protocol != "-"
    return ("wss" if secure else "ws") if row.elb_status == 101 else ("https" if secure else "http")


def _request(row: AccessRow) -> str:
    """METHOD scheme://host:port/path HTTP/x; a request that could not be read has dashes."""
    if row.method == "-":
        return "- - - "
    url, scheme = row.url, "https" if row.ssl_protocol != "-" else "http"
    if url.startswith("/") or "://" not in url.partition("?")[0]:
        host, colon, port = row.host.rpartition(":")
        url = f"{scheme}://{host if colon and port.isdecimal() else row.host}:{row.listener_port}{url}"
    return f"{row.method} {_escaped(url)} {row.protocol}"


def _escaped(text: str) -> str:
    if UNPRINTABLE.search(text) is None:
        return text
    return UNPRINTABLE.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def _seconds(value: float) -> str:
    return "-1" if value < 0 else f"{value:.3f}"


def _time(at: float) -> str:
    """ISO 8601 to the microsecond."""
    second = int(at)
    return f"{_second(second)}.{int((at - second) * 1_000_000):06d}Z"


@lru_cache(4)
def _second(second: int) -> str:
    """Formatted once for all rows that share it."""
    return clock.utc(second).isoformat()[:19]
