"""Changes a log behind its back, as somebody with the database's password could."""

import sqlite3

import psycopg

__all__ = ["behind_its_back"]


def behind_its_back(url: str, statement: str, *parameters: object) -> None:
    """Run one statement on the database of a log; parameters are `?`, positions are `rowid`."""
    if url.startswith("sqlite:///"):
        with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
            connection.execute(statement, parameters)
        connection.close()
    else:
        text = statement.replace("?", "%s").replace("rowid", "notification_id")
        with psycopg.connect(url) as server:
            server.execute(text.encode(), parameters)
