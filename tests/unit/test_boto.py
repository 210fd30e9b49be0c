"""What a shell has of AWS touches no local run; where it is asked for, what is wrong with it is one line."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from botocore.session import Session as BotocoreSession

from harness import boto
from harness.driver import Session
from harness.errors import TargetUnavailable
from harness.targets import local
from harness.targets.localstack.survey import Clients

NOWHERE = "http://127.0.0.1:1"
CONFIG = """\
[default]
region = mars
credential_process = /nowhere/at-all
endpoint_url = http://127.0.0.1:1
services = none
use_fips_endpoint = true
use_dualstack_endpoint = true
max_attempts = many
defaults_mode = none
parameter_validation = nonsense
ca_bundle = /nowhere
request_checksum_calculation = nonsense
s3 =
    addressing_style = nonsense
    use_accelerate_endpoint = true
proxies_config =
    proxy_ca_bundle = /nowhere
"""
BROKEN = {
    "AWS_PROFILE": "gone",
    "AWS_DEFAULT_PROFILE": "gone",
    "AWS_ENDPOINT_URL": NOWHERE,
    "AWS_ENDPOINT_URL_STS": NOWHERE,
    "AWS_REGION": "mars",
    "AWS_DEFAULT_REGION": "mars attacks",
    "AWS_USE_FIPS_ENDPOINT": "true",
    "AWS_USE_DUALSTACK_ENDPOINT": "true",
    "AWS_DEFAULTS_MODE": "nonsense",
    "AWS_RETRY_MODE": "nonsense",
    "AWS_MAX_ATTEMPTS": "x",
    "AWS_REQUEST_CHECKSUM_CALCULATION": "nonsense",
    "AWS_RESPONSE_CHECKSUM_VALIDATION": "nonsense",
    "AWS_REQUEST_MIN_COMPRESSION_SIZE_BYTES": "x",
    "AWS_ACCOUNT_ID_ENDPOINT_MODE": "nonsense",
    "AWS_CA_BUNDLE": "/nowhere",
    "REQUESTS_CA_BUNDLE": "",
    "AWS_STS_REGIONAL_ENDPOINTS": "nonsense",
    "AWS_S3_US_EAST_1_REGIONAL_ENDPOINT": "nonsense",
    "AWS_S3_USE_ARN_REGION": "nonsense",
    "AWS_ACCOUNT_ID": "nobody",
    "AWS_CSM_ENABLED": "true",
    "AWS_CSM_PORT": "x",
    "AWS_METADATA_SERVICE_TIMEOUT": "x",
    "AWS_CREDENTIAL_EXPIRATION": "never",
    "AWS_ACCESS_KEY_ID": "half",
}


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A shell in which everything of AWS is wrong, and a home whose shared files and models are as bad."""
    aws = tmp_path / ".aws"
    (aws / "models/ecs/2014-11-13").mkdir(parents=True)
    (aws / "models/ecs/2014-11-13/service-2.json").write_text("{", encoding="utf-8")
    (aws / "config").write_text(CONFIG, encoding="utf-8")
    (aws / "credentials").write_bytes(b"\xff[no")
    for name in os.environ:
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    for name, value in {**BROKEN, "HOME": str(tmp_path), "AWS_DATA_PATH": str(aws / "models")}.items():
        monkeypatch.setenv(name, value)
    return tmp_path


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with local.started(tmp_path_factory.mktemp("emulator"), "process") as endpoint:
        yield endpoint


SERVICES = ("ecs", "sts", "s3", "cloudwatch", "codedeploy", "elbv2")
READS = """
import os, sys
from pathlib import Path
home, endpoint, bad = os.environ["HOME"], sys.argv[1], {}
sys.addaudithook(lambda event, args: event == "open" and str(args[0]).startswith(home) and print("opened", args[0]))
from harness.driver import Session
from harness.emulator.cloud import Caller
from harness.emulator.in_process import Clients
session = Session(region="us-east-1", endpoint=endpoint, run_id="t")
for service in sys.argv[2:]:
    session.client(service)
session.call("ecs", "list_clusters")
session.call("s3", "list_buckets")
session.call("sts", "get_caller_identity")
Clients(endpoint).call(Caller("us-east-1", "111122223333"), "ecs", "ListClusters", {})
"""


def test_sessions_of_a_local_run_open_no_shared_file_and_mind_no_variable(broken: Path, emulator: str):
    done = subprocess.run(
        [sys.executable, "-c", READS, emulator, *SERVICES],
        cwd=Path(__file__).parents[2], capture_output=True, text=True, encoding="utf-8", check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, ""), done.stderr[-2000:]


def test_survey_of_localstack_minds_no_variable(broken: Path, emulator: str):
    before = boto3.DEFAULT_SESSION
    clients = Clients(emulator)
    for service in ("sts", "ecs", "s3"):
        assert clients.of(service).meta.endpoint_url == emulator
    assert clients.of("sts").get_caller_identity()["Account"]
    assert boto3.DEFAULT_SESSION is before
    assert os.environ["AWS_ENDPOINT_URL"] == NOWHERE


def test_emulator_minds_no_variable(broken: Path, tmp_path: Path):
    """moto, too, makes sessions of its own."""
    with local.started(tmp_path / "home", "process") as endpoint:
        session = Session(region="us-east-1", endpoint=endpoint, run_id="t")
        assert session.call("ec2", "describe_availability_zones")["AvailabilityZones"]
        assert session.call("ecs", "list_clusters")["clusterArns"] == []
        session.close()


def test_bare_session_has_botocores_own_defaults_for_everything(broken: Path, monkeypatch: pytest.MonkeyPatch):
    """Whatever variables a newer botocore knows: each is as it would be in an empty shell."""
    bare = boto.bare_session()
    told = {name: bare.get_config_variable(name) for name in sorted(bare.session_var_map)}
    told |= {name: bare.get_config_variable(name) for name in boto.SECTIONS}
    for name in BROKEN:
        monkeypatch.delenv(name)
    monkeypatch.delenv("AWS_DATA_PATH")
    empty = BotocoreSession()
    for name in boto.FILES:
        empty.set_config_variable(name, os.devnull)
    expected = {name: empty.get_config_variable(name) for name in told}
    assert told == {**expected, **dict.fromkeys(boto.FILES)}
    assert len(told) > 30


def test_bare_session_has_no_credentials(monkeypatch: pytest.MonkeyPatch):
    """It never comes to look for them: a client without keys is refused, not given somebody's."""
    session = Session(region="us-east-1", endpoint=NOWHERE, run_id="t")
    assert session.credentials() == "the emulator's own"
    signer = session.client("ecs")._request_signer._credentials
    assert (signer.access_key, signer.secret_key, signer.token) == ("test", "test", None)


# ---- where the shell is asked


def shell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, config: str = "", **variables: str) -> None:
    for name in os.environ:
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    (tmp_path / "config").write_text(config, encoding="utf-8")
    ours = {"AWS_CONFIG_FILE": str(tmp_path / "config"), "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials")}
    for name, value in {**ours, "AWS_EC2_METADATA_DISABLED": "true", **variables}.items():
        monkeypatch.setenv(name, value)


KEYS = {"AWS_ACCESS_KEY_ID": "AKIDNOTTOLD", "AWS_SECRET_ACCESS_KEY": "secret"}
SSO = """\
[profile team-dev]
sso_session = acme
sso_account_id = 111122223333
sso_role_name = dev
[sso-session acme]
sso_region = ap-northeast-2
sso_start_url = https://acme.invalid/start
"""
STATIC = "aws_access_key_id = AKIDNOTTOLD\naws_secret_access_key = secret\n"


@pytest.mark.parametrize(
    ("config", "variables", "told"),
    [
        ("", KEYS, "keys of the environment"),
        (SSO, {"AWS_PROFILE": "team-dev"}, "profile team-dev (sso)"),
        (SSO, {"AWS_PROFILE": "team-dev", **KEYS}, "keys of the environment"),
        (f"[default]\n{STATIC}", {}, "profile default (config-file)"),
        ("[profile p]\ncredential_process = echo {}", {"AWS_PROFILE": "p"}, "this shell's AWS settings cannot be used"),
    ],
)
def test_credentials_are_named_but_never_shown(
    config: str, variables: dict[str, str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    shell(monkeypatch, tmp_path, config, **variables)
    session = Session(region="ap-northeast-2", run_id="t")
    try:
        said = session.credentials()
    except TargetUnavailable as error:
        said = str(error)
    assert told in said
    assert "AKID" not in said


@pytest.mark.parametrize(
    ("config", "variables", "told"),
    [
        ("", {"AWS_PROFILE": "gone"}, "cannot be used: The config profile (gone) could not be found"),
        ("", {"AWS_DEFAULT_PROFILE": "gone"}, "cannot be used: The config profile (gone) could not be found"),
        ("[default", {}, "cannot be used: Unable to parse config file"),
        ("", {}, "this shell has no AWS credentials: choose a profile (AWS_PROFILE), or log in (aws sso login)"),
        ("[default]\ncredential_process = /nowhere/at-all", {}, "cannot be used: [Errno 2] No such file or directory"),
        ("[default]\ncredential_process = false", {}, "cannot be used: Error when retrieving credentials"),
        ("", {"AWS_ACCESS_KEY_ID": "half"}, "cannot be used: Partial credentials found in env"),
        ("", {**KEYS, "AWS_DEFAULTS_MODE": "nonsense"}, "cannot be used: Client configured with invalid defaults mode"),
        ("", {**KEYS, "AWS_CA_BUNDLE": " "}, "cannot be used: "),
        ("[default]\nservices = gone", KEYS, 'cannot be used: The profile is configured to use the services section'),
        ("", {**KEYS, "AWS_METADATA_SERVICE_TIMEOUT": "x"}, "cannot be used: invalid literal for int()"),
    ],
)  # fmt: skip
def test_settings_that_cannot_be_used_are_one_line(
    config: str, variables: dict[str, str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    shell(monkeypatch, tmp_path, config, **variables)

    def used() -> None:
        session = Session(region="ap-northeast-2", run_id="t")
        session.credentials()
        session.client("sts")

    with pytest.raises(TargetUnavailable) as failed:
        used()
    assert told in str(failed.value)
    assert failed.value.exit_code == 3


def test_region_that_is_none_is_one_line():
    with pytest.raises(TargetUnavailable, match=r"no call can be made to http://127\.0\.0\.1:1 in mars attacks"):
        Session(region="mars attacks", endpoint=NOWHERE, run_id="t").client("sts")
