"""Programs of ours under locales that are not UTF-8, as real processes: C without Python's own help, and Korean before Unicode."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from harness import images
from harness.driver import until
from tests import korean_locale
from tests.unit import story
from tests.unit.example import EXAMPLE

ROOT = Path(__file__).parents[2]
C = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
SPOILT = {"LC_ALL", "LC_MESSAGES", "LANG", "PYTHONUTF8", "PYTHONIOENCODING", "PYTHONCOERCECLOCALE", "REHEARSAL_HOME"}
ENCODING = {"C": "ascii", "EUC-KR": "euc_kr", "a terminal in EUC-KR": "euc_kr"}


@pytest.fixture(scope="session", name="korean_locale")
def made_korean_locale(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return korean_locale.variables(tmp_path_factory.mktemp("locales"))


@pytest.fixture(params=list(ENCODING))
def spoken_here(request: pytest.FixtureRequest) -> tuple[dict[str, str], str]:
    """Variables, and the encoding of what is printed then."""
    if request.param == "EUC-KR":
        return request.getfixturevalue("korean_locale"), "euc_kr"
    more = {"LANG": "ko", "PYTHONIOENCODING": "euc_kr"} if request.param != "C" else {}
    return {**C, **more}, ENCODING[request.param]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """An empty working directory with a name that is not ASCII; whatever runs from there is ended."""
    folder = tmp_path / "한글 경로"
    folder.mkdir()
    yield folder
    if list(folder.glob(".rehearsal/emulators/*.json")):
        rehearse(folder, {}, "down")


def environment(variables: Mapping[str, str]) -> dict[str, str]:
    return {**{name: value for name, value in os.environ.items() if name not in SPOILT}, **variables}


def python(place: Path, variables: Mapping[str, str], *words: str | bytes) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-P", *words]  # as the installed command: without the working directory on sys.path
    return subprocess.run(command, cwd=place, capture_output=True, timeout=120, env=environment(variables))


def rehearse(place: Path, variables: Mapping[str, str], *words: str | bytes) -> subprocess.CompletedProcess[bytes]:
    return python(place, variables, "-m", "harness.cli", *words)


Spoken = tuple[dict[str, str], str]


def test_scenario_with_a_korean_name_is_read(place: Path, spoken_here: Spoken):
    (place / "전환.yaml").write_text(EXAMPLE, encoding="utf-8")
    variables, encoding = spoken_here
    done = rehearse(place, variables, "lint", "전환.yaml")
    assert (done.returncode, done.stderr) == (0, b"")
    name = "전환" if encoding == "euc_kr" else "??"
    assert done.stdout.decode(encoding).startswith(f"{name}.yaml:14: warning: ")


def test_mistake_in_korean_words_is_one_line(place: Path, spoken_here: Spoken):
    variables, encoding = spoken_here
    (place / "a.yaml").write_text(EXAMPLE + "\n키: 값\n", encoding="utf-8")
    done = rehearse(place, variables, "run", "a.yaml")
    (line,) = done.stderr.decode(encoding).splitlines()
    assert done.returncode == 2
    assert line.startswith("rehearse: a.yaml:")
    assert ("`키`" if encoding == "euc_kr" else "`?`") in line


def test_file_that_is_saved_in_another_encoding_is_one_line(place: Path, spoken_here: Spoken):
    (place / "a.yaml").write_bytes(b"scenario: v1\n" + "title: 전환\n".encode("euc_kr"))
    done = rehearse(place, spoken_here[0], "run", "a.yaml")
    assert done.returncode == 2
    assert done.stderr == b"rehearse: a.yaml:2:8: not UTF-8 text; save the file as UTF-8\n"


def test_comparison_speaks_korean_where_the_terminal_has_it(place: Path, spoken_here: Spoken):
    variables, encoding = spoken_here
    of = story.scenario({"outcome": "succeeded"})
    story.written(place / "a", story.happy(of))
    story.written(place / "b", story.rolled_back(of))
    done = rehearse(place, variables, "compare", "--lang", "ko", "a", "b")
    assert done.returncode == 1
    *lines, page = done.stdout.splitlines()
    said = b"\n".join(lines).decode(encoding)
    assert "## " in said
    assert "?" not in said
    assert page.decode() == "compare.html"
    if encoding == "euc_kr":
        assert "판정이 다른 시나리오" in said
        assert not done.stderr
    else:
        assert "verdicts differ in" in said
        (why,) = done.stderr.decode("ascii").splitlines()
        assert why.startswith("--lang ko: ")
        assert "has no Korean" in why


def test_report_names_a_path_that_can_be_pasted(place: Path, spoken_here: Spoken):
    run = place / "실행"
    story.written(run, story.happy(story.scenario({"outcome": "succeeded"})))
    done = rehearse(place, spoken_here[0], "report", "실행")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode().splitlines() == ["실행/report.html"]
    assert (run / "report.html").is_file()


def test_json_is_ascii_whatever_the_terminal_shows(place: Path, spoken_here: Spoken):
    done = rehearse(place, {**spoken_here[0], "DOCKER_HOST": "unix:///nonexistent/docker.sock"}, "doctor", "--json")
    assert json.loads(done.stdout.decode("ascii"))["home"] == str(place / ".rehearsal")


def test_message_is_what_was_typed(place: Path, spoken_here: Spoken):
    """A terminal sends its own encoding; what is UTF-8 is taken as that."""
    variables, encoding = spoken_here
    typed = ["둘째 메시지".encode()] + (["둘째 메시지".encode(encoding)] if encoding == "euc_kr" else [])
    for words in typed:
        done = rehearse(place, {**variables, "DOCKER_HOST": "unix:///nonexistent"}, "build", "--message", words)
        assert (done.returncode, done.stdout) == (0, b"sampleapp:v1\n")
        manifest = json.loads((place / ".rehearsal/images/sampleapp/v1/manifest.json").read_text(encoding="utf-8"))
        assert manifest["environment"]["APP_MESSAGE"] == "둘째 메시지"


def test_emulator_in_front_answers_and_prints_for_its_terminal(place: Path, spoken_here: Spoken):
    command = [sys.executable, "-P", "-m", "harness.cli", "up", "--port", "0", "--runtime", "process"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=place, env=environment(spoken_here[0]), **pipes) as emulator:
        assert emulator.stdout is not None
        assert emulator.stdout.readline().startswith(b"ready http://127.0.0.1:")
        until(lambda: list(place.glob(".rehearsal/emulators/*.json")), 10, "the emulator's record", every=0.05)
        status = rehearse(place, spoken_here[0], "status", "--json")
        said = Path(f"/proc/{emulator.pid}/environ")
        if said.exists():
            given = dict(one.partition(b"=")[::2] for one in said.read_bytes().split(b"\0"))
            assert given[b"PYTHONUTF8"] == b"1"
        emulator.send_signal(signal.SIGTERM)
        assert emulator.wait(20) == 0
    assert json.loads(status.stdout)["pid"] == emulator.pid


TASK = """
import asyncio, sys
from pathlib import Path
from harness import images, interpreter
from harness.emulator.runtime.base import ContainerSpec
from harness.emulator.runtime.process import ProcessRuntime

async def told(home):
    runtime = ProcessRuntime(home)
    await runtime.prepare()
    task = await runtime.start(ContainerSpec(task_id="t", name="app", image="words:v1", environment={"GREETING": "\\uc548\\ub155"}))
    await task.wait()
    print(ascii((await task.logs()).strip()))
    await runtime.close()

interpreter.begin()
home = Path(sys.argv[1])
asyncio.run(told(home))
"""
SAYS = "import os, sys; print(os.environb[b'GREETING'], sys.argv[1].encode(), os.environ['LANG'])"


def test_task_gets_utf8_and_a_locale_that_is_not_the_developers(place: Path, spoken_here: Spoken):
    image = place / ".rehearsal/images/words/v1/manifest.json"
    image.parent.mkdir(parents=True)
    manifest = {"argv": [sys.executable, "-c", SAYS, "세계"], "workdir": str(place), "environment": {}, "port": 8080}
    manifest["architecture"] = images.architecture_of_this_machine()
    image.write_text(json.dumps(manifest), encoding="utf-8")
    done = python(place, spoken_here[0], "-c", TASK, ".rehearsal")
    assert done.stderr == b""
    said = f"{'안녕'.encode()} {'세계'.encode()} C.UTF-8"
    assert done.stdout.decode("ascii").strip() == ascii(said)


FEED = """
import sys
from harness.probe.feed import LineFeed

say = (
    "import json, sys; print(json.dumps({'event': 'Trouble', 'at': 1.0, 'step': 's', 'message': sys.argv[1]}));"
    "print(json.dumps({'event': 'ProbeEnded', 'at': 2.0, 'planned': 0, 'done': 0, 'late': 0})); sys.stdin.read()"
)
heard = []
feed = LineFeed([sys.executable, "-c", say, "\\uacbd\\ub85c"], timeout=5, on_line=heard.append, who="probe")
feed.stop()
print(ascii(heard[0].message))
"""


def test_probe_of_a_process_that_stays_in_another_encoding_is_told_in_utf8(place: Path, spoken_here: Spoken):
    """As of somebody's tests: pytest is not started once more."""
    done = python(place, spoken_here[0], "-c", FEED)
    assert (done.stdout, done.stderr) == (ascii("경로").encode() + b"\n", b"")


def test_process_of_somebody_else_prints_without_an_error(place: Path):
    code = "from harness import signs; signs.tolerate(); print('\\u2714 \\u2718 \\ud55c')"
    assert python(place, C, "-c", code).stdout == b"+ x ?\n"


@pytest.mark.parametrize(
    ("module", "page"),
    [
        ("harness.emulator.emulated", "docs/EMULATED.md"),
        ("harness.scenario", "scenarios/scenario.schema.json"),
        ("harness.report.contract", "docs/result.schema.json"),
    ],
)
def test_page_that_is_written_from_the_code_is_utf8(module: str, page: str):
    done = python(ROOT, C, "-m", module)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == (ROOT / page).read_bytes()
