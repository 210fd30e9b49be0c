"""Our own words for what went wrong, found by what pip, uv and venv print; the first row that matches says it."""

from __future__ import annotations

import re
from collections.abc import Iterable

NO_ANSWER = (
    "NewConnectionError|ConnectTimeoutError|ReadTimeoutError|NameResolutionError|RemoteDisconnected|Connection reset|"
    "Connection refused|Network is unreachable|Name or service not known|Temporary failure in name resolution|IncompleteRead"
)
GIVEN_UP = r"(?:total=0|Max retries exceeded|connection-(?:error|failed)).*"  # a single failed try says nothing yet
# What is told, and the words for it. {python} is the version, {place} the environment; groups of the pattern by their names.
CAUSES: tuple[tuple[str, str], ...] = (
    (
        r"No space left on device|Errno 28\b|Disk quota exceeded|Errno 122\b|File too large|Errno 27\b",
        "no room on the disk for {place} (about 300 MB), or for temporary files (TMPDIR names another place): free some",
    ),
    (
        r"ensurepip is not available|No module named '?(?:ensurepip|venv)\b",
        "Python {python} has no venv module: install it (Debian: apt install python{python}-venv), or say make PYTHON=...",
    ),
    (
        GIVEN_UP + "(?:ProxyError|Tunnel connection failed|Cannot connect to proxy)|407 Proxy Authentication",
        "the proxy to the package index refuses: HTTPS_PROXY, or `pip config list`, names it; is it right, does it want a password?",
    ),
    (
        r"CERTIFICATE_VERIFY_FAILED|SSLCertVerificationError|" + GIVEN_UP + "SSLError",
        "the package index shows a certificate that nobody here trusts: PIP_CERT=/path/to/your-company's-ca.pem names another authority",
    ),
    (
        GIVEN_UP + f"(?:{NO_ANSWER})|ReadTimeoutError|IncompleteRead",
        "the package index does not answer: is there a network? A proxy is named by HTTPS_PROXY, an index of your own by PIP_INDEX_URL",
    ),
    (
        r"(?:401|403) (?:Client )?Error|HTTP error 40[13]\b",
        "the package index wants another name and password: they belong into PIP_INDEX_URL, or ~/.netrc",
    ),
    (
        r"HTTP error (?P<code>\d+)|(?P<code2>5\d\d) Server Error",
        "the package index answers with an error ({code}{code2}): try again later, or name another one by PIP_INDEX_URL",
    ),
    (
        r"Could not find a version that satisfies the requirement (?P<name>\S+).*\(from versions: none\)",
        "the package index has no {name} for Python {python} on this machine: is it the right index (PIP_INDEX_URL, `pip config list`)? "
        "Another Python is named by make PYTHON=...",
    ),
    (
        r"No matching distribution found for (?P<name>\S+)",
        "the package index has {name} in other versions alone, or for other Pythons than {python}: is it up to date (PIP_INDEX_URL)? "
        "Another Python is named by make PYTHON=...",
    ),
    (
        r"requires a different Python|Requires-Python",
        "a package is not made for Python {python}: name another one by make PYTHON=...",
    ),
    (
        r"Failed building wheel for (?P<name>[\w.-]+)|Failed to build:? '?(?P<name2>[\w.-]+)|(?P<name3>[\w.-]+) from \S+ does not have",
        "{name}{name2}{name3} has no wheel for Python {python} on this machine, and could not be built: name another Python by make "
        "PYTHON=...",
    ),
    (
        r"metadata-generation-failed|subprocess-exited-with-error|Getting requirements to build \w+ did not run successfully",
        "a package has no wheel for Python {python} on this machine, and could not be built: name another Python by make PYTHON=...",
    ),
    (
        r"ResolutionImpossible|conflicting dependencies",
        "the versions that are asked for contradict each other: constraints.txt, pyproject.toml, or a constraint of yours "
        "(`pip config list`)",
    ),
    (
        r"Permission denied|Errno 13\b|Read-only file system|Errno 30\b|Operation not permitted",
        "no permission to write {place}: whose is it, and is the folder read-only?",
    ),
    (r"File exists|Not a directory", "{place} is no folder: remove it"),
)
TELLING = re.compile(r"\s*(?:ERROR|error|Error)\b:?\s*(.+)")


def words(lines: Iterable[str], *, python: str, place: str) -> str:
    """One line for what these lines tell; where no row knows it, their last error, or their last line."""
    told = [line.rstrip() for line in lines if line.strip()]
    text = "\n".join(told)
    for pattern, said in CAUSES:
        if found := re.search(pattern, text):
            groups = {name: value or "" for name, value in found.groupdict().items()}
            return said.format(python=python, place=place, **groups)
    errors = [found[1] for line in told if (found := TELLING.match(line))]
    return (errors or told or ["the installer failed without a word"])[-1].strip()
