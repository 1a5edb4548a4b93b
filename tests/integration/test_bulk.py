"""One command to many runs, on SQLite and on PostgreSQL: who is told, what is shown, and what is on record."""

import asyncio
import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from amends import Coordinator, LogUnavailable, RunStatus
from amends.console.cli import main
from amends.projections import Audit, AuditView, BulkResult, Follower, RunFilter, bulk, tell_all
from amends.saga import events as e
from amends.saga.runs import Runs
from tests.integration.test_hooks import completed_run
from tests.logs import opened
from tests.unit.recorded import BUSY, ZERO, did, doing
from tests.views import CODEC, fill

Output = pytest.CaptureFixture[str]
SAID = ("--by", "ada", "--reason", "the CRM is back", "--yes")
AMENDS = str(Path(sys.executable).with_name("amends"))


def parked_run(saga: str = "onboard", tenant: str = "acme") -> Sequence[e.Event]:
    """A run whose undo of the second step has failed for good, so that the first one is held back."""
    left = (
        e.Remaining(step="1", action="user", why=e.RemainingWhy.HELD_BACK),
        e.Remaining(step="2", action="crm", why=e.RemainingWhy.UNDO_FAILED),
    )
    return [
        e.RunStarted(occurred_at=ZERO, saga=saga, saga_version=1, input="{}", tags={"tenant": tenant}),
        doing("1", "user", 1),
        did("1", 2),
        doing("2", "crm", 3),
        did("2", 4),
        e.RunFailing(occurred_at=ZERO, reason=e.FailingReason.SAGA_RAISED, error=BUSY),
        e.CompensationStarted(occurred_at=ZERO, step="2", attempt=1, idempotency_key="undo-2"),
        e.CompensationFailed(occurred_at=ZERO, step="2", attempt=1, error=BUSY),
        e.RunParked(occurred_at=ZERO, reason=e.ParkReason.UNDO_FAILED, detail="cannot undo crm", remaining=left),
    ]


def held_run() -> Sequence[e.Event]:
    """A run that is parked for another reason."""
    why = e.UnknownWhy.LOST
    return [
        e.RunStarted(occurred_at=ZERO, saga="onboard", saga_version=1, input="{}"),
        doing("1", "user", 1),
        e.ActionUnknown(occurred_at=ZERO, step="1", attempt=1, why=why, error=BUSY, parks=True),
        e.RunParked(occurred_at=ZERO, reason=e.ParkReason.OUTCOME_UNKNOWN, detail="nobody knows"),
    ]


async def record(url: str, histories: dict[str, Sequence[e.Event]]) -> None:
    async with opened(url) as log:
        names = list(histories)
        for first in range(0, len(names), 500):
            appends = (
                log.append(name, 0, [CODEC.encode(event) for event in histories[name]])
                for name in names[first : first + 500]
            )
            await asyncio.gather(*appends)


@pytest.fixture
def url(shared_log_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Three runs that are parked over an undo, one for another reason, one of another saga, one that completed."""
    monkeypatch.setenv("AMENDS_URL", shared_log_url)
    monkeypatch.delenv("AMENDS_BY", raising=False)
    stuck = {f"stuck-{number}": parked_run() for number in range(3)}
    others = {"held": held_run(), "other": parked_run("leave", "umbrella"), "well": completed_run()}
    asyncio.run(record(shared_log_url, stuck | others))
    return shared_log_url


def commands(url: str) -> list[tuple[str, str, str, str]]:
    """Everything that people told runs."""

    async def ask() -> list[tuple[str, str, str, str]]:
        async with Follower(url, Audit()) as follower:
            await follower.caught_up()
        async with AuditView(url) as view:
            return sorted((c.run_id, c.kind, c.by, c.reason) for c in (await view.commands()).rows)

    return asyncio.run(ask())


def said(capsys: Output) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_dry_run_shows_and_does_nothing(url: str, capsys: Output) -> None:
    """Which runs, why they stand still, what stands; and how many."""
    where = ("--all", "--parked-because", "undo_failed", "--saga", "onboard", "--tag", "tenant=acme")
    assert main(["retry", *where, *SAID, "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert (
        "would retry stuck-1 (onboard, undo failed: cannot undo crm; user (1) held back, crm (2) undo failed)" in shown
    )
    assert "3 of onboard: undo failed" in shown
    assert shown.endswith("would retry 3 runs\n")
    assert main(["retry", *where, *SAID, "--dry-run", "--json", "--limit", "2"]) == 0
    *each, last = said(capsys)
    assert [one["run_id"] for one in each] == ["stuck-2", "stuck-1"]
    assert last == {"command": "retry", "dry_run": True, "matched": 2, "refused": 0}
    assert commands(url) == []


def test_a_dry_run_knows_what_is_refused(url: str, capsys: Output) -> None:
    """A run past its point of no return would refuse to be cancelled; and one that completed well has no reason."""
    begun = e.RunStarted(occurred_at=ZERO, saga="order", saga_version=1, input="{}")
    committed = e.RunCommitted(occurred_at=ZERO, step="1")
    done = e.RunCompleted(occurred_at=ZERO, output="null")
    fill(url, {"o:1": [begun, committed], "o:2": [begun], "o:3": [begun, done], "o:4": [begun, committed, done]})
    assert main(["cancel", "--all", "--saga", "order", *SAID, "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert "would cancel o:2 (order)\n" in shown
    assert "would not cancel o:1 (order, past its point of no return): it has passed its point of no return\n" in shown
    assert shown.endswith("would cancel 1 run; 1 run past the point of no return would refuse it\n")
    assert main(["undo", "--all", "--saga", "order", *SAID, "--dry-run", "--json"]) == 0
    *each, last = said(capsys)
    assert {one["run_id"]: one["would"] for one in each} == {"o:3": "undo", "o:4": None}
    assert (last["matched"], last["refused"]) == (2, 1)


def test_each_run_gets_a_command_of_its_own_and_twice_is_once(url: str, capsys: Output) -> None:
    """With who and why; those that have moved on are unchanged, and that is no error."""
    where = ("--all", "--parked-because", "undo_failed", "--tag", "tenant=acme")
    assert main(["retry", *where, *SAID]) == 0
    assert capsys.readouterr().out.endswith("retried 3, unchanged 0, failed 0\n")
    expected = [(f"stuck-{number}", "retry", "ada", "the CRM is back") for number in range(3)]
    assert commands(url) == expected
    assert main(["retry", *where, *SAID]) == 0
    assert "retried 0, unchanged 0, failed 0" in capsys.readouterr().out
    assert commands(url) == expected


def test_a_run_that_has_moved_on_is_unchanged(url: str, capsys: Output) -> None:
    """The view says parked, the log says otherwise: the log counts."""
    commands(url)  # brings the view up to date
    assert main(["retry", "stuck-1", *SAID[:4]]) == 0
    capsys.readouterr()
    assert main(["retry", "--all", "--parked", *SAID, "--as-is", "--json"]) == 0
    *each, last = said(capsys)
    assert {one["run_id"]: one["result"] for one in each} == {
        "stuck-0": "changed",
        "stuck-1": "unchanged",
        "stuck-2": "changed",
        "held": "changed",
        "other": "changed",
    }
    assert (last["changed"], last["unchanged"], last["failed"]) == (4, 1, 0)


def test_the_steps_of_an_action_are_waived(url: str, capsys: Output) -> None:
    """In each run the one whose undo has failed; a run without one is unchanged."""
    assert main(["waive", "--all", "--parked", "--undo-of", "crm", *SAID]) == 0
    assert capsys.readouterr().out.endswith("waived 4, unchanged 1, failed 0\n")
    assert {(run_id, kind) for run_id, kind, _, _ in commands(url)} == {
        (run_id, kind) for run_id in ("stuck-0", "stuck-1", "stuck-2", "other") for kind in ("waive", "resume")
    }


def test_what_cannot_be_cancelled_fails_and_the_others_go_on(url: str, capsys: Output) -> None:
    """A run that is under way elsewhere refuses; the exit code says that not all went well."""
    asyncio.run(record(url, {"busy": [e.RunStarted(occurred_at=ZERO, saga="onboard", saga_version=1, input="{}")]}))
    code = main(["cancel", "--all", "--saga", "onboard", *SAID, "--json"])
    *each, last = said(capsys)
    results = {one["run_id"]: one["result"] for one in each}
    assert results["held"] == "changed"
    assert results["stuck-0"] == "unchanged"
    assert "well" not in results
    assert code == (1 if last["failed"] else 0)
    assert (results["busy"] == "failed") is bool(last["failed"])


@pytest.mark.usefixtures("url")
@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["retry"], "give RUN"),
        (["retry", "stuck-1", "--all"], "not both"),
        (["retry", "stuck-1", "--dry-run"], "--dry-run goes with --all"),
        (["retry", "stuck-1", "--saga", "onboard"], "--saga goes with --all"),
        (["retry", "stuck-1", "--limit", "1"], "--limit goes with --all"),
        (["retry", "--all", "--state", "completed"], "nothing to retry"),
        (["retry", "--all", "--limit", "0"], "number from 1"),
        (["retry", "--all", "--parked-because", "bored"], "undo_failed"),
        (["retry", "--all"], "--yes"),
        (["cancel", "--all"], "everything"),
        (["waive", "--all", "--parked"], "--undo-of"),
        (["waive", "stuck-1"], "STEP"),
        (["waive", "stuck-1", "2", "--undo-of", "crm"], "STEP"),
    ],
)
def test_what_cannot_be_said_to_many_says_why(argv: list[str], says: str, capsys: Output) -> None:
    """Before anything is done; above all, what was meant as a dry run never is a real one."""
    with pytest.raises(SystemExit) as ended:
        main([*argv, *SAID[:4]])
    assert ended.value.code == 2
    assert says in capsys.readouterr().err


def test_who_must_be_said_before_anything_is_done(url: str, capsys: Output) -> None:
    """An empty name is one error, not one for each run."""
    assert main(["retry", "--all", "--parked", "--by", " ", "--reason", "x", "--yes"]) == 1
    assert "by" in capsys.readouterr().err
    assert commands(url) == []


def in_a_terminal(url: str, answer: str) -> tuple[int, str]:
    """Run a bulk retry where a person can be asked; return its exit code and what it said."""
    person, terminal = pty.openpty()
    os.write(person, f"{answer}\n".encode())
    command = [AMENDS, "retry", "--all", "--parked-because", "undo_failed", "--url", url, *SAID[:4]]
    done = subprocess.run(command, stdin=terminal, capture_output=True, text=True, check=False, timeout=60)
    os.close(person)
    os.close(terminal)
    return done.returncode, done.stdout


def test_a_person_is_asked_first(url: str) -> None:
    """With how many of what; whoever does not say yes has changed nothing."""
    code, out = in_a_terminal(url, "")
    assert "3 of onboard: undo failed" in out
    assert "retry 4 runs? [y/N]" in out
    assert (code, commands(url)) == (1, [])
    code, _ = in_a_terminal(url, "y")
    assert (code, len(commands(url))) == (0, 4)


def test_ctrl_c_stops_between_two_runs_and_says_how_far_it_got(shared_log_url: str) -> None:
    """What was told is told; the rest is found again by the same command."""
    asyncio.run(record(shared_log_url, {f"run-{number}": parked_run() for number in range(400)}))
    command = [AMENDS, "retry", "--all", "--parked", "--url", shared_log_url, *SAID, "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        rest = [json.loads(line) for line in process.stdout]
    assert process.returncode == 130
    assert rest[-1]["interrupted"] is True
    assert 1 <= rest[-1]["changed"] == len(rest) < 400
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=100)
    last = json.loads(done.stdout.splitlines()[-1])
    assert last["changed"] + rest[-1]["changed"] == 400


def test_more_runs_than_a_page(shared_log_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each once, although those that were told do not match any more when the next page is read."""
    monkeypatch.setattr(bulk, "PAGE_COUNT", 7)
    told: list[str] = []

    async def scenario() -> None:
        await record(shared_log_url, {f"run-{number}": parked_run() for number in range(30)})
        async with (
            Coordinator(shared_log_url, max_running=0) as coordinator,
            Follower(shared_log_url, Audit()) as follower,
            AuditView(shared_log_url) as view,
        ):
            await follower.caught_up()

            async def retry(handle: Any) -> None:
                told.append(handle.run_id)
                await handle.retry(by="ada", reason="mended")
                await follower.caught_up()

            where = RunFilter(parked_reason=e.ParkReason.UNDO_FAILED)
            outcomes = [each async for each in tell_all(coordinator, view, retry, by="ada", where=where, limit=25)]
            assert [each.result for each in outcomes] == [BulkResult.CHANGED] * 25
            assert {each.status for each in outcomes} == {RunStatus.UNWINDING}
            outcomes = [each async for each in tell_all(coordinator, view, retry, by="ada", where=where)]
            assert len(outcomes) == 5

    asyncio.run(scenario())
    assert len(told) == len(set(told)) == 30


def test_a_database_that_goes_away_stops_it(url: str, capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says how far it got; nobody waits a hundred thousand times for an answer that does not come."""
    original = Runs.command
    count = 0

    async def command(self: Runs, *given: Any) -> Any:
        nonlocal count
        count += 1
        if count == 2:
            raise LogUnavailable("gone")
        return await original(self, *given)

    monkeypatch.setattr(Runs, "command", command)
    assert main(["retry", "--all", "--parked", *SAID]) == 1
    assert "stopped: retried 1, unchanged 0, failed 0; gone; do it again" in capsys.readouterr().out
    assert count == 2
    assert len(commands(url)) == 1


@pytest.mark.usefixtures("url")
def test_parked_runs_are_listed_with_what_stands_and_why(capsys: Output) -> None:
    """At a glance, by reason."""
    assert main(["runs", "--parked"]) == 0
    shown = capsys.readouterr().out
    assert "what stands" in shown
    assert "user (1) held back, crm (2) undo failed" in shown
    assert "outcome unknown: nobody knows" in shown
    assert "well" not in shown
    assert main(["runs", "--parked-because", "outcome_unknown", "--json"]) == 0
    assert [run["run_id"] for run in json.loads(capsys.readouterr().out)["runs"]] == ["held"]
