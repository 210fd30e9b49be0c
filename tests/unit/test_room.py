"""Room for scenarios side by side: more of them only where the processors have time."""

import threading
from collections.abc import Callable

from harness.driver import until
from harness.runner.room import Room


def comers(room: Room, count: int) -> list[int]:
    """So many that want in; the list says who is in."""
    inside: list[int] = []

    def come(number: int) -> None:
        room.enter()
        inside.append(number)

    for number in range(count):
        threading.Thread(target=come, args=(number,), daemon=True).start()
    return inside


def comes_to(inside: list[int], count: int) -> None:
    until(lambda: len(inside), 5, f"{count} inside", done=lambda seen: seen == count, every=0.01)


def waits_for(room: Room, count: int) -> Callable[[], bool]:
    return lambda: room._waiting == count


def test_room_grows_one_by_one_while_the_machine_is_idle_and_never_over_its_most():
    room = Room(2, 4)
    inside = comers(room, 6)
    comes_to(inside, 2)
    until(waits_for(room, 4), 5, "the others to wait", every=0.01)
    room.seen(95)
    room.seen(75)
    assert len(inside) == 2
    for more in (3, 4):
        room.seen(50)
        comes_to(inside, more)
    room.seen(10)
    assert len(inside) == 4
    room.leave()
    comes_to(inside, 5)


def test_room_shrinks_to_what_it_always_has_when_the_machine_is_busy():
    room = Room(1, 3)
    inside = comers(room, 4)
    comes_to(inside, 1)
    until(waits_for(room, 3), 5, "the others to wait", every=0.01)
    room.seen(50)
    comes_to(inside, 2)
    room.seen(95)
    room.leave()  # the one that was more
    assert len(inside) == 2
    room.leave()
    comes_to(inside, 3)


def test_nobody_grows_a_room_that_was_asked_for():
    room = Room(1, 1)
    inside = comers(room, 2)
    comes_to(inside, 1)
    until(waits_for(room, 1), 5, "the other to wait", every=0.01)
    room.seen(0)
    assert len(inside) == 1
