"""The door to botocore: a session that reads nothing of the shell, and clients that ask no proxy for this machine.

A rehearsal on an emulator needs no profile, no file of ~/.aws and no AWS_* variable, and each of them can be broken, or lead to a
real account. Only the aws target asks for them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import boto3
from botocore.config import Config
from botocore.configprovider import BOTOCORE_DEFAUT_SESSION_VARIABLES, ConstantProvider
from botocore.loaders import Loader
from botocore.session import Session

from harness import proxies

FILES = ("config_file", "credentials_file")
SECTIONS = ("s3", "proxies_config")  # of a profile; each of their members has variables of its own


def bare_session() -> Session:
    """botocore's session with its defaults alone: no variable, no file, no service model of ~/.aws/models. It has no credentials."""
    made = Session(
        session_vars={
            name: (None, None, None if name in FILES else default, converted)
            for name, (_, _, default, converted) in BOTOCORE_DEFAUT_SESSION_VARIABLES.items()
        }
    )
    for section in SECTIONS:
        made.get_component("config_store").set_config_provider(section, ConstantProvider(None))
    made.register_component("data_loader", builtin_models())
    return made


@cache
def builtin_models() -> Loader:
    """botocore's own service models, of one loader, which keeps what it has read: the endpoints alone are 60 ms for each session."""
    return Loader(extra_search_paths=[Loader.BUILTIN_DATA_PATH], include_default_search_paths=False)


def way_to(endpoint: str | None, **options: Any) -> dict[str, Any]:
    """What a client is made with for an endpoint (None: AWS's own): `endpoint_url`, and `config` of these options.

    On this machine no proxy is asked, and where nothing is encrypted no bundle of certificates is looked for.
    """
    if endpoint is None or not proxies.is_here(endpoint):
        return {"endpoint_url": endpoint, "config": Config(**options)}
    plain = {} if endpoint.startswith("https://") else {"verify": False}
    return {"endpoint_url": endpoint, "config": Config(**options, proxies={}), **plain}


@contextmanager
def bare_default_session() -> Iterator[None]:
    """For who makes clients of boto3's default session: it is a bare one meanwhile."""
    kept = boto3.DEFAULT_SESSION
    boto3.setup_default_session(botocore_session=bare_session())
    try:
        yield
    finally:
        boto3.DEFAULT_SESSION = kept
