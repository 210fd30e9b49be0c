"""What is written to a journal can be read again, whatever was in it."""

from pathlib import Path

import pytest

from harness import journal


@pytest.mark.parametrize(
    ("message", "read"),
    [
        ("✘ /한글 경로/a.yaml: 없음", "✘ /한글 경로/a.yaml: 없음"),
        ("/\udcc7\udcd1/a.yaml: none", "/??/a.yaml: none"),  # a path whose name is no UTF-8
    ],
)
def test_message_with_a_path_is_read_again(tmp_path: Path, message: str, read: str):
    path = tmp_path / "journal.jsonl"
    with journal.Journal(path) as written:
        written.write(journal.Trouble(at=1.0, step="deploy", message=message))
    (event,) = journal.read(path)
    assert event == journal.Trouble(at=1.0, step="deploy", message=read)
