"""`amends migrate`: makes the tables of a log what this version of amends works with."""

import argparse
import asyncio

from .arguments import DEFAULT_URL, Commands, add_url_to


def add_to(commands: Commands) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "migrate",
        help="make the tables of a log what this version works with",
        description="Applies the migrations that the log's tables lack, in one transaction, and says which. "
        "A log that is empty is filled by whoever opens it first, so this is for upgrades, and for services whose own "
        "role may create nothing. Safe to run twice, or twice at once.",
    )
    add_url_to(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Apply what is missing; 0 if the tables are as they must be then."""
    from ..saga.log.open import migrate_log

    applied = asyncio.run(migrate_log(arguments.url or DEFAULT_URL))
    for version in applied:
        print(f"applied version {version}")
    if not applied:
        print("nothing to do: the tables are what this version of amends works with")
    return 0
