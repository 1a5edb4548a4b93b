"""`python -m tests.teeth`: plants one bug after the other and says which are caught. Words pick them by name.

`--table FILE` writes what was found as a page; `--gaps` plants those that the kit is known not to see.
"""

import argparse
import sys
from pathlib import Path

from tests.teeth.planted import GAPS, TEETH
from tests.teeth.planting import Verdict, plant_all
from tests.teeth.table import page


def main() -> int:
    """Print the table and the counts; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.teeth", description=__doc__)
    parser.add_argument("words", nargs="*", help="plant only bugs whose names have all of these")
    parser.add_argument("--table", type=Path, metavar="FILE", help="write what was found as a page")
    parser.add_argument("--gaps", action="store_true", help="plant the bugs that the kit does not see, instead")
    options = parser.parse_args()
    teeth = [tooth for tooth in (GAPS if options.gaps else TEETH) if all(word in tooth.name for word in options.words)]
    width = max((len(tooth.name) for tooth in teeth), default=0)
    bites = []
    for bite in plant_all(teeth):
        bites.append(bite)
        sys.stdout.write(f"{bite.verdict:<7} {bite.tooth.name:<{width}}  {bite}\n")
        sys.stdout.flush()
    caught = sum(bite.verdict is Verdict.CAUGHT for bite in bites)
    sys.stdout.write(f"{caught}/{len(teeth)} planted bugs caught\n")
    if options.table:
        options.table.write_text(page(bites, GAPS), encoding="utf-8")
    wanted = Verdict.MISSED if options.gaps else Verdict.CAUGHT
    return 0 if teeth and all(bite.verdict is wanted for bite in bites) else 1


if __name__ == "__main__":
    raise SystemExit(main())
