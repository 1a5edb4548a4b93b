"""Given, when, then for the pure heart: what a run decides, said as events.

```python
given(event(e.RunStarted, saga="s", saga_version=1, input="{}")).when(m.SagaReturned("1")).then(
    event(e.RunCompleted, output="1")
)
```

Nothing runs here: no handler, no log, no clock. `amends.saga.events` says what can have happened and
`amends.saga.moments` what can happen next. Import the names from this module; `amends.testing` does not hand on
`given`, which would hide Hypothesis's in a test that uses both.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import zip_longest
from typing import Any, TypeVar, cast

from ..saga.decisions import decide
from ..saga.events import Event
from ..saga.moments import Moment
from ..saga.state import RunState, fold

__all__ = ["NOW", "Decided", "Given", "event", "given"]

E = TypeVar("E", bound=Event)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
"""When everything happens that is not said to happen at another time."""

UNSAID = {"occurred_at": NOW, "idempotency_key": "unsaid"}
"""What an event has that is seldom of interest, and what stands there if nothing is said."""


def event(kind: type[E], /, **fields: Any) -> E:
    """Return an event without its having to be said when it occurred, and with which idempotency key.

    >>> from amends.saga import events as e
    >>> event(e.ActionCompensated, step="1", attempt=1).occurred_at == NOW
    True

    Args:
        kind: which event.
        fields: as the event's own. `occurred_at` and `idempotency_key` may be left out: they are filled in, and `then`
            does not compare them.

    Raises:
        TypeError: the event has no such field.
        pydantic.ValidationError: a field is missing, or of another type.
    """
    unknown = sorted(fields.keys() - kind.model_fields.keys())
    if unknown:
        raise TypeError(f"{kind.__name__} has no field {', '.join(unknown)}; it has {', '.join(kind.model_fields)}")
    unsaid = {name: value for name, value in UNSAID.items() if name in kind.model_fields}
    complete = kind.model_validate(unsaid | fields)
    # What a model holds as set is what was said, which `then` looks at.
    return cast("E", kind.model_construct(set(fields), **dict(complete)))


def given(*events: Event | Iterable[Event], run_id: str = "run") -> "Given":
    """Return a run to which these events have happened; without any, a run that does not exist.

    Args:
        events: events or lists of them, in order, from the run's first.
        run_id: the run's id.
    """
    return Given(run_id, tuple(_flat(events)))


@dataclass(frozen=True, slots=True)
class Given:
    """A run to which something has happened. Asking it changes nothing, so several tests may share one.

    Attributes:
        run_id: the run's id.
        events: what has happened, in order.
    """

    run_id: str
    events: tuple[Event, ...]

    @property
    def state(self) -> RunState:
        """What the events add up to; a new object each time."""
        return fold(self.run_id, self.events)

    def when(self, moment: Moment, *, now: datetime = NOW) -> "Decided":
        """Decide what follows from a moment.

        Args:
            moment: one of `amends.saga.moments`.
            now: aware UTC; when it happens, and the time of the events that follow.
        """
        return Decided(self, moment, decide(self.state, moment, now))


@dataclass(frozen=True, slots=True)
class Decided:
    """What a run decided; `then` compares it.

    Attributes:
        before: the run.
        moment: what happened to it.
        events: what follows.
    """

    before: Given
    moment: Moment
    events: tuple[Event, ...]

    def then(self, *expected: Event | Iterable[Event]) -> Given:
        """Compare what follows with what was expected, and return the run as it goes on from there.

        All events are compared, in order and field by field, with those that `event` left unsaid left out.

        Args:
            expected: events or lists of them.

        Raises:
            AssertionError: something else follows; the message sets the events side by side.
        """
        __tracebackhide__ = True
        wanted = tuple(_flat(expected))
        lines = list(_differences(self.events, wanted))
        if any(line.startswith("!") for line in lines):
            raise AssertionError("\n".join([f"{self.moment!r} is answered with other events:", *lines]))
        return Given(self.before.run_id, self.before.events + self.events)

    def then_nothing(self) -> Given:
        """Expect that nothing follows, and return the run as it was.

        Raises:
            AssertionError: something follows.
        """
        __tracebackhide__ = True
        return self.then()


def _flat(events: Iterable[Event | Iterable[Event]]) -> Iterator[Event]:
    """Yield the events of what may be events or lists of them; iterating over an event would yield its fields."""
    for one in events:
        if isinstance(one, Event):
            yield one
        else:
            yield from one


def _differences(decided: tuple[Event, ...], expected: tuple[Event, ...]) -> Iterator[str]:
    """Yield a line for each event, and for each field that differs; what is wrong begins with `!`."""
    for number, (got, wanted) in enumerate(zip_longest(decided, expected), start=1):
        if got is None:
            yield f"! {number}. missing      {_said(wanted)}"
        elif wanted is None:
            yield f"! {number}. unexpected   {_said(got)}"
        elif type(got) is not type(wanted):
            yield f"! {number}. expected     {_said(wanted)}"
            yield f"!    decided      {_said(got)}"
        elif fields := list(_different_fields(got, wanted)):
            yield f"! {number}. differs      {_said(got)}"
            yield from fields
        else:
            yield f"  {number}. as expected  {_said(got)}"


def _different_fields(got: Event, wanted: Event) -> Iterator[str]:
    unsaid = UNSAID.keys() - wanted.model_fields_set
    for name in type(got).model_fields:
        decided, expected = getattr(got, name), getattr(wanted, name)
        if name not in unsaid and decided != expected:
            yield f"!      {name}"
            yield f"!        expected   {expected!r}"
            yield f"!        decided    {decided!r}"


def _said(event: Event) -> str:
    """Return an event in short: what was said and is not at its default, without the time."""
    unsaid = (UNSAID.keys() - event.model_fields_set) | {"occurred_at"}
    said = {name: value for name, value in event if name not in unsaid}
    fields = type(event).model_fields
    parts = [f"{name}={value!r}" for name, value in said.items() if value != fields[name].get_default()]
    return f"{type(event).__name__}({', '.join(parts)})"
