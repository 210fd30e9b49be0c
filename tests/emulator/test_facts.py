"""The facts of ECS blue/green that are most likely to be got wrong, one test each; the numbers are the reference's (section I)."""

import json
import secrets
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
from botocore.exceptions import ClientError, WaiterError

from harness import clock
from tests.emulator.clients import AWS, environment, until
from tests.emulator.release import ALL_AT_ONCE, CANARY, Release
from tests.emulator.test_deployment import EIGHT

LONG_WAIT = {
    "terminateBlueInstancesOnDeploymentSuccess": {"action": "TERMINATE", "terminationWaitTimeInMinutes": 2880},
    "deploymentReadyOption": {"actionOnTimeout": "CONTINUE_DEPLOYMENT"},
}
NO_WAIT = {
    "terminateBlueInstancesOnDeploymentSuccess": {"action": "TERMINATE", "terminationWaitTimeInMinutes": 0},
    "deploymentReadyOption": {"actionOnTimeout": "CONTINUE_DEPLOYMENT"},
}


def default_action(release: Release) -> dict[str, Any]:
    (listener,) = release.elb.describe_listeners(ListenerArns=[release.production])["Listeners"]
    return dict(listener["DefaultActions"][0])


def service(release: Release) -> dict[str, Any]:
    return dict(release.ecs.describe_services(cluster=release.name, services=["web"])["services"][0])


def alarm(release: Release, state: str) -> str:
    put_alarm(release.aws, f"{release.name}-alarm", state)
    return f"{release.name}-alarm"


def put_alarm(aws: Any, name: str, state: str, period: int = 3600) -> None:
    cloudwatch = aws.client("cloudwatch")
    cloudwatch.put_metric_alarm(AlarmName=name, MetricName="Errors", Namespace="Test", Statistic="Sum", Period=period,
                                EvaluationPeriods=1, Threshold=1, ComparisonOperator="GreaterThanThreshold",
                                TreatMissingData="ignore")  # fmt: skip
    cloudwatch.set_alarm_state(AlarmName=name, StateValue=state, StateReason="test")


def watched(release: Release, state: str) -> str:
    """The alarm that the release's group now watches."""
    name = alarm(release, state)
    release.codedeploy.update_deployment_group(
        applicationName=release.application,
        currentDeploymentGroupName=release.group,
        alarmConfiguration={"enabled": True, "alarms": [{"name": name}]},
    )
    return name


def test_01_creating_the_deployment_group_edits_the_listener(aws: Any):
    release = Release(aws, config=CANARY, test_listener=False)
    release._network()
    release._load_balancer()
    release._service()
    assert default_action(release)["TargetGroupArn"] == release.groups["blue"]
    assert release.weights() == {"blue": 1}
    release._deployment_group()
    assert release.weights() == {"green": 0, "blue": 100}


def test_02_idle_group_stays_on_the_listener_at_weight_0_and_the_scalar_target_group_arn_is_gone(aws: Any):
    release = Release(aws, test_listener=False).up()
    assert release.ended(release.deploy(release.register("v2")))["status"] == "Succeeded"
    assert release.weights() == {"green": 100, "blue": 0}
    action = default_action(release)
    assert "TargetGroupArn" not in action
    assert action["ForwardConfig"]["TargetGroupStickinessConfig"] == {"Enabled": False}


@pytest.mark.parametrize("test_listener", [True, False], ids=["eight_with", "six_without"])
def test_03_events_of_a_test_listener_are_absent_without_one_not_skipped(aws: Any, test_listener: bool):
    release = Release(aws, test_listener=test_listener).up()
    deployment = release.deploy(release.register("v2"))
    release.until(lambda: release.info(deployment)["status"] == "InProgress")
    assert list(release.events(deployment)) == [name for name in EIGHT if test_listener or "TestTraffic" not in name]


def test_04_deployment_is_in_progress_through_the_termination_wait(aws: Any):
    release = Release(aws, test_listener=False, blueGreenDeploymentConfiguration=LONG_WAIT).up()
    deployment = release.deploy(release.register("v2"))
    info = release.until(lambda: (seen := release.info(deployment))["instanceTerminationWaitTimeStarted"] and seen)
    assert info["status"] == "InProgress"
    assert set(release.events(deployment).values()) == {"Succeeded"}
    assert release.weights() == {"green": 100, "blue": 0}
    assert {one["status"] for one in service(release)["taskSets"]} == {"PRIMARY", "ACTIVE"}


def test_05_overview_is_null_while_it_runs_and_then_counts_one_target(aws: Any):
    release = Release(aws, test_listener=False).up()
    deployment = release.deploy(release.register("v2"))
    release.until(lambda: release.info(deployment)["status"] == "InProgress")
    assert "deploymentOverview" not in release.info(deployment)
    assert release.ended(deployment)["deploymentOverview"] == {
        "Pending": 0,
        "InProgress": 0,
        "Succeeded": 1,
        "Failed": 0,
        "Skipped": 0,
        "Ready": 0,
    }


def test_06_rollback_is_a_new_all_at_once_deployment_and_makes_no_task_set(aws: Any):
    release = Release(aws, config=CANARY, test_listener=False).up()
    original = service(release)["taskSets"][0]["id"]
    deployment = release.deploy(release.register("v2"))
    release.until(lambda: release.weights() == {"green": 10, "blue": 90})
    made = {one["id"] for one in service(release)["taskSets"]}
    release.codedeploy.stop_deployment(deploymentId=deployment, autoRollbackEnabled=True)
    info = release.until(lambda: (seen := release.info(deployment)).get("rollbackInfo") and seen)
    rollback = release.ended(info["rollbackInfo"]["rollbackDeploymentId"])
    assert (rollback["creator"], rollback["deploymentConfigName"], rollback["status"]) == (
        "codeDeployRollback",
        ALL_AT_ONCE,
        "Succeeded",
    )
    assert {one["id"] for one in service(release)["taskSets"]} <= made
    (primary,) = [one["id"] for one in service(release)["taskSets"] if one["status"] == "PRIMARY"]
    assert primary == original


@pytest.mark.parametrize("red_before", [True, False], ids=["already_red", "turns_red"])
def test_07_alarm_makes_the_deployment_stopped_and_not_failed_also_one_already_red(aws: Any, red_before: bool):
    release = Release(aws, config=CANARY, test_listener=False).up()
    name = watched(release, "ALARM" if red_before else "OK")
    deployment = release.deploy(release.register("v2"))
    if not red_before:
        release.until(lambda: release.weights() == {"green": 10, "blue": 90})
        aws.client("cloudwatch").set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="test")
    info = release.ended(deployment)
    assert info["status"] == "Stopped"
    assert info["errorInformation"] == {
        "code": "ALARM_ACTIVE",
        "message": "One or more alarms have been activated according to the Amazon CloudWatch metrics you selected, and the "
        f"affected deployments have been stopped. Activated alarms: <{name}>",
    }


def test_07_ecs_itself_ignores_an_alarm_that_was_red_before(aws: Any):
    ecs, name = aws.client("ecs"), f"r{secrets.token_hex(3)}"
    put_alarm(aws, name, "ALARM", period=60)
    ecs.create_cluster(clusterName=name)
    container = {"name": "app", "image": "sampleapp:v1", "memory": 64}
    ecs.register_task_definition(family=name, containerDefinitions=[container])
    watched = {"alarms": {"enable": True, "rollback": True, "alarmNames": [name]}}
    ecs.create_service(
        cluster=name, serviceName="web", taskDefinition=name, desiredCount=0, deploymentConfiguration=watched
    )

    def deployment() -> dict[str, Any]:
        (service,) = ecs.describe_services(cluster=name, services=["web"])["services"]
        return dict(service["deployments"][0])

    assert until(lambda: deployment()["rolloutState"] != "IN_PROGRESS" and deployment())["rolloutState"] == "COMPLETED"


@pytest.mark.parametrize("strategy", ["BLUE_GREEN", "LINEAR", "CANARY"])
def test_07_blue_green_of_ecs_itself_is_refused_by_name(aws: Any, strategy: str):
    """The other half of the fact is of a strategy that is not emulated: no release of that kind is half done."""
    ecs, name = aws.client("ecs"), f"r{secrets.token_hex(3)}"
    ecs.create_cluster(clusterName=name)
    asked = {"strategy": strategy, "alarms": {"enable": True, "rollback": True, "alarmNames": ["red"]}}
    with pytest.raises(ClientError) as error:
        ecs.create_service(
            cluster=name, serviceName="web", taskDefinition=name, desiredCount=1, deploymentConfiguration=asked
        )
    assert error.value.response["Error"]["Code"] == "NotImplemented"
    assert f"strategy {strategy} is not emulated" in error.value.response["Error"]["Message"]


def test_08_all_at_once_can_succeed_with_sick_tasks(aws: Any):
    release = Release(aws, test_listener=False, blueGreenDeploymentConfiguration=NO_WAIT).up()
    deployment = release.deploy(release.register("v2", FAULT_KIND="unhealthy"))
    info = release.ended(deployment)
    assert info["status"] == "Succeeded"
    (green,) = release.until(
        lambda: (
            release.elb.describe_target_health(TargetGroupArn=release.groups["green"])["TargetHealthDescriptions"]
            or None
        )
    )[:1]
    assert green["TargetHealth"]["State"] != "healthy"


def test_09_deployments_is_empty_so_services_stable_never_ends(aws: Any):
    release = Release(aws, test_listener=False).up()
    seen = service(release)
    assert seen["deployments"] == []
    assert [one["stabilityStatus"] for one in seen["taskSets"]] == ["STEADY_STATE"]
    with pytest.raises(WaiterError, match="Max attempts exceeded"):
        release.ecs.get_waiter("services_stable").wait(
            cluster=release.name, services=["web"], WaiterConfig={"Delay": 1, "MaxAttempts": 3}
        )


def test_10_every_rule_of_production_that_forwards_to_the_live_group_is_rewritten_and_no_other(aws: Any):
    release = Release(aws, test_listener=False)
    release._network()
    release._load_balancer()
    third = release.elb.create_target_group(
        Name=f"{release.name}-third", Protocol="HTTP", Port=8080, VpcId=release.vpc, TargetType="ip"
    )["TargetGroups"][0]["TargetGroupArn"]
    rules = {}
    for priority, (path, group) in enumerate({"/live": release.groups["blue"], "/other": third}.items(), 1):
        made = release.elb.create_rule(
            ListenerArn=release.production,
            Priority=priority,
            Conditions=[{"Field": "path-pattern", "Values": [path]}],
            Actions=[{"Type": "forward", "TargetGroupArn": group}],
        )
        rules[path] = made["Rules"][0]["RuleArn"]
    release._service()
    release._deployment_group()
    assert release.ended(release.deploy(release.register("v2")))["status"] == "Succeeded"

    def weights(path: str) -> dict[str, int]:
        (rule,) = release.elb.describe_rules(RuleArns=[rules[path]])["Rules"]
        return {one["TargetGroupArn"]: one["Weight"] for one in rule["Actions"][0]["ForwardConfig"]["TargetGroups"]}

    moved = {release.groups["green"]: 100, release.groups["blue"]: 0}
    assert weights("/live") == moved
    assert weights("/other") == {third: 1}
    assert release.weights() == {"green": 100, "blue": 0}


@pytest.mark.slow
def test_11_nothing_gives_up_before_60_minutes_and_there_is_no_circuit_breaker(aws: Any):
    release = Release(aws).up()  # the test listener has green health-checked during Install
    deployment = release.deploy(release.register("v2", FAULT_KIND="crash", FAULT_AFTER="0"))
    started = clock.monotonic()

    def crashed() -> int:
        stopped = release.ecs.list_tasks(cluster=release.name, desiredStatus="STOPPED")["taskArns"]
        return len(stopped)

    release.until(lambda: crashed() >= 3)
    assert release.events(deployment)["Install"] == "InProgress"
    info = release.ended(deployment, within=90)
    assert clock.monotonic() - started >= 55  # one hour, compressed by 60
    assert info["status"] == "Failed"
    assert info["errorInformation"]["message"] == (
        "The deployment timed out while waiting for the replacement task set to become healthy. "
        "This time out period is 60 minutes."
    )


# ---- the load balancer


class Backend(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status = int(self.path.rpartition("/")[2]) if self.path.startswith("/health") else 200
        self.send_response(status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: Any) -> None:
        """Not on the test's output."""


@contextmanager
def backend() -> Iterator[int]:
    """The port of a web server whose /health/<status> answers that status, and everything else 200."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Backend) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


class Balanced:
    """A listener with one target group; `health` is the status of its health checks."""

    def __init__(self, aws: Any, health: int = 200, interval: int = 5, threshold: int = 2) -> None:
        self.release = Release(aws, test_listener=False)
        self.release._network()
        self.release._load_balancer()
        self.elb, self.group = self.release.elb, self.release.groups["blue"]
        self.elb.modify_target_group(
            TargetGroupArn=self.group,
            HealthCheckPath=f"/health/{health}",
            HealthCheckIntervalSeconds=interval,
            HealthyThresholdCount=threshold,
            UnhealthyThresholdCount=2,
        )

    def register(self, port: int) -> None:
        self.target = [{"Id": "127.0.0.1", "Port": port}]
        self.elb.register_targets(TargetGroupArn=self.group, Targets=self.target)

    def state(self) -> str:
        found = self.elb.describe_target_health(TargetGroupArn=self.group)["TargetHealthDescriptions"]
        return str(found[0]["TargetHealth"]["State"]) if found else "gone"

    def get(self) -> int:
        return requests.get(self.release.url() + "/", timeout=10).status_code


def test_12_one_passing_health_check_makes_a_new_target_healthy(aws: Any):
    with backend() as port:
        balanced = Balanced(aws, interval=60, threshold=10)
        balanced.register(port)
        balanced.release.until(lambda: balanced.state() == "healthy", within=15)


def test_13_unhealthy_group_fails_open_and_503_means_no_targets(aws: Any):
    with backend() as port:
        balanced = Balanced(aws, health=500)
        assert balanced.get() == 503
        balanced.register(port)
        balanced.release.until(lambda: balanced.state() == "unhealthy", within=30)
        assert balanced.get() == 200


def test_14_draining_shows_for_the_whole_delay(aws: Any):
    delay = 4
    with backend() as port:
        balanced = Balanced(aws)
        balanced.elb.modify_target_group_attributes(
            TargetGroupArn=balanced.group,
            Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": str(delay)}],
        )
        balanced.register(port)
        balanced.release.until(lambda: balanced.state() == "healthy", within=15)
        balanced.elb.deregister_targets(TargetGroupArn=balanced.group, Targets=balanced.target)
        since = clock.monotonic()
        assert balanced.state() == "draining"
        balanced.release.until(lambda: balanced.state() != "draining")
        assert clock.monotonic() - since >= delay - 0.5


# ---- what clients rely on


def test_15_both_wait_minutes_of_the_group_are_there_for_clients_that_add_them(aws: Any):
    bare = {
        "terminateBlueInstancesOnDeploymentSuccess": {"action": "TERMINATE"},
        "deploymentReadyOption": {"actionOnTimeout": "CONTINUE_DEPLOYMENT"},
    }
    release = Release(aws, test_listener=False, blueGreenDeploymentConfiguration=bare).up()
    group = release.codedeploy.get_deployment_group(
        applicationName=release.application, deploymentGroupName=release.group
    )["deploymentGroupInfo"]
    settings = group["blueGreenDeploymentConfiguration"]
    assert settings["terminateBlueInstancesOnDeploymentSuccess"]["terminationWaitTimeInMinutes"] == 0
    assert settings["deploymentReadyOption"]["waitTimeInMinutes"] == 0
    empty = ("ec2TagFilters", "onPremisesInstanceTagFilters", "autoScalingGroups", "triggerConfigurations")
    assert [group[name] for name in empty] == [[]] * 4
    assert (group["outdatedInstancesStrategy"], group["computePlatform"]) == ("UPDATE", "ECS")


def test_16_the_target_says_identifer(aws: Any):
    release = Release(aws, test_listener=False).up()
    deployment = release.deploy(release.register("v2"))
    release.ended(deployment)
    sets = release.target(deployment)["taskSetsInfo"]
    assert sets
    assert all(one["identifer"].startswith("ecs-svc/") for one in sets)
    assert release.codedeploy.list_deployment_targets(deploymentId=deployment)["targetIds"] == [f"{release.name}:web"]


@contextmanager
def proxy_that_refuses(asked: list[str]) -> Iterator[str]:
    """The URL of an HTTP proxy that lets nobody through; `asked` hears where they wanted to go."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def refuse() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    asked.append(connection.recv(4096).split(b"\r\n")[0].decode())
                    connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")

        thread = threading.Thread(target=refuse)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


@pytest.mark.skipif(not AWS.is_file(), reason=f"the AWS CLI is not installed beside this Python ({AWS})")
def test_17_ecs_deploy_with_endpoint_url_alone_would_call_the_real_codedeploy(aws: Any, tmp_path: Path):
    release = Release(aws, test_listener=False).up()
    asked: list[str] = []
    (tmp_path / "any.json").write_text(json.dumps({"family": "x", "containerDefinitions": []}), encoding="utf-8")
    with proxy_that_refuses(asked) as proxy:
        env = {**environment(aws, tmp_path), "HTTPS_PROXY": proxy, "NO_PROXY": "127.0.0.1", "AWS_MAX_ATTEMPTS": "1"}
        del env["AWS_ENDPOINT_URL"]
        files = ("--task-definition", str(tmp_path / "any.json"), "--codedeploy-appspec", str(tmp_path / "any.json"))
        arguments = ("ecs", "deploy", "--cluster", release.name, "--service", "web", *files)
        done = subprocess.run(
            [str(AWS), "--endpoint-url", aws.url, *arguments],
            env=env,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            encoding="utf-8",
        )
    assert done.returncode == 255
    assert asked[0].startswith("CONNECT codedeploy.us-east-1.amazonaws.com:443")


def test_18_blue_and_green_in_target_group_names_mean_nothing_roles_swap_each_release(aws: Any):
    release = Release(aws, test_listener=False, blueGreenDeploymentConfiguration=NO_WAIT).up()
    assert release.ended(release.deploy(release.register("v2")))["status"] == "Succeeded"
    second = release.deploy(release.register("v1"))
    release.until(lambda: release.info(second)["status"] != "Created")
    labels = release.until(
        lambda: (
            (
                sets := {
                    one["taskSetLabel"]: one["targetGroup"]["name"] for one in release.target(second)["taskSetsInfo"]
                }
            )
            and len(sets) == 2
            and sets
        )
    )
    assert labels == {"Blue": f"{release.name}-green", "Green": f"{release.name}-blue"}
    assert release.ended(second)["status"] == "Succeeded"
    assert release.weights() == {"blue": 100, "green": 0}
    assert service(release)["loadBalancers"][0]["targetGroupArn"] == release.groups["blue"]
