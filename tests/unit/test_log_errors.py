"""Every error of a driver is one of ours, and the tables miss none."""

import sqlite3

import psycopg
import pytest
from psycopg import errors as psycopg_errors

from amends.errors import LogCorrupt, LogError, LogUnavailable, SchemaMismatch
from amends.saga.log import postgres_errors, sqlite_errors

PSYCOPG_CLASSES = [kind for kind in vars(psycopg_errors).values() if isinstance(kind, type)]
SQLSTATES = sorted({str(kind.sqlstate) for kind in psycopg_errors._sqlcodes.values()})
PRIMARY_CODES = {
    name: code
    for name, code in vars(sqlite3).items()
    if name.startswith("SQLITE_") and isinstance(code, int) and name.upper() == name
}


def test_every_sqlstate_that_psycopg_knows_is_in_the_table() -> None:
    """By itself or by its class of two letters."""
    table = postgres_errors.BY_SQLSTATE
    assert len(SQLSTATES) > 200
    assert [code for code in SQLSTATES if code not in table and code[:2] not in table] == []


def test_every_base_class_of_psycopg_is_in_the_table() -> None:
    """Those of the DB-API, which errors without a SQLSTATE come as."""
    bases = [kind for kind in PSYCOPG_CLASSES if issubclass(kind, psycopg.Error) and kind.__module__ == "psycopg"]
    bases = bases or [getattr(psycopg, name) for name in psycopg.__all__ if name.endswith("Error")]
    assert [kind for kind in bases if kind not in postgres_errors.BY_CLASS] == []


def test_every_error_class_of_psycopg_is_mapped() -> None:
    """Also those that libpq's connection functions raise, and whatever a new version adds."""
    for kind in PSYCOPG_CLASSES:
        if issubclass(kind, psycopg.Error):
            assert isinstance(postgres_errors.mapped(kind("text")), LogError)


@pytest.mark.parametrize(
    ("sqlstate", "expected"),
    [
        ("08006", LogUnavailable),
        ("25006", LogUnavailable),
        ("25P03", LogUnavailable),
        ("40001", LogUnavailable),
        ("40P01", LogUnavailable),
        ("53100", LogUnavailable),
        ("53300", LogUnavailable),
        ("55P03", LogUnavailable),
        ("57014", LogUnavailable),
        ("57P01", LogUnavailable),
        ("57P03", LogUnavailable),
        ("42P01", SchemaMismatch),
        ("42883", SchemaMismatch),
        ("XX001", LogCorrupt),
        ("22021", LogError),
        ("42501", LogError),
    ],
)
def test_a_sqlstate_says_what_to_do(sqlstate: str, expected: type[LogError]) -> None:
    """Ask again, migrate, call a person, or none of these."""
    assert type(postgres_errors.mapped(psycopg_errors.lookup(sqlstate)("text"))) is expected


def test_a_lost_connection_is_worth_asking_again() -> None:
    """libpq and psycopg report it without a SQLSTATE."""
    for error in (psycopg.OperationalError("server closed the connection"), psycopg.InterfaceError("closed")):
        assert type(postgres_errors.mapped(error)) is LogUnavailable


def test_every_class_and_primary_code_of_sqlite_is_in_a_table() -> None:
    """Extended codes carry the primary one in their lowest byte; authorizer and limit constants are no results."""
    classes = [kind for kind in vars(sqlite3).values() if isinstance(kind, type) and issubclass(kind, sqlite3.Error)]
    assert [kind for kind in classes if kind not in sqlite_errors.BY_CLASS] == []
    errors = [sqlite_errors.mapped(kind("text")) for kind in classes]
    assert all(isinstance(error, LogError) for error in errors)
    results = (
        "BUSY LOCKED PROTOCOL SCHEMA INTERRUPT ABORT FULL IOERR NOMEM CANTOPEN READONLY PERM CORRUPT NOTADB FORMAT \
        ERROR MISMATCH CONSTRAINT TOOBIG RANGE MISUSE AUTH NOLFS INTERNAL NOTFOUND EMPTY"
    )
    assert {PRIMARY_CODES[f"SQLITE_{name}"] for name in results.split()} == set(sqlite_errors.BY_RESULT_CODE)
    assert set(range(1, 27)) == set(sqlite_errors.BY_RESULT_CODE)


def test_a_full_or_locked_file_is_worth_asking_again() -> None:
    """So is one whose error carries an extended code."""
    for code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_BUSY_SNAPSHOT, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE):
        error = sqlite3.OperationalError("text")
        error.sqlite_errorcode = code
        assert type(sqlite_errors.mapped(error)) is LogUnavailable
