"""ECS: what becomes of each member of a request (see __init__.py)."""

# Has its effect, or is checked.
EXECUTED = """
CreateCapacityProviderRequest: name autoScalingGroupProvider tags
AutoScalingGroupProvider: autoScalingGroupArn managedScaling managedTerminationProtection managedDraining
ManagedScaling: status targetCapacity minimumScalingStepSize maximumScalingStepSize
Tag: key value
CreateClusterRequest: clusterName tags settings capacityProviders defaultCapacityProviderStrategy
CapacityProviderStrategyItem: capacityProvider weight base
CreateServiceRequest: cluster serviceName taskDefinition availabilityZoneRebalancing loadBalancers desiredCount
    clientToken launchType capacityProviderStrategy deploymentConfiguration placementConstraints placementStrategy
    networkConfiguration healthCheckGracePeriodSeconds schedulingStrategy deploymentController tags
    enableECSManagedTags propagateTags
LoadBalancer: targetGroupArn containerName containerPort
DeploymentConfiguration: deploymentCircuitBreaker maximumPercent minimumHealthyPercent alarms strategy
DeploymentCircuitBreaker: enable rollback resetOnHealthyTask thresholdConfiguration
ThresholdConfiguration: type value
DeploymentAlarms: alarmNames rollback enable
PlacementConstraint: type expression
PlacementStrategy: type field
NetworkConfiguration: awsvpcConfiguration
AwsVpcConfiguration: subnets
DeploymentController: type
CreateTaskSetRequest: service cluster externalId taskDefinition networkConfiguration loadBalancers launchType
    capacityProviderStrategy scale clientToken tags
Scale: value unit
DeleteAccountSettingRequest: name principalArn
DeleteAttributesRequest: cluster attributes
Attribute: name value targetType targetId
DeleteCapacityProviderRequest: capacityProvider
DeleteClusterRequest: cluster
DeleteServiceRequest: cluster service force
DeleteTaskDefinitionsRequest: taskDefinitions
DeleteTaskSetRequest: cluster service taskSet force
DeregisterContainerInstanceRequest: cluster containerInstance force
DeregisterTaskDefinitionRequest: taskDefinition
DescribeCapacityProvidersRequest: capacityProviders include maxResults nextToken
DescribeClustersRequest: clusters include
DescribeContainerInstancesRequest: cluster containerInstances include
DescribeServiceDeploymentsRequest: serviceDeploymentArns
DescribeServiceRevisionsRequest: serviceRevisionArns
DescribeServicesRequest: cluster services include
DescribeTaskDefinitionRequest: taskDefinition include
DescribeTaskSetsRequest: cluster service taskSets include
DescribeTasksRequest: cluster tasks include
DiscoverPollEndpointRequest: containerInstance cluster
GetTaskProtectionRequest: cluster tasks
ListAccountSettingsRequest: name value principalArn effectiveSettings nextToken maxResults
ListAttributesRequest: cluster targetType attributeName attributeValue nextToken maxResults
ListClustersRequest: nextToken maxResults
ListContainerInstancesRequest: cluster filter nextToken maxResults status
ListServiceDeploymentsRequest: service cluster status createdAt nextToken maxResults
CreatedAt: before after
ListServicesRequest: cluster nextToken maxResults launchType schedulingStrategy resourceManagementType
ListServicesByNamespaceRequest: nextToken maxResults
ListTagsForResourceRequest: resourceArn
ListTaskDefinitionFamiliesRequest: familyPrefix status nextToken maxResults
ListTaskDefinitionsRequest: familyPrefix status sort nextToken maxResults
ListTasksRequest: cluster containerInstance family nextToken maxResults startedBy serviceName desiredStatus
    launchType
PutAccountSettingRequest: name principalArn
PutAccountSettingDefaultRequest: name
PutAttributesRequest: cluster attributes
PutClusterCapacityProvidersRequest: cluster capacityProviders defaultCapacityProviderStrategy
RegisterContainerInstanceRequest: cluster instanceIdentityDocument totalResources attributes tags
Resource: name integerValue
RegisterTaskDefinitionRequest: family networkMode containerDefinitions placementConstraints requiresCompatibilities
    cpu memory tags runtimePlatform
ContainerDefinition: name image cpu memory memoryReservation portMappings essential entryPoint command environment
    secrets dependsOn startTimeout stopTimeout dockerLabels ulimits logConfiguration healthCheck
PortMapping: containerPort hostPort protocol
KeyValuePair: name value
Secret: name valueFrom
ContainerDependency: containerName condition
Ulimit: name softLimit hardLimit
LogConfiguration: logDriver options
HealthCheck: command interval timeout retries startPeriod
TaskDefinitionPlacementConstraint: type expression
RuntimePlatform: operatingSystemFamily
RunTaskRequest: capacityProviderStrategy cluster count enableECSManagedTags group launchType networkConfiguration
    overrides placementConstraints placementStrategy propagateTags startedBy tags taskDefinition clientToken
TaskOverride: containerOverrides cpu memory
ContainerOverride: name command environment cpu memory memoryReservation
StartTaskRequest: cluster containerInstances enableECSManagedTags group networkConfiguration overrides propagateTags
    startedBy tags taskDefinition
StopTaskRequest: cluster task reason
TagResourceRequest: resourceArn tags
UntagResourceRequest: resourceArn tagKeys
UpdateCapacityProviderRequest: name autoScalingGroupProvider
AutoScalingGroupProviderUpdate: managedScaling managedTerminationProtection managedDraining
UpdateClusterRequest: cluster settings
UpdateClusterSettingsRequest: cluster settings
UpdateContainerAgentRequest: cluster containerInstance
UpdateContainerInstancesStateRequest: cluster containerInstances status
UpdateServiceRequest: cluster service desiredCount taskDefinition capacityProviderStrategy deploymentConfiguration
    availabilityZoneRebalancing networkConfiguration placementConstraints placementStrategy forceNewDeployment
    healthCheckGracePeriodSeconds deploymentController enableECSManagedTags loadBalancers propagateTags
UpdateServicePrimaryTaskSetRequest: cluster service primaryTaskSet
UpdateTaskProtectionRequest: cluster tasks protectionEnabled expiresInMinutes
UpdateTaskSetRequest: cluster service taskSet scale
"""

# Answers NotImplemented and is named, before the operation is looked at.
REFUSED = """
CreateCapacityProviderRequest: cluster managedInstancesProvider
UpdateCapacityProviderRequest: cluster managedInstancesProvider
DeleteCapacityProviderRequest: cluster
DescribeCapacityProvidersRequest: cluster
CreateServiceRequest: serviceRegistries role serviceConnectConfiguration volumeConfigurations
    vpcLatticeConfigurations gatewayConnectors monitoring
UpdateServiceRequest: serviceConnectConfiguration volumeConfigurations vpcLatticeConfigurations gatewayConnectors
    monitoring
LoadBalancer: loadBalancerName advancedConfiguration
CreateTaskSetRequest: serviceRegistries
ListTasksRequest: daemonName
RegisterContainerInstanceRequest: containerInstanceArn platformDevices
RegisterTaskDefinitionRequest: volumes pidMode ipcMode proxyConfiguration inferenceAccelerators enableFaultInjection
    trustedExecutionConfiguration
ContainerDefinition: repositoryCredentials links restartPolicy environmentFiles mountPoints volumesFrom
    linuxParameters hostname user workingDirectory disableNetworking privileged readonlyRootFilesystem dnsServers
    dnsSearchDomains extraHosts dockerSecurityOptions interactive pseudoTerminal systemControls resourceRequirements
    firelensConfiguration credentialSpecs
PortMapping: containerPortRange
LogConfiguration: secretOptions
RunTaskRequest: referenceId volumeConfigurations
StartTaskRequest: referenceId volumeConfigurations
TaskOverride: inferenceAcceleratorOverrides
ContainerOverride: environmentFiles resourceRequirements
"""

# Refused by the operation itself: in AWS's words, or after something else.
REFUSED_BY_OPERATION = """
UpdateServiceRequest: serviceRegistries
DeploymentConfiguration: bakeTimeInMinutes lifecycleHooks linearConfiguration canaryConfiguration
    earlySuccessCriteria
"""

# Kept and shown again, and nothing else: why, and which.
RECORDED = (
    (
        "credentials and permissions are not checked: every caller may do everything",
        """
        RegisterTaskDefinitionRequest: taskRoleArn executionRoleArn
        TaskOverride: taskRoleArn executionRoleArn
        RegisterContainerInstanceRequest: instanceIdentityDocumentSignature
        """,
    ),
    (
        "tasks use the disk of this machine, which nobody measures",
        """
        RegisterTaskDefinitionRequest: ephemeralStorage
        TaskOverride: ephemeralStorage
        """,
    ),
    (
        "only Service Connect reads it, and Service Connect is refused",
        """
        CreateClusterRequest: serviceConnectDefaults
        UpdateClusterRequest: serviceConnectDefaults
        PortMapping: name appProtocol
        ListServicesByNamespaceRequest: namespace
        """,
    ),
    (
        "ExecuteCommand is refused, so nobody can use it",
        """
        CreateServiceRequest: enableExecuteCommand
        UpdateServiceRequest: enableExecuteCommand
        RunTaskRequest: enableExecuteCommand
        StartTaskRequest: enableExecuteCommand
        CreateClusterRequest: configuration
        UpdateClusterRequest: configuration
        """,
    ),
    (
        "tasks run on the architecture of this machine",
        """
        RuntimePlatform: cpuArchitecture
        """,
    ),
    (
        "no account setting changes what is done",
        """
        PutAccountSettingRequest: value
        PutAccountSettingDefaultRequest: value
        """,
    ),
    (
        "Container Insights publishes nothing here",
        """
        ClusterSetting: name value
        """,
    ),
    (
        "listeners and tasks are on the loopback of this machine, and nothing filters their packets",
        """
        AwsVpcConfiguration: securityGroups assignPublicIp
        """,
    ),
    (
        "there is one platform version",
        """
        CreateServiceRequest: platformVersion
        UpdateServiceRequest: platformVersion
        CreateTaskSetRequest: platformVersion
        RunTaskRequest: platformVersion
        """,
    ),
    (
        "an instance is warm as soon as it has registered",
        """
        ManagedScaling: instanceWarmupPeriod
        """,
    ),
    (
        "a tag is looked up when a task starts, as with versionConsistency disabled",
        """
        ContainerDefinition: versionConsistency
        """,
    ),
    (
        "an agent of ours tells its own version; its resources are CPU and MEMORY",
        """
        RegisterContainerInstanceRequest: versionInfo
        Resource: type doubleValue longValue stringSetValue
        """,
    ),
)
