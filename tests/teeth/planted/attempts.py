"""Bugs of entering handlers: what an attempt's end means, what a probe says, what is tried again."""

from tests.teeth.planted.places import ATTEMPTS, IDS, STATE
from tests.teeth.tooth import Patch, Tooth, tooth

OUTCOMES = (
    tooth(
        "a timeout is taken for a failure",
        ATTEMPTS,
        "return self._unknown(action, step, attempt, UnknownWhy.TIMED_OUT, _timeout(entry))",
        "return AttemptFailed(step.path, attempt, describe(_timeout(entry)), None)",
        "one",
        "three",
    ),
    tooth(
        "a lost reply is taken for success",
        ATTEMPTS,
        "return self._unknown(action, step, attempt, UnknownWhy.LOST, error)",
        "return AttemptSucceeded(step.path, attempt, '\"in>a\"')",
        "one",
    ),
    tooth(
        "an attempt that was interrupted is taken for a failure",
        ATTEMPTS,
        "return unknown if unknown.retry_at is None else replace(unknown, retry_at=self._clock.now())",
        "return AttemptFailed(step.path, step.attempts, describe(error), None)",
        "one",
    ),
    tooth(
        "an attempt has no time limit",
        ATTEMPTS,
        "timeout_seconds=part.timeout_seconds",
        "timeout_seconds=None",
        "one",
    ),
    tooth(
        "what timed out is entered again at once",
        ATTEMPTS,
        "        if isinstance(entry, TimedOut):\n            self._note(step, entry)\n",
        "        if isinstance(entry, TimedOut):\n"
        "            entry = await enter(handler, values, call, timeout_seconds=part.timeout_seconds,"
        " threads=self._threads, clock=self._clock, late=late)\n"
        "        if isinstance(entry, TimedOut):\n            self._note(step, entry)\n",
        "one",
    ),
    tooth(
        "a handler is entered twice for one start",
        ATTEMPTS,
        "        entry = await self._do_or_probe(action, step, attempt, values, tell)\n",
        "        await self._do_or_probe(action, step, attempt, values, tell)\n"
        "        entry = await self._do_or_probe(action, step, attempt, values, tell)\n",
        "one",
    ),
    tooth(
        "the next attempt does not wait for a straggler",
        ATTEMPTS,
        "        await self._stragglers.end(self._run_id, step.path, action.work.timeout_seconds)\n",
        "",
        "one attempt at a time",
    ),
    tooth(
        "an unknown attempt does not count",
        ATTEMPTS,
        "attempt - step.budget_from, error, unknown=True",
        "1, error, unknown=True",
        "one",
    ),
)

ON_UNKNOWN = (
    tooth(
        "what is to be undone when unknown is tried again",
        ATTEMPTS,
        "if action.on_unknown is OnUnknown.RETRY:",
        "if action.on_unknown is not OnUnknown.PARK:",
        "unknown-once-is-undone",
    ),
    tooth(
        "what is to park when unknown is tried again",
        ATTEMPTS,
        "if action.on_unknown is OnUnknown.RETRY:",
        "if action.on_unknown is not OnUnknown.UNDO:",
        "unknown-once-parks",
    ),
    tooth(
        "what is to park when unknown is undone, and the other way round",
        ATTEMPTS,
        "parks=action.on_unknown is OnUnknown.PARK)",
        "parks=action.on_unknown is OnUnknown.UNDO)",
        "parks-beside-another",
        "unknown-is-undone",
    ),
    tooth(
        "a person who is to decide is asked at the end only",
        STATE,
        "    elif event.parks:\n",
        "    elif False:\n",
        "parks-beside-another",
    ),
)

PROBES = (
    tooth(
        "nobody asks the probe before the next attempt",
        ATTEMPTS,
        "if step.last_unknown and action.prober:",
        "if False:",
        "account",
    ),
    tooth(
        "what a probe found is ignored",
        ATTEMPTS,
        "                case Returned():\n                    return found\n",
        "                case Returned():\n                    pass\n",
        "account",
    ),
    tooth(
        "a probe that fails has found nothing",
        ATTEMPTS,
        '                    return Raised(OutcomeUnknown(f"the probe raised {info.type}: {info.message}"))\n',
        "                    pass\n",
        "account",
        faults=2,
    ),
    tooth(
        "a probe that hangs has found nothing",
        ATTEMPTS,
        "                case TimedOut() | None:\n                    return found\n",
        "                case TimedOut() | None:\n                    pass\n",
        "account",
        faults=2,
    ),
    tooth(
        "an undo's probe that fails has found nothing",
        ATTEMPTS,
        " or found.value is None:\n                return found\n",
        " or found.value is None:\n                return Returned(None)\n",
        "unknown-is-probed-and-undone",
    ),
    tooth(
        "what is not there is undone",
        ATTEMPTS,
        "            if not isinstance(found, Returned) or found.value is None:\n",
        "            if not isinstance(found, Returned):\n",
        "account-in-doubt",
    ),
    tooth(
        "an undo does not get what the probe has found",
        ATTEMPTS,
        "            values = (*values[:-1], found.value)\n",
        "",
        "account-in-doubt",
    ),
    tooth(
        "an undo does not ask the probe",
        ATTEMPTS,
        "if outcome is Outcome.UNKNOWN and action.prober:",
        "if False:",
        "account-in-doubt",
    ),
)

KEYS = (
    tooth(
        "all steps of a run share a key",
        IDS,
        'f"{run_id} {step} do"',
        'f"{run_id} do"',
        "three",
    ),
    tooth(
        "the keys of two runs are the same",
        IDS,
        'f"{run_id} {step} do"',
        'f"{step} do"',
        "keys of two runs",
        also=(Patch(IDS, 'f"{run_id} {step} undo"', 'f"{step} undo"'),),
    ),
    tooth(
        "a key is made anew for each entry",
        ATTEMPTS,
        "call = self._call(step, attempt, step.idempotency_key)",
        "call = self._call(step, attempt, f'{id(step)} {attempt}')",
        "one",
    ),
)

TEETH: tuple[Tooth, ...] = (*OUTCOMES, *ON_UNKNOWN, *PROBES, *KEYS)
