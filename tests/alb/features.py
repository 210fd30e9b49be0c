"""What the tests of TLS, stickiness, selection and logs add to the fixtures of this folder."""

import asyncio
import ssl
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.emulator.alb.plane import Certificate, Tls
from harness.emulator.services.elbv2_tls import self_signed, settings_of
from tests.alb.conftest import FAST, Backend, Balancer, answer

POLICY = "ELBSecurityPolicy-TLS13-1-2-2021-06"


def certificate(*names: str) -> Certificate:
    return self_signed(f"arn:certificate/{names[0]}", names)


def tls(*certificates: Certificate, policy: str = POLICY) -> Tls:
    return settings_of(policy, certificates)


async def group(lb: Balancer, arn: str, *names: str, protocol: str = "HTTP", **attributes: str) -> list[Backend]:
    """Like `lb.group`, with attributes: `a__b` is `a.b`."""
    backends = [await Backend(name).start() for name in names]
    lb.backends += backends
    await configure(lb, arn, protocol=protocol, **attributes)
    await lb.plane.register(arn, [one.target() for one in backends])
    return backends


async def configure(lb: Balancer, arn: str, *, protocol: str = "HTTP", **attributes: str) -> None:
    given = {"deregistration_delay.timeout_seconds": "1"} | {
        key.replace("__", "."): value for key, value in attributes.items()
    }
    await lb.plane.put_target_group(arn, FAST, given, protocol)


async def listen(lb: Balancer, action: dict[str, Any], *, settings: Tls | None = None, port: int = 443) -> None:
    """One listener with a default action alone; HTTPS where `settings` are given."""
    lb.port = await lb.plane.put_listener(
        "listener",
        load_balancer="app/test/1",
        protocol="HTTP" if settings is None else "HTTPS",
        port=port,
        attributes=lb.attributes,
        rules=[{"RuleArn": "default", "Priority": "default", "Conditions": [], "Actions": [action]}],
        tls=settings,
    )


def trusting(*certificates: Certificate, alpn: tuple[str, ...] = ()) -> ssl.SSLContext:
    """A client that trusts these certificates and nobody else."""
    context = ssl.create_default_context()
    context.load_verify_locations(cadata="".join(one.chain for one in certificates))
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context


Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def secure(port: int, context: ssl.SSLContext, name: str) -> Connection:
    return await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name)


async def ask(connection: Connection, path: str = "/", host: str = "example.com") -> tuple[int, bytes]:
    """One request on a kept connection."""
    reader, writer = connection
    writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
    return int(head.split()[1]), await reader.readexactly(length)


def shown(connection: Connection) -> bytes:
    """The certificate that the other side shows, DER."""
    return bytes(connection[1].get_extra_info("ssl_object").getpeercert(binary_form=True))


def der(one: Certificate) -> bytes:
    return ssl.PEM_cert_to_DER_cert(one.chain)


class SecureBackend(Backend):
    """A target that speaks TLS, with a certificate that nobody trusts."""

    def __init__(self, name: str, folder: Path) -> None:
        super().__init__(name)
        own = certificate("nobody.invalid")
        path = folder / f"{name}.pem"
        path.write_text(own.key + own.chain, encoding="utf-8")
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(path)

    async def start(self) -> "SecureBackend":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.context)
        self.port = self._server.sockets[0].getsockname()[1]
        return self


class Outspoken(Backend):
    """A target that speaks first, and no TLS."""

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()


class Browser:
    """Keeps cookies by name, like one user; `jar` is what it would send."""

    def __init__(self, lb: Balancer) -> None:
        self.lb, self.jar = lb, dict[str, str]()
        self.last: list[str] = []  # Set-Cookie values of the last answer

    async def get(self, path: str = "/", only: tuple[str, ...] = ()) -> str:
        """The body; `only` these cookies are sent where any are named."""
        sent = {name: value for name, value in self.jar.items() if not only or name in only}
        line = f"Cookie: {'; '.join(f'{name}={value}' for name, value in sent.items())}\r\n" if sent else ""
        received = await self.lb.raw(
            f"GET {path} HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n{line}\r\n".encode()
        )
        head, _, body = received.decode().partition("\r\n\r\n")
        lines = [line.partition(": ") for line in head.split("\r\n")[1:]]
        self.last = [value for name, _, value in lines if name.lower() == "set-cookie"]
        for one in self.last:
            name, _, value = one.partition(";")[0].partition("=")
            self.jar[name] = value
        return body


def session_cookie(backend: Backend, cookie: str) -> Callable[..., Any]:
    """A target that sets a cookie of its own, on /login only."""

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
        headers = f"Set-Cookie: {cookie}={b64encode(backend.name.encode()).decode()}; Path=/\r\n"
        writer.write(answer(backend.name.encode(), headers=headers if b"/login" in head else ""))

    return respond
