"""One line of progress: on a terminal it is rewritten, elsewhere it is written once."""

from __future__ import annotations

import os
import re
import shutil
import sys

ERASE = "\r\x1b[K"
UNITS = {"k": 1e-3, "K": 1e-3, "M": 1.0, "G": 1e3}
NAMED = re.compile(
    r"(?:Collecting |Downloading |Building (?!wheels )(?:(?:wheel|editable) for )?|Processing (?:.*/)?)"
    r"([A-Za-z][\w.-]*?)(?=[\[(<>=!~ @]|-\d|$)"
)
LOADED = re.compile(r"\s*Downloading .*\(([\d.]+) ?([kKMG])i?B\)")
INSTALLING = re.compile(r"Installing collected packages: (.+)|Installed (\d+) package")
AGAIN = re.compile(r"WARNING: Retrying \(")
AGAIN_TOLD = ": no answer from the package index, trying again"


class Progress:
    """`title` is what is being done: "making .venv". `heard` reads what pip or uv print."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._rewrites = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._names: set[str] = set()
        self._megabytes = 0.0
        self.installed = 0
        self._told_again = False
        self._show("" if self._rewrites else " (once)")

    def heard(self, line: str) -> None:
        if found := INSTALLING.match(line):
            self.installed = int(found[2] or len(found[1].split(",")))
            self._rewrite(f": installing {self.installed} packages")
        elif AGAIN.match(line):
            self._again()
        elif named := NAMED.match(line.strip()):
            self._names.add(re.sub(r"[-_.]+", "-", named[1]).lower())
            if loaded := LOADED.match(line):
                self._megabytes += float(loaded[1]) * UNITS[loaded[2]]
            self._rewrite(f": {named[1]} (package {len(self._names)}, {self._megabytes:.0f} MB so far)")

    def done(self, told: str) -> None:
        """On a terminal the line becomes this one; elsewhere what was written stands."""
        if self._rewrites:
            print(f"{ERASE}{told}", file=sys.stderr, flush=True)

    def erase(self) -> None:
        """For an error, which takes its place."""
        if self._rewrites:
            print(ERASE, end="", file=sys.stderr, flush=True)

    def _again(self) -> None:
        """Minutes may go by so: who sees no line that changes is told once."""
        self._rewrite(AGAIN_TOLD)
        if not (self._rewrites or self._told_again):
            self._told_again = True
            self._show(AGAIN_TOLD)

    def _rewrite(self, rest: str) -> None:
        if self._rewrites:
            self._show(rest)

    def _show(self, rest: str) -> None:
        text = f"{self._title}{rest}"
        if self._rewrites:
            text = f"{ERASE}{text[: shutil.get_terminal_size().columns - 1]}"
        print(text, end="" if self._rewrites else "\n", file=sys.stderr, flush=True)
