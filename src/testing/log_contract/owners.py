"""Runs that somebody has or nobody, and what workers ask a log about them."""

from collections.abc import Collection

from ...saga.log.port import Claimable, Log, Standing

__all__ = ["FREE", "KNOWN", "REST", "beat", "free", "names", "owned_by"]

KNOWN = [("onboard", 1)]
"""The saga that the workers of these tests know."""

FREE = Standing("onboard", 1)
"""A run that waits for whoever claims it first."""

REST = FREE._replace(at_rest=True)
"""A run that nobody need claim."""


def owned_by(worker: str) -> Standing:
    """Return the standing of a run that a worker has."""
    return FREE._replace(owner=worker)


def free(run_id: str, *, lapsed: bool = False) -> Claimable:
    """Return how a run that can be claimed is offered."""
    return Claimable(run_id, "onboard", 1, unwinding=False, lapsed=lapsed)


def beat(log: Log, worker: str, lease_seconds: float) -> None:
    """Renew a lease once."""
    pulse = log.pulse(worker, lease_seconds)
    pulse.beat()
    pulse.close()


async def names(log: Log, known: Collection[tuple[str, int]] = KNOWN, limit: int = 100) -> list[str]:
    """Return the runs that a worker is offered."""
    return [run.run_id for run in await log.claimable(known, limit)]
