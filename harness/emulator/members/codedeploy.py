"""CodeDeploy: what becomes of each member of a request (see __init__.py)."""

# Has its effect, or is checked.
EXECUTED = """
BatchGetApplicationRevisionsInput: applicationName revisions
RevisionLocation: revisionType s3Location string appSpecContent
S3Location: bucket key bundleType version eTag
RawString: content sha256
AppSpecContent: content sha256
BatchGetApplicationsInput: applicationNames
BatchGetDeploymentGroupsInput: applicationName deploymentGroupNames
BatchGetDeploymentTargetsInput: deploymentId targetIds
BatchGetDeploymentsInput: deploymentIds
ContinueDeploymentInput: deploymentId deploymentWaitType
CreateApplicationInput: applicationName computePlatform tags
Tag: Key Value
CreateDeploymentInput: applicationName deploymentGroupName revision deploymentConfigName description
    autoRollbackConfiguration overrideAlarmConfiguration
AutoRollbackConfiguration: enabled events
AlarmConfiguration: enabled ignorePollAlarmFailure alarms
Alarm: name
CreateDeploymentConfigInput: deploymentConfigName trafficRoutingConfig computePlatform
TrafficRoutingConfig: type timeBasedCanary timeBasedLinear
TimeBasedCanary: canaryPercentage canaryInterval
TimeBasedLinear: linearPercentage linearInterval
CreateDeploymentGroupInput: applicationName deploymentGroupName deploymentConfigName serviceRoleArn
    triggerConfigurations alarmConfiguration autoRollbackConfiguration deploymentStyle
    blueGreenDeploymentConfiguration loadBalancerInfo ecsServices tags
TriggerConfig: triggerName triggerTargetArn triggerEvents
DeploymentStyle: deploymentType deploymentOption
BlueGreenDeploymentConfiguration: terminateBlueInstancesOnDeploymentSuccess deploymentReadyOption
BlueInstanceTerminationOption: action terminationWaitTimeInMinutes
DeploymentReadyOption: actionOnTimeout waitTimeInMinutes
LoadBalancerInfo: targetGroupPairInfoList
TargetGroupPairInfo: targetGroups prodTrafficRoute testTrafficRoute
TargetGroupInfo: name
TrafficRoute: listenerArns
ECSService: serviceName clusterName
DeleteApplicationInput: applicationName
DeleteDeploymentConfigInput: deploymentConfigName
DeleteDeploymentGroupInput: applicationName deploymentGroupName
GetApplicationInput: applicationName
GetApplicationRevisionInput: applicationName revision
GetDeploymentInput: deploymentId
GetDeploymentConfigInput: deploymentConfigName
GetDeploymentGroupInput: applicationName deploymentGroupName
GetDeploymentTargetInput: deploymentId targetId
ListApplicationRevisionsInput: applicationName sortBy sortOrder s3Bucket s3KeyPrefix deployed nextToken
ListApplicationsInput: nextToken
ListDeploymentConfigsInput: nextToken
ListDeploymentGroupsInput: applicationName nextToken
ListDeploymentTargetsInput: deploymentId nextToken targetFilters
ListDeploymentsInput: applicationName deploymentGroupName includeOnlyStatuses createTimeRange nextToken
TimeRange: start end
ListTagsForResourceInput: ResourceArn
PutLifecycleEventHookExecutionStatusInput: deploymentId lifecycleEventHookExecutionId status
RegisterApplicationRevisionInput: applicationName description revision
SkipWaitTimeForInstanceTerminationInput: deploymentId
StopDeploymentInput: deploymentId autoRollbackEnabled
TagResourceInput: ResourceArn Tags
UntagResourceInput: ResourceArn TagKeys
UpdateApplicationInput: applicationName newApplicationName
UpdateDeploymentGroupInput: applicationName currentDeploymentGroupName newDeploymentGroupName deploymentConfigName
    serviceRoleArn triggerConfigurations alarmConfiguration autoRollbackConfiguration deploymentStyle
    blueGreenDeploymentConfiguration loadBalancerInfo ecsServices
"""

# Answers NotImplemented and is named, before the operation is looked at.
REFUSED = """
CreateDeploymentInput: deploymentMode ec2DeploymentOptions
CreateDeploymentConfigInput: minimumHealthyHosts zonalConfig
CreateDeploymentGroupInput: ec2DeploymentOptions
UpdateDeploymentGroupInput: ec2DeploymentOptions
ListTagsForResourceInput: NextToken
"""

# Refused by the operation itself: in AWS's words, or after something else.
REFUSED_BY_OPERATION = """
RevisionLocation: gitHubLocation
CreateDeploymentInput: targetInstances updateOutdatedInstancesOnly
CreateDeploymentGroupInput: ec2TagFilters onPremisesInstanceTagFilters autoScalingGroups ec2TagSet onPremisesTagSet
    terminationHookEnabled
UpdateDeploymentGroupInput: ec2TagFilters onPremisesInstanceTagFilters autoScalingGroups ec2TagSet onPremisesTagSet
    terminationHookEnabled
BlueGreenDeploymentConfiguration: greenFleetProvisioningOption
LoadBalancerInfo: elbInfoList targetGroupInfoList
ListDeploymentsInput: externalId
"""

# Kept and shown again, and nothing else: why, and which.
RECORDED = (
    (
        "of deployments to servers, where files are copied and applications stopped",
        """
        CreateDeploymentInput: ignoreApplicationStopFailures fileExistsBehavior
        CreateDeploymentGroupInput: outdatedInstancesStrategy
        UpdateDeploymentGroupInput: outdatedInstancesStrategy
        """,
    ),
)
