"""The walls of docs/ARCHITECTURE.md, read from the import statements themselves."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# What each part may import of this project. A part is named by its longest matching prefix.
MAY_IMPORT: dict[str, set[str]] = {
    "install": set(),  # nothing is installed yet
    "clock": set(),
    "errors": set(),
    "directory": {"clock", "errors"},
    "owner": set(),
    "signs": set(),
    "interpreter": {"signs"},
    "text": {"errors"},
    "look": {"words"},
    "words": set(),
    "engine": set(),
    "images": {"clock", "directory", "engine", "errors", "interpreter"},
    "scenario": {"clock", "errors", "text"},
    "compression": {"scenario", "errors"},
    "lint": {"scenario", "compression", "errors"},
    "journal": {"clock", "errors", "scenario"},
    "expectations": {"clock", "errors", "journal", "scenario", "compression"},
    "report": {"clock", "errors", "journal", "scenario", "compression", "expectations", "look", "words"},
    "probe": {"clock", "errors", "interpreter", "journal"},
    "load": {"clock", "errors", "owner", "probe"},
    "driver": {"clock", "errors", "scenario", "compression"},
    "observer": {"clock", "errors", "journal", "driver"},
    "aws": {"clock", "errors", "driver", "engine", "images", "scenario", "compression", "text"},
    "targets": {
        *("clock", "directory", "errors", "driver", "engine", "images", "interpreter", "owner", "scenario", "aws"),
        "signs",  # an emulator in the foreground prints for this process's terminal
    },
    "picture": {"journal", "scenario", "compression", "look", "words"},
    "progress": {"clock", "errors", "journal", "look", "picture", "words"},
    "dashboard": {
        *("clock", "directory", "errors", "journal", "scenario", "expectations", "look", "picture", "report", "words"),
        "interpreter",
        "driver",  # the buttons act as a run does: through the same calls
    },
    "summary": {"look", "progress"},
    "emulator": {"clock", "directory", "engine", "errors", "images", "interpreter", "text"},
}
COMPOSE = {"cli", "runner", "__main__", "doctor", "pytest_plugin", "aws.command"}  # they put the parts together


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted((ROOT / "harness").rglob("*.py")):
        name = ".".join(path.relative_to(ROOT / "harness").with_suffix("").parts).removesuffix(".__init__")
        if name != "__init__":
            yield name, path


def imports(path: Path) -> set[str]:
    """Modules of this project that a file imports, without the leading `harness.`, also inside functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found |= (
                {f"{node.module}.{alias.name}" for alias in node.names} if node.module == "harness" else {node.module}
            )
    return {name.removeprefix("harness.") for name in found if name.startswith("harness.")}


def part(module: str) -> str:
    return module.split(".")[0]


@pytest.mark.parametrize(("module", "path"), list(modules()), ids=lambda value: value if isinstance(value, str) else "")
def test_module_imports_only_what_its_part_may(module: str, path: Path):
    own = part(module)
    if own in COMPOSE or module in COMPOSE:
        return
    assert own in MAY_IMPORT, f"{module}: a new part; say in MAY_IMPORT what it may import"
    foreign = {name for name in imports(path) if part(name) != own} - {"__version__"}
    forbidden = {name for name in foreign if part(name) not in MAY_IMPORT[own]}
    assert not forbidden, f"{module} imports {sorted(forbidden)}; {own} may import {sorted(MAY_IMPORT[own])}"


def test_nobody_imports_the_command_line_but_its_entry_point():
    guilty = [module for module, path in modules() if "cli" in map(part, imports(path)) and part(module) not in COMPOSE]
    assert not guilty


def test_the_rules_name_only_parts_that_exist():
    parts = {part(module) for module, _ in modules()}
    assert set(MAY_IMPORT) - parts <= {"compression", "lint", "progress"}


def test_installer_needs_the_standard_library_alone():
    for module, path in modules():
        if part(module) == "install":
            tree = ast.parse(path.read_text(encoding="utf-8"))
            names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
            names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
            assert {part(name) for name in names} <= {*sys.stdlib_module_names, "harness"}, module


def test_moto_is_imported_by_the_delegate_and_its_corrections_alone():
    allowed = {"emulator.delegate", "emulator.moto_gaps"}
    guilty = [module for module, path in modules() if _imports_package(path, "moto") and module not in allowed]
    assert not guilty


def test_the_driver_speaks_boto3_and_the_expectations_do_not():
    for module, path in modules():
        if part(module) in ("expectations", "report", "journal", "scenario"):
            assert not _imports_package(path, "boto3"), module
            assert not _imports_package(path, "botocore"), module


def test_the_docker_engine_is_reached_through_one_door():
    """The SDK's other ways to a client leave sockets open where no engine answers. Types of a client may be named."""
    ways = {"from_env", "DockerClient(", "APIClient("}
    guilty = [
        m for m, path in modules() if m != "engine" and any(way in path.read_text(encoding="utf-8") for way in ways)
    ]
    assert not guilty


def _imports_package(path: Path, package: str) -> bool:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module or ""]
        if any(name == package or name.startswith(f"{package}.") for name in names):
            return True
    return False
