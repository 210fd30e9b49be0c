"""Listeners, their certificates and policies (C.1). A modification answers when the data plane has acknowledged it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from harness.emulator.alb.plane import Certificate
from harness.emulator.cloud import Answer, AwsError, Caller, Request
from harness.emulator.services.elbv2_base import Base, check_quota, page, pairs_of, tags_of
from harness.emulator.services.elbv2_limits import LIMITS
from harness.emulator.services.elbv2_rules import check_listener, checked_actions, invalid, render_listener
from harness.emulator.services.elbv2_ssl_policies import POLICIES
from harness.emulator.services.elbv2_state import Elbv2State, Listener, Rule, Security, new_id
from harness.emulator.services.elbv2_tls import (
    DEFAULT_POLICY,
    certificate_of,
    check_policy,
    render_policy,
)

NO_MUTUAL = {"Mode": "off"}
SECURE = ("Certificates", "SslPolicy", "AlpnPolicy", "MutualAuthentication")  # members that need HTTPS


class Listeners(Base):
    async def create_listener(self, caller: Caller, request: Request) -> Answer:
        """Raises the errors of C.1: DuplicateListener, CertificateNotFound, SSLPolicyNotFound, UnsupportedProtocol and others."""
        state = self.states[caller]
        balancer = state.load_balancer(request["LoadBalancerArn"])
        protocol = _protocol(request.get("Protocol"))
        if "Port" not in request:
            raise invalid("A listener port must be specified")
        _free_port(state, balancer.arn, request["Port"])
        check_quota("TooManyListeners", "listeners", len(state.listeners_of(balancer.arn)) + 1, LIMITS.listeners)
        actions = checked_actions(state, request["DefaultActions"], balancer.arn)
        security = await self._security(caller, protocol, request, None)
        arn = f"{balancer.arn.replace(':loadbalancer/', ':listener/')}/{new_id()}"
        rules = [Rule(f"{arn.replace(':listener/', ':listener-rule/')}/{new_id()}", "default", [], actions)]
        listener = Listener(arn, balancer.arn, request["Port"], rules, security, tags=tags_of(request.get("Tags", [])))
        check_listener(listener)
        state.listeners[arn] = listener
        try:
            async with self.changing(state, listener):
                pass
        except AwsError:
            del state.listeners[arn]
            raise
        return {"Listeners": [render_listener(listener)]}

    def describe_listeners(self, caller: Caller, request: Request) -> Answer:
        state = self.states[caller]
        if arns := request.get("ListenerArns"):
            found = [state.listener(arn) for arn in arns]
        elif balancer := request.get("LoadBalancerArn"):
            found = state.listeners_of(state.load_balancer(balancer).arn)
        else:
            raise invalid("You must specify either listener ARNs or a load balancer ARN")
        return page([render_listener(one) for one in found], request, "Listeners")

    async def modify_listener(self, caller: Caller, request: Request) -> Answer:
        """Of an HTTPS listener that becomes HTTP, policy and certificates are forgotten."""
        state = self.states[caller]
        listener = state.listener(request["ListenerArn"])
        protocol = _protocol(request.get("Protocol", listener.protocol))
        security = await self._security(caller, protocol, request, listener.security)
        async with self.changing(state, listener):
            if request.get("Port", listener.port) != listener.port:
                _free_port(state, listener.load_balancer, request["Port"])
                listener.port = request["Port"]
            if given := request.get("DefaultActions"):
                changed = replace(listener.default, actions=checked_actions(state, given, listener.load_balancer))
                listener.rules = [changed if rule.is_default else rule for rule in listener.rules]
            listener.security = security
            check_listener(listener)
        return {"Listeners": [render_listener(listener)]}

    async def delete_listener(self, caller: Caller, request: Request) -> Answer:
        listener = self.states[caller].listener(request["ListenerArn"])
        del self.states[caller].listeners[listener.arn]
        await self.cloud.plane.delete_listener(listener.arn)
        self.cloud.changed.ring()
        return {}

    def describe_listener_attributes(self, caller: Caller, request: Request) -> Answer:
        return {"Attributes": pairs_of(self.states[caller].listener(request["ListenerArn"]).all_attributes)}

    async def modify_listener_attributes(self, caller: Caller, request: Request) -> Answer:
        """An empty value brings the default back."""
        state = self.states[caller]
        listener = state.listener(request["ListenerArn"])
        kinds = listener.attribute_kinds
        pairs = [
            one | {"Value": one.get("Value") or kinds.defaults.get(one["Key"], "")} for one in request["Attributes"]
        ]
        given = kinds.of(pairs)
        async with self.changing(state, listener):
            listener.attributes = listener.attributes | given
        return {"Attributes": pairs_of(listener.all_attributes)}

    # ---- certificates and policies

    async def _security(self, caller: Caller, protocol: str, request: Request, old: Security | None) -> Security | None:
        """What the listener has of TLS after this request; what is not given stays."""
        if protocol == "HTTP":
            if given := next((key for key in SECURE if request.get(key)), None):
                raise AwsError("InvalidConfigurationRequest", f"{given} can only be specified for HTTPS listeners")
            return None
        certificates = old.certificates if old is not None else ()
        if any("IsDefault" in one for one in request.get("Certificates", ())):
            raise invalid("IsDefault cannot be specified")
        if (arns := [one.get("CertificateArn", "") for one in request.get("Certificates", ())]) or not certificates:
            certificates = (await self._default(caller, arns), *certificates[1:])
        policy = request.get("SslPolicy") or (old.policy if old is not None else DEFAULT_POLICY)
        mutual = _mutual(request.get("MutualAuthentication") or (old.mutual_authentication if old else NO_MUTUAL))
        alpn = request.get("AlpnPolicy", old.alpn_policy if old is not None else ())
        return Security(check_policy(policy), certificates, mutual, tuple(alpn))

    async def _default(self, caller: Caller, arns: Sequence[str]) -> Certificate:
        if not arns:
            raise invalid("A certificate must be specified for HTTPS listeners")
        if len(arns) > 1:
            raise AwsError("TooManyCertificates", "Only one certificate can be specified for a listener")
        return await certificate_of(self.cloud, caller, arns[0])

    async def add_listener_certificates(self, caller: Caller, request: Request) -> Answer:
        """One that is there already is no error, as on AWS."""
        state = self.states[caller]
        listener, arns = state.listener(request["ListenerArn"]), _arns(request)
        _secured(listener)
        certificates = [await certificate_of(self.cloud, caller, arn) for arn in arns]
        async with self.changing(state, listener):
            security = _secured(listener)
            known = {one.arn for one in security.certificates}
            more = (*security.certificates, *(one for one in certificates if one.arn not in known))
            check_quota("TooManyCertificates", "certificates", len(more) - 1, LIMITS.certificates)
            listener.security = replace(security, certificates=more)
        return {"Certificates": [{"CertificateArn": arn, "IsDefault": False} for arn in arns]}

    async def remove_listener_certificates(self, caller: Caller, request: Request) -> Answer:
        """The default certificate can only be replaced, with ModifyListener."""
        state = self.states[caller]
        listener, arns = state.listener(request["ListenerArn"]), _arns(request)
        async with self.changing(state, listener):
            security = _secured(listener)
            if security.certificates[0].arn in arns:
                raise AwsError("OperationNotPermitted", f"The default certificate '{arns[0]}' cannot be removed")
            left = tuple(one for one in security.certificates if one.arn not in arns)
            listener.security = replace(security, certificates=left)
        return {}

    def describe_listener_certificates(self, caller: Caller, request: Request) -> Answer:
        security = self.states[caller].listener(request["ListenerArn"]).security
        found = security.certificates if security is not None else ()
        shown = [{"CertificateArn": one.arn, "IsDefault": number == 0} for number, one in enumerate(found)]
        return page(shown, request, "Certificates")

    def describe_ssl_policies(self, caller: Caller, request: Request) -> Answer:
        names = [check_policy(name) for name in request.get("Names", ())] or list(POLICIES)
        kind = request.get("LoadBalancerType", "application")
        if kind not in ("application", "network"):
            return {"SslPolicies": []}
        return page([render_policy(name) for name in names], request, "SslPolicies")


def _protocol(protocol: str | None) -> str:
    if protocol is None:
        raise invalid("A listener protocol must be specified")
    if protocol not in ("HTTP", "HTTPS"):
        raise AwsError("UnsupportedProtocol", f"Protocol '{protocol}' must be one of 'HTTP, HTTPS'")
    return protocol


def _mutual(given: Mapping[str, Any]) -> Mapping[str, Any]:
    if given.get("Mode", "off") != "off":
        said = f"elbv2: MutualAuthentication of mode {given['Mode']} is not emulated by rehearse"
        raise AwsError("NotImplemented", said, 501)
    return dict(given)


def _secured(listener: Listener) -> Security:
    if listener.security is None:
        raise AwsError("InvalidConfigurationRequest", "Certificates can only be specified for HTTPS listeners")
    return listener.security


def _arns(request: Request) -> list[str]:
    arns = [one.get("CertificateArn", "") for one in request["Certificates"]]
    if not arns or not all(arns):
        raise invalid("A certificate ARN must be specified")
    if any("IsDefault" in one for one in request["Certificates"]):
        raise invalid("IsDefault cannot be specified")
    return arns


def _free_port(state: Elbv2State, balancer: str, port: int) -> None:
    if not 1 <= port <= 65535:
        raise invalid(f"Port '{port}' must be between 1 and 65535")
    if any(one.port == port for one in state.listeners_of(balancer)):
        raise AwsError("DuplicateListener", "A listener already exists on this port for this load balancer")
