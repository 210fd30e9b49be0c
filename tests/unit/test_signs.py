"""What an old encoding gets instead of signs: something else for each verdict, and never an error."""

import io
import string
from collections.abc import Mapping

import pytest
from rich.cells import cell_len
from rich.console import Console

from harness import doctor, look, progress, signs
from harness.report.compare import shown

OLD = ("ascii", "euc_kr", "latin-1", "cp1252")


def written(text: str, encoding: str) -> bytes:
    raw = io.BytesIO()
    stream = signs.prepared(io.TextIOWrapper(raw, encoding, newline=""))
    stream.write(text)
    stream.flush()
    return raw.getvalue()


@pytest.mark.parametrize("encoding", OLD)
@pytest.mark.parametrize("table", [look.VERDICTS, look.SIDES, look.LIFECYCLE, look.HEALTH, look.ALARMS, look.MOMENTS])
def test_signs_that_differ_differ_in_an_old_encoding_too(table: Mapping[str, look.Look | str], encoding: str):
    symbols = {one if isinstance(one, str) else one.symbol for one in table.values()}
    instead = {written(symbol, encoding).decode("ascii") for symbol in symbols}
    assert len(instead) == len(symbols)
    assert all(len(sign) == 1 and sign in string.punctuation + string.ascii_letters for sign in instead)


def test_sign_takes_as_much_room_as_what_stands_for_it():
    assert {cell_len(chr(sign)) for sign in signs.IN_ASCII} == {1}
    assert all(chr(instead).isascii() for instead in signs.IN_ASCII.values())


@pytest.mark.parametrize("encoding", OLD)
def test_every_sign_that_is_printed_besides_is_in_the_table(encoding: str):
    told = [look.DIFFERS, look.FAILURE.symbol, look.OTHER.symbol, *(symbol for symbol, _ in doctor.SYMBOLS.values())]
    told += [shown(None), shown(["v1", "v2"]), "…", "·"]
    assert b"?" not in written(" ".join(told), encoding)


def test_utf8_is_left_as_it_is():
    assert written("✔ 충족 → …", "utf-8") == "✔ 충족 → …".encode()


def test_euc_kr_has_the_korean_and_not_the_sign():
    assert written("✔ 충족, ■ 블루 → 그린", "euc_kr") == "+ 충족, # 블루 > 그린".encode("euc_kr")


def test_what_ascii_cannot_show_is_a_question_mark():
    assert written("✘ 미충족 é", "ascii") == b"x ??? ?"


@pytest.mark.parametrize("encoding", [*OLD, "utf-8"])
def test_byte_of_a_name_that_nobody_could_decode_is_that_byte_again(encoding: str):
    assert written("a\udcc7\udcd1\udcffb", encoding) == b"a\xc7\xd1\xffb"
    assert written("a\ud800b", encoding) == b"a?b"


@pytest.mark.parametrize(
    ("encoding", "korean"), [("ascii", False), ("latin-1", False), ("euc_kr", True), ("utf-8", True)]
)
def test_korean_is_spoken_where_it_can_be_shown(encoding: str, korean: bool):
    assert signs.shows_korean(encoding) is korean


def test_path_can_be_pasted_whatever_the_encoding():
    name = "상태/runs"
    for encoding in (*OLD, "utf-8"):
        stream = io.TextIOWrapper(io.BytesIO(), encoding)
        assert written(signs.path_for(stream, name), encoding) == name.encode()


@pytest.mark.parametrize("encoding", OLD)
def test_console_of_an_old_encoding_tells_met_from_unmet(encoding: str):
    raw = io.BytesIO()
    stream = signs.prepared(io.TextIOWrapper(raw, encoding))
    judged = (
        progress.Judged("outcome", "met", "succeeded", "succeeded", 1),
        progress.Judged("events", "unmet", ["a", "b"], ["b", "a"], 2),
    )
    console = Console(file=stream, force_terminal=True, width=80, color_system=None)
    console.print(progress.endings.table(judged))
    stream.flush()
    lines = [line.split() for line in raw.getvalue().decode("ascii").splitlines()]
    assert [line[:2] for line in lines[1:]] == [["+", "met"], ["x", "unmet"]]
    assert "a > b" in " ".join(lines[2])
