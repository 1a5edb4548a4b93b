"""How the statements in `sql/` are run: the same for both databases, but for how one text is handed over."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, LiteralString, Protocol

from .database import Parameters
from .rows import named
from .scripts import Name
from .statements import statement

__all__ = ["Statements"]


class _Cursor(Protocol):
    """What both drivers return."""

    @property
    def description(self) -> Any:
        """The columns, names first."""
        ...

    @property
    def rowcount(self) -> int:
        """How many rows were changed."""
        ...

    def fetchall(self) -> list[Any]:
        """Return all rows."""
        ...


class Statements(ABC):
    """The part of a `database.Transaction` that is the same for both databases.

    Attributes:
        kind: `"sqlite"` or `"postgresql"`.
    """

    kind: str

    @abstractmethod
    def _ask(self, text: LiteralString, parameters: Parameters) -> _Cursor:
        """Run one statement."""

    @abstractmethod
    def run(self, script: Sequence[str | Name]) -> None:
        """Run a script of several statements."""

    def prepare(self) -> None:
        """Make the tables in which we keep book."""
        self.run([statement("schema", self.kind)])

    def fetch(self, name: LiteralString, parameters: Parameters = {}) -> list[Any]:  # noqa: B006 - not changed
        """Return the rows of a statement."""
        return self._ask(statement(name, self.kind), parameters).fetchall()

    def records(
        self,
        name: LiteralString,
        parameters: Parameters = {},  # noqa: B006 - not changed
        given: frozenset[str] = frozenset(),
    ) -> list[dict[str, Any]]:
        """Return the rows of a statement by the names of their columns."""
        cursor = self._ask(statement(name, self.kind, given), parameters)
        columns = [column[0] for column in cursor.description or ()]
        return [named(columns, row) for row in cursor.fetchall()]

    def execute(self, name: LiteralString, parameters: Parameters = {}) -> int:  # noqa: B006 - not changed
        """Run a statement, and return how many rows it changed."""
        return self._ask(statement(name, self.kind), parameters).rowcount
