"""CloudFormation: what becomes of each member of a request (see __init__.py)."""

# Has its effect, or is checked.
EXECUTED = """
CancelUpdateStackInput: StackName ClientRequestToken
CreateChangeSetInput: StackName TemplateBody TemplateURL UsePreviousTemplate Parameters Capabilities Tags
    ChangeSetName Description ChangeSetType OnStackFailure DeploymentConfig
Parameter: ParameterKey ParameterValue UsePreviousValue
Tag: Key Value
DeploymentConfig: Mode DisableRollback
CreateStackInput: StackName TemplateBody TemplateURL Parameters DisableRollback TimeoutInMinutes Capabilities
    OnFailure Tags ClientRequestToken EnableTerminationProtection DeploymentConfig
DeleteChangeSetInput: ChangeSetName StackName
DeleteStackInput: StackName RetainResources ClientRequestToken DeletionMode DeploymentConfig
DescribeChangeSetInput: ChangeSetName StackName NextToken
DescribeStackEventsInput: StackName NextToken
DescribeStackResourceInput: StackName LogicalResourceId
DescribeStackResourcesInput: StackName LogicalResourceId PhysicalResourceId
DescribeStacksInput: StackName NextToken
ExecuteChangeSetInput: ChangeSetName StackName ClientRequestToken DisableRollback
GetTemplateInput: StackName ChangeSetName
GetTemplateSummaryInput: TemplateBody TemplateURL StackName
ListChangeSetsInput: StackName NextToken
ListExportsInput: NextToken
ListImportsInput: ExportName NextToken
ListStackResourcesInput: StackName NextToken
ListStacksInput: NextToken StackStatusFilter
UpdateStackInput: StackName TemplateBody TemplateURL UsePreviousTemplate Parameters Capabilities Tags
    DisableRollback ClientRequestToken DeploymentConfig
UpdateTerminationProtectionInput: EnableTerminationProtection StackName
ValidateTemplateInput: TemplateBody TemplateURL
"""

# Answers NotImplemented and is named, before the operation is looked at.
REFUSED = """
CreateChangeSetInput: DisableValidation RollbackConfiguration ResourceTypes
    ResourcesToImport DeploymentMode
CreateStackInput: DisableValidation StackPolicyBody StackPolicyURL RollbackConfiguration ResourceTypes
    RetainExceptOnCreate
UpdateStackInput: DisableValidation StackPolicyBody StackPolicyURL StackPolicyDuringUpdateBody
    StackPolicyDuringUpdateURL RollbackConfiguration ResourceTypes RetainExceptOnCreate
GetTemplateSummaryInput: StackSetName CallAs TemplateSummaryConfig
ExecuteChangeSetInput: RetainExceptOnCreate
"""

# Refused by the operation itself: in AWS's words, or after something else.
REFUSED_BY_OPERATION = """
"""

# Kept and shown again, and nothing else: why, and which.
RECORDED = (
    (
        "credentials and permissions are not checked: every caller may do everything",
        """
        CreateStackInput: RoleARN
        UpdateStackInput: RoleARN
        DeleteStackInput: RoleARN
        CreateChangeSetInput: RoleARN
        """,
    ),
    (
        "what happens to a stack is not published to SNS",
        """
        CreateStackInput: NotificationARNs
        UpdateStackInput: NotificationARNs
        CreateChangeSetInput: NotificationARNs
        """,
    ),
    (
        "nothing is imported: a resource that is there already fails the stack, as it does without this (CDK's bootstrap asks for it)",
        """
        CreateChangeSetInput: ImportExistingResources
        """,
    ),
    (
        "there are no nested stacks",
        """
        CreateChangeSetInput: IncludeNestedStacks
        """,
    ),
    (
        "templates have no transforms: both stages are the same",
        """
        GetTemplateInput: TemplateStage
        """,
    ),
    (
        "changes are told without the values of properties",
        """
        DescribeChangeSetInput: IncludePropertyValues
        """,
    ),
    (
        "a change set is known by its name, and a second one of that name is refused",
        """
        CreateChangeSetInput: ClientToken
        """,
    ),
    (
        "of answers alone",
        """
        Parameter: ResolvedValue
        """,
    ),
)
