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
    "owner": {"clock"},
    "signs": set(),
    "interpreter": {"signs"},
    "text": {"errors"},
    "look": {"words"},
    "words": set(),
    "proxies": set(),
    "boto": {"proxies"},
    "engine": {"proxies"},
    "images": {"clock", "directory", "engine", "errors", "interpreter", "proxies"},
    "scenario": {"clock", "errors", "text"},
    "compression": {"scenario", "errors"},
    "lint": {"scenario", "compression", "errors"},
    "journal": {"clock", "errors", "scenario"},
    "expectations": {"clock", "errors", "journal", "scenario", "compression"},
    "report": {"clock", "errors", "journal", "scenario", "compression", "expectations", "look", "words"},
    "probe": {"clock", "errors", "interpreter", "journal"},
    "load": {"clock", "errors", "owner", "probe"},
    "driver": {"boto", "clock", "errors", "proxies", "scenario", "compression"},
    "observer": {"clock", "errors", "journal", "driver"},
    "aws": {"clock", "errors", "driver", "engine", "images", "proxies", "scenario", "compression", "text"},
    "targets": {
        *("boto", "clock", "directory", "errors", "driver", "engine", "images", "interpreter", "owner", "proxies"),
        *("scenario", "aws"),
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
    "emulator": {"boto", "clock", "directory", "engine", "errors", "images", "interpreter", "owner", "proxies", "text"},
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


# What leads out of this process by HTTP, and who may use it: harness/proxies.py and harness/boto.py decide about proxies and profiles.
# The function of a hook runs alone; the clients of aiohttp that are not the upstream's ask no proxy, and only this machine.
DOORS = {
    "build_opener": {"proxies", "driver.hook_function.index"},
    "install_opener": set(),
    "urlopen": set(),
    "urlretrieve": set(),
    "ProxyHandler": {"proxies", "driver.hook_function.index"},
    "ClientSession": {
        "emulator.upstream",
        "emulator.by_host",
        "emulator.services.ecr_distribution",
        "probe.websockets",
    },
    "get_session": {"driver.session"},
    "create_client": {"emulator.in_process"},
}
SDK = {  # who imports what sessions are made of
    "boto3": {"boto", "driver.session", "targets.localstack.survey", "driver.hook_function.index"},
    "botocore.session": {"boto", "driver.session"},
    "localstack_client": {"targets.localstack.survey"},
    "httpx": set(),
    "urllib3": set(),
}


def test_requests_leave_by_the_doors_that_know_of_proxies_and_profiles():
    for module, path in modules():
        used = _calls(path)
        wrong = {name for name, allowed in DOORS.items() if name in used and module not in allowed}
        wrong |= {name for name, allowed in SDK.items() if _imports_package(path, name) and module not in allowed}
        assert not wrong, (
            f"{module} uses {sorted(wrong)}: go through harness/proxies.py, harness/boto.py or the driver's Session"
        )


def test_doors_are_where_the_rule_says():
    """A rule that names nobody any more guards nothing."""
    everything = {module: (_calls(path), path) for module, path in modules()}
    for name, allowed in DOORS.items():
        assert [module for module in allowed if name not in everything[module][0]] == [], name
    for name, allowed in SDK.items():
        assert [module for module in allowed if not _imports_package(everything[module][1], name)] == [], name


def _calls(path: Path) -> set[str]:
    """The last name of everything that a file calls."""
    called = [node.func for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    attributes = {one.attr for one in called if isinstance(one, ast.Attribute)}
    return attributes | {one.id for one in called if isinstance(one, ast.Name)}


def _imports_package(path: Path, package: str) -> bool:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module or ""]
        if any(name == package or name.startswith(f"{package}.") for name in names):
            return True
    return False
