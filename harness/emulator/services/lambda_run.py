"""Running a function for real: a sandbox is a Python process with the unpacked code, kept warm between invocations like Lambda's.

A sandbox ends with the emulator, however that ends: it dies when its socket closes, its process group is killed on close, and
`rehearse sweep` knows it by ledger and environment marker like a task's process. Every function runs on the emulator's own Python,
whatever python3.* it asked for. What it prints is NOT IN CLOUDWATCH LOGS: it is in `logs/lambda/<name>.log` of the state
directory, and its end in Invoke's LogResult. One with a VpcConfig reaches the private addresses of load balancers and tasks
(lambda_bootstrap.py); no security group is looked at, and nothing hinders it from reaching the rest of the world.
"""

from __future__ import annotations

import asyncio
import io
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import clock, proxies
from harness.emulator.cloud import AwsError, Caller, Cloud
from harness.emulator.function_role import token_of
from harness.emulator.runtime.base import ContainerSpec
from harness.emulator.runtime.process import MARKER, ProcessContainer, ground

BOOTSTRAP = Path(__file__).with_name("lambda_bootstrap.py")
INIT_SECONDS = 10  # what loading the module may take before the function's own Timeout begins to count
TAIL = 4096  # bytes of log that an Invoke answers
PIPE = 65536  # bytes that a pipe holds
Message = dict[str, Any]
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """A function as it stands after an update: what a sandbox runs. `timeout` in seconds, `memory` in MiB, `code` a zip."""

    caller: Caller
    name: str
    arn: str
    runtime: str
    handler: str
    timeout: int
    memory: int
    role: str
    variables: Mapping[str, str]
    code: bytes
    in_vpc: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an invocation gave: JSON, whether it is an error's (`Unhandled`), and the last 4 KiB of its log."""

    payload: bytes
    failed: bool
    log: bytes


class Sandboxes:
    """Runs one function. As many invocations as are asked for run at once, each in a sandbox; one sandbox is kept warm."""

    def __init__(self, cloud: Cloud, program: Program) -> None:
        self._cloud, self._program = cloud, program
        self._warm: Sandbox | None = None
        self._closed = False

    def use(self, program: Program) -> None:
        """From now on run this. What runs already is let finish."""
        self._program = program
        self._cool()

    def close(self) -> None:
        """The function is deleted. What runs already is let finish, as on AWS."""
        self._closed = True
        self._cool()

    def _cool(self) -> None:
        if self._warm is not None:
            self._warm.end()
            self._warm = None

    async def run(self, request_id: str, event: Any) -> Outcome:
        """One invocation, as long as the function takes. Raises AwsError where no process can be started."""
        program, sandbox = self._program, self._warm
        self._warm = None
        if sandbox is None or sandbox.ended:
            sandbox = await Sandbox.start(self._cloud, program)
        try:
            return await sandbox.invoke(request_id, event)
        finally:
            if sandbox.ready and not self._closed and program is self._program and self._warm is None:
                self._warm = sandbox
            else:
                sandbox.end()


class Sandbox:
    """One process. `ready` says that it waits for an event: it is False while one runs, and for good after a failure of its own."""

    def __init__(
        self, cloud: Cloud, program: Program, root: Path, output: Output, streams: Streams, container: ProcessContainer
    ) -> None:
        self._cloud, self._program, self._root, self._output = cloud, program, root, output
        (self._reader, self._writer), self._container = streams, container
        self._loaded = self.ready = False
        cloud.spawn(self._keep(), f"sandbox of {program.name}")

    @classmethod
    async def start(cls, cloud: Cloud, program: Program) -> Sandbox:
        """Returns before the handler is loaded."""
        home = cloud.home.resolve()
        root = await asyncio.to_thread(unpack, program.code, home / "functions", program.name)
        ours, theirs = socket.socketpair()
        output = Output(home / "logs" / "lambda" / f"{program.name}.log")
        try:
            process = await _launch(cloud, program, root, theirs, output)
            streams = await asyncio.open_unix_connection(sock=ours)
        except BaseException as error:
            ours.close()
            output.close()
            shutil.rmtree(root, ignore_errors=True)
            if isinstance(error, OSError):
                raise AwsError("ServiceException", f"The function's process cannot be started: {error}") from error
            raise
        finally:
            theirs.close()
            os.close(output.writing)
        container = _watched(cloud, program, process, output)
        return cls(cloud, program, root, output, streams, container)

    @property
    def ended(self) -> bool:
        return self._container.ended.done()

    def end(self) -> None:
        """Kill the process group; what it had is cleared away beside."""
        self.ready = False
        if not self.ended:  # after its end the number may be somebody else's
            self._container.kill()

    async def _keep(self) -> None:
        """Until the process ends or the emulator closes; then nothing of it is left."""
        try:
            await self._container.wait()
        finally:
            self.end()
            await self._container.wait()
            self._output.close()
            self._writer.close()
            await asyncio.to_thread(shutil.rmtree, self._root, ignore_errors=True)

    # ---- an invocation

    async def invoke(self, request_id: str, event: Any) -> Outcome:
        """At most the function's Timeout (and its first loading), in real time; then the sandbox is ended."""
        self.ready = False
        self._output.begin(f"START RequestId: {request_id} Version: $LATEST\n")
        began = clock.monotonic()
        try:
            answer = await self._exchange(request_id, event)
        except TimeoutError:
            self.end()
            answer = broken("Sandbox.Timedout", request_id, f"Task timed out after {self._program.timeout:.2f} seconds")
        except (OSError, EOFError):
            answer = await self._exited(request_id)
        self._output.drain()
        self._finish(request_id, clock.monotonic() - began)
        return Outcome(answer["payload"].encode(), answer["failed"], self._output.tail)

    async def _exchange(self, request_id: str, event: Any) -> Message:
        """The bootstrap's answer. Raises TimeoutError, or EOFError or OSError where the process went away."""
        timeout = self._program.timeout
        if not self._loaded:
            unloadable = await clock.within(self._cloud.clock, INIT_SECONDS + timeout, self._receive())
            if unloadable:
                return unloadable
            self._loaded = True
        asked = {
            "event": event,
            "request_id": request_id,
            "arn": self._program.arn,
            "deadline": clock.now() + timeout,
        }
        answer = await clock.within(self._cloud.clock, timeout, self._ask(asked))
        self.ready = True
        return answer

    async def _ask(self, asked: Message) -> Message:
        body = json.dumps(asked).encode()
        self._writer.write(len(body).to_bytes(4) + body)
        await self._writer.drain()
        return await self._receive()

    async def _receive(self) -> Message:
        size = int.from_bytes(await self._reader.readexactly(4))
        message: Message = json.loads(await self._reader.readexactly(size))
        return message

    async def _exited(self, request_id: str) -> Message:
        """What Lambda says of a process that went away instead of answering."""
        self.end()  # it may have closed its socket only
        ended = await self._container.wait()
        if ended.reason:
            return broken("Runtime.OutOfMemory", request_id, "Runtime exited with error: signal: killed")
        if ended.code == 0:
            return broken("Runtime.ExitError", request_id, "Runtime exited without providing a reason")
        how = f"exit status {ended.code}"
        if (number := ended.code - 128) in signal.valid_signals():
            how = f"signal: {(signal.strsignal(number) or str(number)).lower()}"
        return broken("Runtime.ExitError", request_id, f"Runtime exited with error: {how}")

    def _finish(self, request_id: str, seconds: float) -> None:
        milliseconds = seconds * 1000
        self._output.add(
            f"END RequestId: {request_id}\nREPORT RequestId: {request_id}\tDuration: {milliseconds:.2f} ms\t"
            f"Billed Duration: {int(milliseconds) + 1} ms\tMemory Size: {self._program.memory} MB\n".encode()
        )


def broken(kind: str, request_id: str, message: str) -> Message:
    """An error that is not of the function's own code."""
    said = {"errorType": kind, "errorMessage": f"RequestId: {request_id} Error: {message}"}
    return {"payload": json.dumps(said), "failed": True}


class Output:
    """What a sandbox prints: appended to the function's log file, and its end kept. `writing` is the process's end of the pipe."""

    def __init__(self, path: Path) -> None:
        self.path, self.tail = path, b""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab", buffering=0)
        self._reading, self.writing = os.pipe()
        os.set_blocking(self._reading, False)
        self._open = True
        asyncio.get_running_loop().add_reader(self._reading, self._take)

    def begin(self, line: str) -> None:
        """The next invocation: its log begins here."""
        self.drain()
        self.tail = b""
        self.add(line.encode())

    def add(self, part: bytes) -> None:
        self.tail = (self.tail + part)[-TAIL:]
        if self._open:
            self._file.write(part)

    def drain(self) -> None:
        """Read what was printed before now: a pipe holds no more than this reads, however fast it is written."""
        left = 2 * PIPE
        while self._open and left > 0 and (part := self._take()):
            left -= len(part)

    def _take(self) -> bytes:
        """A part of what is there; nothing where nothing is."""
        try:
            part = os.read(self._reading, PIPE)
        except BlockingIOError:
            return b""
        if part:
            self.add(part)
        else:  # every process that could write is gone
            asyncio.get_running_loop().remove_reader(self._reading)
        return part

    def close(self) -> None:
        if self._open:
            self.drain()
            asyncio.get_running_loop().remove_reader(self._reading)
            os.close(self._reading)
            self._file.close()
            self._open = False


# ---- starting


def unpack(code: bytes, folder: Path, name: str) -> Path:
    """A fresh directory with what is in the zip, its permissions too."""
    folder.mkdir(parents=True, exist_ok=True)
    root = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=folder))
    with zipfile.ZipFile(io.BytesIO(code)) as archive:
        for entry in archive.infolist():
            path = Path(archive.extract(entry, root))
            if mode := (entry.external_attr >> 16) & 0o777:
                path.chmod(mode | (0o700 if entry.is_dir() else 0o600))
    return root


async def _launch(
    cloud: Cloud, program: Program, root: Path, theirs: socket.socket, output: Output
) -> asyncio.subprocess.Process:
    """-P: what lies beside the bootstrap is no part of the function."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-u", str(BOOTSTRAP), str(theirs.fileno())),
        cwd=root,
        env=variables(cloud, program, root),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=output.writing,
        stderr=output.writing,
        pass_fds=(theirs.fileno(),),
        start_new_session=True,
    )


def _watched(cloud: Cloud, program: Program, process: asyncio.subprocess.Process, output: Output) -> ProcessContainer:
    """Kept in the ledger, and held to its memory, like a process of a task."""
    ledger = cloud.home.resolve() / "ledger" / f"{process.pid}.json"
    ledger.parent.mkdir(parents=True, exist_ok=True)
    spec = ContainerSpec(
        task_id=f"lambda-{program.name}", name=program.name, image=program.runtime, memory_mib=program.memory
    )
    return ProcessContainer(process, spec, {}, output.path, ledger, cloud.clock)


def variables(cloud: Cloud, program: Program, root: Path) -> dict[str, str]:
    """The function's environment: AWS's names, the function's own, and nothing of the emulator's (HOME: no ~/.aws of its user)."""
    settings = {"AWS_ENDPOINT_URL": cloud.endpoint, "TZ": ":UTC", "HOME": str(root)}
    stream = f"{clock.utc():%Y/%m/%d}/[$LATEST]{root.name}"
    ours = {
        "AWS_REGION": program.caller.region,
        "AWS_DEFAULT_REGION": program.caller.region,
        "AWS_ACCESS_KEY_ID": program.caller.access_key,
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_SESSION_TOKEN": token_of(program.role, program.name),
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{program.runtime}",
        "AWS_LAMBDA_FUNCTION_NAME": program.name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(program.memory),
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{program.name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": stream,
        "LAMBDA_TASK_ROOT": str(root),
        "_HANDLER": program.handler,
        MARKER: str(cloud.home.resolve()),
    }
    routes = {"REHEARSE_VPC": cloud.endpoint} if program.in_vpc else {}
    return proxies.for_what_runs_here({**ground(), **settings, **program.variables, **ours, **routes})
