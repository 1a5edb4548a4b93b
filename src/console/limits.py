"""`amends limits`: locks and limits over all workers, who has them, and who waits."""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from .arguments import Commands, add_json_to, add_url_to
from .client import existing_url
from .paint import paint_for
from .tables import Cell, table

if TYPE_CHECKING:
    from ..actions.rate import Rate
    from ..saga.log.limits import Sharing
    from ..saga.log.port import Queue


MOST_QUEUES = 100


class Limit(NamedTuple):
    """One line: a limit, or what one of those has that share it.

    Attributes:
        kind: of what: `action`, `saga` or `lock`.
        name: the action's, the saga's (with a tag, where that is limited), or the key of the lock.
        size: how many at once, or None.
        rate: how many begin in a span of time, or None.
        held: how many permits are counted, or how many runs have it.
        waiting: how many wait.
        by: which worker has or awaits permits; or the first few runs that have it.
    """

    kind: str
    name: str
    size: int | None
    rate: "Rate | None"
    held: int
    waiting: int
    by: str


def add_to(commands: Commands) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "limits",
        help="locks and limits over all workers, who has them, and who waits",
        description="Shows each limit of an action that workers whose leases hold have used lately: how many permits "
        "they hold, how many attempts wait for one, and whose; then each lock, and each limit of a saga, that a run "
        "has or waits for: how many, and the first few that have it. It needs none of the sagas.",
    )
    add_url_to(parser)
    add_json_to(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Show them; 0."""
    shares, queues = asyncio.run(_read(existing_url(arguments.url)))
    limits = [*_limits(shares), *map(_queue, queues)]
    if arguments.json:
        print(json.dumps([limit._asdict() | _rate(limit) for limit in limits], indent=2))
    elif not limits:
        print("no limit is in use")
    else:
        paint = paint_for(sys.stdout, os.environ)
        for line in table(["kind", "name", "size", "held", "waiting", "by"], list(map(_row, limits)), paint):
            print(line)
    return 0


async def _read(url: str) -> "tuple[Sequence[Sharing], Sequence[Queue]]":
    from ..saga.log.open import open_log

    log = open_log(url)
    await log.open()
    try:
        return await log.shares(), await log.queues(MOST_QUEUES)
    finally:
        await log.close()


def _limits(shares: "Sequence[Sharing]") -> Iterator[Limit]:
    """Yield each limit and worker; the busiest of a limit first."""
    for name, sharing in groupby(shares, key=lambda share: share.limit):
        for share in sorted(sharing, key=lambda share: (-share.held, -share.waiting, share.worker)):
            yield Limit("action", name, share.size, share.rate, share.held, share.waiting, share.worker)


def _queue(queue: "Queue") -> Limit:
    kind, _, name = queue.name.partition(" ")
    more = ", ..." if queue.held > len(queue.runs) else ""
    return Limit(kind, name, queue.size or None, None, queue.held, queue.waiting, f"{', '.join(queue.runs)}{more}")


def _rate(limit: Limit) -> dict[str, object]:
    return {"rate": None if limit.rate is None else asdict(limit.rate)}


def _size(size: int | None, rate: "Rate | None") -> str:
    at_once = [] if size is None else [f"{size:,}"]
    return ", ".join([*at_once, *([] if rate is None else [f"{rate.count:,} in {rate.per_seconds:g} s"])])


def _row(limit: Limit) -> list[Cell | str]:
    held = Cell(f"{limit.held:,}", right=True)
    size = _size(limit.size, limit.rate)
    return [limit.kind, limit.name, size, held, Cell(f"{limit.waiting:,}", right=True), limit.by]
