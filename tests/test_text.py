"""No code of the project depends on the locale, on docstrings or on asserts: read from the code itself."""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROGRAMS = ("harness", "sampleapp", "benchmarks", "examples")
# Whose `open`, `run` or `write_text` is not that of files and processes.
OTHERS = {"os", "tarfile", "zipfile", "webbrowser", "Image"}
ENCODING_AT = {"read_text": 0, "write_text": 1, "open": 3, "fdopen": 3, "NamedTemporaryFile": 2, "TemporaryFile": 2}
MODE_AT = {"open": 1, "fdopen": 1, "NamedTemporaryFile": 0, "TemporaryFile": 0}
BINARY_WITHOUT_MODE = ("NamedTemporaryFile", "TemporaryFile")
PROCESSES = ("run", "Popen", "check_output", "getoutput", "getstatusoutput")
DECODES = ("text", "universal_newlines", "errors")


def by_the_locale(tree: ast.AST) -> Iterator[int]:
    """Lines of calls that read or write text without saying as what."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (_opens_text(node) or _decodes_output(node)):
            yield node.lineno


def _name(call: ast.Call) -> tuple[str, str]:
    """What is called, and on what: `("open", "os")`; what is no name is empty."""
    if isinstance(call.func, ast.Name):
        return call.func.id, ""
    if isinstance(call.func, ast.Attribute):
        return call.func.attr, call.func.value.id if isinstance(call.func.value, ast.Name) else "?"
    return "", ""


def _opens_text(call: ast.Call) -> bool:
    name, of = _name(call)
    if (
        name not in ENCODING_AT
        or (of in OTHERS and name != "fdopen")
        or any(one.arg == "encoding" for one in call.keywords)
    ):
        return False
    method = name in ("read_text", "write_text") or (name == "open" and of not in ("", "io", "codecs"))
    if len(call.args) > ENCODING_AT[name] - (method and name == "open"):
        return False
    return name in ("read_text", "write_text") or "b" not in _mode(call, name, method)


def _mode(call: ast.Call, name: str, method: bool) -> str:
    """`open` as a method of something that is no path takes other arguments: what is no mode counts as binary."""
    at = MODE_AT[name] - (method and name == "open")
    given = [one.value for one in call.keywords if one.arg == "mode"] + call.args[at : at + 1]
    if not given:
        return "b" if name in BINARY_WITHOUT_MODE else "r"
    mode = given[0].value if isinstance(given[0], ast.Constant) else None
    return mode if isinstance(mode, str) and set(mode) <= set("rwaxbt+") else "b"


def _decodes_output(call: ast.Call) -> bool:
    given = {one.arg for one in call.keywords}
    return _name(call)[0] in PROCESSES and not given.isdisjoint(DECODES) and "encoding" not in given


def docstrings_that_are_needed(tree: ast.AST) -> Iterator[int]:
    """Lines with a `__doc__` that is not `__doc__ or ...`: with -OO it is None."""
    excused = {
        id(node.values[0]) for node in ast.walk(tree) if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.Or)
    }
    for node in ast.walk(tree):
        named = isinstance(node, ast.Name) and node.id == "__doc__"
        if (named or (isinstance(node, ast.Attribute) and node.attr == "__doc__")) and id(node) not in excused:
            yield node.lineno


def asserts_that_check(tree: ast.AST) -> Iterator[int]:
    """Lines with an assert that does more than narrow a type. What may fail is an error with a clear line; -O drops the others
    without harm: `assert name is not None` and `assert isinstance(name, Class)`, without a message that nobody should ever read."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert) and not (_narrows(node.test) and node.msg is None):
            yield node.lineno


def _narrows(test: ast.expr) -> bool:
    if isinstance(test, ast.Compare):
        nothing = isinstance(test.comparators[0], ast.Constant) and test.comparators[0].value is None
        return len(test.ops) == 1 and isinstance(test.ops[0], ast.IsNot) and nothing and _is_dotted(test.left)
    if isinstance(test, ast.Call):
        return isinstance(test.func, ast.Name) and test.func.id == "isinstance" and all(map(_is_dotted, test.args))
    return False


def _is_dotted(node: ast.expr) -> bool:
    """A name, or an attribute of one: to look at it does nothing."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name)


def guilty(rule: Callable[[ast.AST], Iterator[int]], *folders: str) -> list[str]:
    """`file:line` of all that a rule finds."""
    files = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    assert files
    return [
        f"{path.relative_to(ROOT)}:{line}"
        for path in files
        for line in rule(ast.parse(path.read_text(encoding="utf-8")))
    ]


def test_text_is_never_opened_by_the_locale():
    assert not guilty(by_the_locale, *PROGRAMS, "tests"), 'say encoding="utf-8"'


def test_docstring_that_may_be_missing_has_a_fallback():
    assert not guilty(docstrings_that_are_needed, *PROGRAMS), 'say (__doc__ or "")'


def test_assert_only_narrows_a_type():
    assert not guilty(asserts_that_check, "harness", "sampleapp"), "raise an error that says what is wrong"


@pytest.mark.parametrize(
    "code",
    [
        "path.read_text()",
        "path.write_text(text)",
        "path.write_text(text, errors='replace')",
        "open(path)",
        "open(path, 'w')",
        "open(path, mode='a')",
        "path.open()",
        "path.open('w')",
        "(folder / name).open('r')",
        "os.fdopen(number, 'w')",
        "io.open(path)",
        "tempfile.NamedTemporaryFile('w')",
        "tempfile.TemporaryFile(mode='w+')",
        "subprocess.run(command, text=True)",
        "subprocess.Popen(command, universal_newlines=True)",
        "subprocess.check_output(command, errors='replace')",
        "f(lambda: [open(path).read()])",
    ],
)
def test_call_by_the_locale_is_found(code: str):
    assert list(by_the_locale(ast.parse(f"\n{code}"))) == [2]


@pytest.mark.parametrize(
    "code",
    [
        "path.read_text('utf-8')",
        "path.read_text(encoding='utf-8')",
        "path.write_text(text, 'utf-8')",
        "path.write_text(text, encoding='utf-8', errors='replace')",
        "open(path, 'rb')",
        "open(path, mode='wb')",
        "open(path, 'w', encoding='utf-8')",
        "path.open('ab')",
        "path.open('w', encoding='utf-8')",
        "os.open(path, os.O_RDONLY)",
        "os.fdopen(number, 'wb')",
        "tarfile.open(name)",
        "tempfile.NamedTemporaryFile()",
        "connection.open('http://127.0.0.1/')",
        "subprocess.run(command)",
        "subprocess.run(command, text=True, encoding='utf-8')",
        "runner.run(command)",
    ],
)
def test_call_that_says_its_encoding_or_has_bytes_is_not(code: str):
    assert not list(by_the_locale(ast.parse(code)))


@pytest.mark.parametrize(
    ("code", "lines"),
    [
        ("__doc__.partition('.')", [1]),
        ("parser(description=__doc__)", [1]),
        ("Plan.__doc__.strip()", [1]),
        ("other or __doc__", [1]),
        ("(__doc__ or '').partition('.')", []),
        ("(Plan.__doc__ or '').strip()", []),
    ],
)
def test_docstring_without_a_fallback_is_found(code: str, lines: list[int]):
    assert list(docstrings_that_are_needed(ast.parse(code))) == lines


@pytest.mark.parametrize(
    ("code", "lines"),
    [
        ("assert x > 0", [1]),
        ("assert done", [1]),
        ("assert found() is not None", [1]),
        ("assert (x := found()) is not None", [1]),
        ("assert x is None", [1]),
        ("assert x is not None, 'it was just built'", [1]),
        ("assert isinstance(found(), Plan)", [1]),
        ("assert x is not None and y", [1]),
        ("assert x is not None", []),
        ("assert self.plan.made is not None", []),
        ("assert isinstance(self.node, nodes.MappingNode)", []),
    ],
)
def test_assert_that_does_more_is_found(code: str, lines: list[int]):
    assert list(asserts_that_check(ast.parse(code))) == lines
