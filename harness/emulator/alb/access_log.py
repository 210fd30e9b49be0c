"""Access logs: which target served which request (C.8).

`<name>.jsonl`  always: the last rows of a load balancer, one JSON object a line; `<name>.1.jsonl` has those before
`<name>.log`    where access_logs.s3.enabled is true: ALB's own format, which the emulator puts to S3

The data plane writes both itself; its rows never travel to the emulator.
"""

from __future__ import annotations

import os
import re
import sys
from collections import deque
from collections.abc import Iterable
from functools import lru_cache
from io import FileIO
from json.encoder import encode_basestring_ascii as quoted
from pathlib import Path
from queue import SimpleQueue
from threading import Thread, get_native_id
from typing import TYPE_CHECKING

from harness import clock
from harness.emulator.alb.exchange import TRACES, Ended, Exchange, whole
from harness.emulator.alb.head import Head
from harness.emulator.alb.heads import Common
from harness.emulator.alb.messages import AccessRow
from harness.emulator.alb.reply import Reply
from harness.emulator.alb.targets import Member
from harness.emulator.alb.tls import Secured

if TYPE_CHECKING:
    from harness.emulator.alb.client import Client

KEPT_ROWS = 10_000  # of a load balancer, at least; twice as many at most
MOST_AT_ONCE = 500  # rows written in one step: a longer one would cost the latency of requests that come meanwhile
NICE = 10  # a tenth of a busy core, all of an idle one
LARGEST_LOG = 16 * 1024 * 1024  # bytes of ALB's own format, before it starts anew
LONGEST_AGENT = 8 * 1024
ACTIONS = {"Forward": "forward", "Redirect": "redirect", "FixedResponse": "fixed-response"}
UNPRINTABLE = re.compile(r'["\\]|[^\x20-\x7e]')


class AccessLog:
    """The files of one load balancer; `name` is what they are called. `own_format`: whether ALB's own is written too."""

    def __init__(self, folder: Path, name: str) -> None:
        self.recent, self.log = folder / f"{name}.jsonl", folder / f"{name}.log"
        self.own_format = False
        self._lines = 0
        self._pending: deque[Ended] = deque(maxlen=KEPT_ROWS)
        self._file: FileIO | None = None  # of `recent`, once something was written
        self._before: FileIO | None = None  # of what `recent` was before
        folder.mkdir(parents=True, exist_ok=True)
        for old in (self.recent, self.log):
            old.unlink(missing_ok=True)

    def write(self, ended: list[Ended]) -> None:
        self._pending.extend(ended)
        if self.own_format:
            with self.log.open("ab", buffering=0) as file:
                file.write("".join(line(whole(one).row()) for one in ended).encode())

    def flush(self, most: int = MOST_AT_ONCE) -> bool:
        """Write some of the latest rows; whether there are more. Of those that come faster than this, the oldest are dropped."""
        pending = self._pending
        rows = [pending.popleft() for _ in range(min(most, len(pending)))]
        if rows and self._lines >= KEPT_ROWS:
            self._turn()
        if rows:
            self._lines += len(rows)
            if self._file is None:
                self._file = FileIO(self.recent, "ab")
            self._file.write(json_lines(rows))
        return bool(pending)

    def _turn(self) -> None:
        """`recent` becomes the one before. The file that goes then is still open here, and the system takes it off the disk when it
        is closed: milliseconds of work for so many rows, which a thread does beside the traffic."""
        if self._before is not None:
            CLOSER.close(self._before)
        self._before, self._file, self._lines = self._file, None, 0
        older = self.recent.with_suffix(".1.jsonl")
        older.unlink(missing_ok=True)  # to be replaced by a rename would have ext4 write the new one out at once
        self.recent.rename(older)

    def close(self) -> None:
        for file in (self._file, self._before):
            if file is not None:
                file.close()
        self._file = self._before = None

    def cut(self) -> tuple[Path, int]:
        """(where the rows in ALB's own format are, how many bytes of them); a log that is too large starts anew."""
        size = self.log.stat().st_size if self.log.exists() else 0
        if size <= LARGEST_LOG:
            return self.log, size
        return self.log.replace(self.log.with_suffix(".1.log")), size


class Closer:
    """A thread, started at first use, that closes files and steps back for everything else that wants the processor."""

    def __init__(self) -> None:
        self._files: SimpleQueue[FileIO] = SimpleQueue()
        self._thread = Thread(target=self._work, daemon=True)

    def close(self, file: FileIO) -> None:
        if not self._thread.is_alive():
            self._thread.start()
        self._files.put(file)

    def _work(self) -> None:
        if sys.platform == "linux":  # elsewhere threads have no niceness of their own
            os.setpriority(os.PRIO_PROCESS, get_native_id(), NICE)
        while True:
            self._files.get().close()


CLOSER = Closer()

# In the order of a line: what differs in each, then what its answer, rule, client, target and head say, quoted once for all of theirs.
TIMES = b'{"time": "%b.%%06dZ", "request_time": %b, "target_time": %%.6f, "response_time": %b, "trace_id": "%b", '
LINE = TIMES + b"%%b, %%b, %%b, %%b, %%b}\n"
VARIED_LINE = TIMES + b'%%b, %%b, %%b, %%b, "received_bytes": %%d, "method": "%%b", "url": "%%b", %%b}\n'
ANY_LINE = LINE % (b"%b", b"%.6f", b"%.6f", b"%b")
ANSWERED = b'"sent_bytes": %d, "elb_status": %d, "target_status": %b, "error_reason": "%b"'
NO_TARGET = b'"target": "-", "target_group": ""'
NO_RULE = b'"rule_priority": "-1", "actions": "-"'


def json_lines(ended: Iterable[Ended]) -> bytes:
    """The fields are AccessRow's; times are seconds, -1 where there was none. By hand, from parts that many lines share, and formatted
    all at once: json.dumps takes ten times as long.

    Of what has ended as `Passed` the lines say nothing that `_any_line` would not say, but say it in a third of the time.
    """
    templates: list[bytes] = []
    values: list[object] = []
    for one in ended:
        if not isinstance(one, tuple):
            templates.append(b"%b")
            values.append(_any_line(one))
            continue
        arrived, answered, traced, client, head, member, rule, reply = one
        second = int(arrived)
        line, varied = LINES.get(second) or _lines_of(second)
        values += (
            (arrived - second) * 1_000_000,
            answered - arrived,
            traced,
            reply.logged or _logged_reply(reply),
            rule.logged,
            client.logged or _logged_client(client),
            member.logged or _logged_member(member),
        )
        if (common := head.common) is None:
            templates.append(line)
            values.append(head.logged or _logged_head(head))
        else:  # nothing in it to quote
            templates.append(varied)
            values += (head.size, head.method, head.uri, common.described or _described(common))
    return b"".join(templates) % tuple(values)


LINES: dict[
    int, tuple[bytes, bytes]
] = {}  # templates for the latest seconds: for a head of its own, and for one that is alike to others


def _lines_of(second: int) -> tuple[bytes, bytes]:
    """The templates for requests that arrived in a second."""
    if len(LINES) > 100:
        LINES.clear()
    nothing = b"%.6f" % 0
    known = (_second(second).encode(), nothing, nothing, TRACES % second)
    LINES[second] = LINE % known, VARIED_LINE % known
    return LINES[second]


def _any_line(exchange: Exchange) -> bytes:
    arrived, member, rule, status = exchange.arrived, exchange.member, exchange.rule, exchange.status
    second, head = int(arrived), exchange.head
    request_time, target_time, response_time = exchange.times()
    answered = (
        exchange.sent,
        exchange.elb_status,
        b"%d" % status if status else b"null",
        exchange.error_reason.encode(),
    )
    return ANY_LINE % (
        *(_second(second).encode(), (arrived - second) * 1_000_000, request_time, target_time, response_time),
        quoted(exchange.trace.decode("latin-1"))[1:-1].encode(),
        ANSWERED % answered,
        rule.logged if rule is not None else NO_RULE,
        exchange.client.logged or _logged_client(exchange.client, exchange.secured),
        (member.logged or _logged_member(member)) if member is not None else NO_TARGET,
        _said_of(head, exchange.received) if exchange.received else head.logged or _logged_head(head),
    )


def _logged_reply(reply: Reply) -> bytes:
    """Of an answer that came in one piece."""
    reply.logged = ANSWERED % (reply.size, reply.status, b"%d" % reply.status, b"-")
    return reply.logged


def _logged_client(client: Client, secured: Secured | None = None) -> bytes:
    listener = client.listener
    client.logged = (
        f'"load_balancer": "{listener.load_balancer}", "listener_port": {listener.port}, "client": "{client.peer}", '
        f'"ssl_protocol": "{secured.protocol if secured else "-"}"'
    ).encode()
    return client.logged


def _logged_member(member: Member) -> bytes:
    member.logged = f'"target": "{member.name}", "target_group": "{member.group.arn}"'.encode()
    return member.logged


def _logged_head(head: Head) -> bytes:
    """Of a request without a body."""
    head.logged = _said_of(head, 0)
    return head.logged


def _said_of(head: Head, received: int) -> bytes:
    """`received`: bytes of the body."""
    method, url = _quoted(head.method), _quoted(head.uri)
    return b'"received_bytes": %d, "method": %b, "url": %b, %b' % (received + head.size, method, url, _said(head))


def _described(common: Common) -> bytes:
    common.described = _said(common.head)
    return common.described


def _said(head: Head) -> bytes:
    """What heads have in common that differ in their request line and in what varies."""
    host, agent = _quoted(head.host or b"-"), _quoted(head.user_agent())
    return b'"host": %b, "protocol": "HTTP/1.%d", "user_agent": %b, "classification": "%b"' % (
        *(host, head.v11, agent),
        head.classification.encode(),
    )


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
