"""The unwind plan against the rule that it implements, spelled out by brute force."""

import itertools
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from amends.saga.unwind import plan_unwind
from tests.reporting import counted


@dataclass
class Span:
    """A step as the plan sees it: when it last started and when it settled."""

    path: str
    started_version: int
    settled_version: int
    irreversible: bool = False
    stands: bool = True


@st.composite
def spans(draw: st.DrawFn) -> list[Span]:
    """Draw steps that start and settle in a random order; each version is one event."""
    count = draw(st.integers(0, 10))
    versions = draw(st.permutations(range(1, 2 * count + 1)))
    pairs = [sorted(versions[2 * index : 2 * index + 2]) for index in range(count)]
    flags = st.sampled_from([True, True, True, False])
    return [
        Span(str(index), start, end, irreversible=not draw(flags), stands=draw(flags))
        for index, (start, end) in enumerate(pairs)
    ]


def must_wait(step: Span, steps: list[Span]) -> set[str]:
    """Return the steps that began after this one had settled: what the mirror rule says, in its own words."""
    return {other.path for other in steps if other.started_version > step.settled_version}


def undoable(steps: list[Span]) -> list[Span]:
    return [step for step in steps if step.stands and not step.irreversible]


@given(steps=spans(), choices=st.lists(st.integers(0, 60), min_size=1, max_size=20))
def test_the_plan_is_the_mirror_rule_and_never_locks_up(steps: list[Span], choices: list[int]) -> None:
    """At each point, in whatever order undos begin and end, what is ready is exactly what the rule lets begin."""
    counted["property examples"] += 1
    wanted = undoable(steps)
    plan = plan_unwind(steps)
    begun: set[str] = set()
    resolved: set[str] = set()
    for choice in itertools.cycle(choices):
        allowed = {s.path for s in wanted if s.path not in begun and must_wait(s, wanted) <= resolved}
        assert sorted(plan.ready()) == sorted(allowed)
        assert plan.done is (len(resolved) == len(wanted))
        if plan.done:
            break
        may_end = sorted(begun - resolved)
        path = (may_end + sorted(allowed))[choice % len(may_end + sorted(allowed))]
        if path in begun:
            plan.resolved(path)
            resolved.add(path)
        else:
            plan.began(path)
            begun.add(path)


@given(steps=spans(), failing_marks=st.sets(st.integers(0, 9)))
def test_a_failed_undo_holds_back_only_what_must_wait_for_it(steps: list[Span], failing_marks: set[int]) -> None:
    """Everything else is undone; what is left is the failed ones and those that the rule puts after them."""
    counted["property examples"] += 1
    wanted = undoable(steps)
    failing = {step.path for step in wanted if int(step.path) in failing_marks}
    plan = plan_unwind(steps)
    while ready := plan.ready():
        for path in ready:
            plan.began(path)
            if path not in failing:
                plan.resolved(path)
    left = {path for path in plan.order if path not in plan._resolved}
    held: set[str] = set(failing)
    while more := {step.path for step in wanted if step.path not in held and must_wait(step, wanted) & held}:
        held |= more
    assert left == held
    assert plan.done is (not held)
