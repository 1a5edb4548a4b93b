"""What is kept about hooks in the database: where they have got to, and which notices are to be delivered once more.

It lies where the positions of projections lie, as a copy without tables.
"""

from datetime import datetime
from enum import StrEnum

from ..clock import Clock
from ..errors import DefinitionError, InvalidValue
from ..saga.log.pages import Row
from .copies import Copy, State, add, head, live_copy, verify
from .database import Database, Transaction
from .digest import Failure
from .projection import Cell

__all__ = ["Since", "asked_again", "go_on_from", "placed", "redelivered"]

VERSION = 1
"""Of what is kept about hooks."""


class Since(StrEnum):
    """Where hooks begin that nobody has used before."""

    NOW = "now"
    """With what happens from now on."""
    BEGINNING = "beginning"
    """With the first event of the log."""


def placed(database: Database, name: str, since: Since, clock: Clock) -> Copy:
    """Return where the hooks of a name have got to; they begin if they are new.

    Raises:
        DefinitionError: the name is that of a projection.
        ProjectionAhead: the log does not have the event at the position: it was restored to an earlier state.
        LogUnavailable: no answer.
    """

    def look(transaction: Transaction) -> Copy | None:
        found = live_copy(transaction, name)
        if found is not None and not found.is_of_hooks:
            raise DefinitionError(f"{name!r} is the name of a projection; give the hooks another one")
        if found is not None:
            verify(transaction, found)
        return found

    def make(transaction: Transaction) -> Copy:
        transaction.prepare()
        found = live_copy(transaction, name)  # another process may have been faster
        return found or _begun(transaction, name, since, clock.now())

    return database.read(look) or database.write(make)


def _begun(transaction: Transaction, name: str, since: Since, now: datetime) -> Copy:
    copy = at(transaction, Copy(name, 1, VERSION, State.LIVE, (), 0, None, None, now), since)
    add(transaction, copy)
    return copy


def at(transaction: Transaction, copy: Copy, where: Since | int) -> Copy:
    """Return a copy of hooks as it is where somebody wants it.

    Raises:
        InvalidValue: the log has no event at that position.
    """
    position = where
    if isinstance(where, Since):
        position = head(transaction) if where is Since.NOW else 0
    if position == 0:
        return copy._replace(position=0, last_run_id=None, last_version=None)
    for run_id, version in transaction.fetch("event_at", {"position": position}):
        return copy._replace(position=int(position), last_run_id=run_id, last_version=version)
    raise InvalidValue("position", f"is {where!r}, and the log has no event there")


def go_on_from(transaction: Transaction, copy: Copy, where: Since | int, now: datetime) -> int:
    """Let hooks go on from another place, and return its position.

    Raises:
        InvalidValue: the log has no event at that position.
    """
    moved = at(transaction, copy, where)
    about: dict[str, Cell] = {"run_id": moved.last_run_id, "version": moved.last_version, "now": now}
    transaction.execute("track", {"tracked": moved.tracked, "position": moved.position})
    transaction.execute("touch", moved.key | {"state": moved.state} | about)
    # What is told of once more is not to be found in quarantine already.
    transaction.execute("forget_behind", moved.key | {"position": moved.position})
    return moved.position


def asked_again(transaction: Transaction, copy: Copy, after_position: int) -> Row | None:
    """Return the next event in quarantine whose notice somebody wants to be delivered again."""
    for (position,) in transaction.fetch("asked_again", copy.key | {"after": after_position}):
        for run_id, version, topic, state, _ in transaction.fetch("event", {"position": position}):
            return run_id, version, topic, bytes(state), position
    return None


def redelivered(transaction: Transaction, copy: Copy, position: int, failed: Failure | None, now: datetime) -> None:
    """Take a notice out of quarantine, or write down that it failed once more."""
    place: dict[str, Cell] = {"name": copy.name, "position": position}
    transaction.execute("asked_done", place)
    if failed is None:
        transaction.execute("release", copy.key | place)
    else:
        said: dict[str, Cell] = {"error_type": failed.error_type, "error": failed.error, "now": now}
        transaction.execute("again", copy.key | place | said)
