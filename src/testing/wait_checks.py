"""The invariants of waits, signals and the point of no return, one function each, over a run's history."""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime

from ..saga import events as e
from .history_checks import History

__all__ = ["WAIT_INVARIANTS"]

_WAITS: tuple[type[e.Event], ...] = (e.TimerSet, e.SignalAwaited, e.TimerFired, e.SignalReceived, e.RunFailing)


def waits_end_once(history: History) -> Iterator[str]:
    """W1: a wait begins once, and its timer fires at most once, not before its time and not after its signal."""
    if not history.of(e.TimerSet, e.SignalAwaited, e.TimerFired):
        return
    begun: set[str] = set()
    waiting: dict[str, tuple[str | None, datetime | None]] = {}
    unread: Counter[str] = Counter()
    for place, event in history.of(*_WAITS):
        match event:
            case e.TimerSet() | e.SignalAwaited():
                if event.step in begun:
                    yield f"step {event.step}: its wait begins twice, again at {place}"
                begun.add(event.step)
                signal = event.signal if isinstance(event, e.SignalAwaited) else None
                if signal is not None and unread[signal]:
                    unread[signal] -= 1
                else:
                    waiting[event.step] = (signal, event.due_at)
            case e.SignalReceived():
                first = next((path for path, (signal, _) in waiting.items() if signal == event.signal), None)
                if first is None:
                    unread[event.signal] += 1
                else:
                    del waiting[first]
            case e.TimerFired():
                yield from _fired(event, waiting.pop(event.step, None), place)
            case e.RunFailing():
                waiting.clear()


def _fired(event: e.TimerFired, waited: tuple[str | None, datetime | None] | None, place: int) -> Iterator[str]:
    if waited is None:
        yield f"step {event.step}: a timer fired at {place} that nobody waited for"
    elif waited[1] is None or event.occurred_at < waited[1]:
        yield f"step {event.step}: its timer fired at {event.occurred_at}, due at {waited[1]}"


def a_signal_is_received_once(history: History) -> Iterator[str]:
    """W2: no two signals have one key, each has a sender, and a run that is failing or has ended receives none."""
    seen: set[str] = set()
    over = [place for place, _ in history.of(e.RunFailing, e.RunCompleted, e.RunAbandoned)]
    for place, event in history.of(e.SignalReceived):
        if event.key in seen:
            yield f"the signal of the key {event.key!r} was received twice"
        if not event.by:
            yield f"nobody knows who sent {event.signal!r}"
        if over and place > over[0]:
            yield f"the signal {event.signal!r} was received at {place}, after the run had come to a decision"
        seen.add(event.key)


def a_completed_run_waits_for_nothing_it_asked_for(history: History) -> Iterator[str]:
    """W3: a run has no wait and no attempt behind its end."""
    ends = [place for place, _ in history.of(e.RunCompleted, e.RunAbandoned)]
    for place, event in history.of(e.TimerSet, e.SignalAwaited, e.TimerFired, e.RunCommitted):
        if ends and place > ends[0]:
            yield f"{type(event).__name__} stands at {place}, behind the end"


def nothing_goes_back_past_the_pivot(history: History) -> Iterator[str]:
    """I9: once a run has passed its point of no return, it is not failing, and nothing of it is undone."""
    committed = [place for place, _ in history.of(e.RunCommitted)]
    for place, event in history.of(e.RunFailing, e.CompensationStarted):
        if committed and place > committed[0]:
            yield f"{type(event).__name__} stands at {place}, past the point of no return at {committed[0]}"


WAIT_INVARIANTS: tuple[Callable[[History], Iterator[str]], ...] = (
    waits_end_once,
    a_signal_is_received_once,
    a_completed_run_waits_for_nothing_it_asked_for,
    nothing_goes_back_past_the_pivot,
)
