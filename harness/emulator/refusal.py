"""Refusing a request of a service whose model we do not read, in the protocol that its caller speaks."""

from __future__ import annotations

import json
import re
import uuid
from xml.sax.saxutils import escape

from harness.emulator.wire import WireAnswer, WireRequest

ACTION = re.compile(rb"(?:^|&)Action=(\w+)")
XML_SERVICE = re.compile(r"/(s3|route53|cloudfront)/aws4_request")


def operation_of(asked: WireRequest) -> str:
    """The operation as its caller names it: target or action, else method and path."""
    if target := asked.headers.get("x-amz-target"):
        return target
    if found := ACTION.search(asked.body):
        return found[1].decode()
    return asked.query["Action"][0] if "Action" in asked.query else f"{asked.method} {asked.path}"


def of(asked: WireRequest, code: str, message: str, status: int) -> WireAnswer:
    """An error answer: JSON, or XML where the caller sent a query form or speaks to an XML service."""
    request_id = str(uuid.uuid4())
    headers = {"x-amzn-RequestId": request_id, "x-amzn-ErrorType": code}
    error = f"<Error><Code>{escape(code)}</Code><Message>{escape(message)}</Message></Error>"
    if XML_SERVICE.search(asked.headers.get("authorization", "")):
        return WireAnswer(status, "application/xml", error.encode(), headers)
    if ACTION.search(asked.body) or "Action" in asked.query:
        document = f"<ErrorResponse>{error}<RequestId>{request_id}</RequestId></ErrorResponse>"
        return WireAnswer(status, "text/xml", document.encode(), headers)
    return WireAnswer(status, "application/json", json.dumps({"__type": code, "message": message}).encode(), headers)
