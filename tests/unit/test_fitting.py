"""Who of those that wait for a slot gets one."""

import pytest

from amends.saga.log.port import Slot
from amends.saga.log.slots import Slots, fitting


@pytest.mark.parametrize(
    ("held_count", "sizes", "let_in"),
    [
        (0, (), 0),
        (0, (1, 1), 1),
        (1, (1, 1), 0),
        (2, (3, 3), 1),
        (3, (1, 1), 0),
        (1, (3, 1), 1),
        (1, (1, 3), 0),
        (0, (1, 3, 3, 3), 3),
        (0, (1, 2, 1, 9), 2),
    ],
)
def test_each_for_whom_there_is_room_by_its_own_size(held_count: int, sizes: tuple[int, ...], let_in: int) -> None:
    """Up to the first for whom there is none: nobody is overtaken."""
    assert list(fitting(held_count, enumerate(sizes))) == list(range(let_in))


def test_no_more_are_looked_at_than_get_one_and_one_more() -> None:
    """A million may wait."""
    waiting = iter([("a", 2), ("b", 2), ("c", 2)])
    assert list(fitting(1, waiting)) == ["a"]
    assert next(waiting) == ("c", 2)


def test_whoever_gives_up_may_let_in_those_behind_it() -> None:
    """Each by its own size, in memory, too."""
    slots = Slots()
    for run_id, size in (("a", 1), ("b", 1), ("c", 3), ("d", 1)):
        slots.note(run_id, (Slot("limit", size),))
    assert slots.note("b", ()) == ["c"]
