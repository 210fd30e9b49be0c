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
    rollback_before_install_failure: bool = setting(
        True, "A.9: a failed BeforeInstall still creates a rollback deployment when the group asks for one."
    )
    instance_memory_kept_mib: int = setting(
        70, "D.5: what kernel and agent keep of an EC2 instance's memory, as far as it does not grow with it."
    )
    instance_memory_kept_percent: float = setting(
        3.0, "D.5: the part that grows with the instance; together a t3.micro registers 923 of its 1024 MiB."
    )
    wrong_architecture_exit_code: int = setting(
        1, "D.2, H.19: exit code of an image of another architecture on EC2 (1 or 255, by runtime version)."
    )
    accept_identical_task_definition: bool = setting(
        False, "H.12: UpdateService of a CODE_DEPLOY service takes the task definition that it has already."
    )
    user_task_sets_on_codedeploy: bool = setting(
        False, "H.13: a user may change the task sets of a CODE_DEPLOY service; else the call is refused in our words."
    )
    host_ended_stop_code: str = setting(
        "TerminationNotice", "D.2: stopCode of tasks whose EC2 instance was stopped or terminated."
    )
    scale_out_seconds: float = setting(
        60.0, "D.5: how long a capacity provider is short before its auto scaling group grows; compressed."
    )
    scale_in_seconds: float = setting(
        900.0, "D.5: how long a capacity provider has too much before its auto scaling group shrinks; compressed."
    )
    failed_deployment_seconds: float = setting(
        30.0, "B.6: how long a rollback takes at least, with the failed deployment listed beside it; compressed."
    )
    unchecked_healthy_seconds: float = setting(
        40.0,
        "D.3: a task of a rolling service without any health check counts as healthy so long after RUNNING (known; a "
        "setting for those who do not want to wait); compressed.",
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
