"""What a person may tell a run, as it stands: which commands make sense, and what each does. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ....saga.events import ParkReason, Remaining, RemainingWhy, RunStatus
from ..roles import Actor, Role

__all__ = ["Offer", "offers"]


@dataclass(frozen=True, slots=True)
class Offer:
    """A command that can be given.

    Attributes:
        name: as the API and `amends` call it.
        label: what stands on the button.
        says: what it does.
        role: who may.
        steps: to which of these it applies, where it is about one.
        is_grave: it cannot be taken back.
    """

    name: str
    label: str
    says: str
    role: Role = Role.OPERATOR
    steps: Sequence[Remaining] = ()
    is_grave: bool = False


_RETRY = "What could not be done, or undone, gets its whole budget of attempts once more."
_RESUME = "The run goes on where it stood, after its code or its surroundings were mended. No step is tried again."
_WAIVE = "The step needs no more undoing: somebody has seen to it, or it may stand. The rest of the run goes on."
_CANCEL = "Nothing new is done. What is under way ends, and what was done is undone."
_UNDO = "The run is undone as if it had failed at its end, in the order of this plan."
_ABANDON = "The run ends where it stands: nothing more is done, and nothing is undone."


def offers(
    actor: Actor,
    status: RunStatus,
    *,
    parked: ParkReason | None = None,
    remaining: Sequence[Remaining] = (),
    is_failing: bool = False,
    is_committed: bool = False,
) -> Sequence[Offer]:
    """Return the commands that somebody may give a run, the likeliest first.

    Args:
        actor: who.
        status: how the run stands.
        parked: why it is parked.
        remaining: what stands of it.
        is_failing: it is, or was, undone.
        is_committed: it has passed its point of no return.
    """
    made = _offers(status, parked, remaining, is_failing=is_failing, is_committed=is_committed)
    return [offer for offer in made if actor.role >= offer.role]


def _offers(
    status: RunStatus,
    parked: ParkReason | None,
    remaining: Sequence[Remaining],
    *,
    is_failing: bool,
    is_committed: bool,
) -> Iterator[Offer]:
    if status is RunStatus.PARKED:
        yield from _of_parked(parked, remaining)
    if status in (RunStatus.RUNNING, RunStatus.PARKED) and not is_failing and not is_committed:
        yield Offer("cancel", "Cancel", _CANCEL, is_grave=True)
    if status is RunStatus.COMPLETED and not is_committed:
        yield Offer("undo", "Undo", _UNDO, is_grave=True)
    if not status.ended:
        yield Offer("abandon", "Abandon", _ABANDON, Role.ADMIN, is_grave=True)


def _of_parked(parked: ParkReason | None, remaining: Sequence[Remaining]) -> Iterator[Offer]:
    if parked in (ParkReason.UNDO_FAILED, ParkReason.OUTCOME_UNKNOWN, ParkReason.FORWARD_FAILED):
        yield Offer("retry", "Retry", _RETRY)
    if parked in (ParkReason.DIVERGED, ParkReason.WORKERS_DIED, ParkReason.FORWARD_FAILED):
        yield Offer("resume", "Resume", _RESUME)
    failed = [left for left in remaining if left.why is RemainingWhy.UNDO_FAILED]
    if failed:
        yield Offer("waive", "Waive", _WAIVE, steps=failed)
