"""Where a proxy is set: nothing of ours asks it for this machine, and what goes out asks it."""

import asyncio
import io
import json
import os
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
from botocore.exceptions import ClientError

from harness import images, proxies
from harness.aws import command
from harness.driver import Session
from harness.driver.hook_function import index as hook
from harness.emulator.cloud import Caller
from harness.emulator.in_process import Clients
from harness.emulator.runtime.base import ContainerSpec
from harness.emulator.runtime.docker import DockerRuntime
from harness.emulator.runtime.process import ProcessRuntime
from harness.errors import StepFailed, TargetUnavailable
from harness.journal import RequestDone
from harness.probe.feed import Feed, Line
from harness.pytest_plugin import AwsEmulator
from harness.runner import steady
from harness.targets import emulators, local, starting
from harness.targets.localstack import container
from harness.targets.localstack import endpoint as localstack
from harness.targets.localstack.survey import Clients as LocalStackClients
from tests.unit.refusing_proxy import SPELLINGS, RefusingProxy, refusing

ELSEWHERE = "http://aws.invalid"  # no name of this kind is ever known: only a proxy can be asked for it


@pytest.fixture(scope="module")
def company() -> Iterator[RefusingProxy]:
    with refusing() as proxy:
        yield proxy


@pytest.fixture
def proxy(company: RefusingProxy, monkeypatch: pytest.MonkeyPatch) -> RefusingProxy:
    for name, value in company.variables.items():
        monkeypatch.setenv(name, value)
    company.asked.clear()
    return company


@pytest.fixture(scope="module")
def emulator(company: RefusingProxy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One that was started from a shell with the proxy."""
    with ExitStack() as until_the_end:
        with pytest.MonkeyPatch.context() as shell:
            for name, value in company.variables.items():
                shell.setenv(name, value)
            started = local.started(tmp_path_factory.mktemp("behind"), "process")
            endpoint = until_the_end.enter_context(started)
        yield endpoint


# ---- this machine


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://127.0.0.1:4566", True),
        ("http://127.8.9.10", True),
        ("http://[::1]:4566/x", True),
        ("http://[::ffff:127.0.0.1]:80", True),
        ("http://0.0.0.0:4566", True),
        ("http://[::]:4566", True),
        ("https://LOCALHOST", True),
        ("http://localhost.:4566", True),
        ("http://app.elb.localhost:8080", True),
        ("https://localhost.localstack.cloud:4566", True),
        ("http://s3.localhost.localstack.cloud:4566", True),
        ("http://user:password@localhost:1", True),
        ("http://localhost.evil.com", False),
        ("http://notlocalhost", False),
        ("http://10.0.0.1:4566", False),
        ("http://169.254.170.2", False),
        ("http://128.0.0.1", False),
        ("https://ecs.ap-northeast-2.amazonaws.com", False),
        ("http://[::1", False),
        ("", False),
    ],
)
def test_this_machine_is_known_by_name_and_number(url: str, here: bool):
    assert proxies.is_here(url) is here


def of_the_hook(url: str) -> object:
    return hook.ask({"url": f"{url}/_rehearsal/status", "status": 200})


def of_the_emulators_own(url: str) -> object:
    return Clients(url).call(Caller("us-east-1", "111122223333"), "sts", "GetCallerIdentity", {})


OURS: dict[str, Callable[[str], object]] = {
    "asking an emulator": lambda url: emulators.ask(url, "/_rehearsal/status"),
    "looking for LocalStack": lambda url: localstack.fetch(url, "/_rehearsal/status")[2]["pid"],
    "the survey of LocalStack": lambda url: LocalStackClients(url).of("sts").get_caller_identity(),
    "the driver": lambda url: Session(region="us-east-1", endpoint=url, run_id="t").call("ecs", "list_clusters"),
    "the pytest plugin": lambda url: AwsEmulator(url, "us-east-1", Path()).client("ecs").list_clusters(),
    "a hook": of_the_hook,
    "the emulator's own calls": of_the_emulators_own,
}  # fmt: skip


@pytest.mark.parametrize("client", OURS)
def test_client_of_ours_reaches_this_machine_past_the_proxy(client: str, proxy: RefusingProxy, emulator: str):
    assert OURS[client](emulator)
    assert proxy.asked == []


def test_steady_state_is_asked_for_past_the_proxy_wherever_it_is(proxy: RefusingProxy, emulator: str):
    """The users go straight to a load balancer; what a proxy says of it would be no proof."""
    assert steady._no_answer(f"{emulator}/_rehearsal/status") == ""
    assert "does not answer" in steady._no_answer(ELSEWHERE)
    assert proxy.asked == []


def test_users_reach_this_machine_past_the_proxy(proxy: RefusingProxy, emulator: str):
    lines, enough = list[Line](), threading.Event()

    def hear(line: Line) -> None:
        lines.append(line)
        if sum(isinstance(one, RequestDone) for one in lines) >= 5:
            enough.set()

    feed = Feed(f"{emulator}/_rehearsal/status", rate=20, timeout=5, on_line=hear)
    assert enough.wait(20)
    feed.stop()
    assert {one.status for one in lines if isinstance(one, RequestDone)} == {200}
    assert proxy.asked == []


def test_what_moto_sends_to_this_machine_goes_past_the_proxy(proxy: RefusingProxy, emulator: str):
    """SNS delivers with a client that knows the variables alone."""
    received = list[str]()

    class Subscriber(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Subscriber) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        session = Session(region="us-east-1", endpoint=emulator, run_id="t")
        topic = session.call("sns", "create_topic", Name="news")["TopicArn"]
        there = f"http://127.0.0.1:{server.server_port}/"
        session.call("sns", "subscribe", TopicArn=topic, Protocol="http", Endpoint=there)
        session.call("sns", "publish", TopicArn=topic, Message="hello")
        session.close()
        server.shutdown()
    assert any("hello" in body for body in received)
    assert proxy.asked == []


@pytest.mark.parametrize("value", ["http://user:secret@[", "socks5://127.0.0.1:9", "proxy:3128", "://", "nonsense"])
def test_proxy_that_is_none_hinders_nothing_on_this_machine(value: str, emulator: str, monkeypatch: pytest.MonkeyPatch):
    for name in SPELLINGS:
        monkeypatch.setenv(name, value)
    for ask in OURS.values():
        assert ask(emulator)


# ---- elsewhere


def test_what_is_asked_elsewhere_is_asked_of_the_proxy(proxy: RefusingProxy):
    with pytest.raises(TargetUnavailable, match="Bad Gateway"):
        emulators.ask(ELSEWHERE, "/_rehearsal/status")
    with pytest.raises(ClientError, match="502"):
        Session(region="us-east-1", endpoint=ELSEWHERE, run_id="t").call("sts", "get_caller_identity")
    assert proxy.asked[0] == f"{ELSEWHERE}/_rehearsal/status"
    assert f"{ELSEWHERE}/" in proxy.asked[1:]


def test_aws_itself_is_asked_of_the_proxy(proxy: RefusingProxy, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    with pytest.raises(StepFailed):
        Session(region="ap-northeast-2", run_id="t").call("sts", "get_caller_identity")
    assert set(proxy.asked) == {"sts.ap-northeast-2.amazonaws.com:443"}


def test_proxy_is_not_asked_for_what_no_proxy_names(proxy: RefusingProxy, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("no_proxy", "aws.invalid")
    with pytest.raises(TargetUnavailable):
        emulators.ask(ELSEWHERE, "/_rehearsal/status")
    assert proxies.asked_for(ELSEWHERE) is None
    assert proxy.asked == []


def test_delegate_elsewhere_is_asked_of_the_proxy(proxy: RefusingProxy, tmp_path: Path):
    """Both ways: what passes through as it came, and the emulator's own call to find out whose account it is."""
    with local.started(tmp_path, "process", "--delegate", ELSEWHERE) as url:
        answer = requests.get(f"{url}/bucket", timeout=20, proxies={"http": "", "https": "", "all": ""})
        Session(region="us-east-1", endpoint=url, run_id="t").call("ecs", "list_clusters")
    assert answer.status_code == 502
    assert f"{ELSEWHERE}/bucket" in proxy.asked
    assert all(one.startswith(ELSEWHERE) for one in proxy.asked)


def test_own_address_is_asked_past_the_proxy(proxy: RefusingProxy, monkeypatch: pytest.MonkeyPatch):
    """It is for the load balancers' security group, and the users go there straight."""
    monkeypatch.setattr(command, "CALLER", ELSEWHERE)
    with pytest.raises(TargetUnavailable, match="asked without a proxy"):
        command._caller()
    assert proxy.asked == []


@pytest.mark.parametrize("scheme", ["socks5", "http"])
def test_password_of_a_proxy_is_not_told(scheme: str, monkeypatch: pytest.MonkeyPatch):
    """botocore forgets to take it out of what it takes for no proxy."""
    for name in SPELLINGS:
        monkeypatch.setenv(name, f"{scheme}://user:secret@127.0.0.1:9")
    with pytest.raises(StepFailed) as failed:
        Session(region="us-east-1", endpoint=ELSEWHERE, run_id="t").call("sts", "get_caller_identity")
    assert "127.0.0.1:9" in str(failed.value)
    assert "secret" not in str(failed.value)


@pytest.mark.parametrize(
    "value", ["socks5://user:secret@127.0.0.1:9", "http://user:secret@[", "http://user:secret@127.0.0.1:9"]
)
def test_password_of_a_proxy_is_not_told_by_the_emulator_either(
    value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for name in SPELLINGS:
        monkeypatch.setenv(name, value)
    with local.started(tmp_path, "process", "--delegate", ELSEWHERE) as url:
        answer = requests.get(f"{url}/bucket", timeout=20, proxies={"http": "", "https": "", "all": ""})
        Session(region="us-east-1", endpoint=url, run_id="t").call("ecs", "list_clusters")
    log = (tmp_path / "emulator.log").read_text(encoding="utf-8")
    assert answer.status_code == 503
    assert "does not say whose account" in log
    assert "secret" not in answer.text + log


def test_variable_is_told_and_the_way_to_this_machine_has_none(monkeypatch: pytest.MonkeyPatch):
    for name in SPELLINGS:
        monkeypatch.delenv(name, raising=False)
    assert proxies.naming(ELSEWHERE) is None
    monkeypatch.setenv("http_proxy", "proxy:3128")
    assert proxies.naming(ELSEWHERE) == "http_proxy"
    assert proxies.asked_for(ELSEWHERE) == "http://proxy:3128"
    assert proxies.naming("http://localhost") is None
    assert proxies.naming("https://aws.invalid") is None


# ---- other people's clients


@pytest.mark.parametrize(
    ("given", "upper", "lower"),
    [
        ({}, "127.0.0.1,localhost,::1", "127.0.0.1,localhost,::1"),
        ({"NO_PROXY": "a, .b"}, "a,.b,127.0.0.1,localhost,::1", "a,.b,127.0.0.1,localhost,::1"),
        ({"no_proxy": "localhost,c"}, "localhost,c,127.0.0.1,::1", "localhost,c,127.0.0.1,::1"),
        ({"NO_PROXY": "a", "no_proxy": "b"}, "a,127.0.0.1,localhost,::1", "b,127.0.0.1,localhost,::1"),
        ({"NO_PROXY": "*"}, "*", "*"),
        ({"NO_PROXY": "", "no_proxy": ","}, "127.0.0.1,localhost,::1", "127.0.0.1,localhost,::1"),
    ],
)
def test_tools_are_told_of_this_machine_beside_what_they_know(given: dict[str, str], upper: str, lower: str):
    assert proxies.spared(given) == {"NO_PROXY": upper, "no_proxy": lower}


def test_proxies_of_macos_come_along_when_no_proxy_would_hide_them(monkeypatch: pytest.MonkeyPatch):
    """A Python that sees any *_proxy variable, NO_PROXY as well, does not ask the system."""
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    monkeypatch.setattr("urllib.request.getproxies", lambda: {"http": "http://mac:1", "https": "http://mac:1"})
    told = proxies.spared({})
    assert (told["http_proxy"], told["https_proxy"]) == ("http://mac:1", "http://mac:1")
    assert not {"http_proxy", "https_proxy"} & proxies.spared({"HTTPS_PROXY": "http://other"}).keys()


def test_task_that_names_a_proxy_reaches_this_machine(tmp_path: Path):
    """One that names none is given nothing."""

    async def environment_of(**declared: str) -> dict[str, str]:
        runtime = ProcessRuntime(tmp_path)
        await runtime.prepare()
        try:
            spec = ContainerSpec(task_id="t", name="app", image="teller:v1", environment=declared)
            container = await runtime.start(spec)
            await container.wait()
            told: dict[str, str] = json.loads(await container.logs())
            return told
        finally:
            await runtime.close()
            for log in (tmp_path / "logs").glob("*.log"):
                log.unlink()

    tells = tmp_path / "images" / "teller" / "v1" / "manifest.json"
    tells.parent.mkdir(parents=True)
    argv = [sys.executable, "-c", "import json, os; print(json.dumps(dict(os.environ)))"]
    made = images.Manifest(tuple(argv), str(tmp_path), {}, images.architecture_of_this_machine(), 8080)
    tells.write_text(json.dumps(asdict(made)), encoding="utf-8")
    told = asyncio.run(environment_of(HTTP_PROXY="http://proxy:1", NO_PROXY="db"))
    assert (told["HTTP_PROXY"], told["NO_PROXY"]) == ("http://proxy:1", "db,127.0.0.1,localhost,::1")
    assert told["no_proxy"] == told["NO_PROXY"]
    assert not [name for name in asyncio.run(environment_of()) if "proxy" in name.lower()]


FUNCTION = """
import boto3, os
def handler(event, context):
    boto3.client("sts").get_caller_identity()
    return {name: value for name, value in os.environ.items() if "proxy" in name.lower()}
"""


@pytest.mark.parametrize("declares", [True, False])
def test_function_that_names_a_proxy_reaches_the_emulator(declares: bool, company: RefusingProxy, emulator: str):
    company.asked.clear()
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("index.py", FUNCTION)
    session, name = Session(region="us-east-1", endpoint=emulator, run_id="t"), f"calls-{declares}".lower()
    role = "arn:aws:iam::123456789012:role/nobody"
    variables = {"HTTP_PROXY": company.url, "https_proxy": company.url} if declares else {}
    session.call(
        "lambda", "create_function", FunctionName=name, Runtime="python3.12", Role=role, Handler="index.handler", Timeout=20,
        Code={"ZipFile": code.getvalue()}, Environment={"Variables": variables},
    )  # fmt: skip
    told = json.load(session.call("lambda", "invoke", FunctionName=name)["Payload"])
    session.close()
    ours = dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1,localhost,::1") if declares else {}
    assert told == {**variables, **ours}
    assert company.asked == []


# ---- builds, and what else leaves this machine in a container


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, {}),
        ({"NO_PROXY": "a"}, {}),
        (
            {"HTTP_PROXY": "http://proxy:3128"},
            {"HTTP_PROXY": "http://proxy:3128", "http_proxy": "http://proxy:3128"},
        ),
        (
            {"https_proxy": "proxy:3128", "no_proxy": "a"},
            {"HTTPS_PROXY": "proxy:3128", "https_proxy": "proxy:3128", "NO_PROXY": "a", "no_proxy": "a"},
        ),
        ({"HTTP_PROXY": "http://127.0.0.1:3128", "ALL_PROXY": "socks5://localhost:1080", "NO_PROXY": "a"}, {}),
        (
            {"HTTP_PROXY": "127.0.0.1:3128", "ftp_proxy": "ftp://proxy", "ALL_PROXY": "socks5h://u:p@proxy"},
            {
                "FTP_PROXY": "ftp://proxy",
                "ftp_proxy": "ftp://proxy",
                "ALL_PROXY": "socks5h://u:p@proxy",
                "all_proxy": "socks5h://u:p@proxy",
            },
        ),
    ],
)
def test_build_is_given_the_proxies_that_a_container_can_reach(given: dict[str, str], told: dict[str, str]):
    assert proxies.for_builds(given) == told


def test_task_in_a_container_gets_no_proxy_of_the_docker_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """~/.docker/config.json is for `docker run`; ECS adds nothing to a task. The engine writes down what it is asked."""
    asked = dict[str, dict[str, Any]]()
    config = {"proxies": {"default": {"httpProxy": "http://user:secret@proxy:3128", "noProxy": "x"}}}
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    class Engine(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.path.endswith("/create"):
                asked["create"] = json.loads(body)
            told = {
                "ApiVersion": "1.44",
                "Id": "c1",
                "Architecture": images.architecture_of_this_machine(),
                "StatusCode": 0,
            }
            told |= {"Config": {"Tty": True}, "State": {}, "NetworkSettings": {"Ports": {}}}
            content = json.dumps(told).encode()
            self.send_response(201 if self.path.endswith("/create") else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_DELETE = answer

        def log_message(self, *_: object) -> None:
            return

    async def task() -> None:
        runtime = DockerRuntime(tmp_path)
        await runtime.prepare()
        try:
            await (
                await runtime.start(ContainerSpec(task_id="t", name="app", image="a:b", environment={"A": "1"}))
            ).wait()
        finally:
            await runtime.close()

    with ThreadingHTTPServer(("127.0.0.1", 0), Engine) as engine:
        threading.Thread(target=engine.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{engine.server_port}")
        asyncio.run(task())
        engine.shutdown()
    assert asked["create"]["Env"] == ["A=1"]


def test_localstack_leaves_its_container_through_the_proxy_that_it_can_reach(monkeypatch: pytest.MonkeyPatch):
    for name in SPELLINGS:
        monkeypatch.delenv(name, raising=False)
    assert container.outbound() == {}
    monkeypatch.setenv("https_proxy", "http://proxy:3128")
    monkeypatch.setenv("HTTP_PROXY", "http://localhost:3128")
    assert container.outbound() == {"OUTBOUND_HTTPS_PROXY": "http://proxy:3128"}


# ---- a shell


@pytest.mark.parametrize("shell", ["sh", "bash", "zsh", "dash"])
@pytest.mark.parametrize("quotes", ['"', ""])
def test_two_lines_make_a_shell_that_reaches_the_emulator(
    shell: str, quotes: str, company: RefusingProxy, emulator: str, monkeypatch: pytest.MonkeyPatch
):
    if subprocess.run(["sh", "-c", f"command -v {shell}"], capture_output=True).returncode:
        pytest.skip(f"there is no {shell} here")
    company.asked.clear()
    stale = {"AWS_PROFILE": "gone", "AWS_SESSION_TOKEN": "old", "AWS_ENDPOINT_URL_STS": company.url}
    for name, value in {**company.variables, **stale, "NO_PROXY": "it's.a b"}.items():
        monkeypatch.setenv(name, value)
    lines = starting.shell_lines(emulator)
    assert len("\n".join(lines).splitlines()) == 2
    code = "import boto3, os; print(boto3.client('sts').get_caller_identity()['Account'], os.environ['NO_PROXY'])"
    script = f'eval {quotes}$1{quotes} && "$2" -c "$3"'
    done = subprocess.run(
        [shell, "-c", script, shell, "\n".join(lines), sys.executable, code], capture_output=True, text=True, encoding="utf-8"
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "123456789012 it's.a b,127.0.0.1,localhost,::1\n"
    assert company.asked == []


def test_environment_at_an_emulator_is_this_one_without_what_is_in_the_way(monkeypatch: pytest.MonkeyPatch):
    for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_ECS"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("MINE", "kept")
    told = starting.environment_at("http://127.0.0.1:1")
    assert told["MINE"] == "kept"
    assert {name for name in told if name.startswith("AWS_")} >= {"AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID"}
    assert not [name for name, value in told.items() if name.startswith("AWS_") and value == "x"]


def test_emulator_is_given_nothing_of_its_users_aws(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_PROFILE", "gone")
    told = starting.of_the_emulator()
    assert {name: value for name, value in told.items() if name.startswith("AWS_")} == {
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }
