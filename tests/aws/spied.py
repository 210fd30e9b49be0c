"""`python -m tests.aws.spied FILE ...`: the `rehearse` command, which appends every AWS call that it makes to FILE: service:Operation."""

import sys
from typing import Any

from botocore.client import BaseClient

from harness import cli

SENT = BaseClient._make_api_call  # type: ignore[attr-defined]


def main(file: str, arguments: list[str]) -> int:
    def noted(client: Any, operation: str, request: Any) -> Any:
        with open(file, "a", encoding="utf-8") as told:
            told.write(f"{client.meta.service_model.service_name}:{operation}\n")
        return SENT(client, operation, request)

    BaseClient._make_api_call = noted  # type: ignore[attr-defined]
    return cli.main(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
