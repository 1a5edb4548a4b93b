"""Projections while everybody is at it: writers at full speed, rebuilders that are killed, readers under a swap.

`AMENDS_CAMPAIGN=1` is the long form: 100,000 events and 20 kills.
"""

import asyncio
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from amends import LogUnavailable, RebuildUnderWay
from amends.projections import Audit, AuditView, Follower, Projections, RunFilter, rebuild, rebuilding
from amends.projections.applying import Applier
from amends.projections.copies import State, copies, create, place
from amends.projections.database import open_database
from amends.projections.swap import swapped
from amends.saga import events as e
from tests.integration.test_projections import Seen, each_once, following, rows, run_sql
from tests.logs import opened
from tests.postgres import restartable_server
from tests.tree import ROOT
from tests.unit.recorded import unwound_run
from tests.views import CLOCK, CODEC, append, fill, hold_to_the_log

LONG = bool(os.environ.get("AMENDS_CAMPAIGN"))
EVENTS = 100_000 if LONG else 10_000
KILLS = 20 if LONG else 3

pytestmark = pytest.mark.timeout(0 if LONG else 120)

RUN = unwound_run()
AUDIT_TABLES = {
    "amends_audit_runs": "run_id",
    "amends_audit_steps": "run_id, step",
    "amends_audit_tags": "position, name",
    "amends_audit_commands": "position",
}


async def write(url: str, writer: int, count: int, pause_seconds: float = 0.0) -> dict[str, Any]:
    """Append so many runs, each in a few appends, over a log of one's own."""
    records = [CODEC.encode(event) for event in RUN]
    drawn = random.Random(writer)
    async with opened(url) as log:

        async def one(run_id: str) -> None:
            at = 0
            while at < len(records):
                piece = records[at : at + drawn.randint(1, 8)]
                await log.append(run_id, at, piece)
                at += len(piece)
                await asyncio.sleep(pause_seconds * drawn.random())

        names = [f"run-{writer}-{number}" for number in range(count)]
        for first in range(0, count, 20):
            await asyncio.gather(*map(one, names[first : first + 20]))
    return dict.fromkeys(names, RUN)


def dump(url: str) -> dict[str, list[Any]]:
    """Everything that the audit view holds."""
    return {name: rows(url, f"SELECT * FROM {name} ORDER BY {key}") for name, key in AUDIT_TABLES.items()}


def test_four_writers_and_a_follower(shared_log_url: str) -> None:
    """None is missed and none is applied twice, at full speed."""
    runs = EVENTS // len(RUN) // 4 + 1

    async def scenario() -> None:
        fill_up = (write(shared_log_url, writer, runs) for writer in range(4))
        async with Follower(shared_log_url, Seen(), Audit()) as follower:
            await asyncio.gather(*fill_up)
            await follower.caught_up()

    fill(shared_log_url, {})
    asyncio.run(scenario())
    assert each_once(shared_log_url, runs * 4 * len(RUN))
    counts = rows(shared_log_url, "SELECT state, count(*), sum(attempts) FROM amends_audit_runs GROUP BY state")
    assert [(state, int(count), int(attempts)) for state, count, attempts in counts] == [
        ("partially_compensated", runs * 4, runs * 4 * 5)
    ]


def test_a_swap_never_goes_back(shared_log_url: str) -> None:
    """A copy that is behind the live one catches up inside the swap; one that is far behind is not swapped."""
    fill(shared_log_url, {f"run-{number}": RUN for number in range(4)})
    database, applier = open_database(shared_log_url), Applier(Seen(), CODEC, CLOCK)
    live = applier.apply(database, place(database, Seen(), CLOCK), database.page(0))
    assert live is not None
    building = database.write(lambda transaction: create(transaction, Seen(), State.BUILDING, CLOCK.now()))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("amends.projections.sqlite.PAGE_COUNT", 5)
        patch.setattr("amends.projections.postgres.PAGE_COUNT", 5)
        assert database.write(lambda transaction: swapped(transaction, building, applier)) is None
    (building,) = (copy for copy in database.read(lambda t: copies(t, "seen")) if copy.state is State.BUILDING)
    assert building.position == 15
    swap = database.write(lambda transaction: swapped(transaction, building, applier))
    assert swap is not None
    assert swap.position == live.position
    # A follower that stood at the same position in the old copy must not write to the new one.
    fill(shared_log_url, {"more": RUN})
    assert applier.apply(database, live, database.page(live.position)) is None
    assert applier.apply(database, swap, database.page(swap.position)) is not None
    database.close()
    assert each_once(shared_log_url, 5 * len(RUN))


def test_a_table_that_was_dropped_by_hand_is_built_anew(shared_log_url: str) -> None:
    """A view may be thrown away."""
    fill(shared_log_url, {"run": RUN})
    asyncio.run(rebuild(shared_log_url, Seen()))
    run_sql(shared_log_url, "DROP TABLE seen")
    assert asyncio.run(rebuild(shared_log_url, Seen())).swapped
    assert each_once(shared_log_url, len(RUN))


def test_a_swap_whose_reply_was_lost_has_happened(shared_log_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked again, it changes nothing."""
    lost: list[Any] = []

    def swapped_once(*given: Any) -> Any:
        swap = swapped(*given)
        lost.append(swap)
        return swap

    def write(database: Any, work: Any) -> Any:
        answer = original(database, work)
        if len(lost) == 1:
            lost.append(None)
            raise LogUnavailable("no reply")
        return answer

    kind = type(open_database(shared_log_url))
    original = kind.write
    monkeypatch.setattr(kind, "write", write)
    monkeypatch.setattr(rebuilding, "swapped", swapped_once)
    fill(shared_log_url, {"run": RUN})
    assert asyncio.run(rebuild(shared_log_url, Seen())).swapped
    assert len(lost) == 3
    assert each_once(shared_log_url, len(RUN))


@contextmanager
def rebuilder(url: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.integration.projection_worker", url]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def test_rebuilds_that_are_killed_while_everything_goes_on(shared_log_url: str) -> None:
    """The next one goes on where the last one was; in the end all is as the log says, and as it was followed."""
    url = shared_log_url
    drawn = random.Random(1)

    async def scenario() -> dict[str, Any]:
        async with Follower(url, Seen(), Audit()) as follower:
            first = await write(url, 0, 40)
            await follower.caught_up()
            writing = asyncio.create_task(write(url, 1, 30 * KILLS, 0.02))
            starts = []
            for _ in range(KILLS):
                with rebuilder(url) as process:
                    assert process.stdout is not None
                    starts.append(int((await asyncio.to_thread(process.stdout.readline)).split()[0]))
                    for _ in range(drawn.randint(1, 8)):
                        await asyncio.to_thread(process.stdout.readline)
            with rebuilder(url) as process:
                out, _ = await asyncio.to_thread(process.communicate)
                assert process.returncode == 0
                assert out.splitlines()[-1].endswith("True")
            assert any(starts), "no rebuild was taken up where it was killed"
            histories = first | await writing
            await follower.caught_up()
            return histories

    fill(url, {})
    histories = asyncio.run(scenario())
    assert each_once(url, len(histories) * len(RUN))
    hold_to_the_log(url, histories)
    followed = dump(url)
    asyncio.run(rebuild(url, Audit()))
    assert dump(url) == followed


def test_two_rebuilders_exclude_each_other(shared_log_url: str) -> None:
    """The second one is told so; when the first has ended, it may."""
    fill(shared_log_url, {"run": RUN})
    database = open_database(shared_log_url)
    assert database.lock("rebuild-seen")
    with pytest.raises(RebuildUnderWay, match="another process"):
        asyncio.run(rebuild(shared_log_url, Seen()))
    database.close()
    assert asyncio.run(rebuild(shared_log_url, Seen())).swapped


def test_readers_see_the_whole_view_during_swaps(shared_log_url: str) -> None:
    """Never half a view, never none, and always one moment of it."""
    fill(shared_log_url, {f"run-{number}": RUN for number in range(30)})
    asyncio.run(rebuild(shared_log_url, Audit()))

    async def scenario() -> int:
        reads, is_over = 0, False

        async def read() -> None:
            nonlocal reads
            async with AuditView(shared_log_url) as view:
                while not is_over:
                    page = await view.runs(RunFilter(state=e.RunStatus.PARTIALLY_COMPENSATED), limit=100)
                    assert len(page.rows) == 30
                    detail = await view.run("run-7")
                    assert [step.undo_attempts for step in detail.steps] == [1, 0, 0]
                    assert detail.run.version == len(RUN)
                    reads += 1

        async with asyncio.TaskGroup() as readers:
            for _ in range(3):
                readers.create_task(read())
            for _ in range(5):
                await rebuild(shared_log_url, Audit())
            is_over = True
        return reads

    assert asyncio.run(scenario()) > 5


def test_a_follower_goes_on_after_the_server_was_gone() -> None:
    """Nothing is lost, and nothing applied twice; what the server had not written yet goes with its position."""

    async def scenario(url: str, restart: Any) -> None:
        async with opened(url) as log, following(url, Seen()) as follower:
            await append(log, {"before": RUN})
            await follower.caught_up()
            await asyncio.to_thread(restart)
            await append(log, {"after": RUN})
            await follower.caught_up()

    with restartable_server() as server:
        fill(server.url, {})
        asyncio.run(scenario(server.url, server.restart))
        assert each_once(server.url, 2 * len(RUN))


def test_large_events_do_not_enter_the_view(shared_log_url: str) -> None:
    """A page is bounded in bytes, and inputs and outputs stay in the log."""
    big = "x" * 900_000
    start = e.RunStarted(occurred_at=RUN[0].occurred_at, saga="big", saga_version=1, input=f'"{big}"')
    histories = {f"big-{number}": [start, *RUN[1:]] for number in range(6)}

    async def scenario() -> None:
        async with following(shared_log_url, Audit()) as follower:
            await follower.caught_up()
        async with Projections(shared_log_url) as projections:
            assert (await projections.status("audit")).quarantined_count == 0

    fill(shared_log_url, histories)
    asyncio.run(scenario())
    hold_to_the_log(shared_log_url, histories)
    assert "xxxx" not in str(dump(shared_log_url))
