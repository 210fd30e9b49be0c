"""Lambda: what becomes of each member of a request (see __init__.py)."""

# Has its effect, or is checked.
EXECUTED = """
AddPermissionRequest: FunctionName StatementId RevisionId
CreateFunctionRequest: FunctionName Runtime Handler Code Description Timeout MemorySize PackageType Environment Tags
    VpcConfig
VpcConfig: SubnetIds
FunctionCode: ZipFile S3Bucket S3Key S3ObjectVersion
Environment: Variables
DeleteFunctionRequest: FunctionName
GetFunctionRequest: FunctionName
GetFunctionConfigurationRequest: FunctionName
GetPolicyRequest: FunctionName
InvocationRequest: FunctionName InvocationType LogType Payload Qualifier
ListFunctionsRequest: Marker MaxItems
ListTagsRequest: Resource
RemovePermissionRequest: FunctionName StatementId RevisionId
TagResourceRequest: Resource Tags
UntagResourceRequest: Resource TagKeys
UpdateFunctionCodeRequest: FunctionName ZipFile S3Bucket S3Key S3ObjectVersion DryRun RevisionId
UpdateFunctionConfigurationRequest: FunctionName Handler Description Timeout MemorySize Environment Runtime
    RevisionId VpcConfig
"""

# Answers NotImplemented and is named, before the operation is looked at.
REFUSED = """
AddPermissionRequest: InvokedViaFunctionUrl Qualifier
DeleteFunctionRequest: Qualifier
GetFunctionRequest: Qualifier
GetFunctionConfigurationRequest: Qualifier
GetPolicyRequest: Qualifier
RemovePermissionRequest: Qualifier
FunctionCode: S3ObjectStorageMode SourceKMSKeyArn
UpdateFunctionCodeRequest: S3ObjectStorageMode SourceKMSKeyArn Publish PublishTo
InvocationRequest: ClientContext DurableExecutionName TenantId
ListFunctionsRequest: MasterRegion FunctionVersion
CreateFunctionRequest: ImageConfig Publish PublishTo Layers FileSystemConfigs CodeSigningConfigArn TenancyConfig
    CapacityProviderConfig DurableConfig RuntimeConfig AcceleratorConfig
UpdateFunctionConfigurationRequest: ImageConfig Layers FileSystemConfigs CapacityProviderConfig DurableConfig
    RuntimeConfig AcceleratorConfig
"""

# Refused by the operation itself: in AWS's words, or after something else.
REFUSED_BY_OPERATION = """
UpdateFunctionCodeRequest: ImageUri
FunctionCode: ImageUri
"""

# Kept and shown again, and nothing else: why, and which.
RECORDED = (
    (
        "security groups let everybody through",
        """
        VpcConfig: SecurityGroupIds Ipv6AllowedForDualStack
        """,
    ),
    (
        "credentials and permissions are not checked: every caller may do everything",
        """
        CreateFunctionRequest: Role
        UpdateFunctionConfigurationRequest: Role
        AddPermissionRequest: Action Principal SourceArn SourceAccount EventSourceToken FunctionUrlAuthType
            PrincipalOrgID
        """,
    ),
    (
        "a function is a process of this machine",
        """
        CreateFunctionRequest: EphemeralStorage Architectures SnapStart KMSKeyArn
        UpdateFunctionConfigurationRequest: EphemeralStorage SnapStart KMSKeyArn
        UpdateFunctionCodeRequest: Architectures
        """,
    ),
    (
        "what a function prints is in a file, and nothing is traced or passed on",
        """
        CreateFunctionRequest: LoggingConfig TracingConfig DeadLetterConfig
        UpdateFunctionConfigurationRequest: LoggingConfig TracingConfig DeadLetterConfig
        """,
    ),
)
