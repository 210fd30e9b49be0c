"""EventBridge Scheduler: what becomes of each member of a request (see __init__.py)."""

# Has its effect, or is checked.
EXECUTED = """
CreateScheduleInput: ActionAfterCompletion Description EndDate FlexibleTimeWindow GroupName Name ScheduleExpression
    ScheduleExpressionTimezone StartDate State Target
UpdateScheduleInput: ActionAfterCompletion Description EndDate FlexibleTimeWindow GroupName Name ScheduleExpression
    ScheduleExpressionTimezone StartDate State Target
FlexibleTimeWindow: Mode MaximumWindowInMinutes
Target: Arn Input RetryPolicy
RetryPolicy: MaximumEventAgeInSeconds MaximumRetryAttempts
GetScheduleInput: GroupName Name
DeleteScheduleInput: GroupName Name
ListSchedulesInput: GroupName MaxResults NamePrefix NextToken State
GetScheduleGroupInput: Name
ListScheduleGroupsInput: NamePrefix
"""

# Answers NotImplemented and is named, before the operation is looked at.
REFUSED = """
CreateScheduleInput: KmsKeyArn
UpdateScheduleInput: KmsKeyArn
Target: DeadLetterConfig EcsParameters EventBridgeParameters EventBridgePutEventsV2Parameters
    EventBridgePutRawEventsParameters KinesisParameters SageMakerPipelineParameters SqsParameters
"""

# Refused by the operation itself: in AWS's words, or after something else.
REFUSED_BY_OPERATION = """
"""

# Kept and shown again, and nothing else: why, and which.
RECORDED = (
    (
        "credentials and permissions are not checked: every caller may do everything",
        """
        Target: RoleArn
        """,
    ),
    (
        "a schedule is made once for its name: a second time is a conflict",
        """
        CreateScheduleInput: ClientToken
        UpdateScheduleInput: ClientToken
        DeleteScheduleInput: ClientToken
        """,
    ),
    (
        "there is one group, and one page of it",
        """
        ListScheduleGroupsInput: MaxResults NextToken
        """,
    ),
)
