"""A listener: its socket, and the rules in force. A change replaces the whole tuple of rules in one assignment."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from harness.emulator import bind
from harness.emulator.alb.client import Client
from harness.emulator.alb.exchange import Ended, whole
from harness.emulator.alb.heads import Heads
from harness.emulator.alb.memo import Memo
from harness.emulator.alb.options import Options
from harness.emulator.alb.reply import Reply, parse
from harness.emulator.alb.rules import Rule, compile_rules
from harness.emulator.alb.targets import Group
from harness.emulator.alb.tls import Front, Tls

BACKLOG = 1024


class ListenerUnsupported(ValueError):
    """A listener that the data plane cannot serve; the message names why."""


class Listener:
    """`port` is the declared port, `bound` the one it really listens on; `accepted` counts connections, ever."""

    def __init__(self, arn: str, load_balancer: str, port: int, record: Callable[[Ended], None]) -> None:
        self.arn, self.load_balancer, self.port, self.bound = arn, load_balancer, port, 0
        self.rules: tuple[Rule, ...] = ()
        self.options = Options()
        self.clients: set[Client] = set()
        self.accepted = 0
        self._record = self.record = record
        self._socket: socket.socket | None = None
        self._server: asyncio.Server | None = None
        self._tls: Tls | None = None
        self._front: Front | None = None
        self._name_scheme()

    def configure(
        self, attributes: Mapping[str, str], rules: Sequence[Mapping[str, Any]], group: Callable[[str], Group]
    ) -> None:
        """Raises RuleUnsupported or ListenerUnsupported, and then nothing has changed."""
        compiled = compile_rules(rules, group)
        try:
            options = Options.of(attributes)
        except ValueError as error:
            raise ListenerUnsupported(str(error)) from error
        if options != self.options:
            self.options = options
            self._start_anew()
        self.rules = compiled

    def _start_anew(self) -> None:
        """Forget what was read by other options."""
        self.heads = Heads(self.options, self.port, self.scheme)
        self.replies: Memo[Reply] = Memo()
        self.inserted = self.options.set_on_answers
        for client in self.clients:
            client.configure()

    def reply(self, raw: bytes) -> Reply:
        """The head of a target's answer. Raises BadAnswer."""
        reply = self.replies.known.get(raw)
        if reply is None:
            reply = parse(raw, self.inserted)
            if reply.plain and self.replies.second(raw):
                self.replies.learn(raw, reply)
        return reply

    def _record_secured(self, ended: Ended) -> None:
        """Log a request that has ended, with what TLS knows of its connection."""
        exchange = whole(ended)
        secured = exchange.client.transport.get_extra_info("ssl_object")
        if secured and self._front is not None:
            exchange.secured = self._front.noted(secured)
        self._record(exchange)

    def bind(self) -> None:
        """The declared port, where it is free and allowed, else the next free one of a fixed range (bind.py)."""
        ports = bind.listener_ports(self.port)
        for port in ports:
            listening = socket.socket()
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listening.bind((bind.address(), port))
                listening.listen(BACKLOG)
            except OSError:
                listening.close()
                continue
            listening.setblocking(False)
            self._socket, self.bound = listening, port
            return
        raise ListenerUnsupported(f"no port up to {ports[-1]} is free for listener {self.arn}")

    async def serve(self, tls: Tls | None) -> None:
        """Accept connections, with TLS or without. Raises CertificateUnusable, and then nothing has changed.

        The socket is shared by the server that was and the one that comes, so a change refuses nobody.
        """
        if self._server is not None and tls == self._tls:
            return
        assert self._socket is not None
        front = Front(tls) if tls is not None else None
        old, context = self._server, front.context if front is not None else None
        self._server = await asyncio.get_running_loop().create_server(
            self._accept, sock=self._socket.dup(), ssl=context, backlog=BACKLOG
        )
        if (tls is None) != (self._tls is None):
            self._let_go_of_clients()
        self._tls, self._front = tls, front
        self.record = self._record if front is None else self._record_secured
        self._name_scheme()
        if old is not None:
            old.close()

    def _accept(self) -> Client:
        self.accepted += 1
        return Client(self)

    def _name_scheme(self) -> None:
        self.scheme = "http" if self._tls is None else "https"
        self.forwarded = b"X-Forwarded-Proto: %b\r\nX-Forwarded-Port: %d\r\n" % (self.scheme.encode(), self.port)
        self._start_anew()

    def sweep(self, now: float) -> None:
        """Close what has been idle for too long (C.5), and forget heads."""
        forgotten = self.heads.forget(now)
        self.replies.forget(now)
        for client in list(self.clients):
            if forgotten:
                client.alike = None
            client.check_idle(now)

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
        if self._socket is not None:
            self._socket.close()
        self._let_go_of_clients()

    def _let_go_of_clients(self) -> None:
        for client in list(self.clients):
            client.close_when_idle()
