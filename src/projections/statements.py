"""Where the SQL of the projections comes from: the files in `sql/`, read once.

A statement is one text for both databases, with parameters as `:name`; where that cannot be, there is one file each,
`<name>.sqlite.sql` and `<name>.postgresql.sql`. A line that ends with `-- if WORD` belongs to the statement only when
the word is given, and one with `-- unless WORD` only when it is not; the database's name is always given. So the whole
of a search stands in one file, and nothing is put together here but lines of it.
"""

import re
from functools import cache
from importlib.resources import files
from typing import LiteralString

__all__ = ["statement"]

_CONDITION = re.compile(r"--\s*(if|unless)\s+(\w+)\s*$")
_PARAMETER = re.compile(r"(?<![:\w]):([a-z_]+)")


@cache
def statement(name: str, database: str, given: frozenset[str] = frozenset()) -> LiteralString:
    """Return the text of `sql/<name>.sql`, with the lines that belong to it where `given` is given."""
    folder = files(__package__).joinpath("sql")
    own = folder.joinpath(f"{name}.{database}.sql")
    text = (own if own.is_file() else folder.joinpath(f"{name}.sql")).read_text(encoding="utf-8")
    lines = "\n".join(line for line in text.splitlines() if _belongs(line, given | {database}))
    if database == "sqlite":
        lines = lines.replace("notification_tracking", "tracking")  # as the library calls it there
    else:
        lines = _PARAMETER.sub(r"%(\1)s", lines.replace("%", "%%"))
    # A file that we ship is as fixed as a literal.
    return lines


def _belongs(line: str, given: frozenset[str]) -> bool:
    condition = _CONDITION.search(line)
    if condition is None:
        return True
    return (condition[2] in given) is (condition[1] == "if")
