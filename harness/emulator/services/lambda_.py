"""Lambda: functions of a Python zip, really run. What one prints is in a log file, not in CloudWatch Logs (see lambda_run)."""

from __future__ import annotations

import base64
import json
import logging
import uuid
from dataclasses import dataclass, field
from typing import Any

from harness.emulator.cloud import Answer, AwsError, Caller, Cloud, Regional, Request
from harness.emulator.services.lambda_functions import (
    Function,
    Reference,
    chosen,
    code_of,
    invalid,
    render,
    statement_of,
)
from harness.emulator.services.lambda_run import Outcome

LISTED = 50
LARGEST_PAYLOAD = {"RequestResponse": 6291456, "Event": 1048576}  # bytes
NO_POLICY = "The resource you requested does not exist."
log = logging.getLogger("rehearse.lambda")


@dataclass
class Region:
    functions: dict[str, Function] = field(default_factory=dict)


class Lambda:
    """Versions, aliases, layers, container images, function URLs and event sources are not emulated.

    An asynchronous invocation that fails is logged and not tried again (AWS tries twice more).
    """

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._regions: Regional[Region] = Regional(Region)

    # ---- functions

    async def create_function(self, caller: Caller, request: Request) -> Answer:
        reference = Reference.of(caller, request["FunctionName"])
        settings = chosen(request)
        if "Runtime" not in settings or "Handler" not in settings:
            raise invalid(
                "Runtime and Handler are mandatory parameters for functions created with deployment packages."
            )
        self._refuse_existing(caller, reference.name)
        code = await code_of(self._cloud, caller, request["Code"])
        self._refuse_existing(caller, reference.name)  # S3 may have taken its time
        function = Function.made(self._cloud, caller, reference.name, settings, code)
        function.tags.update(request.get("Tags", {}))
        self._regions[caller].functions[reference.name] = function
        return render(function)

    def _refuse_existing(self, caller: Caller, name: str) -> None:
        if name in self._regions[caller].functions:
            raise AwsError("ResourceConflictException", f"Function already exist: {name}")

    def get_function(self, caller: Caller, request: Request) -> Answer:
        """Without Code.Location: the code is not downloadable."""
        function = self._find(caller, request)
        tags = {"Tags": dict(function.tags)} if function.tags else {}
        return {"Configuration": render(function), "Code": {"RepositoryType": "S3"}, **tags}

    def get_function_configuration(self, caller: Caller, request: Request) -> Answer:
        return render(self._find(caller, request))

    def list_functions(self, caller: Caller, request: Request) -> Answer:
        """By name; the marker is the last name of the page before."""
        after, most = request.get("Marker", ""), min(request.get("MaxItems", LISTED), LISTED)
        functions = self._regions[caller].functions
        names = sorted(name for name in functions if name > after)
        more = {"NextMarker": names[most - 1]} if len(names) > most else {}
        return {"Functions": [render(functions[name]) for name in names[:most]], **more}

    async def update_function_code(self, caller: Caller, request: Request) -> Answer:
        function = self._find(caller, request)
        function.expect(request.get("RevisionId"))
        code = await code_of(self._cloud, caller, request)
        if not request.get("DryRun"):
            chosen_too = {"Architectures": request["Architectures"]} if request.get("Architectures") else {}
            function.update(self._cloud.clock.now(), settings=chosen_too, code=code)
        return render(function)

    def update_function_configuration(self, caller: Caller, request: Request) -> Answer:
        function = self._find(caller, request)
        function.expect(request.get("RevisionId"))
        function.update(self._cloud.clock.now(), settings=chosen(request))
        return render(function)

    def delete_function(self, caller: Caller, request: Request) -> Answer:
        """Invocations that run already are let finish."""
        function = self._find(caller, request)
        function.sandboxes.close()
        del self._regions[caller].functions[function.name]
        return {"StatusCode": 204}

    def _find(self, caller: Caller, request: Request, member: str = "FunctionName") -> Function:
        """Raises AwsError; the only version there is, is $LATEST."""
        reference = Reference.of(caller, request[member])
        function = self._regions[caller].functions.get(reference.name)
        qualifier = request.get("Qualifier") or reference.qualifier
        if function is None or qualifier not in ("", "$LATEST"):
            raise Reference(reference.name, reference.arn, qualifier).missing()
        return function

    # ---- invocations

    async def invoke(self, caller: Caller, request: Request) -> Answer:
        """Waits for as long as the function takes, unless InvocationType is Event."""
        function = self._find(caller, request)
        kind, request_id = request.get("InvocationType", "RequestResponse"), str(uuid.uuid4())
        event = _event(request.get("Payload", b""), kind)
        match kind:
            case "DryRun":
                return {"StatusCode": 204}
            case "Event":
                self._cloud.spawn(_alone(function, request_id, event), f"invocation of {function.name}")
                return {"StatusCode": 202}
        outcome = await function.sandboxes.run(request_id, event)
        return _answer(outcome, tail=request.get("LogType") == "Tail")

    # ---- permissions

    def add_permission(self, caller: Caller, request: Request) -> Answer:
        """Kept and shown; every caller may invoke every function here."""
        function = self._find(caller, request)
        function.expect(request.get("RevisionId"))
        sid = request["StatementId"]
        if sid in function.policy:
            raise AwsError(
                "ResourceConflictException",
                f"The statement id ({sid}) provided already exists. Please provide a new statement id, or remove the "
                "existing statement.",
            )
        function.policy[sid] = statement_of(function, request)
        function.touch()
        return {"Statement": json.dumps(function.policy[sid])}

    def remove_permission(self, caller: Caller, request: Request) -> Answer:
        function = self._find(caller, request)
        function.expect(request.get("RevisionId"))
        if not function.policy:
            raise AwsError("ResourceNotFoundException", "No policy is associated with the given resource.")
        if function.policy.pop(request["StatementId"], None) is None:
            raise AwsError(
                "ResourceNotFoundException", f"Statement {request['StatementId']} is not found in resource policy."
            )
        function.touch()
        return {}

    def get_policy(self, caller: Caller, request: Request) -> Answer:
        function = self._find(caller, request)
        if not function.policy:
            raise AwsError("ResourceNotFoundException", NO_POLICY)
        policy = {"Version": "2012-10-17", "Id": "default", "Statement": list(function.policy.values())}
        return {"Policy": json.dumps(policy), "RevisionId": function.revision}

    # ---- tags

    def tag_resource(self, caller: Caller, request: Request) -> Answer:
        self._find(caller, request, "Resource").tags.update(request["Tags"])
        return {}

    def untag_resource(self, caller: Caller, request: Request) -> Answer:
        tags = self._find(caller, request, "Resource").tags
        for key in request["TagKeys"]:
            tags.pop(key, None)
        return {}

    def list_tags(self, caller: Caller, request: Request) -> Answer:
        return {"Tags": dict(self._find(caller, request, "Resource").tags)}


def _event(payload: bytes, kind: str) -> Any:
    """The event of a payload; none is an empty object."""
    limit = LARGEST_PAYLOAD.get(kind)
    if limit is not None and len(payload) > limit:
        raise AwsError(
            "RequestTooLargeException",
            f"{len(payload)} byte payload is too large for the {kind} invocation type (limit {limit} bytes)",
        )
    try:
        return json.loads(payload) if payload else {}
    except ValueError as error:
        raise AwsError("InvalidRequestContentException", f"Could not parse request body into json: {error}") from error


async def _alone(function: Function, request_id: str, event: Any) -> None:
    outcome = await function.sandboxes.run(request_id, event)
    if outcome.failed:
        log.warning("function %s failed, invoked asynchronously: %s", function.name, outcome.payload.decode())


def _answer(outcome: Outcome, *, tail: bool) -> Answer:
    return {
        "StatusCode": 200,
        "ExecutedVersion": "$LATEST",
        "Payload": outcome.payload,
        **({"FunctionError": "Unhandled"} if outcome.failed else {}),
        **({"LogResult": base64.b64encode(outcome.log).decode()} if tail else {}),
    }
