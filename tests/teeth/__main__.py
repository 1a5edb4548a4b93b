"""`python -m tests.teeth`: plants one bug after the other and says which ones are caught. Words pick teeth by name."""

import sys

from tests.teeth.planted import TEETH
from tests.teeth.planting import Verdict, plant


def main(words: list[str]) -> int:
    """Print the table and the counts; returns the exit code."""
    teeth = [tooth for tooth in TEETH if all(word in tooth.name for word in words)]
    width = max((len(tooth.name) for tooth in teeth), default=0)
    verdicts = []
    for tooth in teeth:
        verdict, how = plant(tooth)
        verdicts.append(verdict)
        sys.stdout.write(f"{verdict:<7} {tooth.name:<{width}}  {how[:120]}\n")
        sys.stdout.flush()
    caught = verdicts.count(Verdict.CAUGHT)
    sys.stdout.write(f"{caught}/{len(teeth)} planted bugs caught\n")
    return 0 if teeth and caught == len(teeth) else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
