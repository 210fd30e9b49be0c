"""Elastic Load Balancing v2: what becomes of each member of a request (see __init__.py)."""

# Has its effect, or is checked.
EXECUTED = """
AddListenerCertificatesInput: ListenerArn Certificates
Certificate: CertificateArn IsDefault
AddTagsInput: ResourceArns Tags
Tag: Key Value
CreateListenerInput: LoadBalancerArn Protocol Port SslPolicy Certificates DefaultActions Tags MutualAuthentication
Action: Type TargetGroupArn RedirectConfig FixedResponseConfig ForwardConfig
RedirectActionConfig: Protocol Port Host Path Query StatusCode
FixedResponseActionConfig: MessageBody StatusCode ContentType
ForwardActionConfig: TargetGroups TargetGroupStickinessConfig
TargetGroupTuple: TargetGroupArn Weight
TargetGroupStickinessConfig: Enabled DurationSeconds
MutualAuthenticationAttributes: Mode
CreateLoadBalancerInput: Name Subnets SubnetMappings Tags Type
SubnetMapping: SubnetId
CreateRuleInput: ListenerArn Conditions Priority Actions Tags Transforms
RuleTransform: Type HostHeaderRewriteConfig UrlRewriteConfig
HostHeaderRewriteConfig: Rewrites
UrlRewriteConfig: Rewrites
RewriteConfig: Regex Replace
RuleCondition: Field Values HostHeaderConfig PathPatternConfig HttpHeaderConfig QueryStringConfig
    HttpRequestMethodConfig SourceIpConfig RegexValues
HostHeaderConditionConfig: Values RegexValues
PathPatternConditionConfig: Values RegexValues
HttpHeaderConditionConfig: HttpHeaderName Values RegexValues
QueryStringConditionConfig: Values
QueryStringKeyValuePair: Key Value
HttpRequestMethodConditionConfig: Values
SourceIpConditionConfig: Values
CreateTargetGroupInput: Name Protocol ProtocolVersion Port HealthCheckProtocol HealthCheckPort HealthCheckEnabled
    HealthCheckPath HealthCheckIntervalSeconds HealthCheckTimeoutSeconds HealthyThresholdCount
    UnhealthyThresholdCount Matcher TargetType Tags
Matcher: HttpCode
DeleteListenerInput: ListenerArn
DeleteLoadBalancerInput: LoadBalancerArn
DeleteRuleInput: RuleArn
DeleteTargetGroupInput: TargetGroupArn
DeregisterTargetsInput: TargetGroupArn Targets
TargetDescription: Id Port AvailabilityZone
DescribeAccountLimitsInput: Marker PageSize
DescribeCapacityReservationInput: LoadBalancerArn
DescribeListenerAttributesInput: ListenerArn
DescribeListenerCertificatesInput: ListenerArn Marker PageSize
DescribeListenersInput: LoadBalancerArn ListenerArns Marker PageSize
DescribeLoadBalancerAttributesInput: LoadBalancerArn
DescribeLoadBalancersInput: LoadBalancerArns Names Marker PageSize
DescribeRulesInput: ListenerArn RuleArns Marker PageSize
DescribeSSLPoliciesInput: Names Marker PageSize LoadBalancerType
DescribeTagsInput: ResourceArns
DescribeTargetGroupAttributesInput: TargetGroupArn
DescribeTargetGroupsInput: LoadBalancerArn TargetGroupArns Names Marker PageSize
DescribeTargetHealthInput: TargetGroupArn Targets Include
ModifyListenerInput: ListenerArn Port Protocol SslPolicy Certificates DefaultActions MutualAuthentication
ModifyListenerAttributesInput: ListenerArn Attributes
ListenerAttribute: Key Value
ModifyLoadBalancerAttributesInput: LoadBalancerArn Attributes
LoadBalancerAttribute: Key Value
ModifyRuleInput: RuleArn Conditions Actions Transforms ResetTransforms
ModifyTargetGroupInput: TargetGroupArn HealthCheckProtocol HealthCheckPort HealthCheckPath HealthCheckEnabled
    HealthCheckIntervalSeconds HealthCheckTimeoutSeconds HealthyThresholdCount UnhealthyThresholdCount Matcher
ModifyTargetGroupAttributesInput: TargetGroupArn Attributes
TargetGroupAttribute: Key Value
RegisterTargetsInput: TargetGroupArn Targets
RemoveListenerCertificatesInput: ListenerArn Certificates
RemoveTagsInput: ResourceArns TagKeys
SetIpAddressTypeInput: LoadBalancerArn
SetRulePrioritiesInput: RulePriorities
RulePriorityPair: RuleArn Priority
SetSecurityGroupsInput: LoadBalancerArn
SetSubnetsInput: LoadBalancerArn Subnets SubnetMappings
"""

# Answers NotImplemented and is named, before the operation is looked at.
REFUSED = """
Action: AuthenticateOidcConfig AuthenticateCognitoConfig JwtValidationConfig
MutualAuthenticationAttributes: TrustStoreArn IgnoreClientCertificateExpiry TrustStoreAssociationStatus
    AdvertiseTrustStoreCaNames
CreateLoadBalancerInput: CustomerOwnedIpv4Pool EnablePrefixForIpv6SourceNat IpamPools
SubnetMapping: AllocationId PrivateIPv4Address IPv6Address SourceNatIpv6Prefix
SourceIpConditionConfig: IpAddressType
CreateTargetGroupInput: TargetControlPort
Matcher: GrpcCode
TargetDescription: QuicServerId
SetSecurityGroupsInput: EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic
SetSubnetsInput: EnablePrefixForIpv6SourceNat
"""

# Refused by the operation itself: in AWS's words, or after something else.
REFUSED_BY_OPERATION = """
"""

# Kept and shown again, and nothing else: why, and which.
RECORDED = (
    (
        "listeners and tasks are on the loopback of this machine, and nothing filters their packets",
        """
        CreateLoadBalancerInput: SecurityGroups Scheme IpAddressType
        SetSecurityGroupsInput: SecurityGroups
        SetIpAddressTypeInput: IpAddressType
        SetSubnetsInput: IpAddressType
        CreateTargetGroupInput: IpAddressType VpcId
        """,
    ),
    (
        "ALPN policies are for listeners of Network Load Balancers",
        """
        CreateListenerInput: AlpnPolicy
        ModifyListenerInput: AlpnPolicy
        """,
    ),
    (
        "a rule has one action here",
        """
        Action: Order
        """,
    ),
)
