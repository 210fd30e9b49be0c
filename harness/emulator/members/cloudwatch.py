"""CloudWatch: what becomes of each member of a request (see __init__.py)."""

# Has its effect, or is checked.
EXECUTED = """
DeleteAlarmsInput: AlarmNames
DescribeAlarmHistoryInput: AlarmName AlarmTypes HistoryItemType StartDate EndDate MaxRecords NextToken ScanBy
DescribeAlarmsInput: AlarmNames AlarmNamePrefix AlarmTypes StateValue ActionPrefix MaxRecords NextToken
DescribeAlarmsForMetricInput: MetricName Namespace Statistic ExtendedStatistic Dimensions Period Unit
Dimension: Name Value
DisableAlarmActionsInput: AlarmNames
EnableAlarmActionsInput: AlarmNames
GetMetricDataInput: MetricDataQueries StartTime EndTime NextToken ScanBy
MetricDataQuery: Id MetricStat Expression Label ReturnData Period
MetricStat: Metric Period Stat Unit
Metric: Namespace MetricName Dimensions
GetMetricStatisticsInput: Namespace MetricName Dimensions StartTime EndTime Period Statistics ExtendedStatistics
    Unit
ListMetricsInput: Namespace MetricName Dimensions NextToken RecentlyActive
DimensionFilter: Name Value
ListTagsForResourceInput: ResourceARN
PutMetricAlarmInput: AlarmName AlarmDescription ActionsEnabled OKActions AlarmActions InsufficientDataActions
    MetricName Namespace Statistic ExtendedStatistic Dimensions Period Unit EvaluationPeriods DatapointsToAlarm
    Threshold ComparisonOperator TreatMissingData EvaluateLowSampleCountPercentile Metrics Tags
Tag: Key Value
PutMetricDataInput: Namespace MetricData
MetricDatum: MetricName Dimensions Timestamp Value StatisticValues Values Counts Unit
StatisticSet: SampleCount Sum Minimum Maximum
SetAlarmStateInput: AlarmName StateValue StateReason StateReasonData
TagResourceInput: ResourceARN Tags
UntagResourceInput: ResourceARN TagKeys
"""

# Answers NotImplemented and is named, before the operation is looked at.
REFUSED = """
DescribeAlarmHistoryInput: AlarmContributorId
GetMetricDataInput: MaxDatapoints LabelOptions
MetricDataQuery: AccountId
ListMetricsInput: IncludeLinkedAccounts OwningAccount
PutMetricDataInput: EntityMetricData StrictEntityValidation
PutMetricAlarmInput: ThresholdMetricId EvaluationWindow WarmUpConfiguration EvaluationCriteria EvaluationInterval
    ActionConfiguration
DescribeAlarmsInput: ChildrenOfAlarmName ParentsOfAlarmName
"""

# Refused by the operation itself: in AWS's words, or after something else.
REFUSED_BY_OPERATION = """
"""

# Kept and shown again, and nothing else: why, and which.
RECORDED = (
    (
        "datapoints keep the time that they came with, whatever the resolution",
        """
        MetricDatum: StorageResolution
        """,
    ),
)
