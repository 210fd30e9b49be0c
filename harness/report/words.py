"""Every word of the report and of the comparison, in English and Korean. AWS's own names and messages stay as AWS writes them."""

from __future__ import annotations

from harness.words import EXPECTATIONS, SHARED, Word, filled

__all__ = ["EXPECTATIONS", "WORDS", "Word", "word"]

WORDS: dict[str, Word] = {
    **SHARED,
    # head
    "language": Word("Language", "언어"),
    "report": Word("Deployment rehearsal", "배포 리허설"),
    "skip": Word("Skip to the verdict", "판정으로 건너뛰기"),
    "expectations_met": Word("{met} of {all} expectations met", "기대 조건 {all}개 중 {met}개 충족"),
    "no_outcome": Word("the deployment was not seen to end", "배포의 끝이 관측되지 않음"),
    "succeeded": Word("deployment succeeded", "배포 성공"),
    "rolled_back": Word("deployment was rolled back", "배포가 롤백됨"),
    "failed": Word("deployment failed", "배포 실패"),
    "stopped": Word("deployment was stopped", "배포 중지됨"),
    "incomplete": Word("This run did not come to its end", "이 실행은 끝까지 진행되지 못했습니다"),
    # facts of the run
    "about": Word("About this run", "실행 정보"),
    "by": Word("Who", "실행한 사람"),
    "by_unknown": Word("not recorded in the journal", "기록에 없음"),
    "when": Word("When (UTC)", "시각 (UTC)"),
    "commit": Word("Commit", "커밋"),
    "target": Word("Target", "실행 대상"),
    "runtime": Word("Tasks run as", "태스크 실행 방식"),
    "scenario": Word("Scenario", "시나리오"),
    "hash": Word("Scenario hash", "시나리오 해시"),
    "compression": Word("Compression of AWS's waits", "AWS 대기 시간 압축"),
    "none_compressed": Word("none: real time", "없음: 실제 시간"),
    "release": Word("Release", "배포 버전"),
    "config": Word("Traffic shift", "트래픽 전환 방식"),
    "versions": Word("Made with", "사용한 도구와 버전"),
    "dirty": Word("with changes that are not in the commit", "커밋되지 않은 변경 포함"),
    "nothing": Word("none", "없음"),
    # key figures
    "rollback_seconds": Word("trigger to rolled back", "원인 발생부터 롤백까지"),
    "detection_seconds": Word("first failure to trigger", "첫 실패부터 감지까지"),
    "deployment_seconds": Word("deployment", "배포 시간"),
    # verdict table
    "expectations": Word("Expectations", "기대 조건"),
    "expectations_caption": Word("Measured against the limit; n is the evidence", "측정값과 기준; n은 근거 건수"),
    "detail": Word("Detail", "설명"),
    "effective_limit": Word("Limit in this run", "이 실행에서의 기준"),
    "of_requests": Word("{count} of {all} requests", "요청 {all}건 중 {count}건"),
    "real_time": Word("{seconds}, real time", "{seconds}, 실제 시간"),
    "as_written": Word("as written", "시나리오 그대로"),
    "images": Word("Images", "이미지"),
    "limits": Word("Limits of the run, compressed", "압축된 실행 제한 시간"),
    "limits_caption": Word(
        "What the rehearsal itself waited for, as declared and as it was",
        "리허설 자체의 제한 시간, 선언한 값과 실제 값",
    ),
    "chart_keys": Word(
        "Point at the chart for details; with the keyboard: Tab to it, then arrow keys, Home, End, F for the next failure.",
        "차트를 가리키면 자세한 값이 보입니다. 키보드: Tab으로 이동한 뒤 화살표, Home, End, F는 다음 실패.",
    ),
    "compare_keys": Word(
        "Point at either chart: both tell of the same second. With the keyboard: Tab to one, then arrow keys, Home, End, "
        "F for the next failure, D for the next difference.",
        "어느 차트를 가리켜도 두 차트가 같은 시각의 값을 보여 줍니다. 키보드: Tab으로 이동한 뒤 화살표, Home, End, "
        "F는 다음 실패, D는 다음 차이.",
    ),
    "marked_note": Word(
        "≠ marks what the other run does not have, or has otherwise.", "≠는 다른 실행에 없거나 다르게 나타난 것입니다."
    ),
    # comparison
    "comparison": Word("Two rehearsals compared", "두 리허설 비교"),
    "other_verdicts": Word("verdicts differ", "판정이 다름"),
    "differences": Word("differences: {count}", "차이 {count}개"),
    "only_differences": Word("differences only", "차이만 보기"),
    "same": Word("same", "같음"),
    "verdict_differs": Word("verdict differs", "판정이 다름"),
    "compared": Word("What is compared", "비교 항목"),
    "timelines": Word("The two timelines, on one scale", "같은 시간축에 놓은 두 실행"),
    "verdicts": Word("Verdicts", "판정"),
    "outcome": Word("Outcome", "결과"),
    "event_order": Word("Order and end of lifecycle events", "수명 주기 이벤트의 순서와 결과"),
    "same_order": Word("as in the other", "서로 같음"),
    "on_aws_clock": Word("Lifecycle events, seconds on AWS's clock", "수명 주기 이벤트(AWS 시간 기준, 초)"),
    # chart
    "chart": Word("What happened, and when", "언제 무슨 일이 있었나"),
    "chart_note": Word(
        "Seconds since the deployment started. A zigzag is a wait of AWS's that was compressed; users, health checks and drains "
        "ran in real time.",
        "가로축은 배포 시작 후 경과 시간(초)입니다. 지그재그는 압축된 AWS 대기이며, "
        "사용자 요청·헬스 체크·드레이닝은 실제 시간으로 진행되었습니다.",
    ),
    "chart_empty": Word("Nothing to draw: no deployment was seen.", "표시할 것이 없습니다: 관측된 배포가 없습니다."),
    "lane_lifecycle": Word("Lifecycle events", "수명 주기 이벤트"),
    "lane_weights": Word("Production traffic, %", "프로덕션 트래픽, %"),
    "lane_requests": Word("Requests per second, by who answered", "초당 요청 수(응답한 버전별)"),
    "lane_health": Word("Target health", "대상 상태"),
    "lane_waits": Word("Compressed waits", "압축된 대기"),
    "lane_differences": Word("≠ Where {other} differs", "≠ {other}와 다른 구간"),
    "other_weights": Word("≠ {other}: {weights}", "≠ {other}: {weights}"),
    "only_other_failed": Word("≠ ✘ failed in {other} only", "≠ ✘ {other}에서만 실패"),
    "only_here_failed": Word("≠ ✘ failed, not in {other}", "≠ ✘ 실패, {other}는 아님"),
    "chart_told": Word(
        "Lifecycle events: {events}; requests: {requests}, of them failed: {failed}; compressed waits: {waits}; {seconds} s.",
        "수명 주기 이벤트 {events}개, 요청 {requests}건, 실패 {failed}건, 압축된 대기 {waits}개, 전체 {seconds}초.",
    ),
    "seconds": Word("seconds since the deployment started", "배포 시작 후 경과 시간(초)"),
    "shown_as": Word("{declared} s shown as {shown} s", "{declared}초를 {shown}초로 표시"),
    "of_planned": Word(
        "{declared} s planned as {planned} s, over after {shown} s", "{declared}초→{planned}초, {shown}초 만에 끝남"
    ),
    "times": Word("{count} × ", "{count} × "),
    "alarm": Word("alarm", "경보"),
    "alarm_off": Word("alarm OK", "경보 해제"),
    "deploy": Word("deploy", "배포"),
    "refused": Word("refused", "거부됨"),
    # users
    "users": Word("What users paid", "사용자가 겪은 영향"),
    "users_caption": Word("Requests through the production listener", "프로덕션 리스너를 통한 요청"),
    "users_none": Word("No request was made.", "요청이 없었습니다."),
    "measure": Word("Measure", "항목"),
    "value": Word("Value", "값"),
    "answers": Word("Answers", "응답"),
    "answered_by": Word("Answered by", "응답한 버전"),
    "nobody": Word("nobody named", "버전 미상"),
    "latency": Word("Latency from when each was due", "예정 시각 기준 지연 시간"),
    "failures_caption": Word("The first failed requests", "처음 실패한 요청"),
    "failures_more": Word("{count} more are in the journal", "나머지 {count}건은 기록(journal.jsonl)에 있습니다"),
    # tables
    "lifecycle": Word("Lifecycle events", "수명 주기 이벤트"),
    "lifecycle_caption": Word(
        "Seconds since the deployment started; on AWS: with the waits as declared",
        "배포 시작 후 경과 시간(초); AWS 시간 기준은 대기를 선언된 그대로 셈한 값",
    ),
    "event": Word("Event", "이벤트"),
    "status": Word("Status", "상태"),
    "start": Word("Start", "시작"),
    "end": Word("End", "종료"),
    "took": Word("Took", "걸린 시간"),
    "on_aws": Word("On AWS's clock", "AWS 시간 기준"),
    "deployments": Word("Deployments", "배포"),
    "deployments_caption": Word("A rollback is a deployment of its own", "롤백은 별도의 배포입니다"),
    "deployment": Word("Deployment", "배포"),
    "creator": Word("Creator", "생성 주체"),
    "error": Word("Error", "오류"),
    "waits": Word("Compressed waits", "압축된 대기"),
    "waits_caption": Word("Where AWS merely waits, time was divided", "AWS가 단순히 기다리는 시간만 줄였습니다"),
    "wait": Word("Wait", "대기"),
    "declared": Word("Declared", "선언값"),
    "effective": Word("Effective", "압축값"),
    "spent": Word("Spent", "실제 소요"),
    "ended_early": Word("ended early", "일찍 끝남"),
    "stops": Word("Task stops", "중지된 태스크"),
    "stops_caption": Word("Every task that stopped, with AWS's reason", "중지된 모든 태스크와 AWS의 사유"),
    "at": Word("At", "시각"),
    "task": Word("Task", "태스크"),
    "side": Word("Side", "구분"),
    "reason": Word("Reason", "사유"),
    "exit_code": Word("Exit code", "종료 코드"),
    "events": Word("Service events", "서비스 이벤트"),
    "events_caption": Word("The last 30 messages of the ECS service", "ECS 서비스의 최근 메시지 30개"),
    "message": Word("Message", "메시지"),
    "troubles": Word("Troubles of the run itself", "실행 자체의 문제"),
    "troubles_caption": Word("Calls that failed, steps that could not be done", "실패한 호출, 수행하지 못한 단계"),
    "step": Word("Step", "단계"),
    "left": Word("Left behind", "남은 자원"),
    # fidelity
    "executed": Word("Executed by whom", "누가 실행했나"),
    "executed_caption": Word("What really ran, and what it stands for", "실제로 실행된 것과 그 의미"),
    "part": Word("Part", "부분"),
    "executed_by": Word("Executed by", "실행 주체"),
    "not_tested": Word("What was not tested", "검증하지 않은 것"),
    "reproduce": Word("Run it again", "다시 실행하기"),
    "reproduce_note": Word("From a checkout of the project:", "프로젝트를 체크아웃한 디렉터리에서:"),
}


def word(key: str, **values: object) -> Word:
    """`key` in both languages, with its `{names}` filled in. Raises KeyError."""
    return filled(WORDS[key], values)
