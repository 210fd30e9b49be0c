"""Actions and conditions of listener rules as ELB checks, keeps and shows them (C.1)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from typing import Any

from harness.emulator.alb.regex import BadRegex, compiled
from harness.emulator.alb.rewrite import KINDS, Rewrite
from harness.emulator.cloud import AwsError
from harness.emulator.services.elbv2_limits import LIMITS
from harness.emulator.services.elbv2_state import Action, Condition, Elbv2State, Listener, Rule

HIGHEST_PRIORITY = 50000
MOST_WEIGHT = 999
MOST_GROUPS = LIMITS.groups_per_action
LONGEST_STICKINESS = 604800  # seconds
LONGEST_BODY = 1024
CONTENT_TYPES = ("text/plain", "text/css", "text/html", "application/javascript", "application/json")
MOST_WILDCARDS = 5  # of all conditions of a rule
MOST_VALUES = 5  # of all conditions of a rule
ROUTING = ("forward", "redirect", "fixed-response")
ONCE_PER_RULE = ("host-header", "path-pattern", "http-request-method", "source-ip")
CONFIG = {  # field of a condition: the member that holds its values
    "host-header": "HostHeaderConfig",
    "path-pattern": "PathPatternConfig",
    "http-header": "HttpHeaderConfig",
    "http-request-method": "HttpRequestMethodConfig",
    "query-string": "QueryStringConfig",
    "source-ip": "SourceIpConfig",
}
WITH_REGEX = ("host-header", "path-pattern", "http-header")
LONGEST_REGEX = 128
LONGEST_REWRITE = 1024
NO_STICKINESS = {"Enabled": False}
OWN_PLACE = {
    "Protocol": "#{protocol}",
    "Host": "#{host}",
    "Port": "#{port}",
    "Path": "/#{path}",
    "Query": "#{query}",
}
STATUS_CODE = re.compile(r"[245]\d\d")


def invalid(message: str) -> AwsError:
    return AwsError("ValidationError", message)


# ---- actions


def actions_of(raw: Sequence[Action]) -> list[Action]:
    """Actions as they are kept: a forward always has its ForwardConfig. Raises AwsError."""
    for action in raw:
        if action["Type"] not in ROUTING:
            raise AwsError("NotImplemented", f"elbv2: {action['Type']} actions are not emulated by rehearse yet", 501)
    if len(raw) != 1:
        raise AwsError("InvalidLoadBalancerAction", f"Exactly one action of {', '.join(ROUTING)} must be given")
    (action,) = raw
    order = {"Order": action["Order"]} if "Order" in action else {}
    return [{**_CHECKED[action["Type"]](action), **order}]


def _forward(action: Action) -> Action:
    config, single = action.get("ForwardConfig", {}), action.get("TargetGroupArn")
    groups = config.get("TargetGroups") or ([{"TargetGroupArn": single}] if single else [])
    arns = [one.get("TargetGroupArn") for one in groups]
    if not 1 <= len(arns) <= MOST_GROUPS or None in arns or len(set(arns)) < len(arns):
        raise AwsError(
            "InvalidLoadBalancerAction", f"A forward action needs one to {MOST_GROUPS} different target groups"
        )
    if single and arns != [single]:
        raise AwsError(
            "InvalidLoadBalancerAction", "TargetGroupArn and ForwardConfig of an action must name the same target group"
        )
    stickiness = config.get("TargetGroupStickinessConfig") or NO_STICKINESS
    if stickiness.get("Enabled") and not 1 <= stickiness.get("DurationSeconds", 0) <= LONGEST_STICKINESS:
        raise invalid(f"Target group stickiness needs DurationSeconds between 1 and {LONGEST_STICKINESS}")
    weighted = [{"TargetGroupArn": one["TargetGroupArn"], "Weight": _weight(one)} for one in groups]
    kept = {"TargetGroups": weighted, "TargetGroupStickinessConfig": dict(stickiness)}
    return {"Type": "forward", "ForwardConfig": kept}


def _weight(group: dict[str, Any]) -> int:
    weight = int(group.get("Weight", 1))
    if not 0 <= weight <= MOST_WEIGHT:
        raise invalid(f"Weight '{weight}' of '{group['TargetGroupArn']}' must be between 0 and {MOST_WEIGHT}")
    return weight


def _fixed_response(action: Action) -> Action:
    config = action.get("FixedResponseConfig", {})
    if not STATUS_CODE.fullmatch(config.get("StatusCode", "")):
        raise invalid("FixedResponseConfig needs a StatusCode of 2xx, 4xx or 5xx")
    if len(config.get("MessageBody", "")) > LONGEST_BODY:
        raise invalid(f"The MessageBody of a fixed response can have at most {LONGEST_BODY} characters")
    if config.get("ContentType", CONTENT_TYPES[0]) not in CONTENT_TYPES:
        raise invalid(f"ContentType '{config['ContentType']}' must be one of '{', '.join(CONTENT_TYPES)}'")
    return {"Type": "fixed-response", "FixedResponseConfig": config}


def _redirect(action: Action) -> Action:
    config = action.get("RedirectConfig", {})
    if config.get("StatusCode") not in ("HTTP_301", "HTTP_302"):
        raise invalid("RedirectConfig needs a StatusCode, HTTP_301 or HTTP_302")
    place = {key: config.get(key, own) for key, own in OWN_PLACE.items()}
    if place["Protocol"] not in ("HTTP", "HTTPS", "#{protocol}"):
        raise invalid(f"Protocol '{place['Protocol']}' must be one of 'HTTP, HTTPS, #{{protocol}}'")
    if place["Port"] != "#{port}" and not (place["Port"].isdecimal() and 1 <= int(place["Port"]) <= 65535):
        raise invalid(f"Port '{place['Port']}' must be '#{{port}}' or between 1 and 65535")
    if not place["Path"].startswith("/"):
        raise invalid(f"Path '{place['Path']}' must begin with '/'")
    if place == OWN_PLACE:
        raise AwsError(
            "InvalidLoadBalancerAction", "The redirect configuration is not valid because it creates a loop."
        )
    return {"Type": "redirect", "RedirectConfig": {**place, "StatusCode": config["StatusCode"]}}


_CHECKED = {"forward": _forward, "redirect": _redirect, "fixed-response": _fixed_response}


def groups_of(actions: Sequence[Action]) -> list[str]:
    """ARNs that the actions forward to, weight 0 included."""
    configs = [action["ForwardConfig"] for action in actions if action["Type"] == "forward"]
    return [group["TargetGroupArn"] for config in configs for group in config["TargetGroups"]]


def checked_actions(state: Elbv2State, raw: Sequence[Action], balancer: str) -> list[Action]:
    """Actions whose target groups exist, are free for this load balancer and agree about stickiness. Raises AwsError."""
    actions = actions_of(raw)
    arns = groups_of(actions)
    for arn in arns:
        state.target_group(arn)
        if any(other != balancer for other in state.load_balancers_of(arn)):
            raise AwsError(
                "TargetGroupAssociationLimit",
                f"The following target groups cannot be associated with more than one load balancer: {arn}",
            )
    used = {arn for one in state.listeners_of(balancer) for rule in one.rules for arn in groups_of(rule.actions)}
    if len(used | set(arns)) > LIMITS.groups_per_balancer:
        most = LIMITS.groups_per_balancer
        raise AwsError(
            "TooManyUniqueTargetGroupsPerLoadBalancer",
            f"The maximum number of target groups of a load balancer has been reached: {most}",
        )
    if len(arns) > 1 and not group_stickiness(actions) and any(state.target_group(arn).is_sticky for arn in arns):
        raise AwsError(
            "InvalidConfigurationRequest",
            "You must enable group stickiness on a rule if you enabled target stickiness on one of its target groups",
        )
    return actions


def group_stickiness(actions: Sequence[Action]) -> bool:
    configs = [action["ForwardConfig"] for action in actions if action["Type"] == "forward"]
    return any(config["TargetGroupStickinessConfig"].get("Enabled") for config in configs)


def check_listener(listener: Listener) -> None:
    """What actions may not do on a listener of its protocol. Raises AwsError."""
    redirects = [
        action["RedirectConfig"] for rule in listener.rules for action in rule.actions if action["Type"] == "redirect"
    ]
    if listener.security is not None and any(one["Protocol"] == "HTTP" for one in redirects):
        raise AwsError("InvalidLoadBalancerAction", "An HTTPS listener cannot redirect to HTTP")


# ---- conditions


def conditions_of(raw: Sequence[Condition]) -> list[Condition]:
    """Conditions as they are kept. Raises AwsError."""
    if not raw:
        raise invalid("A condition must be specified")
    kept = [_condition(one) for one in raw]
    fields = [one["Field"] for one in kept]
    for field in ONCE_PER_RULE:
        if fields.count(field) > 1:
            raise AwsError("InvalidConfigurationRequest", f"A rule can only have one '{field}' condition")
    if sum(len(_values(one)) for one in kept) > MOST_VALUES:
        raise invalid(f"A rule can only have '{MOST_VALUES}' condition values")
    plain = [value for one in kept for value in one[CONFIG[one["Field"]]].get("Values", [])]
    if sum(map(_wildcards, plain)) > MOST_WILDCARDS:
        raise invalid(f"A rule can only have '{MOST_WILDCARDS}' condition wildcards")
    return kept


def _condition(raw: Condition) -> Condition:
    field = raw.get("Field", "")
    if field not in CONFIG:
        raise invalid(f"Condition field '{field}' must be one of '[{', '.join(CONFIG)}]'")
    config = raw.get(CONFIG[field]) or {kind: raw[kind] for kind in ("Values", "RegexValues") if raw.get(kind)}
    kept = {"Field": field, CONFIG[field]: config}
    values = _values(kept)
    _check_regexes(field, config)
    if not values:
        raise invalid(f"The '{field}' condition needs a value")
    if field == "http-header" and not config.get("HttpHeaderName"):
        raise invalid("The 'http-header' condition needs a HttpHeaderName")
    if field == "source-ip":
        _check_networks(values)
    # as ELB shows the two oldest kinds: in both members
    both = field in ("host-header", "path-pattern") and config.get("Values")
    return {**kept, "Values": values} if both else kept


def _values(condition: Condition) -> list[Any]:
    config = condition[CONFIG[condition["Field"]]]
    return [*config.get("Values", []), *config.get("RegexValues", [])]


def _check_regexes(field: str, config: Mapping[str, Any]) -> None:
    regexes = config.get("RegexValues") or []
    if regexes and field not in WITH_REGEX:
        raise invalid(f"RegexValues cannot be specified for the '{field}' condition")
    if regexes and config.get("Values"):
        raise invalid("You can specify either Values or RegexValues for a condition, not both")
    for one in regexes:
        if len(one) > LONGEST_REGEX:
            raise invalid(f"A regular expression can have at most {LONGEST_REGEX} characters")
        try:
            compiled(one)
        except BadRegex as error:
            raise invalid(f"The '{field}' condition cannot be used: {error}") from error


def _wildcards(value: Any) -> int:
    texts = value.values() if isinstance(value, dict) else [value]
    return sum(text.count("*") + text.count("?") for text in texts)


def _check_networks(values: Sequence[str]) -> None:
    for value in values:
        try:
            ipaddress.ip_network(value, strict=False)
        except ValueError as error:
            raise invalid(f"Condition value '{value}' is not a valid CIDR block: {error}") from error


# ---- transforms


def transforms_of(raw: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Transforms as they are kept: at most one of a kind, each with one rewrite. Raises AwsError."""
    kinds = [one.get("Type") for one in raw]
    if unknown := [kind for kind in kinds if kind not in KINDS]:
        raise invalid(f"Transform type '{unknown[0]}' must be one of '[{', '.join(KINDS)}]'")
    if len(set(kinds)) < len(kinds):
        raise invalid("A rule can have one transform of each type")
    for one in raw:
        rewrites = one.get(KINDS[one["Type"]], {}).get("Rewrites", [])
        if len(rewrites) != 1 or not {"Regex", "Replace"} <= rewrites[0].keys():
            raise invalid(f"The '{one['Type']}' transform needs one rewrite, with Regex and Replace")
        if any(len(text) > LONGEST_REWRITE for text in rewrites[0].values()):
            raise invalid(f"Regex and Replace of a transform can have at most {LONGEST_REWRITE} characters")
    try:
        Rewrite.of(raw)
    except BadRegex as error:
        raise invalid(f"The transform cannot be used: {error}") from error
    return [dict(one) for one in raw]


# ---- as they are shown


def in_order(rules: Sequence[Rule]) -> list[Rule]:
    """By priority, the default rule last."""
    return sorted(rules, key=lambda rule: HIGHEST_PRIORITY + 1 if rule.is_default else int(rule.priority))


def render_actions(actions: Sequence[Action]) -> list[Action]:
    """A forward to one group shows TargetGroupArn too, one to two groups does not (C.1)."""
    shown = []
    for action in actions:
        groups = groups_of([action])
        shown.append({**action, "TargetGroupArn": groups[0]} if len(groups) == 1 else action)
    return shown


def render_listener(listener: Listener) -> dict[str, Any]:
    security, secure = listener.security, {}
    if security is not None:
        secure = {
            "SslPolicy": security.policy,
            "Certificates": [{"CertificateArn": security.certificates[0].arn}],
            "MutualAuthentication": security.mutual_authentication,
            "AlpnPolicy": list(security.alpn_policy) or None,
        }
    return {
        "ListenerArn": listener.arn,
        "LoadBalancerArn": listener.load_balancer,
        "Port": listener.port,
        "Protocol": listener.protocol,
        "DefaultActions": render_actions(listener.default.actions),
        **secure,
    }


def render_rule(rule: Rule) -> dict[str, Any]:
    return {
        "RuleArn": rule.arn,
        "Priority": rule.priority,
        "Conditions": rule.conditions,
        "Actions": render_actions(rule.actions),
        "IsDefault": rule.is_default,
        "Transforms": rule.transforms,
    }
