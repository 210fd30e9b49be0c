"""Where no source settles how AWS behaves, a setting with a documented default. docs/EMULATED.md lists them from here.

`rehearse up` reads overrides from `[emulator]` in rehearsal.toml. Sections refer to the AWS behaviour reference.
"""

from __future__ import annotations

import dataclasses
import difflib
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.errors import UsageError


def setting(default: Any, why: str) -> Any:
    """A field with its documentation: what is unknown, and why this default."""
    return field(default=default, metadata={"why": why})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    attach_idle_at_group_create: bool = setting(
        False,
        "A.1.2: whether creating an all-at-once group puts the idle target group on the listener at weight 0; "
        "canary and linear groups always do.",
    )
    alarm_poll_seconds: float = setting(
        10.0,
        "A.5.1: how often CodeDeploy reads its alarms (detection took at most 23 s); compressed like a wait of AWS's.",
    )
    alarm_at_start_stops: bool = setting(
        True, "A.5.1: an alarm already in ALARM when an ECS deployment starts stops it (observed for Lambda only)."
    )
    ready_wait_before_hook: bool = setting(True, "A.3.1: the ready wait sits before BeforeAllowTraffic, not after it.")
    primary_before_last_weight: bool = setting(
        False, "A.3.5: UpdateServicePrimaryTaskSet is called after the last ModifyListener."
    )
    install_timeout_code: str = setting(
        "TIMEOUT", "A.3.4: errorInformation.code when Install takes longer than 60 minutes."
    )
    ready_timeout_code: str = setting("TIMEOUT", "A.5.3: errorInformation.code when the ready wait runs out.")
    manual_stop_code: str = setting(
        "MANUAL_STOP", "A.5.2: errorInformation.code after StopDeployment (the enum has it; no observation)."
    )
    test_listener_check: str = setting(
        "warn", "A.3.6: a test listener that does not point at the serving group: warn | fail."
    )
    unhealthy_green_seconds: float = setting(
        300.0,
        "A.9: how long green may be out of its steady state during the shift and the termination wait before the "
        "deployment fails; compressed like a wait of AWS's.",
    )
    rollback_lists_events: bool = setting(
        True, "A.5.1: a rollback deployment's target lists the lifecycle events as Skipped but for AllowTraffic."
    )
    hook_error_fails: bool = setting(
        False, "A.7: a hook function that raises fails its event at once; AWS only speaks of the callback."
    )
    registry_port: int = setting(
        0, "E: the port of 127.0.0.1 where Docker finds the registry of the region used first; 0 is a free one."
    )
    ecr_lifecycle_seconds: float = setting(
        60.0,
        "E: how often lifecycle policies of repositories are evaluated, besides with every push; AWS says only that it "
        "is done within 24 hours.",
    )
    rollback_before_install_failure: bool = setting(
        True, "A.9: a failed BeforeInstall still creates a rollback deployment when the group asks for one."
    )


def documented() -> list[tuple[str, Any, str]]:
    """Name, default and reason of every setting, for docs/EMULATED.md."""
    return [(f.name, f.default, f.metadata["why"]) for f in dataclasses.fields(Settings)]


def load(path: Path) -> Settings:
    """The settings of `[emulator]` in a rehearsal.toml; the defaults where there is no such file. Raises UsageError."""
    if not path.is_file():
        return Settings()
    try:
        given = tomllib.loads(path.read_text()).get("emulator", {})
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: {error}") from error
    kinds = {name: type(default) for name, default, _ in documented()}
    for name, value in given.items():
        if name not in kinds:
            near = difflib.get_close_matches(name, kinds, 1)
            raise UsageError(
                f"{path}: [emulator] {name} is not a setting" + (f"; did you mean {near[0]}?" if near else "")
            )
        if not isinstance(value, kinds[name]) and not (kinds[name] is float and type(value) is int):
            raise UsageError(f"{path}: [emulator] {name} is {value!r}; it must be a {kinds[name].__name__}")
    return Settings(**given)
