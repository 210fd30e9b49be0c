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
from json.encoder import encode_basestring_ascii as quoted
from pathlib import Path

from harness import clock
from harness.emulator.alb.client import Client
from harness.emulator.alb.exchange import Exchange
from harness.emulator.alb.head import Head
from harness.emulator.alb.messages import AccessRow
from harness.emulator.alb.targets import Member

KEPT_ROWS = 10_000  # of a load balancer, at least; twice as many at most
MOST_AT_ONCE = 500  # rows written in one step: a longer one would cost the latency of requests that come meanwhile
LARGEST_LOG = 16 * 1024 * 1024  # bytes of ALB's own format, before it starts anew
LONGEST_AGENT = 8 * 1024
ACTIONS = {"Forward": "forward", "Redirect": "redirect", "FixedResponse": "fixed-response"}
UNQUOTED = re.compile(r"[\n !#-\[\]-~]*+")  # what JSON takes as it is
UNPRINTABLE = re.compile(r'["\\]|[^\x20-\x7e]')


class AccessLog:
    """The files of one load balancer; `name` is what they are called. `own_format`: whether ALB's own is written too."""

    def __init__(self, folder: Path, name: str) -> None:
        self.recent, self.log = folder / f"{name}.jsonl", folder / f"{name}.log"
        self.own_format = False
        self._lines = 0
        self._pending: deque[Exchange] = deque(maxlen=KEPT_ROWS)
        folder.mkdir(parents=True, exist_ok=True)
        for old in (self.recent, self.log):
            old.unlink(missing_ok=True)

    def write(self, ended: list[Exchange]) -> None:
        self._pending.extend(ended)
        if self.own_format:
            _append(self.log, (line(one.row()) for one in ended))

    def flush(self, most: int = MOST_AT_ONCE) -> bool:
        """Write some of the latest rows; whether there are more. Of those that come faster than this, the oldest are dropped."""
        pending = self._pending
        rows = [pending.popleft() for _ in range(min(most, len(pending)))]
        if rows and self._lines >= KEPT_ROWS:
            self.recent.replace(self.recent.with_suffix(".1.jsonl"))
            self._lines = 0
        if rows:
            self._lines += len(rows)
            _append(self.recent, map(json_line, rows))
        return bool(pending)

    def cut(self) -> tuple[Path, int]:
        """(where the rows in ALB's own format are, how many bytes of them); a log that is too large starts anew."""
        size = self.log.stat().st_size if self.log.exists() else 0
        if size <= LARGEST_LOG:
            return self.log, size
        return self.log.replace(self.log.with_suffix(".1.log")), size


def _append(path: Path, lines: Iterable[str]) -> None:
    with path.open("ab", buffering=0) as file:
        file.write("".join(lines).encode())


def json_line(exchange: Exchange) -> str:
    """The fields are AccessRow's; times are seconds, -1 where there was none. By hand, from parts that many lines share: json.dumps
    takes five times as long."""
    member, head, client, rule = exchange.member, exchange.head, exchange.client, exchange.rule
    request_time, target_time, response_time = exchange.times()
    return (
        f'{{"time": "{_time(exchange.arrived)}", {client.logged or _logged_client(client)}, '
        f'{(member.logged or _logged_member(member)) if member else NO_TARGET}, "request_time": {request_time:.6f}, '
        f'"target_time": {target_time:.6f}, "response_time": {response_time:.6f}, "elb_status": {exchange.elb_status}, '
        f'"target_status": {exchange.status or "null"}, "received_bytes": {exchange.received + head.size}, '
        f'"sent_bytes": {exchange.sent}, {head.logged or _logged_head(head)}, "trace_id": {_trace(exchange)}, '
        f'"rule_priority": "{rule.priority if rule else "-1"}", "actions": "{rule.action.__class__.__name__ if rule else "-"}", '
        f'"error_reason": "{exchange.error_reason}", "ssl_protocol": "{exchange.secured.protocol if exchange.secured else "-"}"}}\n'
    )


NO_TARGET = '"target": "-", "target_group": ""'


def _logged_client(client: Client) -> str:
    listener = client.listener
    client.logged = (
        f'"load_balancer": "{listener.load_balancer}", "listener_port": {listener.port}, "client": "{client.peer}"'
    )
    return client.logged


def _logged_member(member: Member) -> str:
    member.logged = f'"target": "{member.name}", "target_group": "{member.group.arn}"'
    return member.logged


def _logged_head(head: Head) -> str:
    values = (head.method, head.host or b"-", head.uri, head.user_agent())
    text = b" ".join(values).decode("latin-1")
    if head.status or not (text.isascii() and text.isprintable()) or '"' in text or "\\" in text:
        method, host, url, agent = (quoted(value.decode("latin-1"))[1:-1] for value in values)
    else:  # what was not refused has no spaces but in the last
        method, host, url, agent = text.split(" ", 3)
    head.logged = (
        f'"method": "{method}", "host": "{host}", "url": "{url}", "protocol": "{"HTTP/1.1" if head.v11 else "HTTP/1.0"}", '
        f'"user_agent": "{agent}", "classification": "{head.classification}"'
    )
    return head.logged


def _trace(exchange: Exchange) -> str:
    """Our own needs no quoting, a client's may."""
    trace = exchange.trace.decode("latin-1")
    return quoted(trace) if exchange.head.trace else f'"{trace}"'


def _logged(head: Head) -> str:
    """The part of a line that is the same for all requests with the same head."""
    method, host, url, agent = (
        quoted(value.decode("latin-1")) for value in (head.method, head.host or b"-", head.uri, head.user_agent())
    )
    head.logged = (
        f'"method": {method}, "host": {host}, "url": {url}, "protocol": "{"HTTP/1.1" if head.v11 else "HTTP/1.0"}", '
        f'"user_agent": {agent}, "classification": "{head.classification}"'
    )
    return head.logged


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
    """ISO 8601 to the microsecond. The second is formatted once for all rows that share it."""
    second = int(at)
    return f"{_second(second)}.{int((at - second) * 1_000_000):06d}Z"


@lru_cache(4)
def _second(second: int) -> str:
    return clock.utc(second).isoformat()[:19]
