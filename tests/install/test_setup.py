"""`make setup` on a checkout of no size: what it makes, what it adds, and what it makes anew."""

import os
import shutil
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest

from harness.install import place, stamp
from tests.install.skeleton import BASE_PYTHON, Checkout, wheel


def test_setup_that_has_nothing_to_do_says_nothing_and_takes_a_few_starts_of_python(ready: Checkout):
    """make, a shell and one Python that reads the stamp: 4 of them, where pip alone would be 20."""
    setups, starts = [], []
    for _ in range(5):
        began = time.monotonic()
        assert ready.make("setup").said == []
        setups.append(time.monotonic() - began)
        began = time.monotonic()
        subprocess.run([BASE_PYTHON, "-I", "-S", "-c", ""], check=True)
        starts.append(time.monotonic() - began)
    assert min(setups) < 12 * min(starts)


def test_setup_installs_the_runtime_alone_and_the_command_runs(ready: Checkout):
    assert ready.has("tea")
    assert not ready.has("milk")
    assert not ready.has("sugar")
    command = [str(ready.place / "bin/rehearse")]
    assert subprocess.run(command, capture_output=True, text=True, encoding="utf-8").stdout == "it runs\n"


def test_nothing_lies_beside_the_environment(ready: Checkout):
    there = {one.name for one in ready.path.iterdir()}
    assert there - {".venv"} == {
        "Makefile",
        "harness",
        "pyproject.toml",
        "constraints.txt",
        "backend.py",
        "__pycache__",
    }


def test_tools_of_the_tests_come_with_the_tests(ready: Checkout):
    done = ready.make("setup-dev")
    assert (done.code, done.said) == (0, ["adding dev to .venv (once)"])
    assert ready.has("sugar")
    assert ready.has("milk")
    assert ready.make("setup").said == ready.make("setup-dev").said == []


@pytest.mark.parametrize(
    ("told", "package"), [("EXTRA=load", "milk"), ("EXTRA=localstack,load", "milk"), ("TARGET=localstack", "lemon")]
)
def test_extra_is_added_to_what_is_there(ready: Checkout, told: str, package: str):
    of_the_user = ready.place / "mine"
    of_the_user.touch()
    assert ready.make("setup", told).code == 0
    assert ready.has(package)
    assert of_the_user.exists()
    assert ready.make("setup", told).said == []


def test_extra_that_there_is_not_is_named(ready: Checkout):
    done = ready.make("setup", "EXTRA=laod")
    assert done.code != 0
    assert done.said == ["rehearse: EXTRA=laod: there is no such extra; there are dev, load, localstack"]


def test_changed_pins_are_installed_over_what_is_there(ready: Checkout):
    (ready.place / "mine").touch()
    wheel(ready.wheels, "tea", "2.0")
    (ready.path / "constraints.txt").write_text("tea==2.0\n", encoding="utf-8")
    done = ready.make("setup")
    assert (done.code, done.said) == (0, ["bringing .venv up to date (once)"])
    assert [one.name for one in ready.place.glob("lib/python*/site-packages/tea-*")] == ["tea-2.0.dist-info"]
    assert (ready.place / "mine").exists()
    assert ready.make("setup").said == []


# ---- what is made anew


def damage(how: str, checkout: Checkout) -> None:
    packages = next(checkout.place.glob("lib/python*/site-packages"))
    match how:
        case "half-made":
            (checkout.place / stamp.BEGUN).touch()
        case "its Python is gone":
            (checkout.place / "bin/python").unlink()
            (checkout.place / "bin/python").symlink_to("/nowhere/python3")
        case "its Python is none":
            (checkout.place / "bin/python").unlink()
            (checkout.place / "bin/python").write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
            (checkout.place / "bin/python").chmod(0o755)
        case "it is no environment":
            (checkout.place / "pyvenv.cfg").unlink()
        case "no pip":
            shutil.rmtree(packages / "pip")
        case "half a pip":
            shutil.rmtree(packages / "pip")
            (packages / "pip").mkdir()
        case "torn stamp":
            (checkout.place / stamp.NAME).write_text("{", encoding="utf-8")


DAMAGES = [
    "half-made",
    "its Python is gone",
    "its Python is none",
    "it is no environment",
    "no pip",
    "half a pip",
    "torn stamp",
]


@pytest.mark.parametrize("how", DAMAGES)
def test_damage_is_seen_and_made_anew(ready: Checkout, how: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(stamp, "CHECKOUT", ready.path)
    assert place.step(ready.place, (), None).kind == "nothing"
    damage(how, ready)
    assert place.step(ready.place, (), None).kind == "make"


def test_environment_that_is_made_anew_is_whole(ready: Checkout):
    damage("its Python is gone", ready)
    damage("half-made", ready)
    (ready.place / "rubbish").mkdir()
    done = ready.make("setup")
    assert (done.code, done.said) == (0, ["making .venv (once)"])
    assert not (ready.place / "rubbish").exists()
    assert ready.make("setup").said == []


@pytest.mark.parametrize("linked", [False, True])
def test_folder_of_somebody_elses_files_is_left_alone(fresh: Checkout, linked: bool):
    folder = fresh.path.parent / "mine" if linked else fresh.place
    (folder / "docs").mkdir(parents=True)
    (folder / "docs/thesis.txt").write_text("years of work", encoding="utf-8")
    if linked:
        fresh.place.symlink_to(folder)
    done = fresh.make("setup")
    assert done.code != 0
    assert done.said == [
        "rehearse: .venv is no environment of Python, and there are files in it: move them away, and say make again"
    ]
    assert [path.name for path in folder.rglob("*")] == ["docs", "thesis.txt"]


@pytest.mark.parametrize(("name", "sign"), [("a:b", "a colon"), ("a$b", "a dollar sign"), ("a\nb", "a line break")])
def test_path_that_pythons_tools_cannot_bear_is_told(fresh: Checkout, name: str, sign: str):
    moved = replace(fresh, path=fresh.path.with_name(name))
    fresh.path.rename(moved.path)
    done = moved.make("setup")
    assert done.code != 0
    assert done.said == [
        f"rehearse: the path of this checkout has {sign} in it, which Python's tools cannot bear: move it elsewhere"
    ]


def test_setting_that_leaves_out_packages_does_not_count(fresh: Checkout):
    (fresh.path.parent / "pip.conf").write_text("[global]\nno-deps = true\n", encoding="utf-8")
    done = fresh.make("setup", PIP_NO_DEPS="1", PIP_CONFIG_FILE=str(fresh.path.parent / "pip.conf"))
    assert (done.code, done.said) == (0, ["making .venv (once)"])
    assert fresh.has("tea")


@pytest.mark.parametrize("extra", ["--help", "--ready", "it's", "Load"])
def test_extra_that_can_be_no_name_is_told(fresh: Checkout, extra: str):
    done = fresh.make("setup", "EXTRA=" + extra.replace("'", "\\'"))
    assert (done.code != 0, done.said) == (True, [f"rehearse: EXTRA={extra}: it is no name of an extra"])


def test_what_the_shell_happens_to_have_is_no_wish_of_makes(ready: Checkout):
    told = ready.make(
        "-n", "deploy-aws", ACCOUNT="123456789012", TARGET="x86_64-linux-gnu", SCENARIO="x.yaml", KEEP="1"
    )
    assert "rehearse aws deploy" in told.out
    assert not {"--yes", "123456789012", "x.yaml", "--keep", "x86_64-linux-gnu"} & set(told.out.split())


def test_moved_checkout_makes_it_anew(ready: Checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    moved = tmp_path / "elsewhere"
    shutil.copytree(ready.path, moved, symlinks=True)
    monkeypatch.setattr(stamp, "CHECKOUT", moved)
    step = place.step(moved / ".venv", (), None)
    assert (step.kind, str(ready.path) in step.why) == ("make", True)


def test_another_python_that_is_asked_for_makes_it_anew(ready: Checkout, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(stamp, "CHECKOUT", ready.path)
    assert place.step(ready.place, (), stamp.this_python()).kind == "nothing"
    assert place.step(ready.place, (), "3.99.0 /opt/python").kind == "make"


def test_python_that_is_named_and_the_same_changes_nothing(ready: Checkout):
    assert ready.make("setup", f"PYTHON={Path(ready.settings['HOME']) / 'python3'}").said == []


def test_environment_of_the_users_own_making_is_installed_into(fresh: Checkout):
    subprocess.run(["python3", "-m", "venv", str(fresh.place)], env=fresh.settings, check=True)
    (fresh.place / "mine").touch()
    done = fresh.make("setup")
    assert (done.code, done.said) == (0, ["adding what rehearse needs to .venv (once)"])
    assert (fresh.place / "mine").exists()
    assert fresh.has("tea")
    assert fresh.make("setup").said == []


def test_environment_of_the_users_own_making_is_not_removed_for_another_python(
    ready: Checkout, monkeypatch: pytest.MonkeyPatch
):
    (ready.place / stamp.NAME).unlink()
    with pytest.raises(place.Unsuitable, match="not of our making; PYTHON is 3"):
        place.step(ready.place, (), "3.99.0 /opt/python")


def test_file_where_the_environment_should_be_is_named(fresh: Checkout):
    fresh.place.write_text("", encoding="utf-8")
    done = fresh.make("setup")
    assert done.code != 0
    assert done.said == ["rehearse: .venv is no folder: remove it"]


# ---- side by side


def test_of_two_at_once_one_installs_and_the_other_waits(fresh: Checkout):
    both = [
        subprocess.Popen(
            fresh.command("setup"),
            cwd=fresh.path,
            env=fresh.settings,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        for _ in range(2)
    ]
    said = sorted(line for one in both for line in one.communicate(timeout=120)[1].splitlines())
    assert [one.returncode for one in both] == [0, 0]
    assert said == ["making .venv (once)", "waiting for another make, which installs into .venv"]
    assert fresh.log.count("$ ") == 3  # venv, pip, and its check
    assert fresh.make("setup").said == []


def test_settings_of_pip_that_would_install_elsewhere_do_not_count(ready: Checkout, tmp_path: Path):
    elsewhere = {"PIP_TARGET": str(tmp_path / "target"), "PIP_USER": "1", "PIP_QUIET": "3", "PYTHONPATH": str(tmp_path)}
    assert ready.make("setup", "EXTRA=load", **elsewhere).code == 0
    assert ready.has("milk")
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize(("setting", "compiled"), [("", False), ("1", True)])
def test_packages_are_compiled_where_a_run_may_not_keep_what_it_compiles(ready: Checkout, setting: str, compiled: bool):
    assert ready.make("setup", "EXTRA=load", PYTHONDONTWRITEBYTECODE=setting).code == 0
    assert bool(list(ready.place.glob("lib/python*/site-packages/__pycache__/milk.*"))) == compiled


# ---- uv


def fake_uv(checkout: Checkout, script: str) -> None:
    uv = Path(checkout.settings["HOME"]) / "uv"
    uv.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    os.chmod(uv, 0o755)


def test_pip_installs_where_uv_fails(ready: Checkout):
    fake_uv(ready, 'echo "error: Failed to fetch"; exit 2')
    done = ready.make("setup", "EXTRA=load", REHEARSE_INSTALLER="")
    (Path(ready.settings["HOME"]) / "uv").unlink()
    assert (done.code, done.said) == (0, ["adding load to .venv (once)"])
    assert "error: Failed to fetch\n(uv failed)\n$ " in ready.log
    assert ready.has("milk")


def test_uv_that_broke_off_in_the_middle_is_begun_anew_by_pip(ready: Checkout):
    fake_uv(ready, "mkdir .venv/lib/python3*/site-packages/half; exit 2")
    done = ready.make("setup", "EXTRA=load", REHEARSE_INSTALLER="")
    (Path(ready.settings["HOME"]) / "uv").unlink()
    assert (done.code, done.said) == (0, ["adding load to .venv (once)"])
    assert not list(ready.place.glob("lib/python*/site-packages/half"))
    assert ready.has("milk")


def test_installer_that_there_is_not_is_named(ready: Checkout):
    done = ready.make("setup", "EXTRA=load", REHEARSE_INSTALLER="conda")
    assert done.code != 0
    assert done.said == ["rehearse: REHEARSE_INSTALLER=conda: it is pip or uv"]


@pytest.mark.skipif(shutil.which("uv", path="/usr/bin:/bin") is not None, reason="uv is where make and sh are")
def test_uv_that_is_asked_for_and_not_there_is_told(ready: Checkout):
    done = ready.make("setup", "EXTRA=load", REHEARSE_INSTALLER="uv")
    assert done.code != 0
    assert done.said == ["rehearse: REHEARSE_INSTALLER=uv: there is no uv on PATH"]
