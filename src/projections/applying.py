"""Applies pages of the log to a copy: what the follower and the rebuilder have in common.

Synchronous; runs in the thread that has the database.
"""

from collections.abc import Sequence

from ..clock import Clock
from ..errors import DefinitionError, LogError, LogUnavailable, SchemaMismatch
from ..saga.codec import EventCodec
from ..saga.log.pages import Row
from .copies import Copy, apply, apply_within
from .database import Database, Transaction
from .digest import Digest, digest
from .projection import Projection

__all__ = ["Applier"]

_REFUSALS = (LogError, DefinitionError, OverflowError, TypeError, ValueError)
"""What a database, or its driver, says to a value that it cannot store."""


class Applier:
    """Applies rows of the log to a copy of a projection, and sets aside what cannot be applied.

    Args:
        projection: what they are projected by.
        codec: decodes them.
        clock: tells when.
    """

    def __init__(self, projection: Projection, codec: EventCodec, clock: Clock) -> None:
        self.projection = projection
        self._codec = codec
        self._clock = clock

    def apply(self, database: Database, copy: Copy, rows: Sequence[Row]) -> Copy | None:
        """Apply rows, and return the copy after them; None if somebody else has moved it meanwhile.

        If the database refuses a change, the rows are halved until the event is found that it comes from. That one is
        quarantined.

        Raises:
            LogUnavailable: no answer; ask again, from the position that is found then.
            SchemaMismatch: a table is not there.
        """
        try:
            return self._apply(database, copy, rows)
        except (LogUnavailable, SchemaMismatch):
            raise
        except _REFUSALS as refusal:
            if len(rows) == 1:
                return self._apply(database, copy, rows, {rows[0][4]: refusal})
        middle = len(rows) // 2
        between = self.apply(database, copy, rows[:middle])
        return between and self.apply(database, between, rows[middle:])

    def _apply(
        self, database: Database, copy: Copy, rows: Sequence[Row], refused: dict[int, Exception] | None = None
    ) -> Copy | None:
        return apply(database, copy, self.digest(rows, refused), self._clock.now())

    def apply_within(self, transaction: Transaction, copy: Copy, rows: Sequence[Row]) -> Copy:
        """Apply rows in a transaction that is under way, and return the copy after them.

        Raises:
            MovedError: somebody else has moved the copy.
        """
        return apply_within(transaction, copy, self.digest(rows), self._clock.now())

    def digest(self, rows: Sequence[Row], refused: dict[int, Exception] | None = None) -> Digest:
        """Return what rows come to."""
        return digest(self.projection, self._codec, rows, refused)
