"""Access logs: which target served which request (C.8).

`<name>.jsonl`  always: the last rows of a load balancer, one JSON object a line; `<name>.1.jsonl` has those before
`<name>.log`    where access_logs.s3.enabled is true: ALB's own format, which the emulator puts to S3

The data plane writes both itself; its rows never travel to the emulator.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from json.encoder import encode_basestring_ascii as quoted
from pathlib import Path

from harness import clock
from harness.emulator.alb.messages import AccessRow

KEPT_ROWS = 10_000  # of a load balancer, at least; twice as many at most
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
        folder.mkdir(parents=True, exist_ok=True)
        for old in (self.recent, self.log):
            old.unlink(missing_ok=True)

    def write(self, rows: list[AccessRow]) -> None:
        if self._lines >= KEPT_ROWS:
            self.recent.replace(self.recent.with_suffix(".1.jsonl"))
            self._lines = 0
        self._lines += len(rows)
        _append(self.recent, map(json_line, rows))
        if self.own_format:
            _append(self.log, map(line, rows))

    def cut(self) -> tuple[Path, int]:
        """(where the rows in ALB's own format are, how many bytes of them); a log that is too large starts anew."""
        size = self.log.stat().st_size if self.log.exists() else 0
        if size <= LARGEST_LOG:
            return self.log, size
        return self.log.replace(self.log.with_suffix(".1.log")), size


def _append(path: Path, lines: Iterable[str]) -> None:
    with path.open("ab", buffering=0) as file:
        file.write("".join(lines).encode())


def json_line(row: AccessRow) -> str:
    """The fields are AccessRow's; times are seconds, -1 where there was none. By hand: json.dumps takes three times as long."""
    return (
        f'{{"time": "{clock.iso(row.time)}", "load_balancer": "{row.load_balancer}", "listener_port": {row.listener_port}, '
        f'"client": "{row.client}", "target": "{row.target}", "target_group": "{row.target_group}", '
        f'"request_time": {row.request_time:.6f}, "target_time": {row.target_time:.6f}, '
        f'"response_time": {row.response_time:.6f}, "elb_status": {row.elb_status}, '
        f'"target_status": {"null" if row.target_status is None else row.target_status}, '
        f'"received_bytes": {row.received_bytes}, "sent_bytes": {row.sent_bytes}, "method": {quoted(row.method)}, '
        f'"host": {quoted(row.host)}, "url": {quoted(row.url)}, "protocol": "{row.protocol}", '
        f'"user_agent": {quoted(row.user_agent)}, "trace_id": {quoted(row.trace_id)}, '
        f'"rule_priority": "{row.rule_priority}", "actions": "{row.actions}", "error_reason": "{row.error_reason}", '
        f'"ssl_protocol": "{row.ssl_protocol}", "classification": "{row.classification}"}}\n'
    )


def line(row: AccessRow) -> str:
    """ALB's own format (C.8); without the trace id of the connection, which was added later."""
    ended = row.time + sum(part for part in (row.request_time, row.target_time, row.response_time) if part > 0)
    status = "-" if row.target_status is None else str(row.target_status)
    fields = (
        _type(row),
        _time(ended),
        row.load_balancer,
        row.client,
        row.target,
        *(_seconds(part) for part in (row.request_time, row.target_time, row.response_time)),
        row.elb_status,
        status,
        row.received_bytes,
        row.sent_bytes,
        f'"{_request(row)}"',
        f'"{_escaped(row.user_agent[:LONGEST_AGENT])}"',
        row.ssl_cipher,
        row.ssl_protocol,
        row.target_group or "-",
        f'"{_escaped(row.trace_id) or "-"}"',
        f'"{_escaped(row.domain_name)}"',
        f'"{row.cert_arn}"',
        {"default": "0"}.get(row.rule_priority, row.rule_priority),
        _time(row.time),
        f'"{ACTIONS.get(row.actions, "-")}"',
        f'"{_escaped(row.redirect_url)}"',
        '"-"',  # error_reason: of Lambda functions and authentication only
        f'"{row.target}"',
        f'"{status}"',
        f'"{row.classification}"',
        f'"{row.classification_reason}"',
    )
    return " ".join(map(str, fields)) + "\n"


def _type(row: AccessRow) -> str:
    secure = row.ssl_protocol != "-"
    return ("wss" if secure else "ws") if row.elb_status == 101 else ("https" if secure else "http")


def _request(row: AccessRow) -> str:
    """METHOD scheme://host:port/path HTTP/x; a request that could not be read has dashes."""
    if row.method == "-":
        return "- - - "
    scheme = "https" if row.ssl_protocol != "-" else "http"
    host = row.host.rpartition(":")[0] if re.search(r":\d+$", row.host) else row.host
    where = row.url if "://" in row.url.partition("?")[0] else f"{scheme}://{host}:{row.listener_port}{row.url}"
    return f"{row.method} {_escaped(where)} {row.protocol}"


def _escaped(text: str) -> str:
    return UNPRINTABLE.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def _seconds(value: float) -> str:
    return "-1" if value < 0 else f"{value:.3f}"


def _time(at: float) -> str:
    return clock.utc(at).isoformat(timespec="microseconds").replace("+00:00", "Z")
