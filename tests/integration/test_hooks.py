"""Hooks on real databases: what is delivered, in which order, what is repeated, and what is set aside."""

import asyncio
import json
import os
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any

import pytest
from tenacity import stop_after_attempt, wait_none

from amends import Call, DefinitionError, InvalidValue, LogUnavailable, ProjectionAhead, RunStatus, UnknownName
from amends.console.cli import main
from amends.projections import Audit, Follower, Hooks, Projections, Role, RunNotice, Since
from amends.projections.database import open_database
from amends.projections.pursuit import TAKEOVER_SECONDS
from amends.saga import events as e
from tests.databases import behind_its_back
from tests.logs import opened
from tests.unit.recorded import BUSY, ZERO, unwound_run
from tests.views import CODEC, fill

pytestmark = pytest.mark.timeout(60)

QUICK: dict[str, Any] = {"stop": stop_after_attempt(3), "wait": wait_none()}


def parked_run(detail: str = "cannot undo") -> Sequence[e.Event]:
    """Started, failing, parked."""
    return [
        e.RunStarted(occurred_at=ZERO, saga="onboard", saga_version=1, input="{}", tags={"tenant": "acme"}),
        e.RunFailing(occurred_at=ZERO, reason=e.FailingReason.ACTION_FAILED, error=BUSY, action="crm", step="1"),
        e.RunParked(occurred_at=ZERO, reason=e.ParkReason.UNDO_FAILED, detail=detail),
    ]


def completed_run() -> Sequence[e.Event]:
    """Started and completed."""
    start = e.RunStarted(occurred_at=ZERO, saga="onboard", saga_version=1, input="{}")
    return [start, e.RunCompleted(occurred_at=ZERO, output="1")]


class Told:
    """A hook that notes what it is told, and raises for the runs that it is poisoned by."""

    def __init__(self, *poison: str) -> None:
        self.runs: list[str] = []
        self.notices: list[RunNotice] = []
        self.poison = set(poison)

    async def __call__(self, notice: RunNotice) -> None:
        self.runs.append(notice.run_id)
        self.notices.append(notice)
        if notice.run_id in self.poison:
            raise RuntimeError(f"no way to tell of {notice.run_id}")


async def until(true: Callable[[], object]) -> None:
    """Return when something is so; the test's time limit ends what never is."""
    while not true():  # noqa: ASYNC110 - it is changed by others
        await asyncio.sleep(0.01)


async def deliver(url: str, **hooks: Any) -> None:
    """Enter hooks until they have caught up."""
    async with Hooks(url, **hooks) as entered:
        await entered.caught_up()


def test_hooks_begin_at_the_present(shared_log_url: str) -> None:
    """A new alert does not fire for a year of history; what comes while nobody is there waits for its hooks."""
    told, all_of_it = Told(), Told()

    async def scenario() -> None:
        async with opened(shared_log_url) as log:
            for number, event in enumerate(parked_run()):
                await log.append("old", number, [CODEC.encode(event)])
            await deliver(shared_log_url, on_parked=told)
            for number, event in enumerate(parked_run()):
                await log.append("new", number, [CODEC.encode(event)])
        await deliver(shared_log_url, on_parked=told)
        await deliver(shared_log_url, on_parked=told)
        await deliver(shared_log_url, name="other", on_parked=all_of_it, since="beginning")

    asyncio.run(scenario())
    assert told.runs == ["new"]
    assert all_of_it.runs == ["old", "new"]
    (notice,) = told.notices
    assert (notice.saga, notice.status, notice.action, notice.tags) == ("onboard", "parked", "crm", {"tenant": "acme"})


def test_notices_come_in_the_order_of_the_log_and_live(shared_log_url: str) -> None:
    """Parked and ended runs through one queue; a plain function in a thread beside an async one."""
    parked = Told()
    order: list[tuple[str, str]] = []

    def plain(notice: RunNotice) -> None:
        with pytest.raises(RuntimeError):
            asyncio.get_running_loop()
        order.append((notice.run_id, notice.status))

    async def parks(notice: RunNotice) -> None:
        await parked(notice)
        order.append((notice.run_id, notice.status))

    async def scenario() -> None:
        histories = {"a": parked_run(), "b": unwound_run(), "c": completed_run()}
        async with Hooks(shared_log_url, on_parked=parks, on_ended=plain) as hooks:
            async with opened(shared_log_url) as log:
                for run_id, events in histories.items():
                    await log.append(run_id, 0, [CODEC.encode(event) for event in events])
            await hooks.caught_up()
            assert hooks.state.role is Role.FOLLOWING

    asyncio.run(scenario())
    assert order == [("a", "parked"), ("b", "partially_compensated"), ("c", "completed")]


def test_a_superseded_notice_is_delivered_all_the_same(shared_log_url: str) -> None:
    """Parked, retried, undone before anybody was told: each with its position."""
    resumed = e.RunResumed(occurred_at=ZERO, by="ada", reason="mended")
    fill(shared_log_url, {"run": [*parked_run(), resumed, e.RunCompensated(occurred_at=ZERO)]})
    told = Told()
    asyncio.run(deliver(shared_log_url, on_parked=told, on_ended=told, since="beginning"))
    assert [(each.status, each.position) for each in told.notices] == [
        (RunStatus.PARKED, 3),
        (RunStatus.COMPENSATED, 5),
    ]


def test_a_poison_notice_is_set_aside_and_delivered_again_when_asked(shared_log_url: str) -> None:
    """It is tried as often as its policy says, the others go on, and who asks for it gets it once more, alone."""
    fill(shared_log_url, {"a": parked_run()})
    fill(shared_log_url, {"poison": parked_run()})
    fill(shared_log_url, {"b": parked_run()})
    told = Told("poison")

    async def scenario() -> None:
        async with (
            Hooks(shared_log_url, on_parked=told, since="beginning", **QUICK) as hooks,
            Projections(shared_log_url) as projections,
        ):
            await hooks.caught_up()
            assert told.runs == ["a", *["poison"] * 3, "b"]
            status = await projections.status("alerts")
            assert (status.is_hook, status.lag_positions, status.quarantined_count) == (True, 0, 1)
            (aside,) = await projections.quarantined("alerts")
            assert (aside.run_id, aside.error_type, aside.try_count) == ("poison", "RuntimeError", 1)
            assert "no way to tell of poison" in aside.error
            # It fails once more, and stays.
            assert await projections.deliver_again("alerts") == 1
            await until(lambda: told.runs.count("poison") == 6)
            await until_async(lambda: tries(projections), 2)
            # It is mended. Asking twice is asking once.
            told.poison.clear()
            assert await projections.deliver_again("alerts", position=aside.position) == 1
            await projections.deliver_again("alerts", position=aside.position)
            await until_async(lambda: tries(projections), None)
            assert told.runs == ["a", *["poison"] * 3, "b", *["poison"] * 4]
            assert len({each.idempotency_key for each in told.notices if each.run_id == "poison"}) == 1
            assert await projections.deliver_again("alerts") == 0
            with pytest.raises(UnknownName):
                await projections.deliver_again("audit")

    async def tries(projections: Projections) -> int | None:
        return next((each.try_count for each in await projections.quarantined("alerts")), None)

    asyncio.run(scenario())


async def until_async(ask: Callable[[], Any], expected: object) -> None:
    while await ask() != expected:  # noqa: ASYNC110 - it is changed by others
        await asyncio.sleep(0.02)


def test_a_lost_reply_repeats_nothing_that_was_written(shared_log_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The position was moved although nobody was told so: the notice does not come again."""
    fill(shared_log_url, {"a": parked_run()})
    fill(shared_log_url, {"b": parked_run()})
    told = Told()
    kind = type(open_database(shared_log_url))
    original = kind.write
    lost: list[Any] = []

    def write(database: Any, work: Any) -> Any:
        answer = original(database, work)
        if told.runs == ["a"] and not lost:
            lost.append(answer)
            raise LogUnavailable("no reply")
        return answer

    monkeypatch.setattr(kind, "write", write)
    asyncio.run(deliver(shared_log_url, on_parked=told, since="beginning"))
    assert lost
    assert told.runs == ["a", "b"]


def test_a_write_that_fails_repeats_the_notice(shared_log_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hook has returned and nobody has written that down: it is told again, with the same key."""
    fill(shared_log_url, {"a": parked_run()})
    told = Told()
    kind = type(open_database(shared_log_url))
    original = kind.write
    lost: list[Any] = []

    def write(database: Any, work: Any) -> Any:
        if told.runs == ["a"] and not lost:
            lost.append(work)
            raise LogUnavailable("gone before it was written")
        return original(database, work)

    monkeypatch.setattr(kind, "write", write)
    asyncio.run(deliver(shared_log_url, on_parked=told, since="beginning"))
    assert told.runs == ["a", "a"]
    assert len({each.idempotency_key for each in told.notices}) == 1


def test_two_stand_by_each_other(shared_log_url: str) -> None:
    """One delivers, also while its hook takes longer than anybody would wait for a follower; the other takes over."""
    first, second = Told(), Told()
    inside, go = asyncio.Event(), asyncio.Event()

    async def slow(notice: RunNotice) -> None:
        await first(notice)
        inside.set()
        await go.wait()

    async def scenario() -> None:
        async with Hooks(shared_log_url, on_parked=second, drain_seconds=0) as other:
            await until(lambda: other.state.role is Role.FOLLOWING)
            async with Hooks(shared_log_url, on_parked=slow, drain_seconds=0) as one:
                assert (one.state.role, other.state.role) == (Role.STANDING_BY, Role.FOLLOWING)
                await asyncio.to_thread(fill, shared_log_url, {"a": parked_run()})
                await one.caught_up()
            await other.caught_up()
        assert (first.runs, second.runs) == ([], ["a"])
        async with AsyncExitStack() as ending, AsyncExitStack() as stack:
            one = await stack.enter_async_context(Hooks(shared_log_url, on_parked=slow, drain_seconds=0))
            await until(lambda: one.state.role is Role.FOLLOWING)
            other = await ending.enter_async_context(Hooks(shared_log_url, on_parked=second))
            await asyncio.to_thread(fill, shared_log_url, {"b": parked_run()})
            await inside.wait()
            began = time.monotonic()
            await until(lambda: time.monotonic() - began > 1.2 * TAKEOVER_SECONDS)
            assert other.state.role is Role.STANDING_BY
            assert (first.runs, second.runs) == (["b"], ["a"])
            await stack.aclose()  # cut off inside its hook
            await other.caught_up()
            assert second.runs == ["a", "b"]

    asyncio.run(scenario())


def test_a_hook_under_way_may_end_when_the_hooks_are_left(shared_log_url: str) -> None:
    """Within its time; what it was told of does not come again, and nothing more is told."""
    fill(shared_log_url, {"a": parked_run()})
    fill(shared_log_url, {"b": parked_run()})
    told, inside, go = Told(), asyncio.Event(), asyncio.Event()

    async def slow(notice: RunNotice) -> None:
        inside.set()
        await go.wait()
        await told(notice)

    async def scenario() -> None:
        async with Hooks(shared_log_url, on_parked=slow, since="beginning"):
            await inside.wait()
            asyncio.get_running_loop().call_later(0.1, go.set)
        assert told.runs == ["a"]
        await deliver(shared_log_url, on_parked=told)

    asyncio.run(scenario())
    assert told.runs == ["a", "b"]


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, asyncio.CancelledError, StopAsyncIteration])
def test_whatever_a_hook_raises_ends_nothing_but_its_notice(sqlite_url: str, error: type[BaseException]) -> None:
    """Not the process, not the hooks, and not as if they were being left."""
    fill(sqlite_url, {"a": parked_run()})
    fill(sqlite_url, {"b": parked_run()})
    told = Told()

    async def hook(notice: RunNotice) -> None:
        if notice.run_id == "a":
            raise error
        await told(notice)

    asyncio.run(deliver(sqlite_url, on_parked=hook, since="beginning", **QUICK))
    assert told.runs == ["b"]


def test_a_hook_that_hangs_is_given_up(sqlite_url: str) -> None:
    """An async one is cancelled, a plain one goes on in its thread, and both count as failed."""
    fill(sqlite_url, {"a": parked_run(), "b": completed_run()})
    ended = []

    async def hangs(notice: RunNotice) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(notice.run_id)

    def waits(notice: RunNotice) -> None:
        time.sleep(0.3)

    async def scenario() -> list[str]:
        limits = {"timeout": 0.05, "stop": stop_after_attempt(1)}
        await deliver(sqlite_url, on_parked=hangs, on_ended=waits, since="beginning", **limits)
        async with Projections(sqlite_url) as projections:
            return sorted(f"{each.run_id} {each.error_type}" for each in await projections.quarantined("alerts"))

    assert asyncio.run(scenario()) == ["a TimeoutError", "b TimeoutError"]
    assert ended == ["a"]


def test_what_cannot_be_read_is_set_aside(shared_log_url: str) -> None:
    """An event of a topic that only a newer version knows may be an end; so may one that is broken or has no start."""
    fill(shared_log_url, {"new": parked_run(), "broken": parked_run(), "headless": parked_run(), "good": parked_run()})
    behind_its_back(shared_log_url, "UPDATE stored_events SET topic = 'amends.saga.events:RunVanished' "
                    "WHERE originator_id = 'new' AND originator_version = 3")  # fmt: skip
    behind_its_back(shared_log_url, "UPDATE stored_events SET state = ? WHERE originator_id = 'broken' "
                    "AND originator_version = 3", b"{}")  # fmt: skip
    behind_its_back(shared_log_url, "DELETE FROM stored_events WHERE originator_id = 'headless' "
                    "AND originator_version = 1")  # fmt: skip
    told = Told()

    async def scenario() -> set[str]:
        await deliver(shared_log_url, on_parked=told, since="beginning", **QUICK)
        async with Projections(shared_log_url) as projections:
            return {f"{each.run_id} {each.error_type}" for each in await projections.quarantined("alerts")}

    assert asyncio.run(scenario()) == {"new LogCorrupt", "broken LogCorrupt", "headless ValueError"}
    assert told.runs == ["good"]


def test_a_log_that_was_restored_is_noticed_and_hooks_go_on_from_where_they_are_told(shared_log_url: str) -> None:
    """They cannot know which of the new events they have told of under other positions; a person says."""
    fill(shared_log_url, {"a": parked_run()})
    told = Told()

    async def scenario() -> None:
        await deliver(shared_log_url, on_parked=told, since="beginning")
        behind_its_back(shared_log_url, "DELETE FROM stored_events WHERE originator_version = 3")
        with pytest.raises(ProjectionAhead, match="go_on_from"):
            await deliver(shared_log_url, on_parked=told)
        async with Projections(shared_log_url) as projections:
            assert (await projections.status("alerts")).is_ahead
            assert await projections.go_on_from("alerts", 2) == 2
            for nowhere in (99, -1, 2**70):
                with pytest.raises(InvalidValue):
                    await projections.go_on_from("alerts", nowhere)
            with pytest.raises(UnknownName):
                await projections.go_on_from("nobody", 2)
        await asyncio.to_thread(fill, shared_log_url, {"b": parked_run()})
        await deliver(shared_log_url, on_parked=told)

    asyncio.run(scenario())
    assert told.runs == ["a", "b"]


def test_who_goes_back_is_told_of_what_was_set_aside_too(shared_log_url: str) -> None:
    """It is in quarantine once, if it fails again, and not at all, if it does not."""
    fill(shared_log_url, {"a": parked_run()})
    fill(shared_log_url, {"b": parked_run()})
    told = Told("a", "b")

    async def aside() -> list[str]:
        async with Projections(shared_log_url) as projections:
            await projections.go_on_from("alerts", Since.BEGINNING)
            await deliver(shared_log_url, on_parked=told, **QUICK)
            return [each.run_id for each in await projections.quarantined("alerts")]

    asyncio.run(deliver(shared_log_url, on_parked=told, since="beginning", **QUICK))
    assert asyncio.run(aside()) == ["a", "b"]
    told.poison = {"b"}
    assert asyncio.run(aside()) == ["b"]


@pytest.mark.timeout(300)
def test_many_notices(shared_log_url: str) -> None:
    """Each once, in order."""
    count = 10_000 if os.environ.get("AMENDS_CAMPAIGN") else 1_200
    told = Told()

    async def scenario() -> list[str]:
        records = [CODEC.encode(event) for event in completed_run()]
        async with opened(shared_log_url) as log:
            for first in range(0, count, 400):
                appends = (log.append(f"run-{number}", 0, records) for number in range(first, first + 400))
                await asyncio.gather(*appends)
        await deliver(shared_log_url, on_ended=told, since="beginning")
        return told.runs

    runs = asyncio.run(scenario())
    assert len(runs) == len(set(runs)) == count
    positions = [each.position for each in told.notices]
    assert positions == sorted(positions)


def test_hooks_of_a_projection_s_name_are_refused(sqlite_url: str) -> None:
    """They would share its position."""

    async def scenario() -> None:
        async with Follower(sqlite_url, Audit()):
            pass
        with pytest.raises(DefinitionError, match="name of a projection"):
            await deliver(sqlite_url, name="audit", on_parked=Told())

    asyncio.run(scenario())


async def _takes_a_call(notice: RunNotice, call: Call) -> None: ...
async def _takes_nothing() -> None: ...


@pytest.mark.parametrize(
    ("keywords", "says"),
    [
        ({}, "on_parked or on_ended"),
        ({"name": "Big Alerts"}, "small letters"),
        ({"on_parked": _takes_a_call}, "one argument"),
        ({"on_parked": _takes_nothing}, "one argument"),
        ({"on_parked": lambda notice: None}, "annotation"),
        ({"on_parked": 7}, "not a function"),
        ({"on_parked": Told(), "since": "yesterday"}, "beginning"),
        ({"on_parked": Told(), "timeout": 0}, "timeout"),
        ({"on_parked": Told(), "timeout": float("nan")}, "timeout"),
        ({"on_parked": Told(), "drain_seconds": -1}, "drain_seconds"),
        ({"on_parked": Told(), "stop": 3}, "stop"),
    ],
)
def test_hooks_that_do_not_fit_are_refused_when_they_are_made(
    sqlite_url: str, keywords: dict[str, Any], says: str
) -> None:
    """Long before the first alarm."""
    with pytest.raises(DefinitionError, match=says):
        Hooks(sqlite_url, **keywords)


def test_the_quarantine_is_listed_and_delivered_again_from_the_command_line(
    shared_log_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """By whoever is on call, while the hooks are in another process; `stats` says that something is set aside."""
    fill(shared_log_url, {"poison": parked_run(), "good": parked_run()})
    told = Told("poison")
    where = ("--url", shared_log_url)

    def amends(*arguments: str) -> tuple[int, str]:
        code = main([*arguments, *where])
        said = capsys.readouterr()
        return code, said.out + said.err

    asyncio.run(deliver(shared_log_url, on_parked=told, since="beginning", **QUICK))
    code, shown = amends("quarantine", "alerts")
    assert (code, "poison" in shown, "RuntimeError: no way" in shown, "good" in shown) == (0, True, True, False)
    code, shown = amends("stats")
    assert (code, "alerts" in shown) == (1, True)
    (aside,) = json.loads(amends("quarantine", "alerts", "--json")[1])
    assert amends("quarantine", "alerts", "--again", str(aside["position"])) == (
        0,
        "asked for 1 to be delivered again\n",
    )
    told.poison.clear()

    async def once_more() -> None:
        async with Hooks(shared_log_url, on_parked=told), Projections(shared_log_url) as projections:
            while await projections.quarantined("alerts"):  # noqa: ASYNC110 - it is changed by the hooks
                await asyncio.sleep(0.02)

    asyncio.run(once_more())
    assert told.runs.count("poison") == 4
    assert amends("quarantine", "alerts") == (0, "nothing is set aside\n")
    assert amends("quarantine", "alerts", "--again", "all", "--json") == (0, '{"asked_for": 0}\n')
    assert amends("quarantine", "nobody")[0] == 1
    assert "position" in amends("quarantine", "alerts", "--again", "9" * 30)[1]
    assert "position" in amends("quarantine", "alerts", "--after", "9" * 30)[1]
    assert amends("quarantine", "audit", "--again", "all")[0] == 1
