"""What the acceptance tests that hold a share of the campaign have in common."""

import random

from tests.campaign.siege import Totals

__all__ = ["SHARE", "hold", "new_seed"]

SHARE = 0.2
"""Of the full campaign (`python -m tests.campaign`)."""


def new_seed() -> int:
    """Return a seed; the same one when pytest is given the same `--randomly-seed`."""
    return random.randrange(1 << 30)


def hold(totals: Totals, seed: int, **least: int) -> None:
    """Hold that nothing was breached, and that there were as many faults as there should be."""
    story = next(iter(totals.stories.values()), [])
    assert not totals.breaches, "\n".join([f"seed {seed}: {totals}", *totals.breaches, *story])
    short = {name: totals.counts[name.replace("_", " ")] for name in least}
    assert all(short[name] >= least[name] for name in least), f"seed {seed}: {short} of {least}"
