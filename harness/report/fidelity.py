"""How true a rehearsal is to AWS: who really executed what, and what was not tested. In English and Korean."""

from __future__ import annotations

from harness.expectations import Evidence
from harness.report.words import Word

EMULATOR = Word("executed by the emulator of rehearse", "rehearse 에뮬레이터가 실행")
OURS = Word("executed by the emulator", "에뮬레이터가 실행")  # where there is another one too
AWS = Word("executed by AWS", "AWS가 실행")
EITHER = Word(
    "executed by LocalStack where it can, else by the emulator", "LocalStack이 실행하고, 안 되면 에뮬레이터가 실행"
)
THROUGH = Word("{by}, through a counting proxy of the emulator", "{by}: 에뮬레이터의 집계 프록시를 거침")
CONTAINERS_OF = Word("real containers, {by}", "실제 컨테이너, {by}")
RECORDED = Word("recorded by moto, not executed", "moto가 기록만 함, 실행되지 않음")
PROBE = Word("real HTTP requests at a fixed rate, from this machine", "이 컴퓨터에서 고정 속도로 보낸 실제 HTTP 요청")
TASKS: dict[str | None, Word] = {
    "docker": Word("real containers (Docker) on this machine", "이 컴퓨터의 실제 컨테이너(Docker)"),
    "process": Word("real processes on this machine, without containers", "이 컴퓨터의 실제 프로세스, 컨테이너 없음"),
}
SERVICES = ("CodeDeploy", "ECS", "Elastic Load Balancing", "CloudWatch", "Lambda")
NAMES = {  # of a journal's `executed`, by botocore's name of the service
    "codedeploy": Word("CodeDeploy", "CodeDeploy"),
    "ecs": Word("ECS", "ECS"),
    "elbv2": Word("Elastic Load Balancing", "Elastic Load Balancing"),
    "cloudwatch": Word("CloudWatch", "CloudWatch"),
    "lambda": Word("Lambda", "Lambda"),
    "ecr": Word("ECR", "ECR"),
    "ec2": Word("EC2 (network)", "EC2(네트워크)"),
    "iam": Word("IAM", "IAM"),
}

NOT_TESTED: dict[str, Word] = {
    "network": Word(
        "VPC routing, NAT, security groups, DNS and certificates", "VPC 라우팅, NAT, 보안 그룹, DNS, 인증서"
    ),
    "iam": Word("IAM permissions: every call is allowed here", "IAM 권한: 여기서는 모든 호출이 허용됨"),
    "capacity": Word(
        "Placement and capacity of AWS: zones, instances, quotas", "AWS의 배치와 용량: 영역, 인스턴스, 할당량"
    ),
    "speed": Word(
        "AWS's own speed: how long it takes to place, pull and start", "AWS의 실제 속도: 배치, 이미지 받기, 시작 시간"
    ),
    "registry": Word("Pulling the image from ECR", "ECR에서 이미지 받기"),
    "containers": Word(
        "The container image itself, its limits and isolation: tasks were processes",
        "컨테이너 이미지, 자원 제한과 격리: 태스크는 프로세스였음",
    ),
    "time": Word(
        "What needs the declared minutes to show (leaks, expiring caches, scaling): waits were divided by {factor}",
        "선언된 시간이 지나야 드러나는 것(누수, 캐시 만료, 스케일링): 대기 시간을 {factor}배 압축함",
    ),
    "load": Word("Load beyond {rate} requests per second", "초당 {rate}건을 넘는 부하"),
    "alarms": Word("An alarm that ends the deployment: the scenario has none", "배포를 멈추는 경보: 시나리오에 없음"),
    "hooks": Word("A lifecycle hook: the scenario has none", "수명 주기 훅: 시나리오에 없음"),
    "test_listener": Word("Test traffic: the scenario has no test listener", "테스트 트래픽: 테스트 리스너가 없음"),
    "users": Word("What users may meet: the scenario has no limit for it", "사용자 경험: 시나리오에 기준이 없음"),
    "data": Word(
        "Data: migrations, sessions and whatever two versions share",
        "데이터: 마이그레이션, 세션, 두 버전이 공유하는 것",
    ),
    "deployment": Word("The deployment itself: it never started", "배포 자체: 시작되지 않음"),
}


def executed(evidence: Evidence) -> list[tuple[Word, Word]]:
    """(part, by whom) for all that this target runs."""
    target = evidence.run.target
    if evidence.run.executed:
        return _composed(evidence)
    by = {"aws": AWS, "localstack": EITHER}.get(target, EMULATOR)
    rows = [(Word(service, service), by) for service in SERVICES]
    if target == "aws":
        return [*rows, (Word("Tasks", "태스크"), AWS), (Word("Users", "사용자"), PROBE)]
    proxy = Word("a real HTTP proxy of the emulator", "에뮬레이터의 실제 HTTP 프록시")
    unknown = Word(f"{evidence.run.runtime or 'unknown'}", f"{evidence.run.runtime or '알 수 없음'}")
    return [
        *rows,
        (Word("EC2 (network), IAM and other services", "EC2(네트워크), IAM 등"), RECORDED),
        (Word("Load balancer's traffic", "로드 밸런서 트래픽"), proxy if target == "local" else by),
        (Word("Tasks", "태스크"), TASKS.get(evidence.run.runtime, unknown)),
        (Word("Users", "사용자"), PROBE),
    ]


def _composed(evidence: Evidence) -> list[tuple[Word, Word]]:
    """A row for each service, as the run found it; the others are in the journal and in result.json."""
    by = {service: _by(told) for service, told in evidence.run.executed.items()}
    rows = [(NAMES.get(service, Word(service, service)), word) for service, word in by.items()]
    traffic = Word("a real HTTP proxy of the emulator", "에뮬레이터의 실제 HTTP 프록시")
    tasks = TASKS.get(evidence.run.runtime, Word(f"{evidence.run.runtime}", f"{evidence.run.runtime}"))
    if (elbv2 := by.get("elbv2", OURS)) is not OURS:
        traffic, tasks = _filled(THROUGH, elbv2), _filled(CONTAINERS_OF, by.get("ecs", elbv2))
    return [
        *rows,
        (Word("Load balancer's traffic", "로드 밸런서 트래픽"), traffic),
        (Word("Tasks", "태스크"), tasks),
        (Word("Users", "사용자"), PROBE),
    ]


def _filled(template: Word, by: Word) -> Word:
    return Word(template.en.format(by=by.en), template.ko.format(by=by.ko))


def _by(told: str) -> Word:
    """The words of a journal, and what they are in Korean."""
    if told == OURS.en:
        return OURS
    for verb, korean in (("executed by ", "{} 실행"), ("mocked by ", "{} 모의(mock) 응답만")):
        if told.startswith(verb) and "(" not in told:
            return Word(told, korean.format(told.removeprefix(verb)))
    return Word(told, told.replace(OURS.en, OURS.ko).replace("unsupported", "지원되지 않음"))


def not_tested(evidence: Evidence) -> list[Word]:
    """What this run says nothing about, because of where and how it ran and of what its scenario leaves out."""
    run, scenario = evidence.run, evidence.scenario
    deploy, emulated = scenario.deploy, run.target != "aws"
    chosen = {
        "deployment": evidence.deployment is None,
        "network": emulated,
        "iam": emulated,
        "capacity": emulated,
        "speed": emulated,
        "registry": emulated,
        "containers": emulated and run.runtime == "process",
        "time": run.compression > 1,
        "alarms": not deploy.alarms,
        "hooks": not deploy.hooks,
        "test_listener": not deploy.test_listener,
        "users": scenario.expect.users is None,
        "load": True,
        "data": True,
    }
    values = {"factor": f"{run.compression:g}", "rate": f"{scenario.traffic.rate:g}"}
    told = [NOT_TESTED[name] for name, applies in chosen.items() if applies]
    return [Word(one.en.format(**values), one.ko.format(**values)) for one in told]


def command(evidence: Evidence) -> str:
    """Shell lines that run it again, from a checkout of the project."""
    run, scenario = evidence.run, evidence.scenario
    lines = [f"git checkout {run.commit.removesuffix('-dirty')}"] if run.commit else []
    words = [
        f"rehearse run $(grep -l '^id: {scenario.id}$' scenarios/*.yaml)",
        f"--target {run.target.partition('-on-')[0]}",
    ]
    if run.target == "local" and run.runtime in ("docker", "process"):
        words.append(f"--runtime {run.runtime}")
    if not run.target.startswith("aws"):
        words.append(f"--compress {run.compression:g}")
    return "\n".join([*lines, " ".join(words)])
