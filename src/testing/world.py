"""A world for handlers to act upon in tests: a ledger of effects, held against what the log says of each step.

Two pairs of verbs, for the two kinds of systems there are. `do` and `undo` count: a mail that is sent twice was sent
twice, a refund that is made twice was paid twice. `put` and `discard` know what they are about: what is there already
is not there twice, and taking away what is not there changes nothing.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto

from ..saga.events import RemainingWhy
from .entry import ENTRY, Entry
from .history_checks import History
from .ledger import Kind
from .traces import Trace

__all__ = ["Change", "World"]

Effect = tuple[Hashable, ...]


class _Verb(Enum):
    DO = auto()
    UNDO = auto()
    PUT = auto()
    DISCARD = auto()


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that a handler did to the world.

    Attributes:
        effect: to what.
        verb: how.
        kind: in which of an action's handlers; None outside of a simulation, as for the next three.
        run_id: of which run.
        step: in which step.
        worker: in which process.
        log_version: how many events of the run were durable then; None where that is not known.
        key: the idempotency key that it came with; of those with one key, one counts.
    """

    effect: Effect
    verb: _Verb
    kind: Kind | None = None
    run_id: str = ""
    step: str = ""
    worker: str = ""
    log_version: int | None = None
    key: str | None = None


class World:
    """Everything outside the engine, as effects with names.

    Handlers that are tried in a simulation act upon it; what it then holds is checked against the log by `simulate`:
    completed means every effect once, compensated means none, otherwise exactly what `remaining` says.
    """

    def __init__(self) -> None:
        self._changes: list[Change] = []
        self._counts: Counter[Effect] = Counter()
        self._keys: set[str] = set()

    def __repr__(self) -> str:
        return f"<World {dict(self.standing())}>"

    def do(self, *effect: Hashable, key: str | None = None) -> None:
        """Let an effect come into the world, once more if it is there.

        Args:
            effect: what it is called, `"mail", "ada@example.com"` say.
            key: an idempotency key; the second `do` with one key changes nothing, as in services that honour them.
        """
        self._change(_Verb.DO, effect, key)

    def undo(self, *effect: Hashable, key: str | None = None) -> None:
        """Take an effect out of the world, once more even if it is not there; the arguments are those of `do`."""
        self._change(_Verb.UNDO, effect, key)

    def put(self, *effect: Hashable) -> None:
        """Let an effect be in the world; nothing changes if it is."""
        self._change(_Verb.PUT, effect)

    def discard(self, *effect: Hashable) -> None:
        """Let an effect not be in the world; nothing changes if it is not."""
        self._change(_Verb.DISCARD, effect)

    def has(self, *effect: Hashable) -> bool:
        """Return whether an effect is in the world."""
        return self._counts[effect] > 0

    def count(self, *effect: Hashable) -> int:
        """Return how many times an effect is in the world; below 0 if it was undone more often than done."""
        return self._counts[effect]

    def standing(self) -> Mapping[Effect, int]:
        """Return every effect that is in the world, and how often."""
        return {effect: count for effect, count in self._counts.items() if count}

    def reset(self) -> None:
        """Begin anew, with nothing in the world; each simulation does so."""
        self._changes.clear()
        self._counts.clear()
        self._keys.clear()

    def breaches(self, run_id: str, history: History) -> Iterator[str]:
        """Yield what is in the world and should not be, and the other way round, one sentence each.

        Args:
            run_id: whose effects to look at.
            history: the run's events.
        """
        changes = [change for change in self._changes if change.run_id in ("", run_id)]
        there = _counts(changes)
        changes = [change for change in changes if not change.run_id or _has_the_run(history, change)]
        counts = _counts(changes)
        doers: dict[Effect, set[tuple[str, Kind]]] = {}
        counted: set[Effect] = set()
        for change in changes:
            if change.verb in (_Verb.DO, _Verb.PUT) and change.kind is not None:
                doers.setdefault(change.effect, set()).add((change.step, change.kind))
                if change.verb is _Verb.DO:
                    counted.add(change.effect)
        for effect, by in doers.items():
            lows, highs = zip(*(_bounds(history.steps.get(step), kind) for step, kind in by), strict=True)
            least = sum(lows) if effect in counted else min(1, sum(lows))
            if there[effect] < least or counts[effect] > sum(highs):
                count = there[effect] if there[effect] < least else counts[effect]
                yield _sentence(effect, count, sorted({step for step, _ in by}), history.steps)
        for effect, count in counts.items():
            if count < 0 and effect not in doers:
                yield f"{_name(effect)} was undone {_times(-count)}, and never done"

    def _change(self, verb: _Verb, effect: Effect, key: str | None = None) -> None:
        entry = ENTRY.get()
        if entry is not None and entry.ledger.closed:
            return  # The simulation is over, and this is a coroutine on its way out.
        if key is None or key not in self._keys:
            self._counts[effect] += _step_of(verb, self._counts[effect])
        if key is not None:
            self._keys.add(key)
        self._changes.append(_noted(verb, effect, entry, key))


def _noted(verb: _Verb, effect: Effect, entry: Entry | None, key: str | None) -> Change:
    if entry is None:
        return Change(effect, verb, key=key)
    run_id = entry.call.run_id
    version = entry.ledger.log_version(run_id)
    return Change(effect, verb, entry.kind, run_id, entry.call.step, entry.worker, version, key)


def _counts(changes: Iterable[Change]) -> Counter[Effect]:
    """Return how often each effect is there after all changes, of which those with one key count once."""
    counts: Counter[Effect] = Counter()
    keys: set[str] = set()
    for change in changes:
        if change.key is not None:
            if change.key in keys:
                continue
            keys.add(change.key)
        counts[change.effect] += _step_of(change.verb, counts[change.effect])
    return counts


def _step_of(verb: _Verb, count: int) -> int:
    return {_Verb.DO: 1, _Verb.UNDO: -1, _Verb.PUT: 1 - count, _Verb.DISCARD: -count}[verb]


def _has_the_run(history: History, change: Change) -> bool:
    """Tell whether the run was the worker's: what one brings about that has lost it, only a key can fence off."""
    return change.log_version is None or history.owner(change.log_version) == change.worker


def _bounds(step: Trace | None, kind: Kind) -> tuple[int, int]:
    """Return how often an effect that a handler of this step brings about may and must be there."""
    if step is None:
        return 0, 0
    undone = step.undoing == "undone"
    if kind is Kind.UNDO:
        return (1, 1) if undone else (0, 1)
    if undone or step.doing == "failed":
        return 0, 0
    if step.doing == "ok" and step.undoing == "none":
        return 1, 1
    return 0, 1


def _sentence(effect: Effect, count: int, paths: Iterable[str], steps: Mapping[str, Trace]) -> str:
    """Say how often an effect is there, and what the log says of the steps that brought it about."""
    known = [steps[path] for path in paths if path in steps]
    says = ", ".join(f"step {step.path} ({step.action}) {_how(step)}" for step in known)
    return f"{_name(effect)} is there {_times(count)}, but {says or 'no such step ever began'}"


def _how(step: Trace) -> str:
    undoing = {"undone": "was undone", "waived": "was waived", "failed": f"is {RemainingWhy.UNDO_FAILED}"}
    doing = {"ok": "succeeded", "unknown": "is unknown", "failed": "failed"}
    return undoing.get(step.undoing) or doing.get(step.doing, f"is {step.doing}")


def _times(count: int) -> str:
    return {0: "not at all", 1: "once", 2: "twice"}.get(count, f"{count} times")


def _name(effect: Effect) -> str:
    return " ".join(map(str, effect))
