"""The simulator itself: it repeats itself to the byte, dies when it says so, and its checker sees what is wrong."""

import os
from collections.abc import Sequence
from hashlib import sha256

import pytest

from amends.saga import events as e
from amends.saga.events import Event
from amends.testing import AppendFault, Plan, Simulation, check, simulate
from amends.testing.campaign import campaign, closing_line, drawn
from amends.testing.shape_list import SHAPES, shape
from tests.hashing import fingerprints_by_hash_seed
from tests.reporting import counted

DRAWS = 1_000 if os.environ.get("AMENDS_CAMPAIGN") else 10


def fingerprint(outcome: Simulation) -> str:
    return sha256(repr((outcome.records, outcome.notes)).encode()).hexdigest()


def fingerprints() -> list[str]:
    plan = Plan(AppendFault(3, "crash_after"), AppendFault(5, "pause_before"), order=7)
    return [
        fingerprint(simulate(shape(name).scenario, plan)) for name in ("nested-fails", "branches", "undo-fails-beside")
    ]


def test_the_same_faults_give_the_same_history_to_the_byte() -> None:
    assert fingerprints() == fingerprints()


def test_the_order_of_hashes_changes_nothing() -> None:
    assert len(fingerprints_by_hash_seed("tests.simulation.test_simulator")) == 1


def test_a_process_that_died_does_nothing_more() -> None:
    outcome = simulate(shape("undo-takes-time").scenario, Plan(AppendFault(2, "crash_after")))
    last_of_the_dead = max(place for place, note in enumerate(outcome.notes) if note.worker == "worker-1")
    first_of_the_next = min(place for place, note in enumerate(outcome.notes) if note.worker == "worker-2")
    assert last_of_the_dead < first_of_the_next
    assert outcome.process_count == 2


def test_recovery_goes_through_a_lapsed_lease_and_a_claim() -> None:
    outcome = simulate(shape("three").scenario, Plan(AppendFault(2, "crash_after")))
    assert [(c.worker, c.epoch, c.lapsed) for c in outcome.events if isinstance(c, e.RunClaimed)] == [
        ("worker-1", 1, False),
        ("worker-2", 2, True),
    ]
    assert outcome.seconds >= 2.0
    assert any(isinstance(event, e.ActionUnknown) for event in outcome.events)


def test_a_stopped_process_comes_back_too_late() -> None:
    outcome = simulate(shape("three").scenario, Plan(AppendFault(2, "pause_before")))
    assert outcome.told == (outcome.status, outcome.status)
    assert outcome.violations == ()


@pytest.mark.parametrize("shape_name", [found.name for found in SHAPES])
def test_three_faults_drawn_at_random_break_nothing(shape_name: str) -> None:
    report = drawn(shape(shape_name), seed=1, count=DRAWS)
    counted["simulated schedules"] += report.schedules
    report.check()


def test_the_campaign_closes_with_one_line() -> None:
    report = campaign(seed=7, draws=2, shapes=[shape("one")])
    assert closing_line(report, 7, 1) == (
        f"simulated: {report.schedules} schedules of 1 saga shapes, {report.events:,} events, "
        f"{report.crashes} crashes, {report.pauses} pauses, {report.failures} failed appends, "
        f"{report.handler_faults} handler faults, {report.cancels} cancels, seed 7: every invariant held"
    )


# The checker, on histories that were tampered with


def without(events: Sequence[Event], kind: type[Event], which: int = 0) -> list[Event]:
    places = [place for place, event in enumerate(events) if isinstance(event, kind)]
    return [event for place, event in enumerate(events) if place != places[which]]


def broken(events: Sequence[Event]) -> set[str]:
    return {violation.invariant for violation in check(events)}


UNDONE = simulate(shape("last-fails").scenario)
CRASHED = simulate(shape("three").scenario, Plan(AppendFault(2, "crash_after")))


def test_a_healthy_history_has_no_violation() -> None:
    assert check(UNDONE.events, UNDONE.notes) == []


@pytest.mark.parametrize(
    ("events", "invariant"),
    [
        ([*UNDONE.events, UNDONE.events[2]], "nothing_twice"),
        (UNDONE.events[1:], "one_start_and_one_end"),
        ([*UNDONE.events, UNDONE.events[-1]], "one_start_and_one_end"),
        (without(UNDONE.events, e.ActionStarted), "steps_follow_the_automaton"),
        (without(UNDONE.events, e.ActionFailed), "undo_only_when_all_is_settled"),
        (without(UNDONE.events, e.RunFailing), "ends_say_what_is_so"),
        (without(UNDONE.events, e.ActionCompensated), "what_is_undone"),
        (without(UNDONE.events, e.CompensationStarted), "steps_follow_the_automaton"),
        (without(CRASHED.events, e.RunClaimed), "epochs_rise"),
        (without(CRASHED.events, e.ActionUnknown), "steps_follow_the_automaton"),
    ],
)
def test_the_checker_sees_what_is_wrong(events: Sequence[Event], invariant: str) -> None:
    assert invariant in broken(events)


def test_the_checker_sees_an_entry_that_was_not_announced() -> None:
    found = check(without(UNDONE.events, e.ActionStarted), UNDONE.notes)
    assert "entries_have_started_events" in {violation.invariant for violation in found}


def test_the_checker_sees_an_effect_that_was_left_behind() -> None:
    notes = [note for note in UNDONE.notes if not (note.kind == "undo" and note.act == "landed")]
    assert {violation.invariant for violation in check(UNDONE.events, notes)} == {"net_effects_are_right"}
