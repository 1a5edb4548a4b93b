"""The campaign: `python -m tests.campaign [--seed N] [--part NAME] [--size SHARE]`.

It prints a line for each part and one closing line with the seed and the totals. The exit code is 1 if anything was
breached; each breach is printed.
"""

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence

from tests.campaign.parts import PARTS

_FAULTS = (
    *("kills", "kills inside compensation", "zombies", "lost replies", "terminated backends", "restarts"),
    *("signals", "cancels", "abandonments", "undos on request", "deadlines passed", "slots taken", "runs"),
)

STORIES = 10
"""So many of the runs that breached something are told in full, for each part."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the parts that were asked for; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaign", description="Real processes, real kills.")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--part", choices=sorted(PARTS), action="append")
    parser.add_argument("--size", type=float, default=1.0, help="the share of the full campaign (default: 1)")
    arguments = parser.parse_args(argv)
    say(f"seed {arguments.seed}")
    counts: Counter[str] = Counter()
    breaches: list[str] = []
    began = time.monotonic()
    for name in arguments.part or PARTS:
        part_began = time.monotonic()
        totals = PARTS[name](arguments.seed, arguments.size)
        say(f"{name}: {totals} in {time.monotonic() - part_began:.0f} s, {len(totals.breaches)} breaches")
        for breach in totals.breaches:
            say(f"  BREACH {breach}")
        for run_id, story in list(totals.stories.items())[:STORIES]:
            say("\n    ".join([f"  {run_id}, its events and what the ledger says:", *story]))
        counts += totals.counts
        breaches += [f"{name}: {breach}" for breach in totals.breaches]
    say(_closing(arguments.seed, counts, breaches, time.monotonic() - began))
    return 1 if breaches else 0


def _closing(seed: int, counts: Counter[str], breaches: Sequence[str], seconds: float) -> str:
    done = ", ".join(f"{counts[name]:,} {name}" for name in _FAULTS if counts[name])
    kinds = ("lost", "double compensations", "order breaks", "bound breaks", "other breaches")
    found = Counter(_kind(breach) for breach in breaches)
    return f"seed {seed}: {done}: {', '.join(f'{found[kind]} {kind}' for kind in kinds)}, in {seconds:.0f} s"


def _kind(breach: str) -> str:
    signs = {
        "lost: ": "lost",
        "liveness: ": "lost",
        "times ActionCompensated": "double compensations",
        "the_unwind_is_the_mirror": "order breaks",
        "undone_in_order": "order breaks",
        "check_ledger": "bound breaks",
    }
    return next((kind for sign, kind in signs.items() if sign in breach), "other breaches")


def say(text: str) -> None:
    """Print a line at once, so that a log file grows with the campaign."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
