"""Our own words for what went wrong, found by what pip, uv and venv print; the first row that matches says it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

# One failed try says nothing yet.
GIVEN_UP = r"(?:total=0|Max retries exceeded|Could not fetch URL|error sending request).*"
NO_ANSWER = (
    "NewConnectionError|ConnectTimeoutError|ReadTimeoutError|NameResolutionError|RemoteDisconnected|[Cc]onnection (?:reset|refused)|"
    r"connection error|didn't respond within|Network is unreachable|name resolution|tcp connect error|dns error|operation timed out"
)
# In the middle of a file pip does not try again, and has no words of its own for it.
BROKEN_OFF = (
    r"Wheel '[^']*' located at \S+ is invalid|DO NOT MATCH THE HASHES|IncompleteRead|[Ii]ncomplete.?[Dd]ownload|"
    r"exceptions\.(?:ReadTimeoutError|ProtocolError|ChunkedEncodingError)"
)
# The source distribution that is named last before what follows.
NAMED = r"(?:Downloading|Processing|Using cached) (?:.*/)?(?P<name>[\w.-]+?)-\d\S*\.(?:tar\.gz|zip)\b"
LAST_SOURCE = NAMED + r"(?![\s\S]*\.(?:tar\.gz|zip)\b)[\s\S]*"
# What is told, and the words for it: {python} is the version, {place} the environment, others are groups of the pattern. Where pip
# says no more than that it found no version, the cause is in what it says when it is asked again (`work`).
CAUSES: tuple[tuple[str, str], ...] = (
    (
        r"No space left on device|Errno 28\b|os error 28\b|Disk quota exceeded|Errno 122\b|File too large|Errno 27\b",
        "no room on the disk for {place} (about 250 MB; the tests' tools want 700), or for temporary files (TMPDIR): free some",
    ),
    (
        r"ensurepip is not\s+available|No module named '?(?:ensurepip|venv)\b",
        "Python {python} has no venv module: install it (Debian: apt install python{python}-venv), or name another by make PYTHON=...",
    ),
    (
        GIVEN_UP + f"connect to proxy(?!.*Tunnel connection failed).*(?:{NO_ANSWER}|TimeoutError)",
        "the proxy on the way to the package index does not answer: HTTPS_PROXY, or `pip config list`, names it",
    ),
    (
        GIVEN_UP
        + "(?:ProxyError|Tunnel connection failed|Cannot connect to proxy|tunnel error)|407 Proxy Authentication",
        "the proxy on the way to the package index refuses: HTTPS_PROXY, or `pip config list`, names it; does it want a password?",
    ),
    (
        r"CERTIFICATE_VERIFY_FAILED|SSLCertVerificationError|invalid peer certificate|" + GIVEN_UP + "SSLError",
        "nobody here trusts the certificate of the package index: PIP_CERT=/path/to/ca.pem names who signed it, a company's proxy maybe",
    ),
    (
        r"(?:401|403) Client Error|HTTP status client error \(40[13]",
        "the package index wants another name and password: they belong into PIP_INDEX_URL, or ~/.netrc",
    ),
    (
        r"(?P<code>5\d\d) Server Error|too many (?P<code2>\d+) error responses|HTTP status server error \((?P<code3>5\d\d)",
        "the package index answers with an error ({code}{code2}{code3}): try again later, or name another one by PIP_INDEX_URL",
    ),
    (
        GIVEN_UP + f"(?:{NO_ANSWER})",
        "the package index does not answer: is there a network? A proxy is named by HTTPS_PROXY, an index of your own by PIP_INDEX_URL",
    ),
    (
        BROKEN_OFF,
        "a file from the package index broke off on the way, or is not the one it promised: say make again, or name another index by "
        "PIP_INDEX_URL",
    ),
    (
        r"The index url \"(?P<name>[^\"]*)\" seems invalid",
        "{name} is no package index: PIP_INDEX_URL, or `pip config list`, names it",
    ),
    (
        r"(?P<name>[\w.-]+) \S+ requires (?P<name2>[\w.-]+), which is not installed",
        "{name2}, which {name} needs, was not installed: a setting of yours leaves it out, such as no-deps (`pip config list`)",
    ),
    (
        r"\(constraint\) (?P<name>[\w.-]+)==[^,\s]+,==",
        "two constraints want different versions of {name}: constraints.txt, and one of yours (`pip config list`)",
    ),
    (
        r"Package '(?P<name>\S+)' requires a different Python|(?P<name2>[\w.-]+) \S+ depends on Python",
        "{name}{name2} is not made for Python {python}: name another one by make PYTHON=...",
    ),
    (
        r"Failed building wheel for (?P<name>[\w.-]+)|Failed to build:? [`'](?P<name2>[\w.-]+)",
        "{name}{name2} has no wheel for Python {python} on this machine, and could not be built: name another Python by make PYTHON=...",
    ),
    (
        LAST_SOURCE + "metadata-generation-failed",
        "{name} has no wheel for Python {python} on this machine, and could not be built: name another Python by make PYTHON=...",
    ),
    (
        r"Permission denied|Errno 13\b|os error 13\b|Read-only file system|Errno 30\b|Operation not permitted",
        "no permission to write {place}: whose is it, and is the folder read-only?",
    ),
    (r"File exists|Not a directory", "{place} is no folder: remove it"),
)
NOT_FOUND = re.compile(
    r"Could not find a version that satisfies the requirement (?P<name>[\w.-]+)(?:==(?P<version>[\w.!+-]+))?"
    r"|The user requested \(constraint\) (?P<name2>[\w.-]+)(?:==(?P<version2>[\w.!+-]+))?"
)
TELLING = re.compile(r"\s*(?:ERROR|error|Error|\w+Error)\b:?\s*(.+)")
EMPTY = re.compile(
    "subprocess-exited-with-error|Failed to build|Could not build wheels|did not run successfully"
)  # says no cause


class Package(NamedTuple):
    name: str
    version: str


def words(lines: Iterable[str], *, python: str, place: str) -> str:
    """One line for what these lines tell; where no row knows it, their last error, or their last line."""
    told = [line.rstrip() for line in lines if line.strip()]
    text = "\n".join(told)
    for pattern, said in CAUSES:
        if found := re.search(pattern, text):
            groups = {name: value or "" for name, value in found.groupdict().items()}
            return said.format(python=python, place=place, **groups)
    errors = [found[1] for line in told if (found := TELLING.match(line)) and not EMPTY.search(line)]
    return (errors or told or ["the installer failed without a word"])[-1].strip()


def known(lines: Iterable[str]) -> bool:
    text = "\n".join(lines)
    return any(re.search(pattern, text) for pattern, _ in CAUSES)


def not_found(lines: Iterable[str]) -> Package | None:
    """The package of which pip found no version; that may mean anything from no network to no wheel for this Python."""
    if found := NOT_FOUND.search("\n".join(lines)):
        return Package(found["name"] or found["name2"], found["version"] or found["version2"] or "")
    return None


def why_not(package: Package, lines: Sequence[str], *, python: str) -> str:
    """`lines` are what pip said of this package alone, with all that it skipped, where none of the rows knows the cause."""
    name = "[-_.]+".join(map(re.escape, re.split("[-_.]+", package.name)))
    its_files = re.compile(rf"[/ ]{name}-{re.escape(package.version)}[^/ ]*\.(?:whl|tar\.gz|zip)", re.IGNORECASE)
    skipped = [line for line in lines if "Skipping link" in line or "requires a different Python" in line]
    whole = f"{package.name} {package.version}".strip()
    if package.version and any(its_files.search(line) for line in skipped):
        return f"{whole} has no wheel for Python {python} on this machine: name another Python by make PYTHON=..."
    if any(
        f"{package.name.lower()}-" in line.lower()
        for line in lines
        if "Found link" in line or "Skipping link: none" in line
    ):
        return f"the package index has {package.name}, but not {whole} for Python {python}: is it up to date (PIP_INDEX_URL)?"
    return f"the package index has no {package.name}: is it the right one (PIP_INDEX_URL, `pip config list`)?"
