"""What runs inside a sandbox: loads a function's handler and calls it with each event; the standard library only.

`python lambda_bootstrap.py FD`: FD is a stream socket to the emulator. A message on it, in either direction, is four bytes of length
and a JSON object. First one goes out: {} when the handler is loaded, or the answer to everything, if it cannot be. Then
{"event", "request_id", "arn", "deadline" (seconds since the epoch)} comes in and {"payload" (JSON text), "failed"} goes out, and so
on. When the emulator closes its end, or dies, everything of this process group ends.

Where REHEARSE_VPC names the emulator, the function is in a VPC: a connection to a private address of a load balancer or a task goes
where it really listens. Programs that the function starts know nothing of this.
"""

from __future__ import annotations

import errno
import http.client
import importlib
import ipaddress
import json
import logging
import os
import queue
import shutil
import signal
import socket
import sys
import threading
import time  # noqa: TID251  this process has nothing of the project, not its clock either
import traceback
from collections.abc import Callable
from typing import Any

Message = dict[str, Any]
Handler = Callable[[Any, "Context"], Any]


class Context:
    """The handler's second argument, as in AWS's Python runtime: the numbers of the configuration are text there too."""

    def __init__(self, asked: Message) -> None:
        self.aws_request_id: str = asked["request_id"]
        self.invoked_function_arn: str = asked["arn"]
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.client_context = self.identity = None
        self._deadline: float = asked["deadline"]

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self._deadline - time.time()) * 1000))


class CannotLoad(Exception):
    """There is no handler; `kind` is the errorType that Lambda answers."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def main(channel: int) -> None:
    root = os.environ["LAMBDA_TASK_ROOT"]
    os.set_inheritable(channel, False)
    arrived: queue.SimpleQueue[Message] = queue.SimpleQueue()
    threading.Thread(target=listen, args=(channel, arrived, root), daemon=True).start()
    sys.path.insert(0, root)
    if emulator := os.environ.pop("REHEARSE_VPC", ""):
        Vpc(emulator).install()
    stamp = RequestStamp()
    stamp.install()
    try:
        handler = load(os.environ["_HANDLER"])
    except CannotLoad as error:
        send(channel, failure(error.kind, str(error), error.__cause__, ""))
        return
    send(channel, {})
    while True:
        asked = arrived.get()
        stamp.request_id = asked["request_id"]
        send(channel, answer(handler, asked))


def load(spelled: str) -> Handler:
    """The callable that `folder/module.function` names. Raises CannotLoad."""
    module_name, dot, function = spelled.rpartition(".")
    if not dot:
        raise CannotLoad("Runtime.MalformedHandlerName", f"Bad handler '{spelled}': it has no module and function")
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as error:
        raise CannotLoad("Runtime.ImportModuleError", f"Unable to import module '{module_name}': {error}") from error
    except SyntaxError as error:
        raise CannotLoad("Runtime.UserCodeSyntaxError", f"Syntax error in module '{module_name}': {error}") from error
    except Exception as error:  # the function's own code may raise anything
        raise CannotLoad(type(error).__name__, str(error)) from error
    handler: Handler | None = getattr(module, function, None)
    if handler is None:
        raise CannotLoad("Runtime.HandlerNotFound", f"Handler '{function}' missing on module '{module_name}'")
    return handler


def answer(handler: Handler, asked: Message) -> Message:
    """SystemExit and its like go on and end the process, as in Lambda."""
    request_id = asked["request_id"]
    try:
        result = handler(asked["event"], Context(asked))
    except Exception as error:  # noqa: BLE001  the function's own code may raise anything
        return failure(type(error).__name__, str(error), error, request_id)
    try:
        return {"payload": json.dumps(result), "failed": False}
    except (TypeError, ValueError) as error:
        return failure("Runtime.MarshalError", f"Unable to marshal response: {error}", None, request_id)


def failure(kind: str, message: str, error: BaseException | None, request_id: str) -> Message:
    """Lambda's answer for a function that failed; also printed. The frames of this file are left out."""
    frames = [one for one in traceback.extract_tb(error.__traceback__ if error else None) if one.filename != __file__]
    trace = traceback.format_list(frames)
    print(f"[ERROR] {kind}: {message}\nTraceback (most recent call last):\n{''.join(trace)}", end="")
    said = {"errorMessage": message, "errorType": kind, "requestId": request_id, "stackTrace": trace}
    return {"payload": json.dumps(said), "failed": True}


class RequestStamp(logging.Filter):
    """The root logger prints as in Lambda: level, time, request id, message, with tabs between."""

    request_id = ""

    def install(self) -> None:
        printer = logging.StreamHandler(sys.stdout)
        shape = logging.Formatter(
            "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(request_id)s\t%(message)s", "%Y-%m-%dT%H:%M:%S"
        )
        shape.converter = time.gmtime
        printer.setFormatter(shape)
        printer.addFilter(self)
        logging.getLogger().addHandler(printer)

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = self.request_id
        return True


# ---- the VPC


class Vpc:
    """Asks the emulator at every connection where an address of the VPC is on this machine."""

    def __init__(self, emulator: str) -> None:
        self._emulator = emulator.removeprefix("http://")

    def install(self) -> None:
        connect, connect_ex = socket.socket.connect, socket.socket.connect_ex

        def raising(own: socket.socket, address: Any) -> None:
            connect(own, self._way(own, address))

        def answering(own: socket.socket, address: Any) -> int:
            try:
                return connect_ex(own, self._way(own, address))
            except ConnectionRefusedError:
                return errno.ECONNREFUSED

        socket.socket.connect = raising  # type: ignore[method-assign, assignment]
        socket.socket.connect_ex = answering  # type: ignore[method-assign, assignment]

    def _way(self, own: socket.socket, address: Any) -> Any:
        """Raises ConnectionRefusedError where nothing listens. An address of nothing here is left alone, as a name is."""
        if own.family != socket.AF_INET:
            return address
        host, port = address
        try:
            private = ipaddress.ip_address(host).is_private and not host.startswith("127.")
        except ValueError:
            private = False
        if not private:
            return address
        connection = http.client.HTTPConnection(self._emulator, timeout=10)
        connection.request("GET", f"/_rehearsal/way?address={host}&port={port}")
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        if answer.status != 200:
            return address
        way = json.loads(text)
        if not way["port"]:
            raise ConnectionRefusedError(errno.ECONNREFUSED, f"{host} has no listener on port {port}")
        return way["host"], way["port"]


# ---- the socket


def listen(channel: int, arrived: queue.SimpleQueue[Message], root: str) -> None:
    """In a thread, so that the end of the emulator is noticed while a handler runs."""
    while (size := read(channel, 4)) and (body := read(channel, int.from_bytes(size))):
        arrived.put(json.loads(body))
    shutil.rmtree(root, ignore_errors=True)
    os.killpg(0, signal.SIGKILL)


def read(channel: int, size: int) -> bytes:
    """Exactly `size` bytes; nothing when the other end is closed."""
    got = b""
    while len(got) < size:
        try:
            part = os.read(channel, size - len(got))
        except OSError:
            part = b""
        if not part:
            return b""
        got += part
    return got


def send(channel: int, message: Message) -> None:
    """What was printed so far is out before: the emulator reads it together with the answer."""
    sys.stdout.flush()
    sys.stderr.flush()
    body = json.dumps(message).encode()
    left = memoryview(len(body).to_bytes(4) + body)
    while left:
        left = left[os.write(channel, left) :]


if __name__ == "__main__":
    main(int(sys.argv[1]))
