"""What a Lambda function's role allows, from the documents of its policies."""

from typing import Any

import pytest

from harness.emulator.function_role import allows, session_of, token_of

ACTION = "codedeploy:PutLifecycleEventHookExecutionStatus"


def statement(effect: str = "Allow", **named: Any) -> dict[str, Any]:
    return {
        "Version": "2012-10-17",
        "Statement": [{"Effect": effect, **(named or {"Action": ACTION}), "Resource": "*"}],
    }


@pytest.mark.parametrize(
    ("documents", "allowed"),
    [
        ([], False),
        ([statement()], True),
        ([statement(Action="codedeploy:put*")], True),
        ([statement(Action=["logs:PutLogEvents", "codedeploy:*"])], True),
        ([statement(Action="logs:*")], False),
        ([statement(NotAction="iam:*")], True),
        ([statement(NotAction="codedeploy:*")], False),
        ([statement(), statement("Deny", Action="codedeploy:*")], False),
        ([{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}], True),
    ],
)
def test_action_is_allowed_by_a_statement_that_speaks_of_it_and_by_none_that_denies_it(
    documents: list[dict[str, Any]], allowed: bool
):
    assert allows(documents, ACTION) is allowed


def test_token_tells_the_role_and_the_function_and_somebody_elses_token_neither():
    role = "arn:aws:iam::123456789012:role/path/hook"
    assert session_of(token_of(role, "CodeDeployHook_x")) == (role, "CodeDeployHook_x")
    assert session_of("IQoJb3JpZ2luX2VjE|x") == ("", "")
    assert session_of("") == ("", "")
