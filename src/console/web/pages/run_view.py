"""Everything that stands on the page of one run, from its events. Pure: it asks nobody and changes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from ....saga.events import Event, RunStatus
from ....saga.state import RunState, fold
from ....saga.undo_plan import UndoPlan
from ...timeline import Attempt, Row, Timeline, timeline
from ...timeline_svg import timeline_svg
from ..roles import Actor
from .folding import Fold, folded
from .hiding import without_texts
from .offers import Offer, offers
from .values import Value, values_of

__all__ = ["RunView", "run_view"]

STEPS_SHOWN = 200
"""Of a longer run, pages of so many."""


@dataclass(frozen=True, slots=True)
class RunView:
    """One run, for a page.

    Attributes:
        state: as the engine folds it.
        seen: its timeline, without texts that the actor may not see.
        picture: the timeline, drawn.
        rows: the steps of this page of the table.
        earlier: how many steps come before these.
        offers: what the actor may tell it.
        plan: what undoing it would do, of a completed run.
        values: of the step that was asked for; None if none was, or if the actor may not see them.
    """

    state: RunState
    seen: Timeline
    picture: Markup
    rows: Sequence[Row]
    earlier: int
    offers: Sequence[Offer]
    plan: UndoPlan | None
    values: Sequence[Value] | None

    def folded(self, attempts: Sequence[Attempt]) -> Sequence[Fold]:
        """Return attempts as a table shows them."""
        return folded(attempts)


def run_view(
    run_id: str, events: Sequence[Event], actor: Actor, *, step: str, before: int | None, plan: UndoPlan | None = None
) -> RunView:
    """Return what is shown of a run.

    Args:
        run_id: the run.
        events: from its first.
        actor: to whom.
        step: whose values they ask for; empty for none.
        before: of the steps, those before this one are shown; the last ones if None.
        plan: what would be undone of it, if it is completed.
    """
    state = fold(run_id, events)
    seen = timeline(run_id, events if actor.payloads else without_texts(events))
    end = len(seen.rows) if before is None else min(before, len(seen.rows))
    start = max(0, end - STEPS_SHOWN)
    parked = state.parked if state.status is RunStatus.PARKED else None
    offered = offers(
        actor,
        state.status,
        parked=parked.reason if parked else None,
        remaining=state.remaining,
        is_failing=state.failing is not None,
        is_committed=bool(state.commits),
    )
    return RunView(
        state=state,
        seen=seen,
        # Its texts are escaped by the serialiser, and it holds no script and no style.
        picture=Markup(timeline_svg(seen, inline=True)),  # noqa: S704
        rows=seen.rows[start:end],
        earlier=start,
        offers=offered,
        plan=plan,
        values=values_of(events, step) if step and actor.payloads else None,
    )
