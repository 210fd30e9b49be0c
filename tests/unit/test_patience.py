"""The clock by which a run gives up."""

from harness.runner.patience import Patience


def test_patience_is_used_up_by_time_while_the_observer_gets_on():
    patience = Patience(20, began=100)
    seen = [patience.gone(100 + 0.3 * number, number) for number in range(1, 80)]
    assert seen.index(True) * 0.3 > 19.6
    assert seen.index(True) * 0.3 < 20.6


def test_time_in_which_nothing_could_be_seen_does_not_count():
    patience = Patience(20, began=100)
    assert not patience.gone(139, 0)
    assert not patience.gone(139, 1)
    assert patience.used < 1


def test_a_busy_machine_gets_longer_but_not_for_ever():
    patience = Patience(20, began=100)
    rounds = next(number for number in range(1, 1000) if patience.gone(100 + 1.0 * number, number))
    assert rounds == 27
    assert Patience(20, began=100).gone(140.1, 0)
