"""The command line for runs that wait, have ended or are past their point of no return, on SQLite and on PostgreSQL."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from amends import Coordinator, Run, RunStatus, Saga
from amends.console.cli import main
from amends.saga import events as e
from tests.worlds import ONCE, World, a_saga, boom

Output = pytest.CaptureFixture[str]
SAID = ("--by", "ada", "--reason", "it is wanted")


@pytest.fixture
def url(shared_log_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A log that a further process could open, named by the environment as in a service."""
    monkeypatch.setenv("AMENDS_URL", shared_log_url)
    monkeypatch.delenv("AMENDS_BY", raising=False)
    return shared_log_url


class Shop:
    """A saga that waits for an approval between two steps, the second of which may be past the point of no return."""

    def __init__(self, url: str, *, commits: bool = False, fails: bool = False) -> None:
        self.url = url
        self.world = World()
        self.saga = self._saga(commits=commits, fails=fails)

    def _saga(self, *, commits: bool, fails: bool) -> Saga[Any, Any]:
        reserve = self.world.action("reserve")
        mail = self.world.action("mail", irreversible=True)
        charge = self.world.action("charge", do=boom() if fails else (), **ONCE)

        async def order(run: Run) -> Any:
            await run.do(reserve, "x")
            approved = await run.wait_for("approved")
            if commits:
                await run.commit()
            await run.do(mail, "x")
            await run.do(charge, "x")
            return approved

        return a_saga(order)

    def live(self, act: Callable[[Coordinator], Awaitable[Any]]) -> Any:
        """Do something with a worker, which is gone afterwards."""

        async def scenario() -> Any:
            async with self.world.coordinator(self.url, self.saga) as coordinator:
                return await act(coordinator)

        return asyncio.run(scenario())

    def waiting(self, run_id: str = "run") -> None:
        """Have a run wait for its approval."""

        async def act(coordinator: Coordinator) -> None:
            handle = await coordinator.start(self.saga, run_id=run_id)
            async with asyncio.timeout(20):
                waits = False
                while not waits:
                    waits = any(isinstance(event, e.SignalAwaited) for event in await handle.history())

        self.live(act)

    def rest(self, run_id: str = "run") -> Any:
        """Have a worker take the run up; return it when it is at rest."""

        async def act(coordinator: Coordinator) -> Any:
            return await self.world.rest(coordinator.handle(run_id))

        return self.live(act)

    def completed(self) -> None:
        """Have a run complete."""
        self.waiting()
        assert main(["signal", "run", "approved", "--by", "ada"]) == 0
        assert self.rest().status is RunStatus.COMPLETED


def shown(capsys: Output) -> Any:
    return json.loads(capsys.readouterr().out)


def test_a_signal_from_the_command_line_wakes_a_run(url: str, capsys: Output) -> None:
    """With its payload, once for each key, and for machines as well."""
    shop = Shop(url)
    shop.waiting()
    for _ in range(2):
        assert main(["signal", "run", "approved", '{"ok": true}', "--key", "form-7", "--by", "ada", "--json"]) == 0
        assert shown(capsys) == {"run_id": "run", "signal": "approved", "recorded": True}
    ran = shop.rest()
    assert ran.output == {"ok": True}
    assert [(event.by, event.key) for event in ran.all_of(e.SignalReceived)] == [("ada", "form-7")]
    assert main(["show", "run"]) == 0
    assert "told by ada" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("signal", "nobody", "approved", "--by", "ada"), "UnknownName: no run 'nobody'"),
        (("signal", "run", "approved", "yes", "--by", "ada"), "payload: is no JSON"),
        (("signal", "run", "not a name", "--by", "ada"), "signal name"),
        (("signal", "run", "approved", "--by", ""), "by"),
        (("signal", "run", "approved", "2", "--key", "form-7", "--by", "ada"), "SignalConflict"),
        (("resume", "nobody", *SAID), "UnknownName: no run 'nobody'"),
        (("abandon", "nobody", *SAID), "UnknownName: no run 'nobody'"),
        (("undo", "nobody", *SAID), "UnknownName: no run 'nobody'"),
        (("undo", "nobody", "--plan"), "UnknownName: no run 'nobody'"),
        (("undo", "run", *SAID), "only a completed run can be undone; cancel this one"),
        (("undo", "run", "--plan"), "only a completed run can be undone; cancel this one"),
        (("abandon", "run", "--by", "ada", "--reason", ""), "reason"),
    ],
)
def test_what_cannot_be_said_is_refused_with_why(
    url: str, capsys: Output, arguments: tuple[str, ...], said: str
) -> None:
    """The run stays as it was, and waits on."""
    shop = Shop(url)
    shop.waiting()
    main(["signal", "run", "other", "1", "--key", "form-7", "--by", "ada"])
    capsys.readouterr()
    assert main(list(arguments)) == 1
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error
    assert main(["runs", "--waiting", "--json"]) == 0
    (run,) = shown(capsys)["runs"]
    assert (run["state"], run["waiting_for"][0]["signal"]) == ("running", "approved")


@pytest.mark.parametrize("command", ["resume", "abandon", "undo"])
def test_who_and_why_must_be_said(url: str, command: str) -> None:
    """Before anything is looked at."""
    for said in (["--by", "ada"], ["--reason", "so"]):
        with pytest.raises(SystemExit) as ended:
            main([command, "run", *said, "--url", url])
        assert ended.value.code == 2


def test_a_completed_run_is_undone_with_a_plan_first(url: str, capsys: Output) -> None:
    """The plan names what cannot be undone, and changes nothing; the run then ends a second time, and says why."""
    shop = Shop(url)
    shop.completed()
    capsys.readouterr()
    assert main(["undo", "run", "--plan", "--json"]) == 1
    plan = shown(capsys)
    assert [undo["action"] for undo in plan["undos"]] == ["charge", "reserve"]
    assert [left["action"] for left in plan["remaining"]] == ["mail"]
    assert main(["undo", "run", "--plan"]) == 1
    assert "would stand all the same" in capsys.readouterr().out

    assert main(["undo", "run", *SAID, "--json"]) == 0
    assert shown(capsys) == {"run_id": "run", "changed": True, "status": "unwinding"}
    assert main(["undo", "run", *SAID]) == 1
    assert "it unwinds already, or was undone" in capsys.readouterr().out
    assert shop.rest().status is RunStatus.PARTIALLY_COMPENSATED
    assert main(["undo", "run", "--plan"]) == 1
    assert capsys.readouterr().out == "run unwinds already, or was undone: asking for it changes nothing\n"
    assert main(["runs", "--json"]) == 0
    (run,) = shown(capsys)["runs"]
    assert (run["state"], run["failing_reason"], run["failing_by"]) == ("partially_compensated", "undone", "ada")
    assert run["completed_at"] < run["failing_at"] <= run["ended_at"]
    assert main(["show", "run"]) == 0
    assert "on request, after it had completed: ada: it is wanted" in capsys.readouterr().out


def test_a_run_past_its_point_of_no_return_goes_forward_or_is_abandoned(url: str, capsys: Output) -> None:
    """It cannot be cancelled, nor undone; a step that fails for good parks it, and a retry tries it again."""
    shop = Shop(url, commits=True, fails=True)
    shop.waiting()
    main(["signal", "run", "approved", "--by", "ada"])
    assert shop.rest().status is RunStatus.PARKED
    capsys.readouterr()
    assert main(["cancel", "run", *SAID]) == 1
    assert "passed its point of no return, so nothing of it is undone; abandon ends it" in capsys.readouterr().err
    assert main(["undo", "run", "--plan"]) == 1
    assert "nothing of it can be undone" in capsys.readouterr().out
    assert main(["undo", "run", *SAID]) == 1
    assert "retry, resume or waive what it is parked over, or abandon it" in capsys.readouterr().err
    assert main(["runs", "--parked-because", "forward_failed", "--json"]) == 0
    (run,) = shown(capsys)["runs"]
    assert run["committed_at"] is not None
    assert main(["show", "run"]) == 0
    assert "point of no return" in capsys.readouterr().out
    assert main(["abandon", "run", *SAID, "--json"]) == 0
    assert shown(capsys) == {"run_id": "run", "changed": True, "status": "abandoned"}
    assert main(["abandon", "run", *SAID]) == 1
    assert "it has ended; nothing was changed" in capsys.readouterr().out
    assert main(["runs"]) == 0
    assert "abandoned by ada: it is wanted" in capsys.readouterr().out


def test_a_run_that_a_person_has_ended_has_no_plan(url: str, capsys: Output) -> None:
    """The plan is refused as the command is."""
    Shop(url).waiting()
    assert main(["abandon", "run", *SAID]) == 0
    for more in (["--plan"], ["--plan", "--json"], SAID):
        assert main(["undo", "run", *more]) == 1
        assert "a person has ended it; only a completed run is undone" in capsys.readouterr().err


def test_a_run_whose_code_is_mended_is_resumed(url: str, capsys: Output) -> None:
    """Nothing is tried again for it; one that nothing holds up is not resumed."""
    shop = Shop(url)
    shop.waiting()
    assert main(["resume", "run", *SAID]) == 1
    assert "only a parked run that no step holds up can be resumed" in capsys.readouterr().out

    async def other(run: Run) -> None:
        await run.do(shop.world.actions[1], "x")

    mended, shop.saga = shop.saga, a_saga(other)
    main(["signal", "run", "approved", "--by", "ada"])
    assert shop.rest().status is RunStatus.PARKED
    shop.saga = mended
    capsys.readouterr()
    assert main(["resume", "--all", "--parked-because", "diverged", *SAID, "--yes"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "resumed 1, unchanged 0, failed 0"
    assert shop.rest().status is RunStatus.COMPLETED


def test_many_runs_are_undone_or_abandoned_by_conditions(url: str, capsys: Output) -> None:
    """Everything that has completed is too much to undo by accident; runs that wait can be named as such."""
    shop = Shop(url)
    for number in range(3):
        shop.waiting(f"run-{number}")
    main(["signal", "run-2", "approved", "--by", "ada"])
    shop.rest("run-2")
    capsys.readouterr()
    for command in ("undo", "abandon"):
        with pytest.raises(SystemExit):
            main([command, "--all", "--yes", *SAID])
        assert "give a condition" in capsys.readouterr().err
    assert main(["abandon", "--all", "--waiting", "--yes", *SAID]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "abandoned 2, unchanged 0, failed 0"
    assert main(["undo", "--all", "--saga", "a-saga", "--dry-run", *SAID]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "would undo 1 run"
    assert main(["undo", "--all", "--saga", "a-saga", "--yes", *SAID]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "to be undone 1, unchanged 0, failed 0"
