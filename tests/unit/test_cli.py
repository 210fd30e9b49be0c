"""The `rehearse` command, as a real process: exit codes, and errors that are one clear line."""

import os
import re
import signal
import socket
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness import scenario
from harness.driver import until
from harness.runner.run import RunAsked, _claimed
from tests.unit.example import EXAMPLE, changed

ROOT = Path(__file__).parents[2]
NO_ENGINE = {"DOCKER_HOST": "unix:///nonexistent/docker.sock"}
VERBS = ["run", "up", "status", "down", "sweep", "build", "lint", "doctor", "report", "compare", "dashboard", "aws"]


class Said:
    """What a command said, and its exit code."""

    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr

    @property
    def error(self) -> str:
        """The one line of the error, without the command's name."""
        (line,) = self.err.splitlines()
        return line.removeprefix("rehearse: ")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """An empty working directory; whatever runs from there is ended."""
    yield tmp_path
    if list(tmp_path.glob(".rehearsal/emulators/*.json")):
        rehearse(tmp_path, "down")


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "harness.cli", *words]


def environment(**more: str) -> dict[str, str]:
    return {**{name: value for name, value in os.environ.items() if name != "REHEARSAL_HOME"}, **more}


def rehearse(place: Path, *words: str, **more: str) -> Said:
    return Said(
        subprocess.run(
            command(*words),
            cwd=place,
            capture_output=True,
            text=True,
            timeout=120,
            env=environment(**more),
            encoding="utf-8",
        )
    )


def write(place: Path, text: str, name: str = "a.yaml") -> str:
    (place / name).write_text(text, encoding="utf-8")
    return name


@contextmanager
def taken_port() -> Iterator[int]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken.getsockname()[1]


# ---- usage: exit code 2, one line


@pytest.mark.parametrize("verb", ["run", "lint"])
def test_unknown_key_is_one_line_with_file_line_and_the_nearest_key(place: Path, verb: str):
    name = write(place, changed(("", "  liveatend: v1\n")))
    said = rehearse(place, verb, name)
    assert said.code == 2
    (line,) = (said.err or said.out).splitlines()
    assert re.search(
        r"a\.yaml:16(:3)?: (error: )?`liveatend` is no key in `expect`; did you mean `live_at_end`\?", line
    )


def test_duration_without_a_unit_is_one_line(place: Path):
    said = rehearse(place, "run", write(place, changed(("after: 20s", "after: 20"))))
    assert said.code == 2
    assert said.error.startswith("a.yaml:13:31: `after`: 20 is not a duration: it needs a number and a unit")
    assert said.error.endswith("did you mean 20s?")


def test_several_mistakes_are_one_line_each(place: Path):
    said = rehearse(place, "run", write(place, changed(("after: 20s", "after: 20"), ("id: an-example", "id: A"))))
    assert said.code == 2
    assert [line.removeprefix("rehearse: ")[:9] for line in said.err.splitlines()] == ["a.yaml:2:", "a.yaml:13"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("run", "nowhere.yaml"), "nowhere.yaml: there is no such file"),
        (("run", "."), ".: this is a folder; name a scenario file"),
        (("run",), "there are no scenarios in"),
        (("run", "--compress", "fast"), "argument --compress: fast is neither auto nor a number"),
        (("run", "--at-once", "0"), "argument --at-once: 0 is not a whole number that is 1 or more"),
        (("up", "--bind", "192.0.2.1"), "argument --bind: invalid choice: '192.0.2.1'"),
        (("run", "--target", "moon"), "argument --target: invalid choice: 'moon'"),
        (("run", "--colour"), "unrecognized arguments: --colour"),
        (("up", "--compress", "0.5"), "argument --compress: 0.5 is not a number that is 1 or more"),
        (("up", "--compress", "nan"), "argument --compress: nan is not a number that is 1 or more"),
        (("up", "--port", "70000"), "argument --port: 70000 is not a port"),
        (("lint",), "the following arguments are required: SCENARIO"),
        (("build", "--revision", "../../v1"), "--revision ../../v1: it must be fit for an image tag"),
        (("build", "nowhere"), "there is no such folder to build"),
        (("report", "nowhere"), "nowhere: there is no journal.jsonl in it"),
        (("compare", "a", "b"), "a: there is no journal.jsonl in it"),
        (("compare", "a"), "the following arguments are required: RUN_B"),
        (("dashboard", "--port", "70000"), "argument --port: 70000 is not a port"),
        (("aws", "run", "a.yaml", "--profile", "lean"), "unrecognized arguments: --profile lean"),
        (("rehearse",), "argument VERB: invalid choice: 'rehearse'"),
        ((), "the following arguments are required: VERB"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)  # fmt: skip
def test_usage_that_is_wrong_is_exit_code_2_and_one_line(place: Path, words: tuple[str, ...], says: str):
    said = rehearse(place, *words)
    assert (said.code, said.out) == (2, "")
    assert says in said.error


def test_push_without_an_emulator_says_how_to_start_one(place: Path):
    said = rehearse(place, "build", "--push", "a/b")
    assert (said.code, said.out) == (3, "")
    assert "start one with: rehearse up --detach" in said.error


@pytest.mark.parametrize("factor", ["0.5", "-1", "nan", "inf"])
def test_factor_that_cannot_be_is_refused_before_anything_starts(place: Path, factor: str):
    said = rehearse(place, "run", write(place, EXAMPLE), f"--compress={factor}")
    assert said.code == 2
    assert "it must be auto, or a number that is 1 or more" in said.error
    assert not (place / ".rehearsal").exists()


NOBODY = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_SHARED_CREDENTIALS_FILE": "/nowhere", "AWS_CONFIG_FILE": "/nowhere"}


def test_run_on_aws_without_credentials_is_refused(place: Path):
    said = rehearse(place, "run", write(place, EXAMPLE), "--target", "aws", **NOBODY)
    assert said.code == 3
    assert said.error.startswith("this shell has no AWS credentials: choose a profile")


def test_doctor_of_aws_says_what_is_missing(place: Path):
    said = rehearse(place, "doctor", "--target", "aws", **NOBODY)
    assert said.code == 3
    assert "✘ expected account: this shell has no AWS credentials" in said.out


@pytest.mark.parametrize(
    "words", [("aws", "status"), ("doctor", "--target", "aws"), ("run", "a.yaml", "--target", "aws")]
)
def test_profile_that_is_not_there_is_one_line_on_aws_and_nothing_elsewhere(place: Path, words: tuple[str, ...]):
    write(place, EXAMPLE)
    shell = {**NOBODY, "AWS_PROFILE": "gone"}
    said = rehearse(place, *words, **shell)
    assert said.code == 3
    assert said.error == "this shell's AWS settings cannot be used: The config profile (gone) could not be found"
    assert rehearse(place, "lint", "a.yaml", **shell).code == 0


def test_credentials_of_aws_are_named_before_anybody_is_asked(place: Path):
    """Also where the answer never comes: here the proxy is none."""
    keys = {
        "AWS_ACCESS_KEY_ID": "AKIDNOTTOLD",
        "AWS_SECRET_ACCESS_KEY": "x",
        "HTTPS_PROXY": "http://me:secret@127.0.0.1:9",
    }
    said = rehearse(place, "aws", "status", **NOBODY, **keys)
    assert said.code == 3
    assert said.err.splitlines()[0] == "credentials: keys of the environment"
    assert 'cannot be told: sts:get_caller_identity: Failed to connect to proxy URL: "http://***@127' in said.err
    assert "secret" not in said.err
    assert "AKID" not in said.err


def test_two_scenarios_of_the_same_id_are_refused(place: Path):
    said = rehearse(place, "run", write(place, EXAMPLE), write(place, EXAMPLE, "b.yaml"))
    assert said.code == 2
    assert "two of the scenarios have the same id" in said.error


def test_results_do_not_go_into_a_file(place: Path):
    said = rehearse(place, "run", write(place, EXAMPLE), "--out", "a.yaml")
    assert (said.code, said.error) == (2, "--out a.yaml: it must be a directory")


@pytest.mark.parametrize(
    "words",
    [
        *(("run", "a.yaml"), ("up", "--port=0"), ("up", "--port=0", "--detach"), ("build",)),
        *(("status",), ("down",), ("sweep",), ("dashboard", "--port=0")),
    ],
)
def test_state_directory_that_cannot_be_made_is_named(place: Path, words: tuple[str, ...]):
    (place / "state").write_text("a file in the way", encoding="utf-8")
    write(place, EXAMPLE)
    said = rehearse(place, *words, REHEARSAL_HOME="state", **NO_ENGINE)
    assert said.code == 2
    assert f"{place}/state" in said.err.splitlines()[-1]
    assert "cannot be made: " in said.err.splitlines()[-1]
    assert "Traceback" not in said.err


@pytest.mark.parametrize("words", [("dashboard", "--port=0"), ("up", "--port=0", "--detach")])
def test_state_directory_that_has_no_place_is_named(place: Path, words: tuple[str, ...]):
    (place / "file").write_text("a file in the way", encoding="utf-8")
    said = rehearse(place, *words, REHEARSAL_HOME="file/below", **NO_ENGINE)
    assert (said.code, said.out) == (2, "")
    assert (
        f"the state directory {place}/file/below cannot be made (Not a directory); choose another place" in said.error
    )


@pytest.mark.parametrize("url", ["http://[::1", "http://u:secret@[::1", "http://", "http://host:99999", "nonsense"])
@pytest.mark.parametrize("option", ["--delegate", "--drive"])
def test_endpoint_that_is_no_url_is_one_line(place: Path, option: str, url: str):
    given = url if option == "--delegate" else f"ecs,elbv2={url}"
    said = rehearse(place, "up", "--port", "0", "--runtime", "process", option, given)
    assert (said.code, said.out) == (2, "")
    assert f"{option} " in said.error
    assert "URL" in said.error
    assert "secret" not in said.error


def test_reports_directory_that_cannot_be_made_ends_the_run_before_anything_is_deployed(place: Path):
    said = rehearse(place, "run", "--runtime", "process", write(place, EXAMPLE), "--out", "/proc/out")
    assert (said.code, said.out) == (2, "")
    assert (
        said.err.splitlines()[-1]
        == "rehearse: the reports' directory /proc/out cannot be made (No such file or directory); choose another place: "
        "REHEARSAL_HOME for all that is kept, --out for a run's reports"
    )


def test_run_does_not_write_into_another_runs_journal(place: Path):
    (place / "out" / "an-example").mkdir(parents=True)
    said = rehearse(place, "run", "--runtime", "process", write(place, EXAMPLE), "--out", "out")
    assert (said.code, said.out) == (2, "")
    assert said.err.splitlines()[-1] == "rehearse: out has another run of an-example; name another directory with --out"


def test_section_that_rehearsal_toml_does_not_have_is_refused(place: Path):
    (place / "rehearsal.toml").write_text("[emulatr]\nregistry_port = 5000\n", encoding="utf-8")
    said = rehearse(place, "lint", write(place, EXAMPLE))
    assert (said.code, said.error) == (2, "rehearsal.toml: [emulatr] is no section of it; did you mean `emulator`?")


# ---- help, lint


def test_help_lists_every_verb(place: Path):
    said = rehearse(place, "--help")
    assert (said.code, said.err) == (0, "")
    assert all(re.search(rf"^    {verb}\b", said.out, re.MULTILINE) for verb in VERBS)


@pytest.mark.parametrize("verb", ["run", "up", "aws"])
def test_verb_has_its_help(place: Path, verb: str):
    said = rehearse(place, verb, "--help")
    assert said.code == 0
    assert said.out.startswith(f"usage: rehearse {verb}")


def test_the_scenarios_of_the_project_have_no_errors():
    said = rehearse(ROOT, "lint", *map(str, sorted(ROOT.glob("scenarios/*.yaml"))))
    assert (said.code, said.err) == (0, "")
    assert ": error: " not in said.out


def test_warning_is_no_error(place: Path):
    said = rehearse(place, "lint", write(place, changed(("target_5xx_percent", "target_5xx_count"))))
    assert said.code == 0
    assert said.out.startswith("a.yaml:10: warning: 5xx counts")


def test_lint_goes_through_all_files(place: Path):
    said = rehearse(place, "lint", write(place, "scenario: v2\n"), "nowhere.yaml")
    assert said.code == 2
    assert "a.yaml:1: error: `scenario` is v2; it must be v1" in said.out
    assert "nowhere.yaml: error: there is no such file" in said.out


def test_reader_that_goes_away_is_no_success(place: Path):
    """`rehearse ... | head -0`: no traceback, and not the exit code of "all met"."""
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        command("lint", write(place, "scenario: v2\n")),
        cwd=place, stdout=writing, stderr=subprocess.PIPE, text=True, encoding="utf-8", timeout=60, env=environment(),
    )  # fmt: skip
    os.close(writing)
    assert (done.returncode, done.stderr) == (3, "")


# ---- the environment: exit code 3


class Greeter(socketserver.BaseRequestHandler):
    """Says what it is before it was asked anything, as an SSH server does."""

    def handle(self) -> None:
        self.request.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
        self.request.recv(4096)


def test_endpoint_that_speaks_no_http_is_named(place: Path):
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Greeter) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        endpoint = f"http://127.0.0.1:{server.server_address[1]}"
        said = rehearse(place, "run", write(place, EXAMPLE), "--endpoint", endpoint)
        server.shutdown()
    assert said.code == 3
    assert f"{endpoint} is no rehearse emulator that answers (no HTTP: SSH-2.0-OpenSSH_9.2)" in said.error


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_complaint_that_nobody_reads_keeps_its_exit_code(place: Path):
    with open("/dev/full", "wb") as full:
        done = subprocess.run(command("nosuch"), cwd=place, stderr=full, env=environment(), timeout=60)
    assert done.returncode == 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_emulator_that_nobody_was_told_of_is_stopped(place: Path):
    words = command("up", "--detach", "--port", "0", "--runtime", "process")
    with open("/dev/full", "wb") as full:
        done = subprocess.run(words, cwd=place, stdout=full, stderr=subprocess.PIPE, env=environment(), timeout=60)
    assert done.returncode == 3
    assert done.stderr.splitlines()[-1] == b"rehearse: standard output: No space left on device"
    assert list(place.glob(".rehearsal/emulators/*.json")) == []


def test_state_directory_with_an_impossible_name_is_one_line(place: Path):
    said = rehearse(place, "sweep", REHEARSAL_HOME="x" * 300)
    assert (said.code, said.error.endswith("cannot be made: File name too long")) == (2, True)


@pytest.mark.parametrize("verb", ["status", "down"])
def test_no_emulator_says_how_to_start_one(place: Path, verb: str):
    said = rehearse(place, verb)
    assert said.code == 3
    assert said.error.endswith("start one with: rehearse up --detach")


@pytest.mark.parametrize("detach", [(), ("--detach",)], ids=["in front", "detached"])
def test_port_in_use_is_named(place: Path, detach: tuple[str, ...]):
    with taken_port() as port:
        said = rehearse(place, "up", "--port", str(port), "--runtime", "process", *detach)
    assert (said.code, said.out) == (3, "")
    last = said.err.splitlines()[-1]
    assert last.startswith("rehearse: ")
    assert f"port {port} of 127.0.0.1 cannot be had" in last
    assert "choose another with --port" in last
    assert "Traceback" not in said.err


def test_endpoint_where_nobody_answers_is_named(place: Path):
    with taken_port() as port:
        pass
    said = rehearse(place, "run", write(place, EXAMPLE), "--endpoint", f"http://127.0.0.1:{port}")
    assert said.code == 3
    assert f"http://127.0.0.1:{port} is no rehearse emulator that answers" in said.error


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize(
    "words",
    [
        *(("lint", *["a.yaml"] * 200), ("sweep",), ("doctor", "--json")),
        *(("--version",), ("--help",), ("run", "--help"), ("aws", "up", "--help")),
    ],
)
def test_output_that_has_no_room_is_one_line(place: Path, words: tuple[str, ...]):
    write(place, "scenario: v2\n")
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            command(*words), cwd=place, stdout=full, stderr=subprocess.PIPE, env=environment(), timeout=60
        )
    assert (done.returncode, done.stderr) == (3, b"rehearse: standard output: No space left on device\n")


@pytest.mark.parametrize("most", [8, 12])
@pytest.mark.parametrize("words", [("run", "a.yaml"), ("up", "--port", "0", "--detach")], ids=" ".join)
def test_too_few_open_files_are_one_line(place: Path, words: tuple[str, ...], most: int):
    write(place, EXAMPLE)
    limited = ["sh", "-c", f'ulimit -n {most} && exec "$@"', "sh", *command(*words, "--runtime", "process")]
    done = subprocess.run(
        limited, cwd=place, capture_output=True, text=True, encoding="utf-8", timeout=60, env=environment()
    )
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.splitlines()[-1].endswith(f"{most} open files are too few; raise the limit: ulimit -n 256")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "words", [("run", "a.yaml"), ("up", "--port", "0"), ("up", "--port", "0", "--detach")], ids=" ".join
)
def test_docker_that_was_asked_for_and_is_not_there_is_exit_code_3(place: Path, words: tuple[str, ...]):
    write(place, EXAMPLE)
    said = rehearse(place, *words, "--runtime", "docker", **NO_ENGINE)
    assert (said.code, said.out) == (3, "")
    assert "--runtime docker: no Docker engine answers" in said.error
    assert "process" in said.error


def test_without_docker_auto_takes_processes_and_says_why(place: Path):
    said = rehearse(place, "up", "--port", "0", "--detach", **NO_ENGINE)
    assert said.code == 0
    assert said.err.startswith("process runtime (no Docker engine answers")
    endpoint = re.match(r"export AWS_ENDPOINT_URL=(http://127\.0\.0\.1:\d+) .*\nunset .*\n\Z", said.out)
    assert endpoint
    status = rehearse(place, "status")
    assert status.out.startswith(f"{endpoint[1]} (pid ")
    assert "process runtime" in status.out
    assert rehearse(place, "down").out.startswith(f"stopped the emulator at {endpoint[1]}")
    assert rehearse(place, "status").code == 3


def test_up_prints_what_a_shell_can_eval(place: Path):
    said = rehearse(place, "up", "--port", "0", "--runtime", "process", "--detach")
    shown = subprocess.run(
        ["sh", "-c", 'eval "$1" && echo "$AWS_ENDPOINT_URL $AWS_ACCESS_KEY_ID"', "sh", said.out],
        capture_output=True, text=True, encoding="utf-8", check=True,
    )  # fmt: skip
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+ test\n", shown.stdout)
    assert rehearse(place, "down").code == 0


def test_emulator_in_front_ends_on_sigterm_and_leaves_nothing(place: Path):
    emulator = subprocess.Popen(
        command("up", "--port", "0", "--runtime", "process"),
        cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8", env=environment(),
    )  # fmt: skip
    with emulator:
        assert emulator.stdout
        assert emulator.stdout.readline().startswith("ready http://127.0.0.1:")
        records = place / ".rehearsal/emulators"
        until(lambda: list(records.glob("*.json")), 10, "the emulator's record", every=0.05)
        emulator.send_signal(signal.SIGTERM)
        assert emulator.wait(20) == 0
    assert not list(records.glob("*.json"))


def test_sweep_finds_nothing_where_nothing_was_left(place: Path):
    said = rehearse(place, "sweep")
    assert (said.code, said.out) == (0, "nothing was left\n")


def test_state_directory_can_be_chosen(place: Path):
    said = rehearse(place, "status", REHEARSAL_HOME=str(place / "elsewhere"))
    assert str(place / "elsewhere") in said.error


def test_build_names_the_image(place: Path):
    said = rehearse(place, "build", "--revision", "v7", "--message", "Hello", **NO_ENGINE)
    assert (said.code, said.out) == (0, "sampleapp:v7\n")
    assert (place / ".rehearsal/images/sampleapp/v7/manifest.json").is_file()


def test_runs_that_begin_in_the_same_second_have_directories_of_their_own(place: Path):
    file = place / write(place, EXAMPLE)
    asked = RunAsked(scenarios=[scenario.load(file)], home=place, out=place / "now", numbered=True)
    assert [_claimed(asked).name for _ in range(3)] == ["now", "now-2", "now-3"]


def test_options_for_aws_are_refused_on_another_target(place: Path):
    said = rehearse(place, "run", write(place, EXAMPLE), "--yes", "--account", "123456789012")
    assert (said.code, said.out) == (2, "")
    assert said.err.splitlines()[-1] == "rehearse: --yes, --account: only with --target aws; this is --target local"
