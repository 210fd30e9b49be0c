"""The documentation says what is there: links resolve, commands exist, generated pages are up to date."""

import re
import subprocess
from pathlib import Path

import pytest

from harness import scenario
from harness.emulator import emulated
from harness.emulator.settings import documented

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("*/README.md")])
LINK = re.compile(r"\[[^\]]+\]\(([^)#]+)(?:#[^)]*)?\)")


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_every_relative_link_leads_to_a_file(page: Path):
    missing = [
        link
        for link in LINK.findall(page.read_text(encoding="utf-8"))
        if "://" not in link and not (page.parent / link).exists()
    ]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_every_make_command_shown_exists(page: Path):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    shown = set(re.findall(r"`make ([a-z][a-z-]*)", page.read_text(encoding="utf-8"))) | set(
        re.findall(r"^make ([a-z][a-z-]*)", page.read_text(encoding="utf-8"), re.MULTILINE)
    )
    assert shown <= targets


def test_the_emulated_page_is_what_the_code_says():
    assert (ROOT / "docs/EMULATED.md").read_text(encoding="utf-8") == emulated.page(), "run: make docs"


def test_every_scenario_is_listed_with_its_title():
    page = (ROOT / "scenarios/README.md").read_text(encoding="utf-8")
    for path in sorted((ROOT / "scenarios").glob("*.yaml")):
        assert f"| [{path.stem}]({path.name}) | {scenario.load(path).title.en} |" in page


def test_every_setting_says_what_is_unknown():
    assert all(len(why) > 40 for _, _, why in documented())


def test_every_package_in_the_layout_of_the_architecture_page_exists():
    page = (ROOT / "docs/ARCHITECTURE.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:harness|scenarios|sampleapp|tests|docs|benchmarks)/[\w./-]*)`", page)
    assert named
    assert not [name for name in named if not (ROOT / name).exists()]


def test_no_tracked_file_names_a_machine_or_a_package_registry():
    files = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True, encoding="utf-8"
    ).stdout.split()
    machine = re.compile(
        "|".join(["/" + "work/", "files." + "pythonhosted", "//" + "pypi" + ".org", "deb." + "debian" + ".org"])
    )
    guilty = [
        name
        for name in files
        if (ROOT / name).is_file() and machine.search((ROOT / name).read_text(errors="ignore", encoding="utf-8"))
    ]
    assert not guilty
