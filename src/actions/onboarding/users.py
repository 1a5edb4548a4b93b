"""The users of a service, in its own database: created once, and deleted again when the run is undone.

The idempotency key makes the pair safe to enter any number of times. It is unique in the table, so a repeated attempt
finds the row of the first; and the undo, which is told the key of the attempts (`call.undoes`), finds by it a row whose
id nobody ever learned, and cannot touch a user that another step made.

In a transactional action all this happens in the transaction that the call brings: a user is there if and only if its
step is on record as done. The statements are the same; there, the keys only say whose user it is.
"""

from contextlib import AbstractContextManager
from uuid import uuid4

from ..call import Call
from .databases import Execute, open_database
from .models import NewUser, User

# `user_keys` orders a `create` that is late against the `delete` that has overtaken it: both write the row of their key
# first, so the database makes one wait for the other, and a create that comes second sees that it is undone.
_TABLES = (
    """
    CREATE TABLE IF NOT EXISTS user_keys (
        idempotency_key text PRIMARY KEY,
        undone text NOT NULL CHECK (undone IN ('no', 'yes'))
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS users (
        user_id text PRIMARY KEY,
        name text NOT NULL,
        email text NOT NULL UNIQUE,
        idempotency_key text NOT NULL UNIQUE
    )
    """,
)
_ENTER_KEY = "INSERT INTO user_keys (idempotency_key, undone) VALUES (%s, 'no') ON CONFLICT DO NOTHING"
_IS_UNDONE = "SELECT undone FROM user_keys WHERE idempotency_key = %s AND undone = 'yes'"
_INSERT = "INSERT INTO users (user_id, name, email, idempotency_key) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING"
_BY_KEY = "SELECT user_id FROM users WHERE idempotency_key = %s"
_UNDO_KEY = """
    INSERT INTO user_keys (idempotency_key, undone) VALUES (%s, 'yes')
    ON CONFLICT (idempotency_key) DO UPDATE SET undone = 'yes'
"""
_DELETE = "DELETE FROM users WHERE idempotency_key = %s"
_ALL = "SELECT user_id, name, email FROM users ORDER BY email"


class EmailTaken(ValueError):
    """Somebody else has this email address; trying again does not help."""


class StepUndone(RuntimeError):
    """The step has been undone already: an attempt that was given up came back after its undo."""


class Users:
    """Creates, deletes and lists users. Its methods block, so as handlers they run in threads.

    Args:
        url: `sqlite:///users.db` or `postgresql://localhost/app`.
        schema: PostgreSQL only; where the tables are.
        timeout_seconds: for connecting and for each statement; keep it below the action's own time limit.

    Raises:
        InvalidName: the URL is of neither form.
    """

    def __init__(self, url: str, *, schema: str = "public", timeout_seconds: float = 5.0) -> None:
        self._database = open_database(url, schema, timeout_seconds)

    def create_tables(self) -> None:
        """Create the tables where there are none.

        Raises:
            DatabaseUnavailable: the database does not answer.
        """
        with self._database.transaction() as execute:
            self._database.lock_for_setup(execute)
            for table in _TABLES:
                execute(table)

    def create(self, new_user: NewUser, call: Call) -> User:
        """Create the user, or return the one that an earlier attempt of this step has created.

        Raises:
            EmailTaken: another step has created a user with this address.
            StepUndone: this attempt is late; its undo is done.
            DatabaseUnavailable: nothing was changed.
            OutcomeUnknown: the commit was not answered.
        """
        with self._writing(call) as execute:
            execute(_ENTER_KEY, call.idempotency_key)
            if execute(_IS_UNDONE, call.idempotency_key):
                raise StepUndone(f"step {call.step} of run {call.run_id} is undone")
            return _insert(execute, new_user, call)

    def delete(self, new_user: NewUser, user: User | None, call: Call) -> None:  # noqa: ARG002 - the key says it all
        """Delete the user that this step has created, if it has; `user` is None where nobody knows.

        Raises:
            DatabaseUnavailable: nothing was changed.
            OutcomeUnknown: the commit was not answered.
        """
        key = call.undoes or call.idempotency_key
        with self._writing(call) as execute:
            execute(_UNDO_KEY, key)
            execute(_DELETE, key)

    def _writing(self, call: Call) -> AbstractContextManager[Execute]:
        """Write in a transaction of our own, or in that of the call."""
        return self._database.transaction() if call.connection is None else self._database.joined(call.connection)

    def list(self) -> list[tuple[str, str, str]]:
        """Return id, name and email of every user, by email.

        Raises:
            DatabaseUnavailable: the database does not answer.
        """
        with self._database.transaction() as execute:
            return [(user_id, name, email) for user_id, name, email in execute(_ALL)]


def _insert(execute: Execute, new_user: NewUser, call: Call) -> User:
    execute(_INSERT, str(uuid4()), new_user.name, new_user.email, call.idempotency_key)
    # Nothing was inserted where a unique column had its value already; which one, the next statement tells.
    for (user_id,) in execute(_BY_KEY, call.idempotency_key):
        return User(user_id=user_id)
    raise EmailTaken(f"{new_user.email} belongs to another user")
