"""Bugs of cancelling, of the unwind, and of what a person may say to a run."""

from tests.teeth.planted.places import ATTEMPTS, CALLING, DECISIONS, DRIVER, STATE
from tests.teeth.tooth import Patch, Tooth, tooth

CANCELS = (
    tooth(
        "a cancel while it unwinds begins a second unwind",
        DECISIONS,
        "if running or (parked and reason is FailingReason.CANCELLED):",
        "if running or reason is FailingReason.CANCELLED:",
        "last-fails",
    ),
    tooth(
        "a run that is parked over an undo is cancelled into a second unwind",
        DECISIONS,
        "RunStatus.PARKED and state.failing is None",
        "RunStatus.PARKED",
        "undo-fails",
    ),
    tooth(
        "a cancel forgets what is under way",
        STATE,
        "for path in state.active if state.steps[path].status is not StepStatus.RUNNING]",
        "for path in state.active]",
        "undo-takes-time",
    ),
    tooth(
        "a parked run cannot be cancelled",
        DECISIONS,
        "parked = state.status is RunStatus.PARKED",
        "parked = False",
        "parks-and-is-cancelled",
    ),
    tooth(
        "a cancelled run completes when its last attempt ends",
        DECISIONS,
        "            if running and not state.active:\n",
        "            if not state.active:\n",
        "detached",
        also=(
            Patch(
                CALLING,
                "self._verdict and self._state.status is RunStatus.RUNNING",
                "self._verdict and not self._state.status.ended",
            ),
        ),
    ),
    tooth(
        "nobody knows who has cancelled",
        DECISIONS,
        "action=action, step=step, by=by",
        "action=action, step=step",
        "one",
    ),
    tooth(
        "a step is begun in a failing run",
        DECISIONS,
        "    if state.status is not RunStatus.RUNNING:\n        return ()\n    return (\n        _started(\n"
        "            *(state, asked",
        "    return (\n        _started(\n            *(state, asked",
        "three",
        "gather-fails",
    ),
    tooth(
        "what waits for its next attempt keeps a failing run from being undone",
        STATE,
        "            _settle_the_waiting(state, event.occurred_at)\n",
        "",
        "patient",
    ),
)

UNDOS = (
    tooth(
        "an undo that failed lets through what must wait for it",
        STATE,
        "            if event.retry_at is None:\n",
        "            if event.retry_at is None:\n                state.plan.resolved(event.step)\n",
        "undo-fails",
    ),
    tooth(
        "an undo that failed holds back everything",
        DECISIONS,
        "    ready = plan.ready()\n",
        "    ready = () if any(s.undo is UndoStatus.FAILED for s in state.steps.values()) else plan.ready()\n",
        "undo-fails-beside-a-branch",
    ),
    tooth(
        "a run parks while other undos are under way",
        DECISIONS,
        "elif not ready and not state.undoing:",
        "elif not ready and any(s.undo is UndoStatus.FAILED for s in state.steps.values()):",
        "undo-fails-beside-a-branch",
    ),
    tooth(
        "each attempt of an undo is recorded with a key of its own",
        DECISIONS,
        "undo_idempotency_key(state.run_id, path)",
        "undo_idempotency_key(state.run_id, f'{path} {state.steps[path].undo_attempts}')",
        "undo-fails-once",
    ),
    tooth(
        "an undo is entered with a key of its own each time",
        ATTEMPTS,
        "self._call(step, attempt, step.undo_key, outcome, undoes=step.idempotency_key)",
        "self._call(step, attempt, f'{step.undo_key} {attempt}', outcome, undoes=step.idempotency_key)",
        "account-undone",
    ),
    tooth(
        "an undo that is retried by a person has used up its budget",
        ATTEMPTS,
        "counted = attempt - step.undo_budget_from",
        "counted = attempt",
        "undo-is-retried-with-a-new-budget",
    ),
    tooth(
        "an undo that was interrupted is taken for done",
        ATTEMPTS,
        "return UndoFailed(step.path, step.undo_attempts, error, self._clock.now())",
        "return UndoSucceeded(step.path, step.undo_attempts)",
        "last-fails",
    ),
    tooth(
        "an undo that hangs is taken for done",
        ATTEMPTS,
        "error, unknown = late or _timeout(entry), True",
        "return UndoSucceeded(step.path, attempt)",
        "last-fails",
    ),
    tooth(
        "an undo whose answer is lost is taken for done",
        ATTEMPTS,
        "            case Returned():\n                return UndoSucceeded(step.path, attempt)",
        "            case Returned() | Raised(OutcomeUnknown()):\n"
        "                return UndoSucceeded(step.path, attempt)",
        "last-fails",
    ),
    tooth(
        "recovery forgets the back-off of an undo",
        DRIVER,
        "self._carry_out(fx.WaitUntil(step.undo_due_at, m.UndoDue(path)))",
        "self.take(m.UndoDue(path))",
        "undo-is-patient",
    ),
    tooth(
        "an undo is tried for ever",
        ATTEMPTS,
        "self._retry_at(part, since, counted, error, unknown=unknown)",
        "self._retry_at(part, since, 1, error, unknown=unknown)",
        "undo-fails",
    ),
)

REMAINS = (
    tooth(
        "what is held back is not said to remain",
        DECISIONS,
        "return RemainingWhy.HELD_BACK",
        "return None",
        "undo-fails",
    ),
    tooth(
        "what is irreversible is not said to remain",
        DECISIONS,
        "return RemainingWhy.IRREVERSIBLE",
        "return None",
        "irreversible-stands",
    ),
    tooth(
        "what a person is to decide is not said to remain",
        DECISIONS,
        "if not (step.stands or step.last_unknown or step.status is StepStatus.RUNNING):",
        "if not step.stands:",
        "parks-beside-another",
    ),
    tooth(
        "what remains goes by the name of compensated",
        STATE,
        "RunStatus.PARTIALLY_COMPENSATED if event.remaining else",
        "",
        "irreversible-stands",
    ),
    tooth(
        "a completed run does not say what stayed unknown",
        DECISIONS,
        "if s.status is StepStatus.UNKNOWN)",
        "if False)",
        "caught-unknown",
    ),
    tooth(
        "what was undone is said to remain",
        DECISIONS,
        "        case UndoStatus.COMPENSATED:\n            return None\n",
        "",
        "undo-fails",
    ),
)

COMMANDS = (
    tooth(
        "a waive does not set the run going",
        DECISIONS,
        "step=path, by=by, reason=reason)\n                yield e.RunResumed(occurred_at=now, by=by, reason=reason)\n",
        "step=path, by=by, reason=reason)\n",
        "undo-is-waived",
        also=(Patch(DECISIONS, "step_or_none is not None and step_or_none.undo is UndoStatus.WAIVED:", "False:"),),
    ),
    tooth(
        "what has not failed can be waived",
        DECISIONS,
        "if step_or_none is not None and step_or_none.undo is UndoStatus.FAILED:",
        "if step_or_none is not None:",
        "the-wrong-step-is-waived-first",
    ),
    tooth(
        "a waive is not on record with its actor",
        DECISIONS,
        "e.CompensationWaived(occurred_at=now, step=path, by=by,",
        "e.CompensationWaived(occurred_at=now, step=path, by='',",
        "undo-is-waived",
    ),
    tooth("a retry tries no undo again", STATE, "if step.undo is UndoStatus.FAILED:", "if False:", "undo-is-retried"),
    tooth(
        "a retry does not try again what is held",
        STATE,
        "    elif step.status is StepStatus.HELD:\n        step.status, step.due_at",
        "    elif False:\n        step.status, step.due_at",
        "parks-and-is-retried",
    ),
    tooth(
        "a retry names only the undos",
        DECISIONS,
        "s.undo is UndoStatus.FAILED or s.status is StepStatus.HELD)",
        "s.undo is UndoStatus.FAILED)",
        "parks-and-is-retried",
    ),
)

TEETH: tuple[Tooth, ...] = (*CANCELS, *UNDOS, *REMAINS, *COMMANDS)
