"""A Hypothesis machine that does to a cluster whatever can be done, with many runs of your sagas, and checks them all.

Needs `hypothesis`. Derive from `SagaMachine`, name your scenarios, and hand its `TestCase` to pytest or unittest.
"""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ..errors import DefinitionError
from ..saga.events import ParkReason, RunStatus
from ..saga.state import RunState, UndoStatus
from .cluster import Cluster
from .explore import honest_modes
from .ledger import Kind
from .plan import AppendMode, HandlerMode
from .scenario import Scenario

__all__ = ["SagaMachine"]

T = TypeVar("T")
Draw = Callable[[st.SearchStrategy[Any]], Any]

_FAILURES = (AppendMode.DO_THEN_FAIL, AppendMode.FAIL_BEFORE)
_HALTS = (AppendMode.CRASH_AFTER, AppendMode.CRASH_BEFORE, AppendMode.PAUSE_AFTER, AppendMode.PAUSE_BEFORE)
_SECONDS = (0.3, 1.0, 4.0, 20.0, 0.01, 0.001)
"""Examples shrink to the first: one step of time in which much happens, instead of many in which little does."""


def _one_of(choices: "Callable[[SagaMachine], Sequence[T]]") -> st.SearchStrategy[T]:
    """Draw from what a machine has to offer when its rule is drawn."""
    machine: st.SearchStrategy[SagaMachine] = st.runner()
    return machine.flatmap(lambda runner: st.sampled_from(choices(runner)))


class SagaMachine(RuleBasedStateMachine):
    """Several workers that share many runs of your sagas, and everything that can go wrong with them.

    ```python
    class Signups(SagaMachine):
        scenarios = [signup, order]

    TestSignups = Signups.TestCase
    ```

    Each example boots and kills workers, stops them and lets them go on, starts runs, also one run at two workers at
    once, cancels, abandons, undoes, signals and waives, fails appends, handlers and the log, in any order. Then all
    faults stop, and every run has to come to rest, with every invariant held. A failing example shrinks to the fewest
    steps that show it, and says what happened to each run.

    Attributes:
        scenarios: what is run. Set it.
        max_workers: how many workers run at once.
        max_runs: how many runs there are of each scenario.
        lease_seconds: how long a dead worker keeps its runs; the longest of the scenarios', if None.
        heal_seconds: within how much virtual time every run has to come to rest when faults have stopped.
        cluster: what the rules act upon; of the running example.
    """

    scenarios: ClassVar[Sequence[Scenario]] = ()
    max_workers: ClassVar[int] = 3
    max_runs: ClassVar[int] = 2
    lease_seconds: ClassVar[float | None] = None
    heal_seconds: ClassVar[float] = 3_600.0

    def __init__(self) -> None:
        super().__init__()
        if not self.scenarios:
            raise DefinitionError(f"{type(self).__name__}: set `scenarios` to what it is to run")
        self.cluster = Cluster(self.scenarios, lease_seconds=self.lease_seconds)
        self._is_broken = False
        self._told = 0

    def value_of(self, scenario: Scenario, run_id: str) -> Any:  # noqa: ARG002 - for those who override it
        """Return the input of a run; the scenario's own, unless you override this."""
        return scenario.value

    # What there is to choose from

    def _running(self) -> Sequence[str]:
        return self.cluster.running

    def _workers(self) -> Sequence[str]:
        return self.cluster.workers

    def _stopped(self) -> Sequence[str]:
        return self.cluster.stopped

    def _new_runs(self) -> Sequence[tuple[int, int]]:
        return [(which, number) for number in range(1, self.max_runs + 1) for which in range(len(self.scenarios))]

    def _known_runs(self) -> Sequence[str]:
        return [run_id for run_id in self.cluster.runs if self.cluster.state(run_id).version]

    def _running_runs(self) -> Sequence[str]:
        return [run_id for run_id in self._known_runs() if not self.cluster.state(run_id).status.ended]

    def _parked(self) -> Sequence[str]:
        return [run_id for run_id in self._known_runs() if self.cluster.state(run_id).status is RunStatus.PARKED]

    def _completed(self) -> Sequence[str]:
        return [run_id for run_id in self._known_runs() if self.cluster.state(run_id).status is RunStatus.COMPLETED]

    def _signals(self) -> Sequence[tuple[str, str, Any]]:
        scenarios = {scenario.saga.name: scenario for scenario in self.scenarios}
        return [
            (run_id, name, payload)
            for run_id in self._running_runs()
            for name, payload in scenarios[self.cluster.state(run_id).saga].signals
        ]

    def _waivable(self) -> Sequence[tuple[str, str]]:
        return [(run_id, path) for run_id in self._parked() for path in _failed_undos(self.cluster.state(run_id))]

    def _handlers(self) -> Sequence[tuple[str, Kind]]:
        entrances = [entrance for scenario in self.scenarios for entrance in scenario.entrances.values()]
        return list(dict.fromkeys((entrance.action, entrance.kind) for entrance in entrances))

    # Processes

    @initialize(
        seed=st.integers(0, 1_000), workers=st.integers(1, 2), runs=st.lists(_one_of(_new_runs), min_size=1, max_size=6)
    )
    def begin(self, seed: int, workers: int, runs: list[tuple[int, int]]) -> None:
        """Boot the first workers, and start the first runs; the seed is that of the turns that they take."""
        self.cluster.end()
        self.cluster = Cluster(self.scenarios, seed=seed, lease_seconds=self.lease_seconds)
        names = [self.cluster.boot() for _ in range(workers)]
        for number, run in enumerate(runs):
            self._start(run, names[number % workers], here=True)

    @precondition(lambda self: len(self._workers()) < self.max_workers)
    @rule()
    def boot(self) -> None:
        """Boot a worker."""
        self.cluster.boot()

    @precondition(lambda self: not any(name.startswith("client") for name in self._running()))
    @rule()
    def boot_client(self) -> None:
        """Boot a process that hosts nothing."""
        self.cluster.boot(client=True)

    @precondition(lambda self: bool(self._running()))
    @rule(name=_one_of(_running), turns=st.integers(0, 40))
    def kill(self, name: str, turns: int) -> None:
        """Kill a process, some turns from now."""
        self.cluster.turns(turns)
        if name in self.cluster.running:
            self.cluster.kill(name)

    @precondition(lambda self: bool(self._running()))
    @rule(name=_one_of(_running), turns=st.integers(0, 40))
    def stop(self, name: str, turns: int) -> None:
        """Stop a process, some turns from now, as SIGSTOP does."""
        self.cluster.turns(turns)
        if name in self.cluster.running:
            self.cluster.stop(name)

    @precondition(lambda self: bool(self._stopped()))
    @rule(name=_one_of(_stopped))
    def go_on(self, name: str) -> None:
        """Let a stopped process go on."""
        self.cluster.go_on(name)

    @precondition(lambda self: bool(self._running()))
    @rule(name=_one_of(_running))
    def close(self, name: str) -> None:
        """Let a process drain and end."""
        self.cluster.close(name)

    # Runs

    @precondition(lambda self: bool(self._running()))
    @rule(run=_one_of(_new_runs), at=_one_of(_running), here=st.booleans())
    def start(self, run: tuple[int, int], at: str, here: bool) -> None:
        """Start a run, or ask for it once more."""
        self._start(run, at, here=here)

    @precondition(lambda self: len(self._running()) > 1)
    @rule(run=_one_of(_new_runs))
    def start_everywhere(self, run: tuple[int, int]) -> None:
        """Start one run at every process at once."""
        for name in self.cluster.running:
            self._start(run, name, here=True)

    def _start(self, run: tuple[int, int], at: str, *, here: bool) -> None:
        which, number = run
        scenario = self.scenarios[which]
        run_id = f"{scenario.saga.name}-{number}"
        self.cluster.start(scenario, run_id, self.value_of(scenario, run_id), at=at, here=here)

    @precondition(lambda self: bool(self._running()) and bool(self._running_runs()))
    @rule(run_id=_one_of(_running_runs), at=st.none() | _one_of(_running))
    def cancel(self, run_id: str, at: str | None) -> None:
        """Cancel a run, at the process that has it or at another one."""
        self.cluster.cancel(run_id, at=at)

    @precondition(lambda self: bool(self._running()) and bool(self._running_runs()))
    @rule(run_id=_one_of(_running_runs), at=st.none() | _one_of(_running))
    def abandon(self, run_id: str, at: str | None) -> None:
        """Abandon a run, at the process that has it or at another one."""
        self.cluster.abandon(run_id, at=at)

    @precondition(lambda self: bool(self._running()) and bool(self._completed()))
    @rule(run_id=_one_of(_completed), at=_one_of(_running))
    def undo(self, run_id: str, at: str) -> None:
        """Have a completed run undone."""
        self.cluster.undo(run_id, at=at)

    @precondition(lambda self: bool(self._running()) and bool(self._signals()))
    @rule(signal=_one_of(_signals), at=st.none() | _one_of(_running), count=st.integers(1, 2))
    def signal(self, signal: tuple[str, str, Any], at: str | None, count: int) -> None:
        """Tell a run one of the signals of its scenario, once or twice under one key."""
        run_id, name, payload = signal
        self._told += 1
        for _ in range(count):
            self.cluster.signal(run_id, name, payload, key=f"{name} {self._told} by hand", at=at)

    @precondition(lambda self: bool(self._running()) and bool(self._parked()))
    @rule(run_id=_one_of(_parked), at=_one_of(_running))
    def resume(self, run_id: str, at: str) -> None:
        """Let a parked run go on as it is."""
        self.cluster.resume(run_id, at=at)

    @precondition(lambda self: bool(self._running()) and bool(self._parked()))
    @rule(run_id=_one_of(_parked), at=_one_of(_running))
    def retry(self, run_id: str, at: str) -> None:
        """Let a parked run try again."""
        self.cluster.retry(run_id, at=at)

    @precondition(lambda self: bool(self._running()) and bool(self._waivable()))
    @rule(step=_one_of(_waivable), at=_one_of(_running))
    def waive(self, step: tuple[str, str], at: str) -> None:
        """Waive an undo that a parked run could not do."""
        run_id, path = step
        self.cluster.waive(run_id, path, at=at)

    # Faults

    @rule(mode=st.sampled_from(_FAILURES), count=st.integers(1, 3))
    def fail_appends(self, mode: AppendMode, count: int) -> None:
        """Let the next appends fail, or succeed and lose their replies."""
        self.cluster.fail_appends(mode, count)

    @rule(mode=st.sampled_from(_HALTS))
    def halt_at_append(self, mode: AppendMode) -> None:
        """Let whichever process appends next die or stop over it."""
        self.cluster.fail_appends(mode)

    @rule(seconds=st.sampled_from(_SECONDS))
    def fail_log(self, seconds: float) -> None:
        """Let the log answer nobody."""
        self.cluster.fail_log(seconds)

    @precondition(lambda self: bool(self._running()))
    @rule(seconds=st.sampled_from(_SECONDS), at=_one_of(_running))
    def cut_off(self, seconds: float, at: str) -> None:
        """Let the log answer one process nothing."""
        self.cluster.fail_log(seconds, at=at)

    @rule(handler=_one_of(_handlers), mode=st.sampled_from(tuple(HandlerMode)), count=st.sampled_from((1, 2, 20)))
    def fail_handler(self, handler: tuple[str, Kind], mode: HandlerMode, count: int) -> None:
        """Let the next entries into a handler go wrong."""
        action, kind = handler
        if mode in honest_modes(kind, [mode]):
            self.cluster.fail_handler(action, mode, kind=kind, count=count)

    # Time

    @rule(count=st.integers(1, 60))
    def turn(self, count: int) -> None:
        """Let processes take turns, with no time passing."""
        self.cluster.turns(count)

    @rule(seconds=st.sampled_from(_SECONDS))
    def advance(self, seconds: float) -> None:
        """Let virtual time pass."""
        self.cluster.advance(seconds)

    # What must be so

    @invariant()
    def all_is_well(self) -> None:
        """Hold every invariant over every run, wherever it stands."""
        self._check()

    def _check(self) -> None:
        self._is_broken = True
        self.cluster.check()
        self._is_broken = False

    def teardown(self) -> None:
        """Stop all faults, let every run come to rest, and check it all again."""
        try:
            if not self._is_broken:
                self.cluster.heal(self.heal_seconds)
                self._check()
        finally:
            self.cluster.end()


def _failed_undos(state: RunState) -> list[str]:
    if state.parked is None or state.parked.reason is not ParkReason.UNDO_FAILED:
        return []
    return [path for path, step in state.steps.items() if step.undo is UndoStatus.FAILED]
