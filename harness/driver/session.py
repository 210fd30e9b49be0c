"""Clients of one target: one per service, shared by all threads of a run (botocore's clients are safe for that)."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import botocore.session
from boto3.session import Session as Boto3Session
from botocore.exceptions import BotoCoreError, ClientError

from harness import boto, proxies
from harness.errors import StepFailed, TargetUnavailable

CONNECTIONS = 32  # of each client's pool: scenarios side by side, each with an observer
# What making a client raises where the shell's AWS settings are no good: a number that is none, a program that is not there.
UNUSABLE = (BotoCoreError, ValueError, OSError)
OF_NO_PROFILE = {  # botocore's names of where credentials come from
    "env": "keys of the environment",
    "iam-role": "the role of this instance",
    "container-role": "the role of this container",
}


class Session:
    """`endpoint` is None for AWS itself. The usual chain finds the credentials there, and where `chain` says so; else they are
    the emulator's, and nothing of the shell is read. `tags` are what everything that is made bears, beside the run's own.

    Making one raises TargetUnavailable where the chain's settings cannot be used."""

    def __init__(
        self,
        *,
        region: str,
        endpoint: str | None = None,
        run_id: str,
        chain: bool = False,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        self.region, self.endpoint, self.run_id = region, endpoint, run_id
        self._tags = dict(tags or {})
        self._chain = chain or endpoint is None
        keys = {} if self._chain else {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        self._core = botocore.session.get_session() if self._chain else boto.bare_session()
        try:
            self._boto3 = Boto3Session(region_name=region, botocore_session=self._core, **keys)
        except UNUSABLE as error:
            raise self._unusable(error) from error
        self._way = boto.way_to(
            endpoint,
            retries={"mode": "standard", "total_max_attempts": 4},
            max_pool_connections=CONNECTIONS,
            connect_timeout=5,
            read_timeout=60,
            user_agent_extra=f"rehearse/{run_id}",
        )
        self._clients: dict[str, Any] = {}
        self._making = threading.Lock()  # boto3 sessions, unlike clients, are not safe for threads

    def client(self, service: str) -> Any:
        """Raises TargetUnavailable where none can be made."""
        with self._making:
            if service not in self._clients:
                try:
                    self._clients[service] = self._boto3.client(service, **self._way)
                except UNUSABLE as error:
                    raise self._unusable(error) from error
            return self._clients[service]

    def credentials(self) -> str:
        """Where the credentials come from, and nothing of them. Raises TargetUnavailable where there are none."""
        if not self._chain:
            return "the emulator's own"
        try:
            found, profile = self._core.get_credentials(), self._core.profile
        except UNUSABLE as error:
            raise self._unusable(error) from error
        if found is None:
            raise TargetUnavailable(
                "this shell has no AWS credentials: choose a profile (AWS_PROFILE), or log in (aws sso login)"
            )
        return OF_NO_PROFILE.get(found.method) or f"profile {profile or 'default'} ({found.method})"

    def _unusable(self, error: Exception) -> TargetUnavailable:
        if self._chain:
            return TargetUnavailable(f"this shell's AWS settings cannot be used: {proxies.masked(error)}")
        return TargetUnavailable(f"no call can be made to {self.endpoint} in {self.region}: {error}")

    def call(self, service: str, operation: str, /, **request: Any) -> dict[str, Any]:
        """`operation` as boto3 spells it. Raises ClientError as boto3 does, StepFailed where no answer came or the call is wrong."""
        try:
            return dict(getattr(self.client(service), operation)(**request))
        except ClientError:
            raise
        except BotoCoreError as error:
            raise StepFailed(f"{service}:{operation}", proxies.masked(error)) from error

    @property
    def tags(self) -> dict[str, str]:
        """On everything that is made."""
        return {**self._tags, "rehearsal:run": self.run_id}

    def close(self) -> None:
        for client in self._clients.values():
            client.close()


def error_code(error: ClientError) -> str:
    """The AWS error code of an answer."""
    return str(error.response.get("Error", {}).get("Code", ""))


def key_value(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags as most services want them; ECS wants lower case."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def lower_key_value(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in tags.items()]


def is_gone(error: ClientError, codes: Sequence[str]) -> bool:
    """Whether the answer says that the thing is not there any more."""
    return error_code(error) in codes
