"""Whether a start asks for the run that is there already under its id."""

import json

from ..actions.values import JsonText
from ..errors import RunConflict
from .events import RunStarted
from .state import RunState


def check_same(run_id: str, state: RunState, started: RunStarted) -> None:
    """Do nothing if it does.

    Raises:
        RunConflict: the run is one of another saga, or of another input.
    """
    if state.saga != started.saga:
        raise RunConflict(run_id, "saga")
    if state.input != started.input and _canonical(state.input) != _canonical(started.input):
        raise RunConflict(run_id, "input")


def _canonical(text: JsonText) -> str:
    """Compare as JSON, where order of keys means nothing but `true` and `1` differ."""
    return json.dumps(json.loads(text), sort_keys=True)
