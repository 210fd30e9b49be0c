"""Every AWS call of a run, the same on every target: boto3 clients, one module per service, raw dicts at the edge.

`Stack` makes what one scenario needs and removes it again; `Network` what all scenarios of a run share.
"""

from harness.driver.ecs import TaskDefinition
from harness.driver.network import Network
from harness.driver.session import Session, error_code
from harness.driver.stack import Stack
from harness.driver.undo import Undo
from harness.driver.wait import until

__all__ = ["Network", "Session", "Stack", "TaskDefinition", "Undo", "error_code", "until"]
