"""Names of what one scenario makes: legible, unique in the account, and within each service's limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

STEM_AT_MOST = 23  # a load balancer's and a target group's name have 32 characters, "-green" is six of them


@dataclass(frozen=True, slots=True)
class Names:
    """`unique` distinguishes runs and the scenarios of one run: at most 8 letters and digits."""

    scenario: str
    unique: str

    @property
    def stem(self) -> str:
        room = STEM_AT_MOST - len(self.unique) - 1
        return f"{self.scenario[:room].rstrip('-')}-{self.unique}"

    def part(self, name: str) -> str:
        """`happy-canary-k3f9a21-blue`"""
        return f"{self.stem}-{name}"

    def own_cluster(self, tags: Mapping[str, str]) -> str:
        """`rehearsal-k3f9a-no-room-...`: on AWS, roles and permissions are for names that begin with the stack's."""
        stack = tags.get("rehearsal:deployment")
        return "-".join(["rehearsal", *([stack] if stack else []), self.stem])

    def hook(self, event: str) -> str:
        """AWS's managed role lets CodeDeploy invoke functions of this prefix only (A.7)."""
        return f"CodeDeployHook_{self.stem}-{event}"
