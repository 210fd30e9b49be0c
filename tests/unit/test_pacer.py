"""The schedule is fixed before the run."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.probe.pacer import Pacer


@pytest.mark.parametrize(
    ("rate", "now", "count"),
    [
        (20, 99.999, 0),
        (20, 100.0, 1),
        (20, 100.0499, 1),
        (20, 100.05, 2),
        (20, 101.0, 21),
        (0.5, 101.9, 1),
        (0.5, 102.0, 2),
        (1000, 160.0, 60001),
    ],
)
def test_pacer_counts_what_is_due(rate: float, now: float, count: int):
    assert Pacer(rate, 100.0).due_by(now) == count


@given(rate=st.floats(0.01, 1000), seq=st.integers(0, 100_000), start=st.floats(0, 1e6))
def test_pacer_sends_a_request_when_it_is_due_and_not_before(rate: float, seq: int, start: float):
    pacer = Pacer(rate, start)
    due = pacer.due(seq)
    assert pacer.due_by(due) >= seq + 1
    assert pacer.due_by(due - 1.0 / rate - 1e-6) <= seq


def test_pacer_does_not_drift_after_a_stall():
    pacer = Pacer(20, 0.0)
    assert pacer.due_by(5.0) == 101
    assert pacer.due(101) == pytest.approx(5.05)
