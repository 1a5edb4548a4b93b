"""The cluster: several processes at once over one log; every verb, and that the same calls give the same bytes."""

import random
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256

import pytest

from amends import DefinitionError, InvariantBroken, RunStatus
from amends.saga import events as e
from amends.testing import Cluster, Scenario
from amends.testing.ledger import Act
from amends.testing.plays import Step
from amends.testing.shape_list import shape
from amends.testing.shapes import Shape, seq
from tests.hashing import fingerprints_by_hash_seed

THREE = shape("three").among_others
UNDONE = shape("last-fails").among_others
PARKED = shape("undo-is-waived").among_others
ABREAST = shape("one-of-three-fails").among_others
SLOW = Shape("slow", seq(Step("a", seconds=1.0), Step("b", seconds=1.0)), RunStatus.COMPLETED).among_others
LEASE_SECONDS = 2.0


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with Cluster([THREE, UNDONE, PARKED, ABREAST, SLOW], seed=1) as made:
        yield made
        made.heal()
        made.check()


def claims(cluster: Cluster, run_id: str) -> list[tuple[str, int, bool]]:
    return [(c.worker, c.epoch, c.lapsed) for c in cluster.events(run_id) if isinstance(c, e.RunClaimed)]


def entered_by(cluster: Cluster, run_id: str) -> list[str]:
    """Who entered handlers of a run, without repetitions."""
    workers = [note.worker for note in cluster.notes(run_id) if note.act is Act.ENTERED]
    return [worker for place, worker in enumerate(workers) if not place or workers[place - 1] != worker]


def turns_until_it_is_written(cluster: Cluster, run_id: str, event: type[e.Event]) -> None:
    for _ in range(1_000):
        if any(isinstance(found, event) for found in cluster.events(run_id)):
            return
        cluster.turns(1)
    raise AssertionError(cluster.story())


# Repetition


def a_long_story(seed: int) -> Cluster:
    """Something of everything."""
    with Cluster([THREE, UNDONE, PARKED, ABREAST], seed=seed) as cluster:
        first, second, client = cluster.boot(), cluster.boot(), cluster.boot(client=True)
        cluster.start(ABREAST, "abreast", at=first)
        cluster.start(ABREAST, "abreast", at=second)
        cluster.start(UNDONE, "undone", at=client)
        cluster.fail_appends("do_then_fail", 2)
        cluster.turns(45)
        cluster.stop(first)
        cluster.start(PARKED, "parked", at=second, here=False)
        cluster.advance(5.0)
        cluster.go_on(first)
        cluster.fail_log(1.0, at=second)
        cluster.start(THREE, "three", at=first)
        cluster.turns(30)
        cluster.kill(second)
        cluster.fail_handler("three.b", "loses_reply")
        cluster.heal()
        cluster.check()
        return cluster


def fingerprint(cluster: Cluster) -> str:
    records = {run_id: cluster.log.records(run_id) for run_id in cluster.runs}
    return sha256(repr((records, cluster.ledger.notes, cluster.story())).encode()).hexdigest()


def fingerprints() -> list[str]:
    return [fingerprint(a_long_story(seed)) for seed in (1, 2, 3)]


def test_the_same_calls_give_the_same_histories_to_the_byte() -> None:
    first = fingerprints()
    litter = [object() for _ in range(10_000)]  # What is made next lies elsewhere.
    assert fingerprints() == first
    assert len(litter) == 10_000


def test_another_seed_gives_other_turns() -> None:
    assert len(set(fingerprints())) == 3


def test_the_order_of_hashes_changes_nothing() -> None:
    assert len(fingerprints_by_hash_seed("tests.simulation.test_cluster")) == 1


def test_nobody_else_s_random_numbers_are_drawn(cluster: Cluster) -> None:
    random.seed(1)
    expected = random.random()
    random.seed(1)
    cluster.boot()
    cluster.start(UNDONE, "run")
    cluster.settle()
    assert random.random() == expected


# Processes


def test_nothing_happens_until_time_or_turns_are_let_pass(cluster: Cluster) -> None:
    cluster.boot()
    cluster.start(THREE, "run")
    assert cluster.events("run") == []
    cluster.turns(1_000)
    assert cluster.clock.seconds == 0.0
    assert cluster.state("run").steps["1"].attempts == 1
    cluster.advance(1.0)
    assert cluster.clock.seconds == 1.0
    assert cluster.state("run").status is RunStatus.COMPLETED
    assert cluster.told("run") == [RunStatus.COMPLETED]


def test_a_run_of_a_killed_worker_is_taken_over_when_its_lease_has_lapsed(cluster: Cluster) -> None:
    first, second = cluster.boot(), cluster.boot()
    cluster.start(THREE, "run", at=first)
    turns_until_it_is_written(cluster, "run", e.ActionStarted)
    cluster.kill(first)
    killed_at = cluster.clock.seconds
    cluster.settle()
    assert claims(cluster, "run") == [(first, 1, False), (second, 2, True)]
    claim = [event for event in cluster.events("run") if isinstance(event, e.RunClaimed)][-1]
    assert (claim.occurred_at - cluster.events("run")[0].occurred_at).total_seconds() >= killed_at + LEASE_SECONDS
    assert first not in cluster.running


def test_a_stopped_worker_wakes_up_late_and_touches_nothing(cluster: Cluster) -> None:
    first, second = cluster.boot(), cluster.boot()
    cluster.start(SLOW, "run", at=first)
    cluster.advance(0.5)
    cluster.stop(first)
    assert cluster.stopped == [first]
    cluster.advance(60.0)
    assert cluster.state("run").status is RunStatus.COMPLETED
    length = len(cluster.events("run"))
    cluster.go_on(first)
    cluster.advance(60.0)
    assert len(cluster.events("run")) == length
    assert claims(cluster, "run") == [(first, 1, False), (second, 2, True)]
    assert entered_by(cluster, "run") == [first, second]


def test_a_worker_that_is_closed_gives_up_its_runs_at_once(cluster: Cluster) -> None:
    first, second = cluster.boot(), cluster.boot()
    cluster.start(SLOW, "run", at=first)
    cluster.advance(0.5)
    cluster.close(first)
    assert cluster.workers == [second]
    cluster.advance(1.0)
    assert cluster.running == [second]
    assert claims(cluster, "run") == [(first, 1, False), (second, 2, False)]


def test_a_process_that_has_ended_is_asked_nothing(cluster: Cluster) -> None:
    worker = cluster.boot()
    cluster.kill(worker)
    with pytest.raises(ValueError, match="worker-1 has ended"):
        cluster.stop(worker)
    with pytest.raises(ValueError, match="worker-7 was never booted"):
        cluster.start(THREE, "run", at="worker-7")


def test_a_claim_does_not_race_a_worker_that_wakes_up() -> None:
    """Another worker sees that the lease has lapsed; this one beats and sees that it has the run; the claim is written.

    Then both enter handlers of the run. Nothing is recorded twice, for the first one has lost the stream.
    """
    for seed in range(40):
        with Cluster([THREE], seed=seed) as cluster:
            first = cluster.boot()
            cluster.turns(50)
            cluster.fail_appends("pause_before")
            cluster.start(THREE, "run", at=first)
            cluster.advance(20.0)
            cluster.boot()
            cluster.go_on(first)
            cluster.settle()
            cluster.check()


def test_a_retry_that_falls_due_while_draining_is_left_to_others(caplog: pytest.LogCaptureFixture) -> None:
    """Its start was to be appended, and draining took it back: whoever waits is told that the process is going."""
    flaky = shape("flaky").among_others
    with Cluster([flaky], seed=1) as cluster:
        worker = cluster.boot()
        cluster.start(flaky, "run", at=worker)
        cluster.advance(0.5)
        cluster.close(worker)
        cluster.stop(worker)
        cluster.advance(5.0)
        cluster.go_on(worker)
        cluster.settle(30.0)
        cluster.check()
        assert caplog.records == []


# Runs


def test_a_client_s_run_waits_for_a_worker(cluster: Cluster) -> None:
    client = cluster.boot(client=True)
    cluster.start(THREE, "run", at=client)
    cluster.advance(100.0)
    assert [type(event) for event in cluster.events("run")] == [e.RunStarted]
    worker = cluster.boot()
    cluster.settle()
    assert claims(cluster, "run") == [(worker, 1, False)]
    assert entered_by(cluster, "run") == [worker]
    assert cluster.told("run") == [RunStatus.COMPLETED]


def test_a_run_that_is_left_to_the_workers_is_claimed_by_one(cluster: Cluster) -> None:
    workers = [cluster.boot() for _ in range(3)]
    cluster.start(THREE, "run", at=workers[0], here=False)
    cluster.settle()
    assert len(claims(cluster, "run")) == 1


@pytest.mark.parametrize("seed", range(20))
def test_two_live_workers_never_both_enter_handlers_of_one_run(seed: int) -> None:
    """Although all are asked for it at once, and all sweep for work."""
    with Cluster([ABREAST, SLOW], seed=seed) as cluster:
        workers = [cluster.boot() for _ in range(3)]
        for worker in workers:
            cluster.start(ABREAST, "abreast", at=worker)
            cluster.start(SLOW, "slow", at=worker, here=False)
        assert cluster.settle()
        cluster.check()
        for run_id in cluster.runs:
            assert len(entered_by(cluster, run_id)) == 1
            assert len(claims(cluster, run_id)) == 1
            assert len(cluster.told(run_id)) == 3


def test_one_id_is_one_run(cluster: Cluster) -> None:
    cluster.boot()
    cluster.start(THREE, "run", "input")
    with pytest.raises(ValueError, match="run is one of three"):
        cluster.start(THREE, "run", "another")
    cluster.settle()
    assert cluster.state("run").input == '"input"'


def test_a_run_is_cancelled_from_anywhere(cluster: Cluster) -> None:
    """The worker that has it hears of it, although it waits for a handler."""
    first, second = cluster.boot(), cluster.boot()
    cluster.start(SLOW, "run", at=first)
    cluster.advance(0.5)
    cluster.cancel("run", at=second)
    cluster.settle()
    assert len(claims(cluster, "run")) == 1
    assert cluster.told("run") == [RunStatus.COMPENSATED]


def test_a_parked_run_is_retried_and_waived(cluster: Cluster) -> None:
    cluster.boot()
    cluster.start(PARKED, "run")
    cluster.settle()
    assert cluster.told("run") == [RunStatus.PARKED]
    cluster.retry("run")
    cluster.settle()
    assert cluster.state("run").status is RunStatus.PARKED
    cluster.waive("run", "2")
    cluster.settle()
    assert cluster.state("run").status is RunStatus.PARTIALLY_COMPENSATED


# Faults


def test_the_log_answers_nobody_for_a_while(cluster: Cluster) -> None:
    cluster.boot()
    cluster.fail_log(10.0)
    cluster.boot()
    cluster.start(THREE, "run")
    cluster.advance(9.0)
    assert cluster.events("run") == []
    cluster.settle()
    assert cluster.told("run") == [RunStatus.COMPLETED]


def test_a_worker_that_is_cut_off_loses_its_runs_while_it_lives(cluster: Cluster) -> None:
    first, second = cluster.boot(), cluster.boot()
    cluster.start(SLOW, "run", at=first)
    cluster.advance(0.5)
    cluster.fail_log(30.0, at=first)
    cluster.advance(60.0)
    assert claims(cluster, "run") == [(first, 1, False), (second, 2, True)]
    assert cluster.told("run") == [RunStatus.COMPLETED]


def test_the_next_appends_lose_their_replies(cluster: Cluster) -> None:
    cluster.boot()
    cluster.fail_appends("do_then_fail", 3)
    cluster.start(THREE, "run")
    cluster.settle()
    assert cluster.told("run") == [RunStatus.COMPLETED]
    assert "the log did not answer, but had written that the run had been asked for" in cluster.story()


@pytest.mark.parametrize(("mode", "lives"), [("crash_after", False), ("pause_before", True)])
def test_a_process_is_halted_over_an_append(cluster: Cluster, mode: str, lives: bool) -> None:
    worker = cluster.boot()
    cluster.fail_appends(mode)
    cluster.start(THREE, "run")
    cluster.advance(1.0)
    assert cluster.running == []
    assert cluster.stopped == ([worker] if lives else [])


def test_the_next_entries_into_a_handler_go_wrong(cluster: Cluster) -> None:
    cluster.boot()
    cluster.fail_handler("three.b", "raises", count=2)
    cluster.start(THREE, "run")
    cluster.settle()
    assert cluster.state("run").steps["2"].attempts == 3
    with pytest.raises(DefinitionError, match="no such handler"):
        cluster.fail_handler("three.z", "raises")


def test_healing_boots_a_worker_and_brings_every_run_to_rest(cluster: Cluster) -> None:
    worker = cluster.boot()
    cluster.start(UNDONE, "undone")
    cluster.start(SLOW, "slow")
    cluster.advance(0.5)
    cluster.kill(worker)
    cluster.fail_log(1e9)
    cluster.heal()
    assert [cluster.state(run_id).status for run_id in cluster.runs] == [RunStatus.COMPENSATED, RunStatus.COMPLETED]
    assert cluster.running == ["worker-2"]


def test_healing_calls_off_what_was_yet_to_strike(cluster: Cluster) -> None:
    """Two appends of one process: it is stopped over the second before the first one, which is written, kills it."""
    cluster.boot()
    cluster.turns(50)
    cluster.fail_appends("crash_after")
    cluster.fail_appends("pause_before")
    cluster.start(THREE, "one")
    cluster.start(THREE, "other")
    cluster.turns(50)
    cluster.heal()
    assert [cluster.state(run_id).status for run_id in cluster.runs] == [RunStatus.COMPLETED] * 2
    assert cluster.running == ["worker-1"]


# What is wrong is seen


def test_a_run_that_does_not_come_to_rest_is_a_breach() -> None:
    with Cluster([SLOW]) as cluster:
        cluster.boot()
        cluster.start(SLOW, "run")
        cluster.heal(within_seconds=1.5)
        with pytest.raises(InvariantBroken, match=r"run run: liveness: it is running, 1\.5 virtual seconds"):
            cluster.check()


def test_a_start_that_is_lost_is_a_breach() -> None:
    with Cluster([THREE]) as cluster:
        cluster.boot()
        cluster.start(THREE, "run")
        cluster.start(THREE, "other")
        cluster.turns(100)
        del cluster.log._runs["run"]
        with pytest.raises(InvariantBroken, match="no_start_is_lost") as raised:
            cluster.check()
        assert raised.value.story.startswith("run (three):")
        assert "other (three):" in raised.value.story


def test_a_history_that_shrinks_is_a_breach() -> None:
    with Cluster([THREE]) as cluster:
        cluster.boot()
        cluster.start(THREE, "run")
        cluster.turns(100)
        cluster.check()
        del cluster.log._runs["run"][2:]
        with pytest.raises(InvariantBroken, match="the_log_only_grows"):
            cluster.check()


def test_a_scenario_s_own_property_is_held_over_every_run() -> None:
    def holds(simulation: object) -> None:
        raise AssertionError("no run is good enough")

    picky: Scenario = replace(THREE, holds=holds)
    with Cluster([picky]) as cluster:
        cluster.boot()
        cluster.start(picky, "run")
        cluster.turns(100)
        cluster.check()
        cluster.settle()
        with pytest.raises(InvariantBroken, match=r"run run: holds: .*no run is good enough"):
            cluster.check()
