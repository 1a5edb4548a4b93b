"""Bugs of the limits of actions: of what one worker gives and takes back, and of what workers share."""

from tests.teeth.planted.places import ADMISSION, CALLING, LIMITS, MEMORY_LIMITS, POOL, UNDER_WAY
from tests.teeth.tooth import Tooth, tooth

TEETH: tuple[Tooth, ...] = (
    tooth(
        "a step that is not begun after all keeps its permit",
        ADMISSION,
        "        is_needed = step is not None and step.status is StepStatus.RUNNING and not self._is_over\n",
        "        is_needed = not self._is_over\n",
        "permits-dropped-when-it-fails",
        "permits-undone-one-by-one",
    ),
    tooth(
        "an attempt that has ended keeps its permit",
        UNDER_WAY,
        "                self.admission.left(path, asyncio.current_task())\n",
        "                pass\n",
        "permits-one-by-one",
    ),
    tooth(
        "attempts of a limited action wait for nobody",
        UNDER_WAY,
        "            attempts.admission = self.admission\n",
        "            self.admission = None\n",
        "permits-one-by-one",
    ),
    tooth(
        "an undo does not wait for a permit",
        ADMISSION,
        "        if not self._limits.has(step.action):\n",
        "        if not self._limits.has(step.action) or step.status is not StepStatus.RUNNING:\n",
        "a limit is shared",
    ),
    tooth(
        "a saga completes although a step of it waits for its permit",
        CALLING,
        "            if self._asks is not None and self._asks.has_waiting:\n                return\n",
        "",
        "all that is asked for is begun",
    ),
    tooth(
        "a run is let go of although a step of it waits for its permit",
        UNDER_WAY,
        "        return bool(self._entered) or (self.admission is not None and self.admission.has_starts)\n",
        "        return bool(self._entered)\n",
        "what waits for a token goes on",
    ),
    tooth(
        "a worker's share ignores those of others",
        LIMITS,
        "    free = size - sum(worker.taken for worker in workers if worker is not mine)\n",
        "    free = size\n",
        "a limit is shared",
    ),
    tooth(
        "a worker goes by more than it was told",
        POOL,
        "        if self.used >= most:\n",
        "        if self.used > most:\n",
        "permits-one-by-one",
    ),
    tooth(
        "a dead worker's share is kept for ever",
        MEMORY_LIMITS,
        "        return {token: worker for token, worker in known.items() if self._is_alive(token)}\n",
        "        return dict(known)\n",
        "permits-one-by-one",
    ),
    tooth(
        "the tokens of a rate come back at once",
        LIMITS,
        "    counting = {until: count for until, count in held.drawn.items() if until > now}\n",
        "    counting: dict[int, int] = {}\n",
        "rated",
    ),
    tooth(
        "the tokens of a rate do not come back",
        LIMITS,
        "    until = now + round(valid_seconds * 1e6) + CUT_US + span\n",
        "    until = now + round(valid_seconds * 1e6) + CUT_US + 1_000 * span\n",
        "rated",
    ),
)
