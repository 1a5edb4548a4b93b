"""What the arguments of several commands have in common."""

import argparse
import os
from typing import Protocol

DEFAULT_URL = "sqlite:///amends.db"
"""The log of a command that nobody has told of another one."""


class Commands(Protocol):
    """Where a command registers itself: what `ArgumentParser.add_subparsers` returns."""

    def add_parser(self, name: str, *, help: str, description: str) -> argparse.ArgumentParser:  # noqa: A002 - argparse's
        """Return the parser of a new command."""
        ...


def add_run_to(parser: argparse.ArgumentParser) -> None:
    """Give a command the run that it is about."""
    parser.add_argument("run_id", metavar="RUN", help="the id of the run")


def add_json_to(parser: argparse.ArgumentParser) -> None:
    """Give a command `--json`."""
    parser.add_argument("--json", action="store_true", help="for machines: JSON, whose shape only grows")


def add_by_to(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Give a command `--by`."""
    known = os.environ.get("AMENDS_BY") or None
    required = required and known is None
    parser.add_argument("--by", required=required, default=known, help="who says so (default: AMENDS_BY)")


def add_url_to(parser: argparse.ArgumentParser, default: str = DEFAULT_URL) -> None:
    """Give a command `--url`.

    Args:
        parser: the command's.
        default: in the help, what is used without `--url` and `AMENDS_URL`.
    """
    parser.add_argument(
        "--url",
        default=os.environ.get("AMENDS_URL") or None,
        help=f"the log: postgresql://..., sqlite:///FILE or memory:// (default: AMENDS_URL, or {default})",
    )
