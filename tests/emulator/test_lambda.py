"""Lambda with the stock boto3: functions really run, in processes of their own."""

import base64
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from harness.driver.hook_function import package
from harness.emulator.runtime.process import MARKER, sweep
from tests.emulator.conftest import Running, start_emulator, stop_emulator
from tests.emulator.lambda_story import Functions, until, zipped
from tests.emulator.release import Release


@pytest.fixture
def functions(aws: Running) -> Iterator[Functions]:
    made = Functions(aws)
    yield made
    made.remove_all()


# ---- running


def test_function_gets_the_event_and_answers_what_its_handler_returns(functions: Functions):
    name = functions.create()
    answer = functions.client.invoke(FunctionName=name, Payload=b'{"a": [1, "\xc3\xa9"]}', LogType="Tail")
    assert json.loads(answer["Payload"].read()) == {"echo": {"a": [1, "é"]}}
    assert (answer["StatusCode"], answer["ExecutedVersion"]) == (200, "$LATEST")
    assert "FunctionError" not in answer
    start, seen, end, report = base64.b64decode(answer["LogResult"]).decode().splitlines()
    assert start.startswith("START RequestId: ")
    assert seen == "seen {'a': [1, 'é']}"
    assert end.startswith("END RequestId: ")
    assert "Memory Size: 128 MB" in report
    assert functions.log(name).splitlines() == [start, seen, end, report]


def test_function_without_a_payload_gets_an_empty_object(functions: Functions):
    answer = functions.client.invoke(FunctionName=functions.create())
    assert json.loads(answer["Payload"].read()) == {"echo": {}}


def test_function_sees_its_own_environment_and_lambdas_but_not_the_emulators(functions: Functions):
    source = "import os\ndef handler(event, context): return dict(os.environ)"
    name = functions.create(source, Environment={"Variables": {"RULES": "[]"}}, MemorySize=256)
    seen, _ = functions.invoke(name)
    expected = {
        "RULES": "[]",
        "AWS_ENDPOINT_URL": functions.aws.url,
        "AWS_REGION": "us-east-1",
        "AWS_LAMBDA_FUNCTION_NAME": name,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
        "_HANDLER": "index.handler",
    }
    assert expected.items() <= seen.items()
    assert not {"PYTHONPATH", "PYTEST_CURRENT_TEST", "VIRTUAL_ENV"} & seen.keys()


def test_context_names_the_function_and_the_time_it_has_left(functions: Functions):
    source = """
def handler(event, context):
    return [context.function_name, context.memory_limit_in_mb, context.aws_request_id, context.invoked_function_arn,
            context.get_remaining_time_in_millis()]
"""
    name = functions.create(source, Timeout=7)
    (function, memory, request_id, arn, left), _ = functions.invoke(name)
    assert (function, memory, arn) == (name, "128", f"arn:aws:lambda:us-east-1:123456789012:function:{name}")
    assert len(request_id) == 36
    assert 4000 < left <= 7000


def test_function_may_have_modules_and_files_beside_its_handler(functions: Functions):
    source = "from beside import said\ndef handler(event, context): return [said, open('beside.py').read()]"
    code = zipped(source, beside="said = 'hello'")
    answer, _ = functions.invoke(functions.create(code={"ZipFile": code}))
    assert answer == ["hello", "said = 'hello'"]


def test_logging_prints_in_lambdas_format(functions: Functions):
    source = """
import logging
log = logging.getLogger()
log.setLevel("INFO")
def handler(event, context):
    log.info("checked %s", event)
"""
    name = functions.create(source)
    assert functions.invoke(name, 7) == (None, None)
    line = functions.log(name).splitlines()[1]
    assert line.startswith("[INFO]\t20")
    assert line.endswith("\tchecked 7")


def test_process_is_kept_warm_until_the_function_changes(functions: Functions):
    source = "import os\nruns = []\ndef handler(event, context): runs.append(1); return [os.getpid(), len(runs)]"
    name = functions.create(source)
    (first, _), _ = functions.invoke(name)
    assert functions.invoke(name)[0] == [first, 2]
    functions.client.update_function_configuration(FunctionName=name, Environment={"Variables": {"A": "1"}})
    (second, runs), _ = functions.invoke(name)
    assert (second != first, runs) == (True, 1)
    until(lambda: not psutil.pid_exists(first))
    functions.client.delete_function(FunctionName=name)
    until(lambda: not psutil.pid_exists(second))
    until(lambda: not list((functions.aws.home / "functions").glob(f"{name}-*")))
    assert not [
        line for line in (functions.aws.home / "ledger").glob("*.json") if name in line.read_text(encoding="utf-8")
    ]


def test_invocations_of_one_function_run_at_the_same_time(functions: Functions, tmp_path: Path):
    source = """
import os, time
def handler(event, context):
    open(os.path.join(event, str(os.getpid())), "w").close()
    while len(os.listdir(event)) < 2:
        time.sleep(0.02)
"""
    name = functions.create(source, Timeout=20)
    functions.client.invoke(FunctionName=name, InvocationType="Event", Payload=json.dumps(str(tmp_path)))
    assert functions.invoke(name, str(tmp_path)) == (None, None)


def test_payload_of_megabytes_goes_both_ways(functions: Functions):
    text = "x" * 3_000_000
    answer, _ = functions.run("def handler(event, context): return event + event[:1]", text)
    assert len(answer) == 3_000_001


def test_flood_of_output_does_not_hold_up_the_answer(functions: Functions):
    name = functions.create("def handler(event, context):\n    for _ in range(20000): print('y' * 99)\n    return 1")
    answer = functions.client.invoke(FunctionName=name, LogType="Tail")
    assert answer["Payload"].read() == b"1"
    tail = base64.b64decode(answer["LogResult"])
    assert len(tail) == 4096
    assert functions.log(name).count("y" * 99 + "\n") == 20000


# ---- other kinds of invocation


def test_event_is_answered_at_once_and_runs_on_its_own(functions: Functions, tmp_path: Path):
    source = "import pathlib, time\ndef handler(event, context):\n    time.sleep(1)\n    pathlib.Path(event).write_text('ran')"
    began = time.monotonic()
    made = functions.create(source)
    answer = functions.client.invoke(
        FunctionName=made, InvocationType="Event", Payload=json.dumps(str(tmp_path / "sign"))
    )
    assert time.monotonic() - began < 1
    assert (answer["StatusCode"], answer["Payload"].read()) == (202, b"")
    until((tmp_path / "sign").exists)


def test_dry_run_runs_nothing(functions: Functions):
    name = functions.create()
    assert functions.client.invoke(FunctionName=name, InvocationType="DryRun")["StatusCode"] == 204
    assert not (functions.aws.home / "logs/lambda" / f"{name}.log").exists()


# ---- functions that fail


def test_error_of_the_handler_is_unhandled_with_type_message_and_trace(functions: Functions):
    answer, error = functions.run("def handler(event, context):\n    raise ValueError('no ' + event)", "boom")
    assert error == "Unhandled"
    assert (answer["errorType"], answer["errorMessage"]) == ("ValueError", "no boom")
    (frame,) = answer["stackTrace"]
    assert "index.py" in frame
    assert "line 2, in handler" in frame


@pytest.mark.parametrize(
    ("source", "handler", "kind", "said"),
    [
        ("import absent", "index.handler", "Runtime.ImportModuleError", "Unable to import module 'index': No module"),
        ("def handler(:", "index.handler", "Runtime.UserCodeSyntaxError", "Syntax error in module 'index'"),
        ("x = 1", "index.handler", "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'index'"),
        ("x = 1", "handler", "Runtime.MalformedHandlerName", "Bad handler 'handler'"),
        ("1 / 0", "index.handler", "ZeroDivisionError", "division by zero"),
        ("def handler(e, c): return {1}", "index.handler", "Runtime.MarshalError", "Unable to marshal response"),
        ("def handler(e, c): exit(3)", "index.handler", "Runtime.ExitError", "exit status 3"),
        ("def handler(e, c): exit(200)", "index.handler", "Runtime.ExitError", "exit status 200"),
        ("def handler(e, c): exit(0)", "index.handler", "Runtime.ExitError", "without providing a reason"),
        ("import os; os._exit(4)", "index.handler", "Runtime.ExitError", "exit status 4"),
        ("import os\ndef handler(e, c): os.kill(os.getpid(), 9)", "index.handler", "Runtime.ExitError", "killed"),
        ("import os\ndef handler(e, c): os.closerange(3, 99)", "index.handler", "Runtime.ExitError", "Runtime exited"),
    ],
)
def test_broken_function_says_what_is_wrong(functions: Functions, source: str, handler: str, kind: str, said: str):
    answer, error = functions.run(source, Handler=handler)
    assert (error, answer["errorType"]) == ("Unhandled", kind)
    assert said in answer["errorMessage"]


def test_function_that_failed_once_can_be_invoked_again(functions: Functions):
    name = functions.create("def handler(event, context):\n    if event: exit(1)\n    return 'well'")
    assert functions.invoke(name, 1)[1] == "Unhandled"
    assert functions.invoke(name, 0) == ("well", None)


def test_timeout_ends_the_function_and_what_it_started(functions: Functions, tmp_path: Path):
    source = """
import os, subprocess, time
def handler(event, context):
    child = subprocess.Popen(["sleep", "300"])
    with open(event, "w") as file:
        file.write(f"{os.getpid()} {child.pid}")
    print("waiting")
    time.sleep(300)
"""
    name, began = functions.create(source, Timeout=1), time.monotonic()
    answer, error = functions.invoke(name, str(tmp_path / "pids"))
    assert 1 <= time.monotonic() - began < 5
    assert error == "Unhandled"
    assert answer["errorMessage"].endswith("Task timed out after 1.00 seconds")
    for pid in (tmp_path / "pids").read_text(encoding="utf-8").split():
        until(lambda pid=int(pid): gone(pid))
    assert "waiting\n" in functions.log(name)


def test_function_is_held_to_its_memory(functions: Functions):
    source = "import time\ndef handler(event, context):\n    held = b'x' * 300_000_000\n    time.sleep(20)"
    answer, error = functions.run(source, Timeout=30)
    assert (error, answer["errorType"]) == ("Unhandled", "Runtime.OutOfMemory")


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


# ---- what hooks need


def test_hook_function_of_the_driver_reports_to_codedeploy(functions: Functions):
    rules = json.dumps(
        [{"url": f"{functions.aws.url}/_rehearsal/status", "status": 200, "json": {"runtime": "process"}}]
    )
    name = functions.create(
        code={"ZipFile": package.zipped()},
        Handler=package.HANDLER,
        Environment={"Variables": {"RULES": rules}},
        Timeout=20,
    )
    answer, error = functions.invoke(name, {"DeploymentId": "d-ABCDEFGHI", "LifecycleEventHookExecutionId": "none"})
    assert "PASS" in functions.log(name)
    # There is no such deployment: CodeDeploy's own refusal shows that the function asked it.
    assert error == "Unhandled"
    assert "PutLifecycleEventHookExecutionStatus operation" in answer["errorMessage"]


def test_function_calls_aws_with_boto3(functions: Functions):
    source = """
import boto3
def handler(event, context):
    return boto3.client("lambda").get_function(FunctionName=context.function_name)["Configuration"]["State"]
"""
    assert functions.run(source, Timeout=20) == ("Active", None)


def test_hook_functions_decide_about_a_deployment(functions: Functions):
    release = Release(functions.aws).up()

    def hook(status: int) -> str:
        rules = json.dumps([{"url": release.url(), "status": status}])
        return functions.create(
            code={"ZipFile": package.zipped()},
            Handler=package.HANDLER,
            Environment={"Variables": {"RULES": rules}},
            Timeout=20,
        )

    hooks = {"BeforeInstall": hook(200), "AfterInstall": hook(418)}
    deployment = release.deploy(release.register("v2"), hooks)
    assert release.ended(deployment)["errorInformation"]["code"] == "HOOK_EXECUTION_FAILURE"
    events = release.events(deployment)
    assert (events["BeforeInstall"], events["AfterInstall"]) == ("Succeeded", "Failed")
    assert "status 200, expected 418" in functions.log(hooks["AfterInstall"])


# ---- nothing is left


def running_of(home: Path) -> list[int]:
    """Processes that belong to the state directory by their environment, but for zombies."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARKER) == str(home.resolve()) and not gone(process.pid):
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[Running]:
    """An emulator of its own, with a warm sandbox and one in the middle of an invocation that started a process."""
    running = start_emulator(tmp_path)
    functions = Functions(running)
    functions.invoke(functions.create())
    source = "import subprocess, time\ndef handler(e, c):\n    subprocess.Popen(['sleep', '300'])\n    time.sleep(300)"
    functions.client.invoke(FunctionName=functions.create(source, Timeout=600), InvocationType="Event")
    until(lambda: len(running_of(tmp_path)) == 3)
    yield running
    running.process.kill()
    sweep(tmp_path)


def test_closing_the_emulator_leaves_no_process_and_no_directory(busy: Running):
    stop_emulator(busy)
    assert running_of(busy.home) == []
    assert list((busy.home / "functions").iterdir()) == []
    assert list((busy.home / "ledger").iterdir()) == []


def test_killing_the_emulator_ends_its_functions_too(busy: Running):
    busy.process.kill()
    busy.process.wait()
    assert busy.process.stdout is not None
    busy.process.stdout.close()
    until(lambda: running_of(busy.home) == [])
    assert list((busy.home / "functions").iterdir()) == []


def test_sweep_finds_a_function_that_a_crash_left(busy: Running):
    """Stopped processes cannot notice that their emulator is gone."""
    pids = running_of(busy.home)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    busy.process.kill()
    busy.process.wait()
    assert busy.process.stdout is not None
    busy.process.stdout.close()
    assert set(running_of(busy.home)) == set(pids)
    assert sweep(busy.home)
    until(lambda: running_of(busy.home) == [])
