"""One log under siege: workers that die, a client that starts runs, somebody who looks on, and the reckoning.

What is done to the workers is the business of `faults.py`. Here is what stays the same under every fault: a steady
number of unfinished runs, a time to heal when the faults have stopped, and then the audit of every run.
"""

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from amends import Coordinator
from amends.saga import events as e
from amends.testing.slot_checks import no_more_have_one_than_may
from tests.campaign.audit import Facts, audit
from tests.campaign.crew import Crew, Hand
from tests.campaign.ledger import At, Ledger, Line, Tail
from tests.campaign.people import People
from tests.campaign.trips import SHAPES, Agency, Trip
from tests.campaign.watch import Watch, watching
from tests.campaign.worker import Post, Start

__all__ = ["Siege", "Totals", "besieged"]

HEAL_SECONDS = 60.0
"""Within so long after the last fault every run has to be at rest."""

STARTS_AT_ONCE = 6
"""How many runs a new worker is given to start itself."""

DEADLINES = (None, None, None, None, None, 0.05, 0.3, 1.5, 30.0)
"""Of runs that the client starts: some are passed, some only just, some never."""

MENDABLE = (e.ParkReason.WORKERS_DIED, e.ParkReason.OUTCOME_UNKNOWN)
"""What a person can set going again here; an undo that always fails stays parked."""


@dataclass
class Totals:
    """What was done and what came of it.

    Attributes:
        counts: of faults, runs and claims, by name.
        breaches: one text each.
        stories: events and ledger of the runs that they are about.
    """

    counts: Counter[str] = field(default_factory=Counter)
    breaches: list[str] = field(default_factory=list)
    stories: dict[str, list[str]] = field(default_factory=dict)

    def __str__(self) -> str:
        return ", ".join(f"{count:,} {name}" for name, count in self.counts.items())


class Siege:
    """A log, its workers, a client and a watch.

    Attributes:
        crew: the workers.
        watch: what the log says.
        tail: what the ledger says.
        chance: the only source of randomness.
        totals: what was done so far.
    """

    def __init__(self, crew: Crew, client: Coordinator, watch: Watch, seed: int, *, unfinished: int) -> None:
        self.crew = crew
        self.watch = watch
        self.ledger = Ledger(crew.post.ledger)
        self.tail = Tail(crew.post.ledger)
        self.chance = random.Random(seed)
        self.totals = Totals()
        self.workers: dict[int, str] = {}
        """Tokens by process."""
        self.client = client
        self._unfinished = unfinished
        self._planned = self._plan()
        self._again: list[Start] = []
        self._acknowledged: set[str] = set()
        self._undoing: Counter[int] = Counter()
        self._undone_by: set[int] = set()
        self.people = People(self, seed)

    def _plan(self) -> Iterator[Start]:
        number = 0
        while True:
            number += 1
            saga = self.chance.choice(SHAPES)
            trip = Trip(seed=self.chance.randrange(1 << 30), fails=self.chance.random() < 0.65)
            yield f"{saga}-{number}", saga, trip.model_dump()

    # Runs

    @property
    def started_count(self) -> int:
        """How many starts were acknowledged."""
        return len(self._acknowledged)

    def read_ledger(self) -> None:
        """Take in what the ledger says anew."""
        for line in self.tail.read():
            if line.at is At.BOOT:
                self.workers[line.pid] = line.worker
            elif line.at is At.ACK:
                self._acknowledged.add(line.run_id)
            elif line.kind == "undo" and line.at in (At.ENTER, At.EXIT, At.RAISE):
                self._undoing[line.pid] += 1 if line.at is At.ENTER else -1

    def is_undoing(self, hand: Hand) -> bool:
        """Whether a worker is inside an undo, as far as the ledger was read."""
        return self._undoing[hand.pid] > 0

    async def top_up(self) -> None:
        """Start so many runs, some by the client and some in a new worker, that there are enough unfinished ones."""
        self.read_ledger()
        expected = {start[0] for hand in self.crew.hands for start in hand.starts} - self._acknowledged
        for _ in range(self._unfinished - len(self.watch.unfinished | expected) - len(self._again)):
            start = next(self._planned)
            if self.chance.random() < 0.5 and len(self._again) < STARTS_AT_ONCE:
                self._again.append(start)
            else:
                await self._start(start)

    async def _start(self, start: Start) -> None:
        run_id, saga, value = start
        deadline_seconds = self.chance.choice(DEADLINES)
        await self.client.start(saga, value, run_id=run_id, deadline_seconds=deadline_seconds, here=False)
        self._acknowledged.add(run_id)
        self.watch.unfinished.add(run_id)  # The watch may see it a moment later.

    def hire(self) -> Hand:
        """Hire a worker, who starts some of the runs that are due."""
        starts, self._again = self._again[:STARTS_AT_ONCE], self._again[STARTS_AT_ONCE:]
        return self.crew.hire(starts)

    def kill(self, hand: Hand) -> None:
        """Kill a worker; what it was to start and did not is started by another."""
        self.crew.kill(hand)
        self.read_ledger()
        self.totals.counts["kills"] += 1
        self.totals.counts["kills inside compensation"] += self.is_undoing(hand)
        self._again += [start for start in hand.starts if start[0] not in self._acknowledged]

    # The end

    async def heal(self) -> None:
        """Let all runs come to rest, with whoever is alive; as an operator, set going what only waits for one."""
        await self.people.cease_to_command()
        while self._again:
            await self._start(self._again.pop())
        # A start that a living worker has yet to make is not waited for: nobody was told of it.
        for _ in range(20):
            # Others may wait for what a parked run has.
            await self.watch.until(lambda: not self.watch.unfinished or bool(self._mendable()), HEAL_SECONDS)
            parked = self._mendable()
            if not parked:
                break
            for run_id in parked:
                self.totals.counts["resumed by an operator"] += 1
                status = await self.client.handle(run_id).retry(by="campaign", reason="the faults are over")
                self.watch.parked.pop(run_id, None)
                if not status.ended:  # Else somebody has abandoned it meanwhile.
                    self.watch.unfinished.add(run_id)
        await self.people.fall_silent()
        for run_id in sorted(self.watch.unfinished):
            self._breach(run_id, "liveness: it has not come to rest")

    def _mendable(self) -> list[str]:
        return [run_id for run_id, why in self.watch.parked.items() if why.reason in MENDABLE]

    async def reckon(self) -> Totals:
        """Dismiss the workers, all of whom must be alive, and audit every run."""
        for hand in self.crew.hands:
            if not hand.is_alive:
                self._breach("", f"worker {hand.pid} ended by itself with {hand.exit_code()}")
        codes = await asyncio.to_thread(self.crew.dismiss)  # A proxy may live in this loop.
        if any(codes):
            self._breach("", f"dismissed workers ended with {codes}")
        self.read_ledger()
        lines: dict[str, list[Line]] = defaultdict(list)
        continued: dict[int, list[int]] = defaultdict(list)
        for line in self.tail.lines:
            lines[line.run_id].append(line)
            if line.at is At.CONT:
                continued[line.pid].append(line.at_ns)
        for run_id in sorted(self._acknowledged | set(self.watch.events) | (set(lines) - {""})):
            await self._reckon(run_id, lines[run_id], continued)
        for run_id, breach in no_more_have_one_than_may(self.watch.in_order):
            self._breach(run_id, f"no_more_have_one_than_may: {breach}")
        self.totals.counts["slots taken"] = sum(isinstance(event, e.SlotTaken) for _, event in self.watch.in_order)
        self.totals.counts["handler entries"] = sum(line.at is At.ENTER for line in self.tail.lines)
        complaints = self.crew.post.complaints
        if complaints.exists() and "Traceback" in (said := complaints.read_text(errors="replace")):
            self._breach("", f"workers complained:\n{said[:4_000]}")
        return self.totals

    async def _reckon(self, run_id: str, lines: Sequence[Line], continued: Mapping[int, Sequence[int]]) -> None:
        events = await self.watch.read(run_id)
        if not events:
            self._breach(run_id, "lost: it was acknowledged or entered, and the log does not have it")
            return
        followed = self.watch.events[run_id]
        await self.watch.until(lambda: len(followed) >= len(events), 5)
        if followed != events:
            self._breach(run_id, f"followed {len(followed)} of {len(events)} events")
        breaches = audit(Facts(events, lines, continued, self.watch.claims_seen[run_id]))
        breaches += self.people.breaches(run_id, events)
        for breach in breaches:
            self._breach(run_id, breach)
        if breaches or run_id in self.watch.unfinished:
            self.totals.stories[run_id] = [*(f"{type(event).__name__} {event}" for event in events), *map(str, lines)]
        counts = self.totals.counts
        counts["runs"] += 1
        counts["deadlines passed"] += any(
            isinstance(event, e.RunFailing) and event.reason is e.FailingReason.DEADLINE for event in events
        )
        counts["takeovers"] += sum(isinstance(event, e.RunClaimed) and event.lapsed for event in events)
        counts[_end(events[-1])] += 1

    def _breach(self, run_id: str, text: str) -> None:
        self.totals.breaches.append(f"{run_id}: {text}")


def _end(event: e.Event) -> str:
    if isinstance(event, e.RunCompensated):
        return "partially compensated" if event.remaining else "compensated"
    return {e.RunCompleted: "completed", e.RunAbandoned: "abandoned"}.get(type(event), "parked")


@asynccontextmanager
async def besieged(
    url: str,
    directory: Path,
    seed: int,
    *,
    hands: int = 4,
    unfinished: int = 30,
    lease_seconds: float = 0.5,
    workers_url: str | None = None,
) -> AsyncIterator[Siege]:
    """Yield a log with so many workers and so many unfinished runs.

    Args:
        url: the log.
        directory: for the ledger and what the workers complain of.
        seed: of all chance.
        hands: how many workers.
        unfinished: how many runs are kept going.
        lease_seconds: of the workers.
        workers_url: where they find the log, if not at `url`.
    """
    post = Post(workers_url or url, directory / "ledger", directory / "complaints", lease_seconds)
    ledger = Ledger(post.ledger)
    client = Agency(ledger).coordinator(url, max_running=0)
    with Crew(post) as crew:
        async with client, watching(client) as watch:
            siege = Siege(crew, client, watch, seed, unfinished=unfinished)
            await siege.top_up()
            for _ in range(hands):
                siege.hire()
            speaking = asyncio.create_task(siege.people.go_on())
            yield siege
            speaking.cancel()
            await asyncio.wait({speaking})
            if not speaking.cancelled():
                speaking.result()
    ledger.close()
    siege.ledger.close()


async def pause(siege: Siege, mean_seconds: float) -> None:
    """Let a random time pass before the next fault."""
    await asyncio.sleep(min(siege.chance.expovariate(1 / mean_seconds), 10 * mean_seconds))
