"""The invariants that hold between a run's history and a ledger of what its handlers did, one function each."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from ..saga import events as e
from .history_checks import History
from .ledger import Act, Kind, Note

__all__ = ["LEDGER_INVARIANTS"]

Start = e.ActionStarted | e.CompensationStarted
End = e.ActionSucceeded | e.ActionFailed | e.ActionUnknown | e.ActionCompensated | e.CompensationFailed
Key = tuple[Kind, str, int]

_STARTS: dict[type[Start], Kind] = {e.ActionStarted: Kind.DO, e.CompensationStarted: Kind.UNDO}
_ENDS: dict[Kind, tuple[type[End], ...]] = {
    Kind.DO: (e.ActionSucceeded, e.ActionFailed, e.ActionUnknown),
    Kind.UNDO: (e.ActionCompensated, e.CompensationFailed),
}


def entries_have_started_events(history: History, notes: Sequence[Note]) -> Iterator[str]:
    """I4, I11, I15: a handler is entered only when the event that says so is durable, and with its key."""
    started: dict[Key, tuple[int, str]] = {}
    for of, kind in _STARTS.items():
        for place, event in history.of(of):
            started[kind, event.step, event.attempt] = (place + 1, event.idempotency_key)
    for note in _entries(notes):
        version, key = started.get((note.kind, note.step, note.attempt), (0, ""))
        if key != note.key:
            yield f"{_name(note)} has no started event of its key"
        elif note.log_version is not None and note.log_version < version:
            yield f"{_name(note)} came before its started event was durable"


def entered_once_a_start(history: History, notes: Sequence[Note]) -> Iterator[str]:  # noqa: ARG001
    """I4, I11: a handler is entered at most once for each started event."""
    for (kind, step, attempt), count in Counter((n.kind, n.step, n.attempt) for n in _entries(notes)).items():
        if count > 1:
            yield f"{kind} {attempt} of step {step} was entered {count} times"


def entered_by_the_owner(history: History, notes: Sequence[Note]) -> Iterator[str]:
    """I14: who enters a handler has the run, and the attempt is still under way."""
    ended = _ends(history)
    for note in _entries(notes):
        if note.log_version is None or not note.worker:
            continue
        if not _has_the_run(history, note):
            yield f"{_name(note)} by {note.worker}, and {history.owner(note.log_version)} had the run"
        if ended.get((note.kind, note.step, note.attempt), note.log_version + 1) <= note.log_version:
            yield f"{_name(note)} came after the attempt had ended"


def undone_when_nothing_acts(history: History, notes: Sequence[Note]) -> Iterator[str]:  # noqa: ARG001
    """I8: no undo is entered while an attempt of its step is still acting in the same process."""
    acting: Counter[tuple[str, str]] = Counter()
    for note in notes:
        if note.kind is Kind.DO and note.act is not Act.LANDED:
            acting[note.step, note.worker] += 1 if note.act is Act.ENTERED else -1
        elif note.kind is Kind.UNDO and note.act is Act.ENTERED and acting[note.step, note.worker]:
            yield f"{_name(note)} came while an attempt of its step was acting"


def net_effects_are_right(history: History, notes: Sequence[Note]) -> Iterator[str]:
    """I18: in the end an effect stands where its step succeeded and was not undone, and nowhere else.

    For handlers that note what lands, and keep to their keys. Where the outcome stayed unknown, both are right. What
    an attempt brings about after its worker has lost the run is nobody's fault, for only its key can fence it off; but
    it is there, and a probe may find it.
    """
    standing: set[str] = set()
    there: set[str] = set()
    for note in notes:
        if note.act is Act.LANDED and note.kind is Kind.UNDO:
            standing.discard(note.effect)
            there.discard(note.effect)
        elif note.act is Act.LANDED:
            there.add(note.effect)
            if _has_the_run(history, note):
                standing.add(note.effect)
    for step in history.steps.values():
        if step.is_run or len(step.keys) != 1 or step.undoing in ("running", "backoff", "failed"):
            continue
        key = next(iter(step.keys))
        stands = key in standing
        if step.undoing == "undone" and stands:
            yield f"step {step.path} ({step.action}) is undone, and its effect stands"
        if step.undoing == "none" and step.doing == "ok" and key not in there:
            yield f"step {step.path} ({step.action}) succeeded, and its effect is gone"
        if step.doing == "failed" and stands:
            yield f"step {step.path} ({step.action}) failed, and its effect stands"


def _entries(notes: Sequence[Note]) -> Iterator[Note]:
    return (note for note in notes if note.act is Act.ENTERED and note.kind is not Kind.PROBE)


def _has_the_run(history: History, note: Note) -> bool:
    return note.log_version is None or not note.worker or history.owner(note.log_version) == note.worker


def _ends(history: History) -> dict[Key, int]:
    """Return after how many events each attempt had ended."""
    ended: dict[Key, int] = {}
    for kind, ends in _ENDS.items():
        for place, event in history.of(*ends):
            ended.setdefault((kind, event.step, event.attempt), place + 1)
    return ended


def _name(note: Note) -> str:
    return f"entry into {note.kind} {note.attempt} of {note.action} (step {note.step})"


LEDGER_INVARIANTS: tuple[Callable[[History, Sequence[Note]], Iterator[str]], ...] = (
    entries_have_started_events,
    entered_once_a_start,
    entered_by_the_owner,
    undone_when_nothing_acts,
    net_effects_are_right,
)
