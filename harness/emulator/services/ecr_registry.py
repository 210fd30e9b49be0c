"""The registry as a whole: logging in to it, and what is set for all its repositories."""

from __future__ import annotations

import base64

from harness.emulator.cloud import Answer, AwsError, Caller, Request, not_emulated
from harness.emulator.services.ecr_base import Base
from harness.emulator.services.ecr_front import USER
from harness.emulator.services.ecr_repositories import policy_text


class Registry(Base):
    async def get_authorization_token(self, caller: Caller, request: Request) -> Answer:
        """A password of its own for each call, good for 12 hours."""
        if any(one != caller.account for one in request.get("registryIds", ())):
            raise not_emulated("ecr", "GetAuthorizationToken(registryIds of another account)")
        front = await self.front(caller)
        password, until = front.token()
        data = {
            "authorizationToken": base64.b64encode(f"{USER}:{password}".encode()).decode(),
            "expiresAt": until,
            "proxyEndpoint": f"http://{front.host}",
        }
        return {"authorizationData": [data]}

    def describe_registry(self, caller: Caller, request: Request) -> Answer:
        return {"registryId": caller.account, "replicationConfiguration": {"rules": []}}

    def put_replication_configuration(self, caller: Caller, request: Request) -> Answer:
        """There is one registry, so only "no replication" can be set."""
        return {"replicationConfiguration": request["replicationConfiguration"]}

    # ---- policy: kept and shown; every caller may do everything here

    def put_registry_policy(self, caller: Caller, request: Request) -> Answer:
        self.regions[caller].policy = policy_text(request["policyText"])
        return self.get_registry_policy(caller, {})

    def get_registry_policy(self, caller: Caller, request: Request) -> Answer:
        text = self.regions[caller].policy
        if text is None:
            raise AwsError(
                "RegistryPolicyNotFoundException",
                f"Registry policy does not exist in the registry with id '{caller.account}'",
            )
        return {"registryId": caller.account, "policyText": text}

    def delete_registry_policy(self, caller: Caller, request: Request) -> Answer:
        answer = self.get_registry_policy(caller, request)
        self.regions[caller].policy = None
        return answer

    # ---- scanning: kept and shown; nothing is scanned here

    def put_registry_scanning_configuration(self, caller: Caller, request: Request) -> Answer:
        scanning = {"scanType": request.get("scanType", "BASIC"), "rules": request.get("rules", [])}
        if scanning["scanType"] != "BASIC":
            raise not_emulated("ecr", f"PutRegistryScanningConfiguration({scanning['scanType']})")
        self.regions[caller].scanning = scanning
        return {"registryScanningConfiguration": scanning}

    def get_registry_scanning_configuration(self, caller: Caller, request: Request) -> Answer:
        return {"registryId": caller.account, "scanningConfiguration": self.regions[caller].scanning}
