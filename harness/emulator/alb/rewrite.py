"""Transforms of a rule: what a target gets in place of the client's Host and URI (User Guide, "Transforms for listener rules")."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.emulator.alb import regex
from harness.emulator.alb.head import HOST, LONGEST_LINE

URI = re.compile(rb"/[\x21-\x7e]*+")
GROUP = re.compile(rb"\$(\d)")
KINDS = {"host-header-rewrite": "HostHeaderRewriteConfig", "url-rewrite": "UrlRewriteConfig"}


class RewriteFailed(Exception):
    """A pattern matched, and what became of it cannot be sent: the client gets 500."""


@dataclass(frozen=True, slots=True)
class Substitution:
    """The first match of `pattern` becomes `replacement`, in which `$1` to `$9` are the pattern's groups."""

    pattern: re.Pattern[bytes]
    replacement: bytes

    def of(self, text: bytes) -> bytes:
        """Raises RewriteFailed where a group is named that the pattern does not have."""
        try:
            return self.pattern.sub(
                lambda found: GROUP.sub(lambda one: found[int(one[1])] or b"", self.replacement), text, 1
            )
        except IndexError as error:
            raise RewriteFailed(str(error)) from error


@dataclass(frozen=True, slots=True)
class Rewrite:
    host: Substitution | None
    uri: Substitution | None

    @classmethod
    def of(cls, transforms: Sequence[Mapping[str, Any]]) -> Rewrite | None:
        """From AWS-shaped transforms, one of a kind; None where there are none. Raises BadRegex."""
        found = {one["Type"]: _substitution(one[KINDS[one["Type"]]]["Rewrites"][0]) for one in transforms}
        return cls(found.get("host-header-rewrite"), found.get("url-rewrite")) if found else None

    def apply(self, host: bytes, uri: bytes) -> tuple[bytes, bytes]:
        """(Host, URI) for the target; the port stays. Raises RewriteFailed."""
        if self.host is not None:
            name, colon, port = host.partition(b":")
            host = self.host.of(name) + colon + port
        if self.uri is not None:
            uri = self.uri.of(uri)
        if not HOST.fullmatch(host) or not URI.fullmatch(uri) or len(uri) > LONGEST_LINE:
            raise RewriteFailed("not a host, or not a URI")
        return host, uri


def _substitution(raw: Mapping[str, str]) -> Substitution:
    return Substitution(regex.compiled(raw["Regex"]), raw["Replace"].encode("latin-1", "replace"))
