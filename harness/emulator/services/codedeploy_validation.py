"""What CodeDeploy refuses in a deployment group of the ECS platform, as tables of checks (A.1, A.1.4)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sized
from typing import Any

from harness.emulator.cloud import AwsError
from harness.emulator.settings import Settings

Raw = Mapping[str, Any]
NAME = re.compile(r"[A-Za-z0-9+=,.@_-]{1,100}")
ROLE = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/.+")
TOPIC = re.compile(r"arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_.-]+")
PAIR_INVALID = (
    "A deployment group associated with an application that uses the ECS compute platform must contain a valid pair of "
    "target groups that identify a load balancer."
)
ROLLBACK_EVENTS = {"DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM", "DEPLOYMENT_STOP_ON_REQUEST"}
TRIGGER_EVENTS = {
    *("DeploymentStart", "DeploymentSuccess", "DeploymentFailure", "DeploymentStop", "DeploymentRollback"),
    *("DeploymentReady", "InstanceStart", "InstanceSuccess", "InstanceFailure", "InstanceReady"),
}
APPLICATIONS, GROUPS, CONFIGS, DEPLOYMENTS = 1000, 1000, 200, 1000  # A.1.3
ECS_ONLY = "For ECS deployment group, {what}"


def name(value: str | None, what: str) -> str:
    """A valid application, group or configuration name; `what` is "Application", "DeploymentGroup" or "DeploymentConfig"."""
    if not value:
        raise AwsError(f"{what}NameRequiredException", f"The {_words(what)} name is required.")
    if not NAME.fullmatch(value):
        raise AwsError(
            f"Invalid{what}NameException",
            f"The {_words(what)} name {value!r} must be 1-100 characters of A-Z a-z 0-9 + = , . @ _ -",
        )
    return value


def _words(camel: str) -> str:
    return re.sub(r"(?<!^)([A-Z])", r" \1", camel).lower()


def room(there: Sized, most: int, code: str, what: str) -> None:
    """One more fits. Raises AwsError `code` (A.1.3)."""
    if len(there) >= most:
        raise AwsError(code, f"The maximum number of {what} ({most}) was reached.")


def batch(asked: list[str], most: int, what: str) -> list[str]:
    """What a BatchGet operation asks for. Raises AwsError BatchLimitExceededException."""
    if len(asked) > most:
        raise AwsError("BatchLimitExceededException", f"The maximum number of {what} in one call is {most}.")
    return asked


def deployment(raw: Raw, settings: Settings) -> None:
    """What a CreateDeployment on the ECS platform may say beside its revision. Raises AwsError."""
    alarms(raw.get("overrideAlarmConfiguration"))
    rollback(raw.get("autoRollbackConfiguration"))
    if len(raw.get("description", "")) > settings.description_limit:
        raise AwsError(
            "DescriptionTooLongException", f"The description is longer than {settings.description_limit} characters."
        )
    if raw.get("targetInstances"):
        raise AwsError("InvalidTargetInstancesException", "For ECS deployment, targetInstances can not be specified.")
    if raw.get("updateOutdatedInstancesOnly"):
        raise AwsError(
            "InvalidUpdateOutdatedInstancesOnlyValueException",
            "For ECS deployment, updateOutdatedInstancesOnly can not be specified.",
        )
    if raw.get("fileExistsBehavior", "DISALLOW") not in ("DISALLOW", "OVERWRITE", "RETAIN"):
        raise AwsError("InvalidFileExistsBehaviorException", f"fileExistsBehavior is {raw['fileExistsBehavior']}.")


def group(raw: Raw) -> None:
    """Every check of an ECS deployment group that needs nothing but the request. Raises AwsError."""
    for check in GROUP_CHECKS:
        check(raw)


def _role(raw: Raw) -> None:
    if not raw.get("serviceRoleArn"):
        raise AwsError("RoleRequiredException", "The service role ARN is required.")
    if not ROLE.fullmatch(raw["serviceRoleArn"]):
        raise AwsError(
            "InvalidRoleException", f"The service role ARN {raw['serviceRoleArn']} is not the ARN of an IAM role."
        )


def _style(raw: Raw) -> None:
    style = raw.get("deploymentStyle", {})
    if style.get("deploymentType") != "BLUE_GREEN" or style.get("deploymentOption") != "WITH_TRAFFIC_CONTROL":
        raise AwsError(
            "InvalidDeploymentStyleException",
            "For ECS deployment, the deployment type must be BLUE_GREEN, and deployment option must be WITH_TRAFFIC_CONTROL.",
        )


def _not_for_ecs(raw: Raw) -> None:
    if raw.get("autoScalingGroups"):
        raise AwsError("InvalidInputException", ECS_ONLY.format(what="autoScalingGroups can not be specified"))
    if raw.get("ec2TagFilters") or raw.get("ec2TagSet"):
        raise AwsError("InvalidEC2TagException", ECS_ONLY.format(what="ec2TagFilters can not be specified"))
    if raw.get("onPremisesInstanceTagFilters") or raw.get("onPremisesTagSet"):
        raise AwsError("InvalidTagException", ECS_ONLY.format(what="onPremisesInstanceTagFilters can not be specified"))
    if raw.get("terminationHookEnabled"):
        raise AwsError("InvalidInputException", ECS_ONLY.format(what="terminationHookEnabled can not be specified"))
    if raw.get("outdatedInstancesStrategy", "UPDATE") != "UPDATE":
        raise AwsError("InvalidInputException", ECS_ONLY.format(what="outdatedInstancesStrategy must be UPDATE"))


def _blue_green(raw: Raw) -> None:
    config = raw.get("blueGreenDeploymentConfiguration")
    wrong = "InvalidBlueGreenDeploymentConfigurationException"
    if not config:
        raise AwsError(wrong, ECS_ONLY.format(what="blueGreenDeploymentConfiguration must be specified"))
    terminate = config.get("terminateBlueInstancesOnDeploymentSuccess", {})
    if terminate.get("action", "TERMINATE") != "TERMINATE":
        raise AwsError(
            wrong, ECS_ONLY.format(what="the action of terminateBlueInstancesOnDeploymentSuccess must be TERMINATE")
        )
    if not 0 <= terminate.get("terminationWaitTimeInMinutes", 0) <= 2880:
        raise AwsError(wrong, "terminationWaitTimeInMinutes must be between 0 and 2880.")
    ready = config.get("deploymentReadyOption", {})
    if (action := ready.get("actionOnTimeout", "CONTINUE_DEPLOYMENT")) not in (
        "CONTINUE_DEPLOYMENT",
        "STOP_DEPLOYMENT",
    ):
        raise AwsError(wrong, f"actionOnTimeout is {action}; it must be CONTINUE_DEPLOYMENT or STOP_DEPLOYMENT.")
    if not 0 <= ready.get("waitTimeInMinutes", 0) <= 7200:
        raise AwsError(wrong, ECS_ONLY.format(what="waitTimeInMinutes must be between 0 and 7200"))
    if config.get("greenFleetProvisioningOption"):
        raise AwsError(wrong, ECS_ONLY.format(what="greenFleetProvisioningOption can not be specified"))


def _load_balancer(raw: Raw) -> None:
    info = raw.get("loadBalancerInfo")
    wrong = "InvalidLoadBalancerInfoException"
    if not info:
        raise AwsError(wrong, ECS_ONLY.format(what="loadBalancerInfo must be specified"))
    for key, word in (("elbInfoList", "elbInfo"), ("targetGroupInfoList", "targetGroupInfo")):
        if info.get(key):
            raise AwsError(wrong, ECS_ONLY.format(what=f"loadBalancerInfo must not contain {word} list"))
    pairs = info.get("targetGroupPairInfoList", [])
    if len(pairs) != 1 or len(pairs[0].get("targetGroups", [])) != 2:
        raise AwsError("InvalidTargetGroupPairException", PAIR_INVALID)
    if len(pairs[0].get("prodTrafficRoute", {}).get("listenerArns", [])) != 1:
        raise AwsError(wrong, ECS_ONLY.format(what="prodTrafficRoute must contain exactly one listener ARN"))
    if len(pairs[0].get("testTrafficRoute", {}).get("listenerArns", [])) > 1:
        raise AwsError(wrong, ECS_ONLY.format(what="testTrafficRoute must contain at most one listener ARN"))


def _services(raw: Raw) -> None:
    services = raw.get("ecsServices", [])
    if len(services) != 1 or not services[0].get("serviceName") or not services[0].get("clusterName"):
        raise AwsError("InvalidECSServiceException", ECS_ONLY.format(what="exactly one ECS service must be specified"))


def alarms(raw: Raw | None) -> None:
    """An alarmConfiguration."""
    names = [alarm.get("name", "") for alarm in (raw or {}).get("alarms", [])]
    if len(names) > 10:
        raise AwsError(
            "AlarmsLimitExceededException", "The maximum number of alarms for a deployment group (10) was exceeded."
        )
    if raw and raw.get("enabled") and not names:
        raise AwsError("InvalidAlarmConfigException", "The alarm configuration is enabled, but it lists no alarm.")
    if not all(names):
        raise AwsError("InvalidAlarmConfigException", "An alarm in the alarm configuration has an empty name.")
    if any(len(name) > 255 for name in names):
        raise AwsError("InvalidAlarmConfigException", "The name of an alarm is longer than 255 characters.")
    if len(set(names)) != len(names):
        raise AwsError("InvalidAlarmConfigException", "The alarm configuration names an alarm more than once.")


def rollback(raw: Raw | None) -> None:
    """An autoRollbackConfiguration."""
    events = set((raw or {}).get("events", []))
    if raw and raw.get("enabled") and not events:
        raise AwsError(
            "InvalidAutoRollbackConfigException",
            "The automatic rollback configuration is enabled, but it lists no event.",
        )
    if events - ROLLBACK_EVENTS:
        raise AwsError(
            "InvalidAutoRollbackConfigException",
            f"Events must be of {', '.join(sorted(ROLLBACK_EVENTS))}; not {sorted(events - ROLLBACK_EVENTS)}",
        )


def _triggers(raw: Raw) -> None:
    triggers = raw.get("triggerConfigurations", [])
    if len(triggers) > 10:
        raise AwsError(
            "TriggerTargetsLimitExceededException",
            "The maximum number of triggers for a deployment group (10) was exceeded.",
        )
    if not all(
        trigger.get("triggerName") and trigger.get("triggerTargetArn") and trigger.get("triggerEvents")
        for trigger in triggers
    ):
        raise AwsError("InvalidTriggerConfigException", "A trigger needs a name, a target ARN and at least one event.")
    for trigger in triggers:
        if unknown := set(trigger["triggerEvents"]) - TRIGGER_EVENTS:
            raise AwsError(
                "InvalidTriggerConfigException", f"{min(unknown)} is none of {', '.join(sorted(TRIGGER_EVENTS))}"
            )
        if not TOPIC.fullmatch(trigger["triggerTargetArn"]):
            raise AwsError(
                "InvalidTriggerConfigException", f"{trigger['triggerTargetArn']} is not the ARN of an SNS topic."
            )


def _compression(raw: Raw) -> None:
    for tag in raw.get("tags", []):
        if tag.get("Key") in ("rehearsal:compression", "rehearsal:floor"):
            try:
                good = float(tag.get("Value", "")) >= (1 if tag["Key"].endswith("compression") else 0)
            except ValueError:
                good = False
            if not good:
                raise AwsError(
                    "InvalidTagsToAddException",
                    f"The tag {tag['Key']} must be a number, 1 or more; not {tag.get('Value')!r}",
                )


GROUP_CHECKS: tuple[Callable[[Raw], None], ...] = (
    _role,
    _style,
    _not_for_ecs,
    _blue_green,
    _load_balancer,
    _services,
    lambda raw: alarms(raw.get("alarmConfiguration")),
    lambda raw: rollback(raw.get("autoRollbackConfiguration")),
    _triggers,
    _compression,
)
