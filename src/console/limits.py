"""`amends limits`: the limits that workers share, who holds permits, and who waits."""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from .arguments import Commands, add_json_to, add_url_to
from .client import existing_url
from .paint import paint_for
from .tables import Cell, table

if TYPE_CHECKING:
    from ..actions.rate import Rate
    from ..saga.log.limits import Sharing


class Limit(NamedTuple):
    """One line: a limit, or what one of those has that share it.

    Attributes:
        kind: of what: `action`.
        name: the action's.
        size: how many at once, and how many in a span of time.
        held: how many permits are counted.
        waiting: how many wait.
        by: who holds or waits.
    """

    kind: str
    name: str
    size: str
    held: int
    waiting: int
    by: str


def add_to(commands: Commands) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "limits",
        help="the limits that workers share, who holds permits, and who waits",
        description="Shows each limit that workers whose leases hold have used lately: how many permits they hold, how "
        "many attempts wait for one, and whose. It needs none of their sagas.",
    )
    add_url_to(parser)
    add_json_to(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Show them; 0."""
    limits = list(_limits(asyncio.run(_read(existing_url(arguments.url)))))
    if arguments.json:
        print(json.dumps([limit._asdict() for limit in limits], indent=2))
    elif not limits:
        print("no limit is in use")
    else:
        paint = paint_for(sys.stdout, os.environ)
        for line in table(["kind", "name", "size", "held", "waiting", "by"], list(map(_row, limits)), paint):
            print(line)
    return 0


async def _read(url: str) -> "Sequence[Sharing]":
    from ..saga.log.open import open_log

    log = open_log(url)
    await log.open()
    try:
        return await log.shares()
    finally:
        await log.close()


def _limits(shares: "Sequence[Sharing]") -> Iterator[Limit]:
    """Yield each limit and worker; the busiest of a limit first."""
    for name, sharing in groupby(shares, key=lambda share: share.limit):
        for share in sorted(sharing, key=lambda share: (-share.held, -share.waiting, share.worker)):
            yield Limit("action", name, _size(share.size, share.rate), share.held, share.waiting, share.worker)


def _size(size: int | None, rate: "Rate | None") -> str:
    at_once = [] if size is None else [f"{size:,}"]
    return ", ".join([*at_once, *([] if rate is None else [f"{rate.count:,} in {rate.per_seconds:g} s"])])


def _row(limit: Limit) -> list[Cell | str]:
    held = Cell(f"{limit.held:,}", right=True)
    return [limit.kind, limit.name, limit.size, held, Cell(f"{limit.waiting:,}", right=True), limit.by]
