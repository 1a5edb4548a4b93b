"""The command line for one run: `amends show`, `retry`, `waive` and `cancel`, on SQLite and on PostgreSQL."""

import asyncio
import json
from pathlib import Path

import pytest

from amends import RunStatus
from amends.console.cli import main
from amends.saga import events as e
from tests.integration.test_undo import Stuck

Output = pytest.CaptureFixture[str]
SAID = ("--by", "ada", "--reason", "the key is back")


@pytest.fixture
def kept_url(shared_log_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A log that a further process could open, named by the environment as in a service."""
    monkeypatch.setenv("AMENDS_URL", shared_log_url)
    monkeypatch.delenv("AMENDS_BY", raising=False)
    return shared_log_url


@pytest.fixture
def stuck(kept_url: str) -> Stuck:
    """A run, called `run`, that is parked over an undo."""
    stuck = Stuck()

    async def park() -> None:
        async with stuck.world.coordinator(kept_url, stuck.saga) as coordinator:
            handle = await coordinator.start(stuck.saga, run_id="run", tags={"tenant": "acme"})
            assert (await stuck.world.rest(handle)).status is RunStatus.PARKED

    asyncio.run(park())
    return stuck


def rest(stuck: Stuck, url: str) -> list[e.Event]:
    """Let a worker take the run up; return its events when it is at rest."""

    async def take_up() -> list[e.Event]:
        async with stuck.world.coordinator(url, stuck.saga) as coordinator:
            return list((await stuck.world.rest(coordinator.handle("run"))).events)

    return asyncio.run(take_up())


@pytest.mark.usefixtures("stuck")
def test_a_run_is_shown(capsys: Output) -> None:
    """With what it was started with, what went wrong, and what remains; without inputs and outputs."""
    assert main(["show", "run"]) == 0
    shown = capsys.readouterr().out
    assert "tenant=acme" in shown
    assert "parked at" in shown
    assert "remains" in shown
    assert "RunStarted" not in shown
    assert "\x1b" not in shown


@pytest.mark.usefixtures("stuck")
def test_a_run_is_shown_to_machines(capsys: Output, kept_url: str) -> None:
    """The JSON says the same; the events are in it when they are asked for."""
    assert main(["show", "run", "--json", "--url", kept_url]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["status"], shown["tags"]) == ("parked", {"tenant": "acme"})
    assert [step["action"] for step in shown["steps"]]
    assert any(step["undo_attempts"] for step in shown["steps"])
    assert "events" not in shown
    assert main(["show", "run", "--json", "--events"]) == 0
    events = json.loads(capsys.readouterr().out)["events"]
    assert events[0]["event"] == "RunStarted"
    assert [event["version"] for event in events] == list(range(1, len(events) + 1))


@pytest.mark.usefixtures("stuck")
def test_the_events_are_shown_on_request_and_the_picture_is_drawn(capsys: Output, tmp_path: Path) -> None:
    """One line an event; the picture is a file, and where it is goes to stderr."""
    assert main(["show", "run", "--events", "--svg", str(tmp_path / "run.svg")]) == 0
    said = capsys.readouterr()
    assert "RunStarted" in said.out
    assert "run.svg" in said.err
    assert (tmp_path / "run.svg").read_text().startswith("<svg")


def test_a_parked_run_is_retried(stuck: Stuck, kept_url: str, capsys: Output) -> None:
    """The command is on record, and the next worker goes on with the run; a second one changes nothing."""
    assert main(["retry", "run", *SAID]) == 0
    assert "run is unwinding" in capsys.readouterr().out
    assert main(["retry", "run", *SAID, "--json"]) == 1
    assert json.loads(capsys.readouterr().out) == {"run_id": "run", "changed": False, "status": "unwinding"}
    resumed = [event for event in rest(stuck, kept_url) if isinstance(event, e.RunResumed)]
    assert [(event.by, event.reason) for event in resumed] == [("ada", "the key is back")]


def test_a_step_is_waived(stuck: Stuck, kept_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who says so may come from the environment."""
    monkeypatch.setenv("AMENDS_BY", "grace")
    assert main(["waive", "run", "2", "--reason", "done by hand"]) == 0
    waived = [event for event in rest(stuck, kept_url) if isinstance(event, e.CompensationWaived)]
    assert [(event.step, event.by, event.reason) for event in waived] == [("2", "grace", "done by hand")]


@pytest.mark.usefixtures("stuck")
@pytest.mark.parametrize(
    ("argv", "code", "says"),
    [
        (["show", "nobody"], 1, "no run 'nobody'"),
        (["show", "no run"], 1, "run_id"),
        (["waive", "run", "9", *SAID], 1, "no step '9'"),
        (["waive", "run", "1", *SAID], 1, "nothing was changed"),
        (["cancel", "run", *SAID], 1, "nothing was changed"),
        (["retry", "run", "--by", " ", "--reason", "x"], 1, "by"),
        (["retry", "run", "--reason", "x"], 2, "--by"),
        (["retry", "run", "--by", "ada"], 2, "--reason"),
        (["show", "run", "--url", "memory://"], 1, "--url"),
    ],
)
def test_what_cannot_be_done_says_why(argv: list[str], code: int, says: str, capsys: Output) -> None:
    """With the exit code for scripts: 1 if nothing was done, 2 for wrong arguments."""
    try:
        ended = main(argv)
    except SystemExit as exit_:
        ended = int(exit_.code or 0)
    said = capsys.readouterr()
    assert ended == code
    assert says in said.out + said.err


def test_a_command_that_looks_makes_no_log(tmp_path: Path, capsys: Output) -> None:
    """A mistyped file name must not become an empty log."""
    assert main(["show", "run", "--url", f"sqlite:///{tmp_path}/typo.db"]) == 1
    assert "there is no log in" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
