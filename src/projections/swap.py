"""The moment in which a copy that was built takes the place of the one that is read; and what is left is dropped.

All of it is one transaction. Followers wait at the row of the position, readers at the first table; after it the ones
find that their copy is gone, and the others read the new tables.
"""

from ..errors import RebuildUnderWay
from .applying import Applier
from .copies import Copy, State, copies, head
from .database import Transaction

__all__ = ["discard", "swapped"]

LAST_PAGES = 3
"""How many pages may be applied inside the swap, when a live follower is always a little ahead."""


def swapped(transaction: Transaction, copy: Copy, applier: Applier) -> Copy | None:
    """Make a copy the live one and return it as that; None, with nothing done, if it is too far behind for that.

    Readers never see the past: the new copy is at least as far as the old one, or at the end of the log.

    If it is the live one already, the reply to an earlier attempt was lost, and there is nothing left to do.

    Raises:
        RebuildUnderWay: the copy is gone; somebody else has swapped or dropped it.
        MovedError: the copy was moved by somebody else.
    """
    name = copy.name
    transaction.execute("hold", {"tracked": name})
    found = copies(transaction, name)
    now = next((each for each in found if each.generation == copy.generation), None)
    if now is None:
        raise RebuildUnderWay(name)
    if now.state is State.LIVE:
        return now
    copy = now
    old = next((each for each in found if each.state is State.LIVE), None)
    for _ in range(LAST_PAGES):
        if _is_far_enough(transaction, copy, old):
            break
        copy = applier.apply_within(transaction, copy, transaction.page(copy.position))
    else:
        return None
    if old is not None:
        dropped = old._replace(state=State.DROPPED)
        for table in old.tables:
            transaction.rename(old.table(table), dropped.table(table))
        transaction.execute("become", old.key | {"state": State.DROPPED})
    live = copy._replace(state=State.LIVE)
    for table in copy.tables:
        transaction.rename(copy.table(table), live.table(table))
    transaction.execute("become", copy.key | {"state": State.LIVE})
    transaction.execute("untrack", {"tracked": copy.tracked})
    transaction.execute("track", {"tracked": live.tracked, "position": copy.position})
    return live


def _is_far_enough(transaction: Transaction, copy: Copy, old: Copy | None) -> bool:
    return (old is not None and copy.position >= old.position) or copy.position >= head(transaction)


def discard(transaction: Transaction, name: str, state: State) -> None:
    """Drop the copies of a projection that are in this state, and what is known about them."""
    for copy in copies(transaction, name):
        if copy.state is state:
            for table in copy.tables:
                transaction.drop(copy.table(table))
            transaction.execute("forget_quarantine", copy.key)
            transaction.execute("forget_copy", copy.key)
            transaction.execute("untrack", {"tracked": copy.tracked})
