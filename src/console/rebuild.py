"""`amends rebuild audit`: makes the audit view anew from the log, beside the one that is read, and swaps."""

import argparse
import asyncio
import json
import sys

from ..progress import Bar
from .arguments import Commands, add_json_to, add_url_to
from .client import existing_url


def add_to(commands: Commands) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "rebuild",
        help="make the audit view anew from the log, while everything goes on",
        description="Builds a new copy beside the one that is read, while writers, readers and followers go on, and "
        "swaps the two in one transaction. Killed, it goes on where it stopped when it is called again.",
    )
    parser.add_argument(
        "projection", choices=["audit"], help="what is rebuilt; your own ones by amends.projections.rebuild"
    )
    add_url_to(parser)
    add_json_to(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Rebuild; 0 if the new copy is the one that is read, and no event had to be set aside."""
    from ..projections import Audit, RebuildProgress, rebuild

    def show(now: RebuildProgress) -> None:
        bar.show(now.position - now.start_position, max(1, now.head - now.start_position))

    with Bar(f"rebuilding {arguments.projection}") as bar:
        done = asyncio.run(rebuild(existing_url(arguments.url), Audit(), progress=show))
    rate = done.applied_count / done.seconds if done.seconds else 0.0
    if arguments.json:
        print(json.dumps(done._asdict() | {"events_per_second": round(rate)}))
    else:
        print(
            f"{done.projection}: {done.applied_count:,} events in {done.seconds:.1f} s ({rate:,.0f} a second), swapped"
        )
    if done.quarantined_count:
        said = f"{done.quarantined_count:,} events could not be applied and are set aside; `amends stats` counts them"
        print(f"amends: {said}", file=sys.stderr)
    return 1 if done.quarantined_count else 0
