"""The dashboard's words, in English and Korean. Those of states are in harness/look.py."""

from __future__ import annotations

from harness.words import SHARED, Word

WORDS: dict[str, Word] = {
    **SHARED,
    "dashboard": Word("Deployment rehearsal, live", "배포 리허설 실황"),
    "no_run": Word("No run yet. Choose a scenario and start it.", "아직 실행이 없습니다. 시나리오를 골라 시작하세요."),
    "starting": Word("starting", "시작하는 중"),
    "not_started": Word("it did not start", "시작되지 않았습니다"),
    "newest": Word("the newest run", "가장 최근 실행"),
    "run": Word("Run", "실행"),
    "scenario": Word("Scenario", "시나리오"),
    "start": Word("Start", "시작"),
    "stop": Word("Stop", "중지"),
    "continue": Word("Continue", "계속"),
    "rollback": Word("Roll back", "롤백"),
    "look_only": Word(
        "To look only: acting needs the address with its token", "보기 전용: 조작하려면 토큰이 있는 주소가 필요"
    ),
    "sent": Word("sent: {action}", "요청함: {action}"),
    "refused": Word("refused: {why}", "거부됨: {why}"),
    "users": Word("Users", "사용자"),
    "per_second": Word("{rate} requests/s", "초당 요청 {rate}"),
    "production": Word("Production listener", "프로덕션 리스너"),
    "test": Word("Test listener", "테스트 리스너"),
    "target_group": Word("{side} target group", "{side} 대상 그룹"),
    "no_tasks": Word("no tasks", "태스크 없음"),
    "not_seen": Word("not looked at yet", "아직 보지 않음"),
    "more_tasks": Word("and {count} more", "외 {count}개"),
    "stopped_tasks": Word("{count} stopped", "{count}개 중지됨"),
    "lifecycle": Word("Lifecycle events", "수명 주기 이벤트"),
    "no_deployment": Word("No deployment yet", "아직 배포 없음"),
    "rollback_deployment": Word("Rollback deployment", "롤백 배포"),
    "alarms": Word("Alarms", "경보"),
    "no_alarms": Word("The scenario has none", "시나리오에 없음"),
    "deployment": Word("Deployment", "배포"),
    "requests_per_second": Word("Requests per second, by who answered", "초당 요청, 응답한 버전별"),
    "failed": Word("failed", "실패"),
    "gap": SHARED["longest_gap"],
    "errors": Word("Last errors", "마지막 오류"),
    "no_errors": Word("none so far", "지금까지 없음"),
    "news": Word("Last changes", "마지막 변화"),
    "report": Word("Report", "보고서"),
    "broke_off": Word("The run broke off", "실행이 중단됨"),
    "lost": Word("connection lost, trying again", "연결이 끊겨 다시 시도하는 중"),
    "seconds_axis": Word("seconds since the deployment started", "배포 시작 뒤 초"),
    "language": Word("한국어", "English"),
    "full_compression": Word("waits ÷ {factor}", "대기 ÷ {factor}"),
}
