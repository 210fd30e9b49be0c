"""Clients of one target: one per service, shared by all threads of a run (botocore's clients are safe for that)."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from boto3.session import Session as Boto3Session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from harness.errors import StepFailed

CONNECTIONS = 32  # of each client's pool: scenarios side by side, each with an observer


class Session:
    """`endpoint` is None for AWS itself. The usual chain finds the credentials there, and where `chain` says so; else they are
    the emulator's. `tags` are what everything that is made bears, beside the run's own."""

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
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"} if endpoint and not chain else {}
        self._boto3 = Boto3Session(region_name=region, **keys)
        self._config = Config(
            retries={"mode": "standard", "total_max_attempts": 4},
            max_pool_connections=CONNECTIONS,
            connect_timeout=5,
            read_timeout=60,
            user_agent_extra=f"rehearse/{run_id}",
        )
        self._clients: dict[str, Any] = {}
        self._making = threading.Lock()  # boto3 sessions, unlike clients, are not safe for threads

    def client(self, service: str) -> Any:
        with self._making:
            if service not in self._clients:
                self._clients[service] = self._boto3.client(service, endpoint_url=self.endpoint, config=self._config)
            return self._clients[service]

    def call(self, service: str, operation: str, /, **request: Any) -> dict[str, Any]:
        """`operation` as boto3 spells it. Raises ClientError as boto3 does, StepFailed where no answer came or the call is wrong."""
        try:
            return dict(getattr(self.client(service), operation)(**request))
        except ClientError:
            raise
        except BotoCoreError as error:
            raise StepFailed(f"{service}:{operation}", error) from error

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
