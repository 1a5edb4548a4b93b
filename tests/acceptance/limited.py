"""Workers whose actions are limited: what they call is noted in the ledger, from entry to end."""

import asyncio

from amends import Action, Call, Coordinator, Rate, Run, Saga
from tests.campaign.ledger import At, Ledger, Line
from tests.campaign.trips import Agency, Leg
from tests.campaign.worker import Post, Start

__all__ = ["AT_ONCE", "RATE", "build", "most_at_once", "most_in_a_span", "starts"]

AT_ONCE = 2
RATE = Rate(8, per_seconds=2.0)
CALLS_A_RUN = 3
FIRST_STEPS = ("1", "2")
"""Those that get the permits of a worker that is alone."""


def build(ledger: Ledger, post: Post) -> Coordinator:
    """Return a coordinator of a worker."""

    async def call(leg: Leg, call: Call) -> int:
        ledger.note(At.ENTER, "do", "call", call)
        holds = leg.hold_seconds and call.attempt == 1 and call.step in FIRST_STEPS
        await asyncio.sleep(leg.hold_seconds if holds else leg.seconds)
        ledger.note(At.EXIT, "do", "call", call)
        return call.attempt

    def action(name: str, concurrency: int | None, rate: Rate | None) -> Action[Leg, int]:
        return Action(name, do=call, irreversible=True, concurrency=concurrency, rate=rate)

    agency = Agency(ledger)
    agency.few, agency.slow = action("few", AT_ONCE, None), action("slow", None, RATE)  # type: ignore[attr-defined]

    async def few(run: Run, leg: Leg) -> None:
        await run.all(*(run.do(agency.few, leg) for _ in range(CALLS_A_RUN)))  # type: ignore[attr-defined]

    async def slow(run: Run, leg: Leg) -> None:
        await run.all(*(run.do(agency.slow, leg) for _ in range(CALLS_A_RUN)))  # type: ignore[attr-defined]

    sagas: list[Saga[Leg, None]] = [Saga("few", version=1, function=few), Saga("slow", version=1, function=slow)]
    return agency.coordinator(post.url, sagas=sagas, **post.keywords)


def starts(saga: str, *run_ids: str, hold_seconds: float = 0.0) -> list[Start]:
    """Return what a worker is to start."""
    leg = Leg(seconds=0.03, hold_seconds=hold_seconds)
    return [(run_id, saga, leg.model_dump()) for run_id in run_ids]


def most_at_once(lines: list[Line]) -> int:
    """Return how many calls were under way at once, of processes that were not killed."""
    under_way = most = 0
    for line in lines:
        under_way += (line.at is At.ENTER) - (line.at is At.EXIT)
        most = max(most, under_way)
    return most


def most_in_a_span(lines: list[Line], seconds: float) -> int:
    """Return how many calls began in a span of time, wherever it is laid."""
    begun = sorted(line.at_ns for line in lines if line.at is At.ENTER)
    return max(sum(at <= other < at + seconds * 1e9 for other in begun) for at in begun)
