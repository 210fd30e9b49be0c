"""Who signed a request, and for what: read from its signature, which nobody verifies."""

from __future__ import annotations

import re

from harness.emulator.wire import WireRequest

CREDENTIAL = re.compile(r"Credential=([^/]+)/\d+/([^/]+)/([^/]+)/aws4_request")


def scope_of(asked: WireRequest) -> tuple[str, str, str]:
    """(access key, region, service) of the signature, in the header or the query string; empty strings where unsigned."""
    signature = asked.headers.get("authorization", "")
    presigned = "Credential=" + "".join(asked.query.get("X-Amz-Credential", []))
    found = CREDENTIAL.search(signature) or CREDENTIAL.search(presigned)
    return (found[1], found[2], found[3]) if found else ("", "", "")
