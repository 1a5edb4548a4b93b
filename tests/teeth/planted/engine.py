"""Bugs of the log, of the driver's loop and recovery, of decisions, and of who has a run."""

from tests.teeth.planted.places import (
    ASKING,
    ATTEMPTS,
    DECISIONS,
    DRIVER,
    HOSTING,
    MEMORY,
    OUTBOX,
    STANDING,
    STATE,
    UNWIND,
)
from tests.teeth.tooth import Patch, Tooth, tooth

_FLUSH = """        await self._append(batch)
        self._outbox.appended(batch)
        self._host.observers.recorded(self.state, batch.events)
        self.acknowledged.settle(None)
        for event in batch.events:
            effect = effect_of(event)
            if effect is not None:
                self._carry_out(effect)
"""
_FLUSH_TOO_EARLY = """        for event in batch.events:
            effect = effect_of(event)
            if effect is not None:
                self._carry_out(effect)
        await self._append(batch)
        self._outbox.appended(batch)
        self._host.observers.recorded(self.state, batch.events)
        self.acknowledged.settle(None)
"""

TEETH: tuple[Tooth, ...] = (
    tooth(
        "a success is recorded twice",
        DRIVER,
        "            self.take(moment)\n        except ValueTooLarge as error:\n            self.take(m.AttemptUnknown",
        "            self.take(moment)\n            self.take(moment)\n"
        "        except ValueTooLarge as error:\n            self.take(m.AttemptUnknown",
        "one",
    ),
    tooth(
        "the log takes what is written at an old version",
        MEMORY,
        "            raise AppendConflict(run_id, expected_version)\n",
        "            self._store(run_id, len(stored), records)\n",
        "three",
        "last-fails",
    ),
    tooth(
        "a conflict is taken for success",
        DRIVER,
        "            except LogUnavailable:\n                if not",
        "            except AppendConflict:\n                return\n"
        "            except LogUnavailable:\n                if not",
        "three",
        "last-fails",
    ),
    tooth(
        "an append that failed is taken for written",
        DRIVER,
        "                await asyncio.sleep(OUTAGE_PAUSE_SECONDS)\n",
        "                return\n",
        "three",
    ),
    tooth(
        "recovery enters an attempt again without saying that it is unknown",
        DRIVER,
        "self.take(self._attempts.crashed(step))",
        "self._carry_out(fx.EnterAction(path, step.attempts))",
        "three",
    ),
    tooth(
        "recovery forgets the back-off",
        DRIVER,
        "self._carry_out(fx.WaitUntil(step.due_at, m.RetryDue(path)))",
        "self.take(m.RetryDue(path))",
        "patient",
    ),
    tooth(
        "recovery asks for recorded steps again",
        ASKING,
        "        if path not in self._state.steps:\n            self._driver.take",
        "        if True:\n            self._driver.take",
        "three",
    ),
    tooth("a handler is entered before that is durable", DRIVER, _FLUSH, _FLUSH_TOO_EARLY, "three"),
    tooth(
        "a claim that begins an undo calls it crashed",
        DRIVER,
        "for path in self._interrupted_undos:",
        "for path in sorted(self.state.undoing):",
        "undo-is-waived",
    ),
    tooth(
        "a claim after a command is not written into the table",
        OUTBOX,
        "self._standing = unowned(standing_of(state))",
        "self._standing = standing_of(state)",
        "undo-is-waived",
    ),
    tooth(
        "an undo that was under way is not taken up",
        DRIVER,
        "            if step.undo is UndoStatus.RUNNING:\n",
        "            if False:\n",
        "last-fails",
    ),
    tooth(
        "siblings are not waited for before the undo",
        DECISIONS,
        "    if state.status is not RunStatus.UNWINDING or state.active:\n",
        "    if state.status is not RunStatus.UNWINDING:\n",
        "gather-fails",
    ),
    tooth("the epoch does not rise", DECISIONS, "epoch=state.epoch + 1", "epoch=max(1, state.epoch)", "three"),
    tooth(
        "a failing run tries again",
        DECISIONS,
        "    retry_at = ended.retry_at if state.status is RunStatus.RUNNING else None\n",
        "    retry_at = ended.retry_at\n",
        "gather-fails-beside-a-flaky-one",
    ),
    tooth(
        "what succeeds late is not recorded",
        DECISIONS,
        "def _attempt_succeeded(_: RunState, ended: m.AttemptSucceeded, now: datetime) -> tuple[Event, ...]:\n",
        "def _attempt_succeeded(_: RunState, ended: m.AttemptSucceeded, now: datetime) -> tuple[Event, ...]:\n"
        "    if _.status is not RunStatus.RUNNING:\n        return ()\n",
        "gather-fails",
    ),
    Tooth(
        "a run completes with a step under way",
        (
            Patch(DECISIONS, "            if running and not state.active:\n", "            if running:\n"),
            Patch(
                DRIVER,
                "if self._verdict and self.state.status is RunStatus.RUNNING and not self.state.active:",
                "if self._verdict and self.state.status is RunStatus.RUNNING:",
            ),
        ),
        ("detached",),
    ),
    tooth(
        "what was waived is not said to remain",
        DECISIONS,
        "            return RemainingWhy.WAIVED\n",
        "            return None\n",
        "undo-is-waived",
    ),
    tooth(
        "an undo carries the key of its step",
        DECISIONS,
        "idempotency_key=undo_idempotency_key(state.run_id, path)",
        "idempotency_key=idempotency_key(state.run_id, path)",
        "last-fails",
    ),
    tooth(
        "each attempt has a key of its own",
        DECISIONS,
        "idempotency_key=idempotency_key(state.run_id, path)",
        "idempotency_key=idempotency_key(state.run_id, f'{path} {attempt}')",
        "flaky",
    ),
    tooth(
        "each undo is the first",
        DECISIONS,
        "attempt=state.steps[path].undo_attempts + 1",
        "attempt=1",
        "undo-fails-once",
    ),
    tooth(
        "a run whose undo failed counts as undone",
        DECISIONS,
        "    if plan.done:\n",
        "    if plan.done or not (ready or state.undoing):\n",
        "undo-fails",
    ),
    tooth(
        "nobody is told that a run needs a person",
        DECISIONS,
        "state.held == len(state.active)",
        "state.held > len(state.active)",
        "parks-beside-another",
    ),
    tooth(
        "unknown steps are not undone",
        STATE,
        "self.status in (StepStatus.SUCCEEDED, StepStatus.UNKNOWN)",
        "self.status is StepStatus.SUCCEEDED",
        "unknown-is-undone",
    ),
    tooth(
        "a failure wipes out that an earlier attempt is unknown",
        STATE,
        "StepStatus.UNKNOWN if step.last_unknown else StepStatus.FAILED)\n\n\ndef _settle(",
        "StepStatus.FAILED)\n\n\ndef _settle(",
        "last-fails-thrice",
    ),
    tooth(
        "attempts are counted from one again and again",
        ATTEMPTS,
        "self._retry_at(action.work, step.started_at, attempt, error, unknown=False)",
        "self._retry_at(action.work, step.started_at, 1, error, unknown=False)",
        "last-fails-thrice",
    ),
    tooth(
        "a lost reply counts as a failure",
        ATTEMPTS,
        "return self._unknown(action, step, attempt, UnknownWhy.LOST, error)",
        "return AttemptFailed(step.path, attempt, describe(error), None)",
        "loses-its-reply",
    ),
    tooth(
        "an undo does not wait for what still acts",
        ATTEMPTS,
        "        if not await self._stragglers.end(self._run_id, step.path, part.timeout_seconds):\n",
        "        if False:\n",
        "late",
    ),
    tooth(
        "an undo does not get the output",
        ATTEMPTS,
        "action.undo_values(step.input, step.output)",
        "action.undo_values(step.input, None)",
        "last-fails",
    ),
    tooth(
        "an undo that was interrupted is given up",
        ATTEMPTS,
        "return UndoFailed(step.path, step.undo_attempts, error, self._clock.now())",
        "return UndoFailed(step.path, step.undo_attempts, error, None)",
        "last-fails",
    ),
    tooth(
        "steps are undone in no order",
        UNWIND,
        "bisect_left(negated_starts, -step.settled_version)",
        "bisect_left([], -step.settled_version)",
        "last-fails",
    ),
    tooth(
        "steps are undone from the first",
        UNWIND,
        "key=lambda step: -step.started_version",
        "key=lambda step: step.started_version",
        "last-fails",
    ),
    tooth("what is irreversible is undone", UNWIND, " and not step.irreversible", "", "irreversible-stands"),
    tooth(
        "a failing run is taken for one at rest",
        STANDING,
        "unwinding=True, at_rest=False",
        "unwinding=True, at_rest=True",
        "last-fails",
    ),
    tooth(
        "a claim does not say whose the run is",
        STANDING,
        "return standing._replace(owner=event.worker)",
        "return standing",
        "three",
    ),
    tooth(
        "a worker whose lease lapsed enters handlers",
        HOSTING,
        "        while not self._heart.alive or self._lapses_seen != self._heart.lapses:\n",
        "        while False:\n",
        "three",
        "last-fails",
    ),
    tooth(
        "a worker does not let go of what it has lost",
        HOSTING,
        "                driver.lose()\n",
        "                pass\n",
        "three",
        "last-fails",
    ),
)
