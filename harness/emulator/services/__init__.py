"""What is emulated: botocore's name of each service, and the class of its handlers. `emulated.py` documents it.

A class is imported when its service is first asked for: all of them are a quarter of a second, and most emulators are asked for few.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

SERVICES = {
    "ecs": "ecs.Ecs",
    "elbv2": "elbv2.Elbv2",
    "codedeploy": "codedeploy.CodeDeploy",
    "cloudwatch": "cloudwatch.CloudWatch",
    "lambda": "lambda_.Lambda",
    "ecr": "ecr.Ecr",
    "cloudformation": "cloudformation.CloudFormation",
    "scheduler": "scheduler.Scheduler",
    "resourcegroupstaggingapi": "tagging.Tagging",
}


def handlers_of(service: str) -> Any:
    """The class; a method for each operation that is emulated."""
    module, _, name = SERVICES[service].partition(".")
    return getattr(import_module(f"{__name__}.{module}"), name)
