"""Holds a saga function that runs over recorded steps against what was recorded.

The function must ask for the same steps at the same paths. Where it does not, its code has changed in a way that this
run cannot follow, and that is found out before a handler is entered: a recorded attempt that was under way is taken up
again only when the function has asked for its step.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from ..actions.values import JsonText, ValueType
from ..errors import InvalidValue
from .state import RunState, Step, StepStatus

COMMIT = "the point of no return"

_LAST_TURNS = 10


class Replay:
    """What is left of the recorded steps, waits and points of no return for the function to ask for.

    Args:
        state: the run as it was read from the log; nothing recorded, nothing to replay.
    """

    def __init__(self, state: RunState) -> None:
        self._unasked: dict[str, Step | str] = {}
        self.begin_anew(state)
        self._interrupted = {
            path for path in state.active if state.steps[path].status in (StepStatus.RUNNING, StepStatus.WAITING)
        }
        self._entries: dict[str, Callable[[], None]] = {}

    def begin_anew(self, state: RunState) -> None:
        """Note that the function is called again, and has asked for nothing yet; what is under way stays so."""
        self._unasked = {**state.steps}
        self._unasked.update((path, wait.label) for path, wait in state.waits.all.items())
        self._unasked.update(dict.fromkeys(state.commits, COMMIT))

    def ask(self, path: str, name: str, input_type: ValueType[Any], input_text: JsonText) -> str | None:
        """Note that the function asks for a step; returns what is wrong with that, or None."""
        recorded = self._unasked.get(path)
        if recorded is None:
            return None
        if isinstance(recorded, str) or recorded.action != name:
            return _other(path, recorded, repr(name))
        if not _same_input(recorded, input_type, input_text):
            return f"step {path} ({name}): the code asks for it with another input than the recorded one"
        self._asked(path)
        return None

    def ask_for(self, path: str, label: str) -> str | None:
        """Note that the function asks for something that is no step; returns what is wrong with that, or None."""
        recorded = self._unasked.get(path)
        if recorded is not None and recorded != label:
            return _other(path, recorded, label)
        self._asked(path)
        return None

    def _asked(self, path: str) -> None:
        self._unasked.pop(path, None)
        if path in self._entries:
            self._entries.pop(path)()

    async def end(self) -> str | None:
        """Note that the function has ended; returns what is wrong with that, or None.

        Over recorded results it may end before tasks that it started and did not wait for have had a turn.
        """
        for _ in range(_LAST_TURNS):
            if not self._unasked:
                return None
            await asyncio.sleep(0)
        if not self._unasked:
            return None
        path, missing = next(iter(self._unasked.items()))
        return f"step {path}: expected {_label(missing)} (recorded), but the code ended without it"

    def take(self, path: str) -> list[str]:
        """Return the step, once, if it was interrupted."""
        if path not in self._interrupted:
            return []
        self._interrupted.discard(path)
        return [path]

    def take_all(self) -> list[str]:
        """Return all interrupted steps that are left, once: the run is to be undone, whatever the code is now."""
        paths = sorted(self._interrupted)
        self._interrupted.clear()
        return paths

    def when_asked(self, path: str, entry: Callable[[], None]) -> None:
        """Call `entry` when the function has asked for what is at this path: now, unless it is recorded."""
        if path in self._unasked:
            self._entries[path] = entry
        else:
            entry()


def _other(path: str, recorded: Step | str, got: str) -> str:
    return f"step {path}: expected {_label(recorded)} (recorded), got {got} (the code)"


def _label(recorded: Step | str) -> str:
    return recorded if isinstance(recorded, str) else repr(recorded.action)


def _same_input(recorded: Step, input_type: ValueType[Any], asked: JsonText) -> bool:
    """Compare through today's type, so that a field added with a default since is no difference."""
    if recorded.input == asked:
        return True
    try:
        return input_type.encode(input_type.decode(recorded.input)) == asked
    except InvalidValue:
        return False
