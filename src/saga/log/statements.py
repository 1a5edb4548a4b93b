"""Where the SQL of the logs comes from: the files in `sql/`, read once.

Nothing here builds SQL. A file is one statement, or one script that runs as one transaction.
"""

from functools import cache
from importlib.resources import files
from typing import LiteralString

__all__ = ["statement"]


@cache
def statement(name: str) -> LiteralString:
    """Return the text of `sql/<name>.sql`."""
    # A file that we ship is as fixed as a literal.
    return files(__package__).joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")
