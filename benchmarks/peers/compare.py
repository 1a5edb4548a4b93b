"""The onboarding run beside its peers: each by its documented idiom, on one server, in turns with ours.

Sketch. A peer commits each step of each run by itself, and most look for work, claim it and mark it as done in
commits of their own: five to ten commits a run of 0.3 ms or more, and a round trip of 0.2 ms for each statement, so
3 to 15 ms a run alone, and a few hundred runs/s with 64 in flight, when one Python process is busy with statements.
Ours are three commits alone and 0.05 with 64. Expect a third of their time alone and many times their throughput.

Run it: make bench-peers, or make bench-peers ARGS="Restate DBOS" for some of them; AMENDS_BENCH=long is the long form
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.tools.load import DIGITS
from benchmarks.tools.onboarding import onboarding
from benchmarks.tools.rounds import Figures, alone, form, in_turns, ratios, spread, table
from benchmarks.tools.stores import Fresh, stores

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-peers" / "bin" / "python"
RESTATE_SERVER = Path(__file__).with_name("node_modules") / ".bin" / "restate-server"

ROUNDS = form(3, 5)
IN_FLIGHT = form((1, 64), (1, 64, 256))

ON_POSTGRES = {
    "DBOS, async": "with_dbos",
    "DBOS, threads": "with_dbos_threads",
    "Absurd": "with_absurd",
    "Restate": "with_restate",
    "procrastinate": "with_procrastinate",
    "pgqueuer": "with_pgqueuer",
}
ON_SQLITE = {"DBOS, async": "with_dbos", "DBOS, threads": "with_dbos_threads"}
QUEUES = {"procrastinate", "pgqueuer"}
"""These undo nothing, so they have no failure path."""


def measured(module: str, url: str, in_flight: int, *, fails: bool) -> Figures:
    """Measure a peer in its own environment."""
    command = [str(PYTHON), "-m", f"benchmarks.peers.{module}", url, str(in_flight), "fails" if fails else "ok"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        raise RuntimeError(f"{module} failed:\n{done.stderr[-4_000:]}")
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return figures


def chosen(modules: dict[str, str]) -> dict[str, str]:
    """Return the peers that the command line names, and of those the ones that can be had here."""
    names = sys.argv[1:]
    found = {name: module for name, module in modules.items() if not names or any(map(name.startswith, names))}
    if "Restate" in found and not RESTATE_SERVER.exists():
        print("Restate's server comes in an npm package, and npm is not here: it is left out")
        del found["Restate"]
    return found


def compare(store: str, fresh: Fresh, modules: dict[str, str], in_flight: int, *, fails: bool) -> None:
    """Print the figures of one load, and ours over each peer's."""

    def peer(module: str) -> Callable[[], Figures]:
        return lambda: measured(module, fresh[store](), in_flight, fails=fails)

    contenders = {"amends": lambda: alone(onboarding, fresh[store](), in_flight, fails=fails)}
    contenders |= {name: peer(module) for name, module in modules.items() if not (fails and name in QUEUES)}
    found = in_turns(ROUNDS, contenders)
    table(f"{store}, {in_flight}{', failing' if fails else ''}", found, DIGITS)
    for name in list(found)[1:]:
        print(
            f"  amends over {name:15} runs/s {spread(ratios(found, 'amends', name, 'runs/s'), 1):24}"
            f" p50 {spread(ratios(found, 'amends', name, 'p50 ms'), 3)}",
            flush=True,
        )


def main() -> None:
    with stores() as fresh:
        for store, modules in (("PostgreSQL", chosen(ON_POSTGRES)), ("SQLite", chosen(ON_SQLITE))):
            for in_flight in IN_FLIGHT:
                compare(store, fresh, modules, in_flight, fails=False)
            compare(store, fresh, modules, 64, fails=True)


if __name__ == "__main__":
    main()
