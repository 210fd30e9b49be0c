"""Where no source settles how AWS behaves, a setting with a documented default. docs/EMULATED.md lists them from here.

`rehearse up` reads overrides from `[emulator]` in rehearsal.toml. Sections refer to the AWS behaviour reference.
"""

from __future__ import annotations

import dataclasses
import difflib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness import text
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
        True,
        "A.5.1: a rollback deployment's target lists the lifecycle events, Skipped but for AllowTraffic; without, AllowTraffic alone. "
        "No hook runs in it.",
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
    hook_timeout_code: str = setting(
        "HOOK_EXECUTION_FAILURE", "A.5.4: errorInformation.code when a hook does not call back within one hour."
    )
    attach_idle_at_deployment_start: bool = setting(
        False,
        "A.1.2: whether Install puts the idle target group on the production listener at weight 0 before it creates green, "
        "so that its health checks run also in an all-at-once deployment.",
    )
    test_listener_weighted: bool = setting(
        True,
        "H.4: CodeDeploy leaves the test listener weighted 100/0 over both target groups; without, it forwards to one alone.",
    )
    keep_stickiness: bool = setting(
        False,
        "H.17: whether a target group stickiness that was switched on survives CodeDeploy's writing of weights; it is written "
        "as off, as observed where it was off before.",
    )
    alarms_in_termination_wait: bool = setting(
        True, "H.9: alarms are read during the termination wait too, and stop the deployment there."
    )
    leftover_task_set: str = setting(
        "delete",
        "A.5.6: a replacement task set that an earlier deployment left ACTIVE, when the next one starts: delete | keep | fail. "
        "Kept, it shares the idle target group with the new one.",
    )
    default_deployment_config: str = setting(
        "CodeDeployDefault.ECSAllAtOnce",
        "H.15: the configuration of a deployment group that is created without one (the console's choice).",
    )
    custom_config_limits: bool = setting(
        True,
        "H.16: a custom traffic configuration shifts at most 99 % per step and 2880 minutes in all (documented for Lambda only).",
    )
    sha256_mismatch: str = setting(
        "refuse", "A.2: a revision whose sha256 is not that of its content: refuse | accept (InvalidRevisionException)."
    )
    description_limit: int = setting(
        256, "G: the longest description of a deployment; the limits page says 256, the GitHub action cuts at 512."
    )
    created_seconds: float = setting(
        1.0, "A.3.2: how long a deployment shows Created before it starts; compressed like a wait of AWS's."
    )
    service_role_check: bool = setting(
        True,
        "A.5.4: a service role that exists in IAM is looked at: that it is still there, that it has any policy, and that "
        "AWSCodeDeployRoleForECSLimited alone invokes CodeDeployHook_ functions only, and policies of its own the functions that "
        "they name. Its policies are not evaluated beyond that.",
    )
    cloudformation_service_seconds: float = setting(
        600.0,
        "How long CloudFormation waits until an AWS::ECS::Service is steady before the resource fails, in real seconds; AWS waits "
        "three hours.",
    )
    cloudformation_service_failures: int = setting(
        3,
        "After how many tasks that could not run an AWS::ECS::Service fails in CloudFormation; 0 waits on, as AWS does without "
        "a deployment circuit breaker.",
    )
    cloudformation_resends: bool = setting(
        False,
        "A.6: whether an update of an AWS::ECS::Service sends its unchanged properties too, which ECS refuses under CODE_DEPLOY "
        "(reported; without, what the template did not change is not sent).",
    )

    instance_memory_kept_mib: int = setting(
        70, "D.5: what kernel and agent keep of an EC2 instance's memory, as far as it does not grow with it."
    )
    instance_memory_kept_percent: float = setting(
        3.0, "D.5: the part that grows with the instance; together a t3.micro registers 923 of its 1024 MiB."
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


CHOICES = {  # settings that take one of a few words
    "test_listener_check": ("warn", "fail"),
    "leftover_task_set": ("delete", "keep", "fail"),
    "sha256_mismatch": ("refuse", "accept"),
}


def documented() -> list[tuple[str, Any, str]]:
    """Name, default and reason of every setting, for docs/EMULATED.md."""
    return [(f.name, f.default, f.metadata["why"]) for f in dataclasses.fields(Settings)]


def load(path: Path) -> Settings:
    """The settings of `[emulator]` in a rehearsal.toml; the defaults where there is no such file. Raises UsageError."""
    if not path.is_file():
        return Settings()
    given = text.toml(path).get("emulator", {})
    kinds = {name: type(default) for name, default, _ in documented()}
    for name, value in given.items():
        if name not in kinds:
            near = difflib.get_close_matches(name, kinds, 1)
            raise UsageError(
                f"{path}: [emulator] {name} is not a setting" + (f"; did you mean {near[0]}?" if near else "")
            )
        if not isinstance(value, kinds[name]) and not (kinds[name] is float and type(value) is int):
            raise UsageError(f"{path}: [emulator] {name} is {value!r}; it must be a {kinds[name].__name__}")
        if value not in CHOICES.get(name, (value,)):
            raise UsageError(f"{path}: [emulator] {name} is {value!r}; it must be {' or '.join(CHOICES[name])}")
    return Settings(**given)
