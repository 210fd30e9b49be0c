"""Making the report of a run of 100,000 requests, as a ratio to reading its journal as plain JSON in the same run.

.venv/bin/python benchmarks/report.py [requests]
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from harness import report
from tests.unit import story


def seconds(work: Callable[[], object]) -> float:
    """CPU seconds of the best of three: what else runs on the machine does not count."""

    def once() -> float:
        began = time.process_time()
        work()
        return time.process_time() - began

    return min(once() for _ in range(3))


def main(requests: int) -> None:
    rate = requests / 900
    told = story.scenario({"outcome": "succeeded", "users": {"max_failed": 0}})
    users = story.traffic(-100, 13.4, "v1", rate) + story.traffic(13.4, 800, "v2", rate)
    users[len(users) // 2] = users[len(users) // 2].model_copy(update={"status": 502, "version": None})
    events = story.told(told, *users, *story.lifecycle(), story.deployment(completed=780.0), *story.ended(users))
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        story.written(directory, events)
        lines = (directory / "journal.jsonl").read_text(encoding="utf-8").splitlines()
        plain = seconds(lambda: [json.loads(line) for line in lines])
        whole = seconds(lambda: report.write(directory))
        size = (directory / "report.html").stat().st_size
    print(f"{len(users)} requests: report in {whole:.2f} s of CPU, {whole / plain:.1f} x reading the journal as JSON")
    print(f"page of {size / 1000:.0f} kB")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
