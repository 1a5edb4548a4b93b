"""Holds the invariants over the runs of a cluster, while they are under way and when they are at rest."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ..saga import events as e
from ..saga.codec import EventCodec
from ..saga.events import RunStatus
from ..saga.log.port import Record
from ..saga.state import RunState, evolve
from .callers import Wanted
from .checker import Violation, breaches_of
from .faulty_log import FaultyLog
from .history_checks import History
from .journal import Journal
from .ledger import Ledger, Note
from .plan import Plan
from .scenario_checks import SeenRun, of_scenario
from .simulation import Simulation
from .simulation_checks import holds
from .slot_checks import no_more_have_one_than_may

__all__ = ["ClusterChecks", "Seen"]

_codec = EventCodec()
_UNDONE = e.FailingReason.UNDONE


@dataclass(slots=True)
class Seen:
    """What has been read of one run so far.

    Attributes:
        state: the run.
        records: its events as they lie in the log.
        events: the same, decoded.
        notes: what its handlers did.
        checked: how far it was when it was last checked, and what was found then.
    """

    state: RunState
    records: list[Record] = field(default_factory=list)
    events: list[e.Event] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    checked: tuple[tuple[int, int], list[Violation]] = ((-1, -1), [])


class ClusterChecks:
    """Looks at the runs of a cluster, and reads each event and each note once.

    Args:
        log: of the cluster.
        ledger: of the cluster.
        journal: of the cluster.
        wanted: the runs that were asked for.
    """

    def __init__(self, log: FaultyLog, ledger: Ledger, journal: Journal, wanted: Mapping[str, Wanted]) -> None:
        self._log = log
        self._ledger = ledger
        self._journal = journal
        self._wanted = wanted
        self._seen: dict[str, Seen] = {}
        self._notes_read = 0
        self._rewritten: list[tuple[str, Violation]] = []

    def seen(self, run_id: str) -> Seen:
        """Return a run as it is now."""
        self._read_notes()
        seen = self._of(run_id)
        known = len(seen.records)
        if self._log.length(run_id) != known:
            records = self._log.records(run_id)
            if records[:known] != seen.records:
                what = "what was in the log is there no more"
                self._rewritten.append((run_id, Violation("the_log_only_grows", what)))
                seen.state, seen.events, known = RunState(run_id), [], 0
            for record in records[known:]:
                event = _codec.decode(record)
                seen.events.append(event)
                evolve(seen.state, event)
            seen.records = records
        return seen

    def _of(self, run_id: str) -> Seen:
        if run_id not in self._seen:
            self._seen[run_id] = Seen(RunState(run_id))
        return self._seen[run_id]

    def _read_notes(self) -> None:
        for note in self._ledger.notes[self._notes_read :]:
            self._of(note.run_id).notes.append(note)
        self._notes_read = len(self._ledger.notes)

    def violations(self, seconds: float, process_count: int) -> list[tuple[str, Violation]]:
        """Return what is wrong with the runs.

        Args:
            seconds: how much virtual time has passed.
            process_count: how many processes there have been.
        """
        found: list[tuple[str, Violation]] = []
        for run_id, wanted in self._wanted.items():
            seen = self.seen(run_id)
            place = (len(seen.records), len(seen.notes))
            if seen.checked[0] != place:
                seen.checked = (place, list(self._of_run(wanted, seen, seconds, process_count)))
            found += ((run_id, violation) for violation in seen.checked[1])
            found += ((run_id, violation) for violation in self._of_promises(wanted, seen))
        found += self._rewritten
        found += self._of_keys()
        found += self._of_slots()
        for run_id, owner, claimant in self._log.untimely:
            what = f"{claimant} claims it while the lease of {owner} holds"
            found.append((run_id, Violation("claims_wait_for_the_lapse", what)))
        found += ((run_id, Violation("limits_are_kept", what)) for run_id, what in self._journal.over_limits)
        unasked = [run_id for run_id in self._log.run_ids if run_id not in self._wanted and not self._is_child(run_id)]
        return found + [(run_id, Violation("nothing_by_itself", "nobody asked for it")) for run_id in unasked]

    def _is_child(self, run_id: str) -> bool:
        """Whether a run is a step of another one."""
        started = _codec.decode(self._log.records(run_id)[0])
        return isinstance(started, e.RunStarted) and started.parent in self._log.run_ids

    def _of_run(self, wanted: Wanted, seen: Seen, seconds: float, process_count: int) -> Iterator[Violation]:
        """Yield what its events and its handlers show, and what its scenario asks for."""
        if not seen.events:
            return
        history = History(seen.events)
        yield from breaches_of(history, seen.notes)
        scenario, journal = wanted.scenario, self._journal.of(wanted.run_id)
        yield from of_scenario(SeenRun(scenario, wanted.run_id, history, seen.state, [], journal.fired))
        if scenario.holds is None or not seen.state.at_rest:
            return
        simulation = Simulation(
            scenario=scenario,
            plan=Plan(),
            records=tuple(seen.records),
            events=tuple(seen.events),
            notes=tuple(seen.notes),
            journal=journal,
            seconds=seconds,
            process_count=process_count,
            told=tuple(told.status for told in wanted.told),
            heard=(),
            here=True,
            asked_outside=frozenset(),
            violations=(),
        )
        yield from (Violation("holds", what) for what in holds(simulation))

    def _of_promises(self, wanted: Wanted, seen: Seen) -> Iterator[Violation]:
        """Yield what somebody was told, and is not so."""
        yield from wanted.broken
        if wanted.acknowledged and not seen.events:
            yield Violation("no_start_is_lost", "the start was acknowledged, and the log has no such run")
        undone = any(isinstance(event, e.RunFailing) and event.reason is _UNDONE for event in seen.events)
        ends = {told for told in wanted.told if told.status.ended}
        if len([told for told in ends if not (undone and told.status is RunStatus.COMPLETED)]) > 1:
            yield Violation("everybody_is_told_the_same", f"{wanted.told}")
        over = (e.RunFailing, e.RunCompleted, e.RunCompensated, e.RunAbandoned)
        if wanted.cancelled and not any(isinstance(event, over) for event in seen.events):
            yield Violation("commands_are_kept", "somebody was told that it is cancelled, and it is not failing")
        if wanted.abandoned and not seen.state.status.ended and not undone:
            yield Violation(
                "commands_are_kept", f"somebody was told that it is abandoned, and it is {seen.state.status}"
            )
        received = Counter(event.key for event in seen.events if isinstance(event, e.SignalReceived))
        for key in sorted(wanted.signals):
            if received[key] != 1:
                yield Violation("commands_are_kept", f"the signal {key} was heard, and is there {received[key]} times")
        standing = self._log.standing(wanted.run_id)
        if seen.events and (standing is None) is not seen.state.at_rest:
            listed = "not in" if standing is None else "in"
            yield Violation(
                "the_table_fits_the_log", f"it is {seen.state.status}, and {listed} the table of unfinished runs"
            )

    def _of_slots(self) -> Iterator[tuple[str, Violation]]:
        """L2, where any run has asked for anything."""
        for run_id in self._log.run_ids:
            self.seen(run_id)
        if any(_asks(seen.events) for seen in self._seen.values()):
            order = ((run_id, self._seen[run_id].events[version - 1]) for run_id, version in self._log.in_order())
            for run_id, what in no_more_have_one_than_may(order):
                yield run_id, Violation("no_more_have_one_than_may", what)

    def _of_keys(self) -> Iterator[tuple[str, Violation]]:
        """I15: no two runs share an idempotency key."""
        owners: dict[str, str] = {}
        for run_id, seen in self._seen.items():
            for key in _keys(seen.events):
                if owners.setdefault(key, run_id) != run_id:
                    yield run_id, Violation("keys_are_stable", f"it shares a key with run {owners[key]}")


def _asks(events: Sequence[e.Event]) -> bool:
    return any(isinstance(event, e.SlotTaken) for event in events)


def _keys(events: Sequence[e.Event]) -> Iterator[str]:
    return (event.idempotency_key for event in events if isinstance(event, e.ActionStarted | e.CompensationStarted))
