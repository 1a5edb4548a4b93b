"""The command line over all runs, on SQLite and PostgreSQL: what is listed, counted, rebuilt, sealed and followed."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from amends import Coordinator, Run, RunStatus, saga
from amends.console.cli import main
from tests.databases import behind_its_back
from tests.integration.test_undo import Stuck
from tests.worlds import World

Output = pytest.CaptureFixture[str]


@pytest.fixture
def url(shared_log_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A log with three completed runs and a parked one, named by the environment as in a service."""
    monkeypatch.setenv("AMENDS_URL", shared_log_url)
    stuck, world, greet = Stuck(), World(), World().action("greet")

    @saga("well")
    async def well(run: Run) -> None:
        await run.do(greet, "ada")

    async def fill() -> None:
        async with Coordinator(shared_log_url, sagas=[well], actions=[greet]) as coordinator:
            for number in range(3):
                await world.rest(await coordinator.start(well, run_id=f"well-{number}", tags={"tenant": f"t{number}"}))
        async with stuck.world.coordinator(shared_log_url, stuck.saga) as coordinator:
            handle = await coordinator.start(stuck.saga, run_id="stuck")
            assert (await stuck.world.rest(handle)).status is RunStatus.PARKED

    asyncio.run(fill())
    return shared_log_url


def listed(capsys: Output, *arguments: str) -> Any:
    assert main(["runs", "--json", *arguments]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.usefixtures("url")
def test_runs_are_listed_newest_first_and_up_to_date(capsys: Output) -> None:
    """Nobody follows the log here, and nobody has to."""
    assert main(["runs"]) == 0
    shown = capsys.readouterr().out
    assert shown.index("stuck") < shown.index("well-2") < shown.index("well-0")
    assert "parked" in shown
    assert "undo failed" in shown
    assert "\x1b" not in shown


@pytest.mark.usefixtures("url")
def test_runs_are_found_by_what_is_known_of_them(capsys: Output) -> None:
    """By state, saga, tag, time and text, and combined; a page has a cursor for the next."""

    def ids(*arguments: str) -> list[str]:
        return [run["run_id"] for run in listed(capsys, *arguments)["runs"]]

    assert ids("--state", "parked") == ["stuck"]
    assert ids("--saga", "well", "--tag", "tenant=t1") == ["well-1"]
    assert ids("--since", "1h", "--state", "completed") == ["well-2", "well-1", "well-0"]
    assert ids("--until", "1h") == []
    assert ids("--text", "no such text") == []
    page = listed(capsys, "--limit", "3")
    assert [run["run_id"] for run in listed(capsys, "--cursor", page["next"])["runs"]] == ["well-0"]
    assert main(["runs", "--state", "completed", "--tag", "tenant=nobody"]) == 0
    assert "no such runs" in capsys.readouterr().out


@pytest.mark.usefixtures("url")
@pytest.mark.parametrize(
    ("argv", "code", "says"),
    [
        (["runs", "--state", "fine"], 2, "partially_compensated"),
        (["runs", "--since", "yesterday"], 2, "no time"),
        (["runs", "--tag", "tenant"], 2, "NAME=VALUE"),
        (["runs", "--limit", "0"], 1, "limit"),
        (["runs", "--cursor", "x"], 1, "cursor"),
        (["runs", "--as-is"], 1, "rebuild"),
        (["runs", "--url", "memory://"], 1, "--url"),
        (["rebuild", "other"], 2, "audit"),
        (["verify", "--head", "/dev/null"], 1, "head"),
        (["verify", "nobody"], 1, "no run 'nobody'"),
    ],
)
def test_what_cannot_be_done_says_why(argv: list[str], code: int, says: str, capsys: Output) -> None:
    """With the exit code for scripts."""
    try:
        ended = main(argv)
    except SystemExit as exit_:
        ended = int(exit_.code or 0)
    assert ended == code
    assert says in capsys.readouterr().err


@pytest.mark.usefixtures("url")
def test_the_view_is_counted_and_rebuilt(capsys: Output) -> None:
    """A rebuild changes nothing that is told."""
    assert main(["stats", "--json"]) == 0
    counted = json.loads(capsys.readouterr().out)
    assert counted["runs"] == [
        {"saga": "well", "state": "completed", "count": 3},
        {"saga": Stuck().saga.name, "state": "parked", "count": 1},
    ] or counted["runs"] == [
        {"saga": Stuck().saga.name, "state": "parked", "count": 1},
        {"saga": "well", "state": "completed", "count": 3},
    ]
    before = listed(capsys)
    assert main(["rebuild", "audit"]) == 0
    assert "swapped" in capsys.readouterr().out
    assert listed(capsys) == before
    assert main(["stats"]) == 0
    assert "up to date" in capsys.readouterr().out


def test_a_change_behind_the_log_s_back_is_named(url: str, capsys: Output, tmp_path: Path) -> None:
    """From the seal to the exit code."""
    assert main(["verify"]) == 0
    assert "not sealed yet" in capsys.readouterr().out
    assert main(["seal", "--export", str(tmp_path / "head")]) == 0
    assert main(["verify", "--head", str(tmp_path / "head")]) == 0
    assert "as they were sealed" in capsys.readouterr().out
    behind_its_back(
        url, "UPDATE stored_events SET topic = ? WHERE originator_id = ? AND originator_version = 2", "x", "stuck"
    )
    assert main(["verify"]) == 1
    assert "event 2 of run stuck was changed" in capsys.readouterr().err
    assert main(["verify", "stuck", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["breach"]["kind"] == "changed"
    assert main(["verify", "well-1"]) == 0


def test_a_follower_keeps_the_view_and_the_seals_until_it_is_told_to_stop(url: str, capsys: Output) -> None:
    """As a process, as it is deployed."""
    command = [sys.executable, "-m", "amends.console.cli", "follow"]
    with subprocess.Popen(command, env=os.environ | {"AMENDS_URL": url}, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert "following audit" in process.stderr.readline()
        while True:
            assert main(["verify", "--json"]) == 0
            if json.loads(capsys.readouterr().out)["unsealed_count"] == 0:
                break
        process.send_signal(signal.SIGTERM)
        assert "stopped" in process.stderr.read()
    assert process.returncode == 0
    assert len(listed(capsys, "--as-is")["runs"]) == 4
