"""The PostgreSQL servers of the tests and benchmarks: those that `amends.testing` starts for its users, too."""

from amends.testing.postgres_server import (
    RestartableServer,
    execute,
    fresh_database,
    restartable_server,
    running_server,
)

__all__ = ["RestartableServer", "execute", "fresh_database", "restartable_server", "running_server"]
