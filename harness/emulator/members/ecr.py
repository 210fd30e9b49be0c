"""ECR: what becomes of each member of a request (see __init__.py)."""

# Has its effect, or is checked.
EXECUTED = """
BatchCheckLayerAvailabilityRequest: registryId repositoryName layerDigests
BatchDeleteImageRequest: registryId repositoryName imageIds
ImageIdentifier: imageDigest imageTag
BatchGetImageRequest: registryId repositoryName imageIds acceptedMediaTypes
CompleteLayerUploadRequest: registryId repositoryName uploadId layerDigests
CreateRepositoryRequest: registryId repositoryName tags imageTagMutability imageTagMutabilityExclusionFilters
    imageScanningConfiguration encryptionConfiguration
Tag: Key Value
ImageTagMutabilityExclusionFilter: filterType filter
DeleteLifecyclePolicyRequest: registryId repositoryName
DeleteRepositoryRequest: registryId repositoryName force
DeleteRepositoryPolicyRequest: registryId repositoryName
DescribeImagesRequest: registryId repositoryName imageIds nextToken maxResults filter
DescribeImagesFilter: tagStatus imageStatus
DescribeRepositoriesRequest: registryId repositoryNames nextToken maxResults
GetAuthorizationTokenRequest: registryIds
GetDownloadUrlForLayerRequest: registryId repositoryName layerDigest
GetLifecyclePolicyRequest: registryId repositoryName
GetLifecyclePolicyPreviewRequest: registryId repositoryName nextToken maxResults
GetRepositoryPolicyRequest: registryId repositoryName
InitiateLayerUploadRequest: registryId repositoryName
ListImagesRequest: registryId repositoryName nextToken maxResults filter
ListImagesFilter: tagStatus imageStatus
ListTagsForResourceRequest: resourceArn
PutImageRequest: registryId repositoryName imageManifest imageManifestMediaType imageTag imageDigest
PutImageScanningConfigurationRequest: registryId repositoryName imageScanningConfiguration
PutImageTagMutabilityRequest: registryId repositoryName imageTagMutability imageTagMutabilityExclusionFilters
PutLifecyclePolicyRequest: registryId repositoryName lifecyclePolicyText
PutRegistryScanningConfigurationRequest: scanType
PutReplicationConfigurationRequest: replicationConfiguration
SetRepositoryPolicyRequest: registryId repositoryName
StartLifecyclePolicyPreviewRequest: registryId repositoryName lifecyclePolicyText
TagResourceRequest: resourceArn tags
UntagResourceRequest: resourceArn tagKeys
UploadLayerPartRequest: registryId repositoryName uploadId partFirstByte partLastByte layerPartBlob
"""

# Answers NotImplemented and is named, before the operation is looked at.
REFUSED = """
ReplicationConfiguration: rules
GetLifecyclePolicyPreviewRequest: imageIds filter
"""

# Refused by the operation itself: in AWS's words, or after something else.
REFUSED_BY_OPERATION = """
"""

# Kept and shown again, and nothing else: why, and which.
RECORDED = (
    (
        "credentials and permissions are not checked: every caller may do everything",
        """
        SetRepositoryPolicyRequest: policyText force
        PutRegistryPolicyRequest: policyText
        """,
    ),
    (
        "nothing is scanned",
        """
        ImageScanningConfiguration: scanOnPush
        PutRegistryScanningConfigurationRequest: rules
        """,
    ),
    (
        "nothing is encrypted",
        """
        EncryptionConfiguration: encryptionType kmsKey
        """,
    ),
)
