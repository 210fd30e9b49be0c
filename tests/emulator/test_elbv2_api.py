"""ELBv2 as the stock boto3 sees it: what is refused and how, and that everything reads back as it was written (C.1-C.5)."""

from collections.abc import Iterator
from typing import Any
from urllib.request import urlopen

import pytest

from tests.emulator.conftest import Running
from tests.emulator.elbv2_parts import HELLO, Parts, attributes, forward, redirect, refused


@pytest.fixture(scope="module")
def network(aws: Running) -> Parts:
    return Parts(aws)


@pytest.fixture
def parts(network: Parts) -> Iterator[Parts]:
    yield network
    network.clear()


# ---- load balancers


def test_load_balancer_is_active_with_its_zones_and_the_default_security_group(parts):
    made = parts.balancer()
    assert made["State"] == {"Code": "active"}
    assert made["Type"] == "application"
    assert {zone["ZoneName"] for zone in made["AvailabilityZones"]} == {"us-east-1a", "us-east-1b"}
    assert made["DNSName"].startswith(made["LoadBalancerName"] + "-")
    (group,) = parts.ec2.describe_security_groups(GroupIds=made["SecurityGroups"])["SecurityGroups"]
    assert (group["GroupName"], group["VpcId"]) == ("default", parts.vpc)
    assert parts.elb.describe_load_balancers(Names=[made["LoadBalancerName"]])["LoadBalancers"] == [made]
    parts.elb.get_waiter("load_balancer_available").wait(LoadBalancerArns=[made["LoadBalancerArn"]])


def test_same_load_balancer_again_is_the_same_and_another_of_its_name_is_refused(parts):
    made = parts.balancer()
    again = parts.balancer(Name=made["LoadBalancerName"])
    assert again["LoadBalancerArn"] == made["LoadBalancerArn"]
    code, message = refused(parts.balancer, Name=made["LoadBalancerName"], Scheme="internal")
    assert code == "DuplicateLoadBalancerName"
    assert message == (
        f"A load balancer with the same name '{made['LoadBalancerName']}' exists, but with different settings"
    )


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"Name": "-x"}, "ValidationError"),
        ({"Name": "internal-x"}, "ValidationError"),
        ({"Subnets": ["subnet-1", "subnet-2"]}, "SubnetNotFound"),
        ({"SecurityGroups": ["sg-00000000"]}, "InvalidSecurityGroup"),
        ({"IpAddressType": "ipv5"}, "ValidationError"),
        ({"Type": "network"}, "NotImplemented"),
    ],
)
def test_load_balancer_that_cannot_be_is_refused(parts, more, code):
    assert refused(parts.balancer, **more)[0] == code


def test_one_subnet_is_too_few(parts):
    code, message = refused(parts.balancer, Subnets=parts.subnets[:1])
    assert (code, message) == (
        "ValidationError",
        "At least two subnets in two different Availability Zones must be specified",
    )


def test_unknown_load_balancers_are_not_found_by_arn_nor_by_name(parts):
    assert refused(parts.elb.describe_load_balancers, Names=["no-such"]) == (
        "LoadBalancerNotFound",
        "Load balancers '[no-such]' not found",
    )
    arn = "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/x/0123456789abcdef"
    assert refused(parts.elb.describe_load_balancers, LoadBalancerArns=[arn])[0] == "LoadBalancerNotFound"
    assert refused(parts.elb.describe_listeners, LoadBalancerArn=arn)[0] == "LoadBalancerNotFound"


def test_subnets_security_groups_and_address_type_can_be_set(parts):
    arn = parts.balancer()["LoadBalancerArn"]
    group = parts.ec2.create_security_group(GroupName=f"{parts.name}-sg", Description="x", VpcId=parts.vpc)["GroupId"]
    assert parts.elb.set_security_groups(LoadBalancerArn=arn, SecurityGroups=[group])["SecurityGroupIds"] == [group]
    answer = parts.elb.set_subnets(LoadBalancerArn=arn, Subnets=parts.subnets[1:], IpAddressType="dualstack")
    assert {zone["SubnetId"] for zone in answer["AvailabilityZones"]} == set(parts.subnets[1:])
    assert parts.elb.set_ip_address_type(LoadBalancerArn=arn, IpAddressType="ipv4")["IpAddressType"] == "ipv4"
    assert refused(parts.elb.set_security_groups, LoadBalancerArn=arn, SecurityGroups=["sg-1"])[0] == (
        "InvalidSecurityGroup"
    )
    assert refused(parts.elb.set_subnets, LoadBalancerArn=arn, Subnets=parts.subnets[:1])[0] == "ValidationError"


def test_protected_load_balancer_stays(parts):
    arn = parts.balancer()["LoadBalancerArn"]
    parts.elb.modify_load_balancer_attributes(
        LoadBalancerArn=arn, Attributes=attributes(deletion_protection__enabled="true")
    )
    assert refused(parts.elb.delete_load_balancer, LoadBalancerArn=arn) == (
        "OperationNotPermitted",
        f"Load balancer '{arn}' cannot be deleted because deletion protection is enabled",
    )


def test_lists_come_in_pages(parts):
    for _ in range(3):
        parts.balancer()
    pages = parts.elb.get_paginator("describe_load_balancers").paginate(PaginationConfig={"PageSize": 2})
    found = [one["LoadBalancerArn"] for page in pages for one in page["LoadBalancers"]]
    assert len(found) == len(set(found)) >= 3


@pytest.mark.parametrize(
    ("key", "value"),
    [("idle_timeout.timeout_seconds", "0"), ("routing.http2.enabled", "maybe"), ("no.such", "1")],
)
def test_attribute_that_cannot_be_is_refused(parts, key, value):
    arn = parts.balancer()["LoadBalancerArn"]
    given = {"LoadBalancerArn": arn, "Attributes": [{"Key": key, "Value": value}]}
    assert refused(parts.elb.modify_load_balancer_attributes, **given)[0] == "InvalidConfigurationRequest"


# ---- target groups


def test_target_group_reads_back_as_it_was_written(parts):
    written: dict[str, Any] = {
        "Protocol": "HTTPS",
        "Port": 8443,
        "HealthCheckProtocol": "HTTPS",
        "HealthCheckPort": "9000",
        "HealthCheckPath": "/up",
        "HealthCheckIntervalSeconds": 10,
        "HealthCheckTimeoutSeconds": 3,
        "HealthyThresholdCount": 3,
        "UnhealthyThresholdCount": 4,
        "Matcher": {"HttpCode": "200,300-302"},
    }
    arn = parts.group(**written)
    (read,) = parts.elb.describe_target_groups(TargetGroupArns=[arn])["TargetGroups"]
    assert written.items() <= read.items()
    assert (read["ProtocolVersion"], read["IpAddressType"], read["LoadBalancerArns"]) == ("HTTP1", "ipv4", [])
    parts.elb.modify_target_group(TargetGroupArn=arn, HealthCheckPath="/other", Matcher={"HttpCode": "204"})
    (read,) = parts.elb.describe_target_groups(TargetGroupArns=[arn])["TargetGroups"]
    assert (read["HealthCheckPath"], read["Matcher"]) == ("/other", {"HttpCode": "204"})


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"HealthCheckIntervalSeconds": 301}, "ValidationError"),
        ({"HealthCheckTimeoutSeconds": 30}, "ValidationError"),
        ({"HealthCheckEnabled": False}, "ValidationError"),
        ({"HealthCheckPath": "up"}, "ValidationError"),
        ({"HealthCheckPort": "http"}, "ValidationError"),
        ({"Matcher": {"HttpCode": "500"}}, "ValidationError"),
        ({"Matcher": {"HttpCode": "2xx"}}, "ValidationError"),
        ({"Name": "a_b"}, "ValidationError"),
        ({"Protocol": "TCP"}, "NotImplemented"),
        ({"ProtocolVersion": "GRPC"}, "NotImplemented"),
        ({"TargetType": "lambda"}, "NotImplemented"),
    ],
)
def test_target_group_that_cannot_be_is_refused(parts, more, code):
    assert refused(parts.group, **more)[0] == code


def test_attributes_of_a_target_group_read_back(parts):
    arn = parts.group()
    written = {
        "deregistration_delay.timeout_seconds": "5",
        "load_balancing.algorithm.type": "weighted_random",
        "stickiness.enabled": "true",
        "stickiness.type": "app_cookie",
        "stickiness.app_cookie.cookie_name": "SESSION",
        "stickiness.app_cookie.duration_seconds": "60",
        "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage": "50",
    }
    pairs = [{"Key": key, "Value": value} for key, value in written.items()]
    parts.elb.modify_target_group_attributes(TargetGroupArn=arn, Attributes=pairs)
    read = parts.elb.describe_target_group_attributes(TargetGroupArn=arn)["Attributes"]
    assert written.items() <= {one["Key"]: one["Value"] for one in read}.items()


@pytest.mark.parametrize(
    "pairs",
    [
        {"slow_start__duration_seconds": "29"},
        {"slow_start__duration_seconds": "30", "load_balancing__algorithm__type": "weighted_random"},
        {"load_balancing__algorithm__type": "fastest"},
        {"stickiness__lb_cookie__duration_seconds": "604801"},
        {"stickiness__enabled": "true", "stickiness__type": "app_cookie"},
        {
            "stickiness__enabled": "true",
            "stickiness__type": "app_cookie",
            "stickiness__app_cookie__cookie_name": "AWSALBTG",
        },
    ],
)
def test_attributes_that_cannot_go_together_are_refused_and_change_nothing(parts, pairs):
    arn = parts.group()
    before = parts.elb.describe_target_group_attributes(TargetGroupArn=arn)["Attributes"]
    given = {"TargetGroupArn": arn, "Attributes": attributes(**pairs)}
    assert refused(parts.elb.modify_target_group_attributes, **given)[0] == "InvalidConfigurationRequest"
    assert parts.elb.describe_target_group_attributes(TargetGroupArn=arn)["Attributes"] == before


def test_target_group_in_use_cannot_be_deleted_nor_used_by_another_load_balancer(parts):
    first, second = parts.balancer()["LoadBalancerArn"], parts.balancer()["LoadBalancerArn"]
    arn = parts.group()
    listener = parts.listener(first, 81, forward(arn))
    assert refused(parts.elb.delete_target_group, TargetGroupArn=arn) == (
        "ResourceInUse",
        f"Target group '{arn}' is currently in use by a listener or a rule",
    )
    assert refused(parts.listener, balancer=second, action=forward(arn))[0] == "TargetGroupAssociationLimit"
    parts.elb.delete_listener(ListenerArn=listener["ListenerArn"])
    parts.elb.delete_target_group(TargetGroupArn=arn)
    assert refused(parts.elb.describe_target_groups, TargetGroupArns=[arn])[0] == "TargetGroupNotFound"


def test_health_of_targets_shows_port_zone_and_what_is_included(parts):
    arn = parts.group(HealthCheckPort="9000")
    parts.elb.register_targets(TargetGroupArn=arn, Targets=[{"Id": "127.0.0.1", "AvailabilityZone": "us-east-1a"}])
    (one,) = parts.elb.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
    assert one["Target"] == {"Id": "127.0.0.1", "Port": 8080, "AvailabilityZone": "us-east-1a"}
    assert one["HealthCheckPort"] == "9000"
    assert one["TargetHealth"]["State"] in ("initial", "unused")
    assert "AnomalyDetection" not in one
    (one,) = parts.elb.describe_target_health(TargetGroupArn=arn, Include=["AnomalyDetection"])[
        "TargetHealthDescriptions"
    ]
    assert one["AnomalyDetection"] == {"Result": "normal", "MitigationInEffect": "no"}
    assert refused(parts.elb.register_targets, TargetGroupArn=arn, Targets=[{"Id": "10.0.0"}]) == (
        "ValidationError",
        "The IP address '10.0.0' is not a valid IPv4 address",
    )


# ---- listeners


def test_forward_to_one_group_shows_both_forms_and_to_two_only_one(parts):
    balancer, one, two = parts.balancer()["LoadBalancerArn"], parts.group(), parts.group()
    listener = parts.listener(balancer, 82, {"Type": "forward", "TargetGroupArn": one})
    config = {
        "TargetGroups": [{"TargetGroupArn": one, "Weight": 1}],
        "TargetGroupStickinessConfig": {"Enabled": False},
    }
    assert listener["DefaultActions"] == [{"Type": "forward", "TargetGroupArn": one, "ForwardConfig": config}]
    changed = parts.elb.modify_listener(ListenerArn=listener["ListenerArn"], DefaultActions=[forward(one, two)])
    (action,) = changed["Listeners"][0]["DefaultActions"]
    assert "TargetGroupArn" not in action
    assert parts.elb.describe_listeners(ListenerArns=[listener["ListenerArn"]])["Listeners"] == changed["Listeners"]


def test_weighted_forward_with_stickiness_reads_back(parts):
    balancer, one, two = parts.balancer()["LoadBalancerArn"], parts.group(), parts.group()
    sticky = {"Enabled": True, "DurationSeconds": 600}
    listener = parts.listener(balancer, 83, forward(one, two, TargetGroupStickinessConfig=sticky))
    assert listener["DefaultActions"][0]["ForwardConfig"]["TargetGroupStickinessConfig"] == sticky
    bad = forward(one, two, TargetGroupStickinessConfig={"Enabled": True, "DurationSeconds": 0})
    assert refused(parts.elb.modify_listener, ListenerArn=listener["ListenerArn"], DefaultActions=[bad])[0] == (
        "ValidationError"
    )


def test_target_stickiness_in_a_weighted_rule_needs_the_rules_own(parts):
    balancer, one, two = parts.balancer()["LoadBalancerArn"], parts.group(), parts.group()
    listener = parts.listener(balancer, 84, forward(one, two))["ListenerArn"]
    given = {"TargetGroupArn": one, "Attributes": attributes(stickiness__enabled="true")}
    code, message = refused(parts.elb.modify_target_group_attributes, **given)
    assert code == "InvalidConfigurationRequest"
    assert "You must enable group stickiness before enabling target stickiness" in message
    parts.elb.modify_listener(ListenerArn=listener, DefaultActions=[forward(one)])
    parts.elb.modify_target_group_attributes(**given)
    code, message = refused(parts.elb.modify_listener, ListenerArn=listener, DefaultActions=[forward(one, two)])
    assert (code, message) == (
        "InvalidConfigurationRequest",
        "You must enable group stickiness on a rule if you enabled target stickiness on one of its target groups",
    )


def test_listener_moves_to_another_port(parts):
    balancer = parts.balancer()["LoadBalancerArn"]
    listener = parts.listener(balancer, 85)["ListenerArn"]
    assert refused(parts.listener, balancer=balancer, port=85)[0] == "DuplicateListener"
    (moved,) = parts.elb.modify_listener(ListenerArn=listener, Port=86)["Listeners"]
    assert (moved["Port"], moved["DefaultActions"]) == (86, [HELLO])
    parts.listener(balancer, 85)


@pytest.mark.parametrize(
    ("action", "code"),
    [
        (redirect(), "InvalidLoadBalancerAction"),
        (redirect(Protocol="FTP"), "ValidationError"),
        (redirect(Path="x"), "ValidationError"),
        (redirect(Port="0"), "ValidationError"),
        ({"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "300"}}, "ValidationError"),
        (
            {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "200", "ContentType": "image/png"}},
            "ValidationError",
        ),
        (
            {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "200", "MessageBody": "x" * 1025}},
            "ValidationError",
        ),
        ({"Type": "authenticate-oidc", "Order": 1}, "NotImplemented"),
        ({"Type": "forward", "TargetGroupArn": "arn:none"}, "TargetGroupNotFound"),
        ({"Type": "forward"}, "InvalidLoadBalancerAction"),
    ],
)
def test_action_that_cannot_be_is_refused(parts, action, code):
    balancer = parts.balancer()["LoadBalancerArn"]
    assert refused(parts.listener, balancer=balancer, action=action)[0] == code
    assert parts.elb.describe_listeners(LoadBalancerArn=balancer)["Listeners"] == []


def test_quotas_are_told_and_kept(parts):
    limits = {one["Name"]: one["Max"] for one in parts.elb.describe_account_limits()["Limits"]}
    assert limits["rules-per-application-load-balancer"] == "100"
    listener = parts.listener(parts.balancer()["LoadBalancerArn"], 87)["ListenerArn"]
    condition = [{"Field": "path-pattern", "Values": ["/x"]}]
    for priority in range(1, 101):
        parts.elb.create_rule(ListenerArn=listener, Priority=priority, Conditions=condition, Actions=[HELLO])
    given = {"ListenerArn": listener, "Priority": 101, "Conditions": condition, "Actions": [HELLO]}
    assert refused(parts.elb.create_rule, **given)[0] == "TooManyRules"
    assert len(parts.elb.describe_rules(ListenerArn=listener)["Rules"]) == 101


# ---- rules


@pytest.mark.parametrize(
    "condition",
    [
        {"Field": "host-header", "HostHeaderConfig": {"Values": ["*.example.com"]}},
        {"Field": "path-pattern", "PathPatternConfig": {"Values": ["/a/*"]}},
        {"Field": "path-pattern", "PathPatternConfig": {"RegexValues": ["^/a/[0-9]+$"]}},
        {"Field": "http-request-method", "HttpRequestMethodConfig": {"Values": ["GET", "POST"]}},
        {"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "X-A", "Values": ["b?"]}},
        {"Field": "query-string", "QueryStringConfig": {"Values": [{"Key": "a", "Value": "b"}, {"Value": "c"}]}},
        {"Field": "source-ip", "SourceIpConfig": {"Values": ["10.0.0.0/8"]}},
    ],
)
def test_rule_of_every_condition_reads_back(parts, condition):
    listener = parts.listener(parts.balancer()["LoadBalancerArn"], 88)["ListenerArn"]
    (made,) = parts.elb.create_rule(ListenerArn=listener, Priority=5, Conditions=[condition], Actions=[HELLO])["Rules"]
    (shown,) = made["Conditions"]
    assert condition.items() <= shown.items()
    assert (made["Priority"], made["IsDefault"], made["Actions"]) == ("5", False, [HELLO])
    rules = parts.elb.describe_rules(ListenerArn=listener)["Rules"]
    assert [one["Priority"] for one in rules] == ["5", "default"]


@pytest.mark.parametrize(
    ("conditions", "code"),
    [
        ([{"Field": "path-pattern", "Values": ["/a"]}] * 2, "InvalidConfigurationRequest"),
        ([{"Field": "path-pattern", "Values": [f"/{n}" for n in range(6)]}], "ValidationError"),
        ([{"Field": "path-pattern", "Values": ["/*?*?*?"]}], "ValidationError"),
        ([{"Field": "path-pattern", "PathPatternConfig": {"RegexValues": ["/(?=a)"]}}], "ValidationError"),
        (
            [{"Field": "path-pattern", "PathPatternConfig": {"RegexValues": ["/a"], "Values": ["/a"]}}],
            "ValidationError",
        ),
        ([{"Field": "source-ip", "SourceIpConfig": {"Values": ["10.0.0.300/8"]}}], "ValidationError"),
        ([{"Field": "cookie", "Values": ["a"]}], "ValidationError"),
        ([], "ValidationError"),
    ],
)
def test_conditions_that_cannot_be_are_refused(parts, conditions, code):
    listener = parts.listener(parts.balancer()["LoadBalancerArn"], 89)["ListenerArn"]
    given = {"ListenerArn": listener, "Priority": 5, "Conditions": conditions, "Actions": [HELLO]}
    assert refused(parts.elb.create_rule, **given)[0] == code


def test_transforms_of_a_rule_read_back_and_can_be_reset(parts):
    listener = parts.listener(parts.balancer()["LoadBalancerArn"], 85)["ListenerArn"]
    given = {
        "ListenerArn": listener,
        "Priority": 5,
        "Actions": [HELLO],
        "Conditions": [{"Field": "path-pattern", "Values": ["/a"]}],
    }
    rewrite = {"Type": "url-rewrite", "UrlRewriteConfig": {"Rewrites": [{"Regex": "^/a(.*)", "Replace": "/b$1"}]}}
    (rule,) = parts.elb.create_rule(**given, Transforms=[rewrite])["Rules"]
    assert rule["Transforms"] == [rewrite]
    parts.elb.modify_rule(RuleArn=rule["RuleArn"], Actions=[HELLO])
    assert parts.elb.describe_rules(RuleArns=[rule["RuleArn"]])["Rules"][0]["Transforms"] == [rewrite]
    parts.elb.modify_rule(RuleArn=rule["RuleArn"], ResetTransforms=True)
    assert parts.elb.describe_rules(RuleArns=[rule["RuleArn"]])["Rules"][0]["Transforms"] == []
    bad = {"Type": "url-rewrite", "UrlRewriteConfig": {"Rewrites": [{"Regex": "(?=a)", "Replace": "b"}]}}
    for wrong in ([rewrite, rewrite], [bad], [{"Type": "url-rewrite"}], [{"Type": "other"}]):
        code, _ = refused(parts.elb.modify_rule, RuleArn=rule["RuleArn"], Transforms=wrong)
        assert code == "ValidationError"


def test_attributes_of_a_listener_read_back_and_shape_its_answers(parts):
    listener = parts.listener(parts.balancer()["LoadBalancerArn"], 86)["ListenerArn"]
    frames = "routing.http.response.x_frame_options.header_value"

    def change(**pairs: str) -> None:
        parts.elb.modify_listener_attributes(ListenerArn=listener, Attributes=attributes(**pairs))

    def read() -> dict[str, str]:
        found = parts.elb.describe_listener_attributes(ListenerArn=listener)["Attributes"]
        return {one["Key"]: one["Value"] for one in found}

    assert read()[frames] == ""
    change(
        routing__http__response__x_frame_options__header_value="DENY", routing__http__response__server__enabled="false"
    )
    assert (read()[frames], read()["routing.http.response.server.enabled"]) == ("DENY", "false")
    with urlopen(parts.url(listener)) as answer:
        assert (answer.headers["X-Frame-Options"], answer.headers["Server"]) == ("DENY", None)
    change(routing__http__response__x_frame_options__header_value="")
    with urlopen(parts.url(listener)) as answer:
        assert answer.headers["X-Frame-Options"] is None
    for key, value in (
        (frames, "DENY\r\nEvil: yes"),
        (frames, "x" * 1025),
        ("routing.http.response.server.enabled", "maybe"),
        ("routing.http.request.x_amzn_tls_version.header_name", "Only-Https"),
    ):
        given = {"ListenerArn": listener, "Attributes": [{"Key": key, "Value": value}]}
        assert refused(parts.elb.modify_listener_attributes, **given)[0] == "InvalidConfigurationRequest"
    assert read()[frames] == ""


def test_priorities_are_unique_and_can_be_swapped(parts):
    listener = parts.listener(parts.balancer()["LoadBalancerArn"], 90)["ListenerArn"]
    condition = [{"Field": "path-pattern", "Values": ["/x"]}]
    first, second = (
        parts.elb.create_rule(ListenerArn=listener, Priority=n, Conditions=condition, Actions=[HELLO])["Rules"][0][
            "RuleArn"
        ]
        for n in (1, 2)
    )
    given = {"ListenerArn": listener, "Priority": 1, "Conditions": condition, "Actions": [HELLO]}
    assert refused(parts.elb.create_rule, **given) == ("PriorityInUse", "Priority '1' is currently in use")
    swapped = parts.elb.set_rule_priorities(
        RulePriorities=[{"RuleArn": first, "Priority": 2}, {"RuleArn": second, "Priority": 1}]
    )["Rules"]
    assert {one["RuleArn"]: one["Priority"] for one in swapped} == {first: "2", second: "1"}
    default = parts.elb.describe_rules(ListenerArn=listener)["Rules"][-1]["RuleArn"]
    assert refused(parts.elb.delete_rule, RuleArn=default)[0] == "OperationNotPermitted"


def test_tags_of_every_kind_of_resource(parts):
    balancer = parts.balancer(Tags=[{"Key": "a", "Value": "1"}])["LoadBalancerArn"]
    listener = parts.listener(balancer, 91)["ListenerArn"]
    rule = parts.elb.describe_rules(ListenerArn=listener)["Rules"][0]["RuleArn"]
    arns = [balancer, listener, rule, parts.group()]
    parts.elb.add_tags(ResourceArns=arns, Tags=[{"Key": "b", "Value": "2"}])
    parts.elb.remove_tags(ResourceArns=[balancer], TagKeys=["a"])
    described = parts.elb.describe_tags(ResourceArns=arns)["TagDescriptions"]
    assert {one["ResourceArn"]: one["Tags"] for one in described} == {arn: [{"Key": "b", "Value": "2"}] for arn in arns}
    twice = [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]
    assert refused(parts.elb.add_tags, ResourceArns=arns, Tags=twice)[0] == "DuplicateTagKeys"
