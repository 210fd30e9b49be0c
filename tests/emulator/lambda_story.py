"""Making and invoking Lambda functions with the stock boto3: what the Lambda tests share."""

import io
import json
import secrets
import time
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.emulator.conftest import Running

ROLE = "arn:aws:iam::123456789012:role/hook"
ECHO = """
def handler(event, context):
    print("seen", event)
    return {"echo": event}
"""


def zipped(source: str, **more: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in {"index": source, **more}.items():
            archive.writestr(f"{name}.py", text)
    return buffer.getvalue()


def until(condition: Callable[[], Any], within: float = 20.0) -> Any:
    deadline = time.monotonic() + within
    while not (value := condition()):
        assert time.monotonic() < deadline, f"waited {within} s; last seen: {value!r}"
        time.sleep(0.05)
    return value


class Functions:
    """Makes functions with names of their own, and removes them."""

    def __init__(self, aws: Running) -> None:
        self.aws, self.client, self._made = aws, aws.client("lambda"), list[str]()

    def create(self, source: str = ECHO, code: dict[str, Any] | None = None, **settings: Any) -> str:
        name = settings.pop("FunctionName", f"f{secrets.token_hex(4)}")
        self.client.create_function(
            **{
                "FunctionName": name,
                "Runtime": "python3.12",
                "Handler": "index.handler",
                "Role": ROLE,
                "Code": code or {"ZipFile": zipped(source)},
                **settings,
            }
        )
        self._made.append(name)
        return name

    def invoke(self, name: str, event: Any = None, **how: Any) -> tuple[Any, str | None]:
        """(what it answered, FunctionError)."""
        answer = self.client.invoke(FunctionName=name, Payload=json.dumps(event), **how)
        return json.loads(answer["Payload"].read()), answer.get("FunctionError")

    def run(self, source: str, event: Any = None, **settings: Any) -> tuple[Any, str | None]:
        return self.invoke(self.create(source, **settings), event)

    def log(self, name: str) -> str:
        return (self.aws.home / "logs/lambda" / f"{name}.log").read_text(encoding="utf-8")

    def remove_all(self) -> None:
        for name in self._made:
            try:
                self.client.delete_function(FunctionName=name)
            except self.client.exceptions.ResourceNotFoundException:
                continue


def refusal(call: Callable[..., Any], **request: Any) -> tuple[str, str, int]:
    """(code, message, HTTP status)."""
    with pytest.raises(ClientError) as caught:
        call(**request)
    response = caught.value.response
    return (
        response["Error"]["Code"],
        response["Error"]["Message"],
        response["ResponseMetadata"]["HTTPStatusCode"],
    )
