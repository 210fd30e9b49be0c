"""HTTPS listeners as the stock boto3 makes them, and what a client of them sees."""

import socket
import ssl
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
import requests

from harness.emulator.services.elbv2_tls import self_signed
from tests.emulator.conftest import Running
from tests.emulator.elbv2_parts import HELLO, Parts, redirect, refused

pytestmark = pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
TO_HTTPS = redirect(Protocol="HTTPS", Port="443")


@pytest.fixture(scope="module")
def network(aws: Running) -> Parts:
    return Parts(aws)


@pytest.fixture
def parts(network: Parts) -> Iterator[Parts]:
    yield network
    network.clear()


def shown(url: str, name: str) -> bytes:
    """The certificate that a listener shows to a client that asks for a name, DER."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection((urlsplit(url).hostname, urlsplit(url).port), timeout=10) as plain:
        with context.wrap_socket(plain, server_hostname=name) as secured:
            found = secured.getpeercert(binary_form=True)
    assert found is not None
    return found


def issued(parts: Parts, arn: str) -> bytes:
    return ssl.PEM_cert_to_DER_cert(parts.acm.get_certificate(CertificateArn=arn)["Certificate"])


def https(parts: Parts, certificate: str, **more):
    given = {"Protocol": "HTTPS", "Certificates": [{"CertificateArn": certificate}], **more}
    return parts.listener(parts.balancer()["LoadBalancerArn"], 443, **given)


def test_listener_shows_the_certificate_that_acm_issued(parts):
    arn = parts.certificate("example.com")
    made = https(parts, arn, SslPolicy="ELBSecurityPolicy-TLS13-1-2-2021-06")
    assert made["Certificates"] == [{"CertificateArn": arn}]
    assert made["SslPolicy"] == "ELBSecurityPolicy-TLS13-1-2-2021-06"
    assert made["MutualAuthentication"] == {"Mode": "off"}
    url = parts.url(made["ListenerArn"])
    assert url.startswith("https://")
    assert shown(url, "example.com") == issued(parts, arn)
    assert requests.get(url, verify=False, timeout=10).text == "hello"


def test_imported_certificate_is_used_with_its_own_key(parts):
    own = self_signed("", ["imported.test"])
    arn = parts.acm.import_certificate(Certificate=own.chain.encode(), PrivateKey=own.key.encode())["CertificateArn"]
    url = parts.url(https(parts, arn)["ListenerArn"])
    assert shown(url, "imported.test") == ssl.PEM_cert_to_DER_cert(own.chain)


def test_more_certificates_are_chosen_by_name_and_can_be_removed(parts):
    default, shop = parts.certificate("example.com"), parts.certificate("shop.test", "*.shop.test")
    listener = https(parts, default)["ListenerArn"]
    given = {"ListenerArn": listener, "Certificates": [{"CertificateArn": shop}]}
    assert parts.elb.add_listener_certificates(**given)["Certificates"] == [
        {"CertificateArn": shop, "IsDefault": False}
    ]
    parts.elb.add_listener_certificates(**given)  # again is no error
    assert parts.elb.describe_listener_certificates(ListenerArn=listener)["Certificates"] == [
        {"CertificateArn": default, "IsDefault": True},
        {"CertificateArn": shop, "IsDefault": False},
    ]
    url = parts.url(listener)
    assert shown(url, "a.shop.test") == issued(parts, shop)
    assert shown(url, "example.com") == issued(parts, default)
    parts.elb.remove_listener_certificates(**given)
    assert shown(url, "a.shop.test") == issued(parts, default)
    (read,) = parts.elb.describe_listeners(ListenerArns=[listener])["Listeners"]
    assert read["Certificates"] == [{"CertificateArn": default}]
    wrong = {"ListenerArn": listener, "Certificates": [{"CertificateArn": default}]}
    assert refused(parts.elb.remove_listener_certificates, **wrong)[0] == "OperationNotPermitted"


def test_listener_becomes_https_and_http_again(parts):
    arn = parts.certificate()
    listener = parts.listener(parts.balancer()["LoadBalancerArn"], 8443)["ListenerArn"]
    given = {"ListenerArn": listener, "Protocol": "HTTPS"}
    assert refused(parts.elb.modify_listener, **given) == (
        "ValidationError",
        "A certificate must be specified for HTTPS listeners",
    )
    (changed,) = parts.elb.modify_listener(**given, Certificates=[{"CertificateArn": arn}])["Listeners"]
    assert (changed["Protocol"], changed["SslPolicy"]) == ("HTTPS", "ELBSecurityPolicy-2016-08")
    assert requests.get(parts.url(listener), verify=False, timeout=10).text == "hello"
    (back,) = parts.elb.modify_listener(ListenerArn=listener, Protocol="HTTP")["Listeners"]
    assert not {"SslPolicy", "Certificates", "MutualAuthentication"} & set(back)
    assert requests.get(parts.url(listener), timeout=10).text == "hello"


def test_http_is_redirected_to_https_and_not_the_other_way(parts):
    balancer, arn = parts.balancer()["LoadBalancerArn"], parts.certificate()
    secure = parts.listener(balancer, 443, Protocol="HTTPS", Certificates=[{"CertificateArn": arn}])["ListenerArn"]
    plain = parts.listener(balancer, 80, TO_HTTPS)["ListenerArn"]
    answer = requests.get(
        f"{parts.url(plain)}/a?b=c", headers={"Host": "example.com"}, allow_redirects=False, timeout=10
    )
    assert (answer.status_code, answer.headers["Location"]) == (301, "https://example.com:443/a?b=c")
    assert requests.get(f"{parts.url(secure)}/a?b=c", verify=False, timeout=10).text == "hello"
    back = {"ListenerArn": secure, "DefaultActions": [redirect(Protocol="HTTP", Port="80")]}
    assert refused(parts.elb.modify_listener, **back)[0] == "InvalidLoadBalancerAction"
    rule = {"ListenerArn": secure, "Priority": 1, "Conditions": [{"Field": "path-pattern", "Values": ["/x"]}]}
    assert refused(parts.elb.create_rule, **rule, Actions=[redirect(Protocol="HTTP")])[0] == "InvalidLoadBalancerAction"
    (read,) = parts.elb.describe_listeners(ListenerArns=[secure])["Listeners"]
    assert read["DefaultActions"] == [HELLO]


@pytest.mark.parametrize(
    ("more", "code"),
    [
        (
            {"Certificates": [{"CertificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/x"}]},
            "CertificateNotFound",
        ),
        ({"Certificates": []}, "ValidationError"),
        ({"SslPolicy": "ELBSecurityPolicy-none"}, "SSLPolicyNotFound"),
        ({"Protocol": "TLS"}, "UnsupportedProtocol"),
        ({"Protocol": "HTTP"}, "InvalidConfigurationRequest"),
        ({"MutualAuthentication": {"Mode": "verify"}}, "NotImplemented"),
    ],
)
def test_https_listener_that_cannot_be_is_refused(parts, more, code):
    assert refused(https, parts=parts, certificate=parts.certificate(), **more)[0] == code


def test_certificates_need_an_https_listener(parts):
    listener = parts.listener(parts.balancer()["LoadBalancerArn"], 8080)["ListenerArn"]
    given = {"ListenerArn": listener, "Certificates": [{"CertificateArn": parts.certificate()}]}
    assert refused(parts.elb.add_listener_certificates, **given)[0] == "InvalidConfigurationRequest"
    assert parts.elb.describe_listener_certificates(ListenerArn=listener)["Certificates"] == []


def test_policies_are_listed_with_protocols_and_ciphers_in_order(parts):
    (one,) = parts.elb.describe_ssl_policies(Names=["ELBSecurityPolicy-TLS13-1-2-Res-2021-06"])["SslPolicies"]
    assert one["SslProtocols"] == ["TLSv1.3", "TLSv1.2"]
    assert one["Ciphers"][0] == {"Name": "TLS_AES_128_GCM_SHA256", "Priority": 1}
    assert one["Ciphers"][-1] == {"Name": "ECDHE-RSA-AES256-GCM-SHA384", "Priority": 7}
    assert len(parts.elb.describe_ssl_policies()["SslPolicies"]) > 20
    assert refused(parts.elb.describe_ssl_policies, Names=["x"])[0] == "SSLPolicyNotFound"


def test_private_key_is_in_no_file_and_no_log_of_the_emulator(parts, aws):
    https(parts, parts.certificate("secret.test"))
    guilty = [path for path in aws.home.rglob("*") if path.is_file() and b"PRIVATE KEY" in path.read_bytes()]
    assert guilty == []
