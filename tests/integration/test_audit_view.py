"""The audit view is asked: by each condition, page by page, while runs are added; and with questions that cannot be."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from amends import InvalidValue, ProjectionOutdated, RunStatus, UnknownName
from amends.projections import Audit, AuditRun, AuditView, RunFilter, rebuild
from amends.projections.applying import Applier
from amends.projections.copies import place
from amends.projections.database import Transaction, open_database
from amends.saga import events as e
from tests.logs import opened
from tests.unit.recorded import ZERO, at, did, doing, failed, unwound_run
from tests.views import CLOCK, CODEC, append, applied, fill

NAMES = ["Robert'); DROP TABLE amends_audit_runs;--", "100%_", "\\", "é ßtraße", "plain"]


def a_run(number: int) -> list[e.Event]:
    """A run that starts later than those before it; they end in four ways, and tell of it in many."""
    text = NAMES[number % len(NAMES)]
    begun: list[e.Event] = [
        e.RunStarted(
            occurred_at=at(number // 2),  # two start at the same moment
            saga=f"saga-{number % 3}",
            saga_version=1,
            input="{}",
            tags={"tenant": NAMES[number % 5], "plan": "free"},
        ),
        doing("1", "a", number),
    ]
    error = e.ErrorInfo(type="ValueError", message=f"Ticket {number}: {text}")
    failing = e.RunFailing(
        occurred_at=at(number), reason=e.FailingReason.ACTION_FAILED, error=error, action=f"a-{number % 2}", step="1"
    )
    match number % 4:
        case 0:
            return [*begun, did("1", number), e.RunCompleted(occurred_at=at(number), output="{}")]
        case 1:
            return [*begun, failed("1", number), failing, e.RunCompensated(occurred_at=at(number))]
        case 2:
            parked = e.RunParked(occurred_at=at(number), reason=e.ParkReason.OUTCOME_UNKNOWN, detail=f"Ask {text}")
            resumed = e.RunResumed(occurred_at=at(number), by="ada", reason=f"mended {number}")
            return [*begun, parked, resumed, parked]
        case _:
            return begun


HISTORIES = {f"run-{number}": a_run(number) for number in range(40)}


async def all_pages(view: AuditView, where: RunFilter, limit: int) -> list[AuditRun]:
    found: list[AuditRun] = []
    cursor = None
    while True:
        page = await view.runs(where, limit=limit, cursor=cursor)
        assert len(page.rows) <= limit
        found += page.rows
        cursor = page.next
        if cursor is None:
            return found


def began(run: AuditRun) -> datetime:
    assert run.started_at is not None
    return run.started_at


def text_of(run: AuditRun) -> str:
    return f"{run.error or ''}\n{run.parked_detail or ''}".casefold()


CONDITIONS: list[tuple[RunFilter, Callable[[AuditRun], bool]]] = [
    (RunFilter(), lambda run: True),
    *((RunFilter(state=state), lambda run, state=state: run.state is state) for state in RunStatus),
    (RunFilter(saga="saga-1"), lambda run: run.saga == "saga-1"),
    (RunFilter(action="a-1"), lambda run: run.failing_action == "a-1"),
    *(
        (RunFilter(tag=("tenant", name)), lambda run, name=name: run.tags["tenant"] == name)
        for name in [*NAMES, "' OR 1=1 --", "%"]
    ),
    (RunFilter(since=at(5)), lambda run: began(run) >= at(5)),
    (RunFilter(until=at(5)), lambda run: began(run) < at(5)),
    *(
        (RunFilter(text=text), lambda run, text=text: text.casefold() in text_of(run))
        for text in ["TICKET 1", "100%_", "%", "_", "'); drop", "STRASSE", "ask", "no such text"]
    ),
    (
        RunFilter(
            state=RunStatus.COMPENSATED, tag=("plan", "free"), since=at(2), until=at(18), saga="saga-0", text="ticket"
        ),
        lambda run: (
            run.state is RunStatus.COMPENSATED
            and at(2) <= began(run) < at(18)
            and run.saga == "saga-0"
            and "ticket" in text_of(run)
        ),
    ),
]


@pytest.mark.parametrize("scan_rows", [1000, 3])
def test_each_condition_finds_what_it_should(
    shared_log_url: str, scan_rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Newest first, in pages of any size, also when a search for a text takes several calls; texts are only texts."""
    monkeypatch.setattr("amends.projections.audit_search.SCAN_ROWS", scan_rows)
    monkeypatch.setattr("amends.projections.audit_search.SCAN_LIMIT", 2 * scan_rows)
    fill(shared_log_url, HISTORIES)
    applied(shared_log_url, Audit())

    async def scenario() -> None:
        async with AuditView(shared_log_url) as view:
            everything = await all_pages(view, RunFilter(), 7)
            assert len(everything) == len(HISTORIES)
            assert [began(run) for run in everything] == sorted(map(began, everything), reverse=True)
            for where, fits in CONDITIONS:
                expected = [run for run in everything if fits(run)]
                for limit in (1, 4, 1000):
                    assert await all_pages(view, where, limit) == expected, where

    asyncio.run(scenario())


def test_a_page_is_not_moved_by_runs_that_come(shared_log_url: str) -> None:
    """Nothing is told twice and nothing left out, wherever the new runs have their place."""
    fill(shared_log_url, HISTORIES)
    applied(shared_log_url, Audit())

    def moved(number: int, seconds: float) -> Sequence[e.Event]:
        return [event.model_copy(update={"occurred_at": at(seconds)}) for event in a_run(number)]

    async def scenario() -> None:
        async with AuditView(shared_log_url) as view, opened(shared_log_url) as log:
            first = await view.runs(limit=10)
            await append(log, {"early": moved(1, 0.5), "late": moved(2, 1000)})
            await asyncio.to_thread(applied, shared_log_url, Audit())
            rest, cursor = [*first.rows], first.next
            while cursor is not None:
                page = await view.runs(limit=10, cursor=cursor)
                rest, cursor = [*rest, *page.rows], page.next
            names = [run.run_id for run in rest]
            assert sorted(names) == sorted([*HISTORIES, "early"])

    asyncio.run(scenario())


def test_an_answer_is_of_one_moment(shared_log_url: str) -> None:
    """What a follower writes while somebody reads is seen in the next answer."""
    fill(shared_log_url, {"run": unwound_run()})
    applier, reader, writer = (
        Applier(Audit(), CODEC, CLOCK),
        open_database(shared_log_url),
        open_database(shared_log_url),
    )
    rows = reader.page(0)
    copy = applier.apply(writer, place(writer, Audit(), CLOCK), rows[:5])
    assert copy is not None

    def look(transaction: Transaction) -> list[Any]:
        first = transaction.records("audit_run", {"run_id": "run"})
        assert applier.apply(writer, copy, rows[5:]) is not None
        return [first, transaction.records("audit_run", {"run_id": "run"})]

    first, second = reader.read(look, ["amends_audit_runs", "amends_audit_steps"])
    after = reader.read(lambda transaction: transaction.records("audit_run", {"run_id": "run"}))
    reader.close()
    writer.close()
    assert first == second
    assert (first[0]["version"], after[0]["version"]) == (5, len(rows))


def test_commands_and_counts(shared_log_url: str) -> None:
    fill(shared_log_url, HISTORIES)
    applied(shared_log_url, Audit())

    async def scenario() -> None:
        async with AuditView(shared_log_url) as view:
            first = await view.commands(limit=4)
            rest = await view.commands(limit=100, cursor=first.next)
            commands = [*first.rows, *rest.rows]
            assert (len(commands), rest.next) == (10, None)
            assert [command.position for command in commands] == sorted((c.position for c in commands), reverse=True)
            assert {(command.kind, command.by) for command in commands} == {("resume", "ada")}
            counts = await view.counts()
            assert sum(count.run_count for count in counts) == 40
            some = await view.counts(since=at(5), until=at(10))
            assert sum(count.run_count for count in some) == 10
            durations = await view.durations(since=at(5), until=at(10))
            assert sum(saga.ended_count for saga in durations.sagas) <= 10
            everything = await view.durations()
            assert {saga.name for saga in everything.sagas} <= {count.saga for count in counts}
            assert all(d.median_seconds <= d.p95_seconds <= d.longest_seconds for d in everything.actions)
            assert everything.actions

    asyncio.run(scenario())


def test_questions_that_cannot_be(shared_log_url: str) -> None:
    fill(shared_log_url, {"run-0": HISTORIES["run-0"]})
    naive = datetime(2026, 3, 1)  # noqa: DTZ001 - on purpose

    async def scenario() -> None:
        async with AuditView(shared_log_url) as view:
            for ask in (view.runs, view.commands, view.counts, view.durations, lambda: view.run("run-0")):
                with pytest.raises(ProjectionOutdated, match="rebuild"):
                    await ask()
            await rebuild(shared_log_url, Audit())
            bad: list[Any] = [0, 1001, -1, True, "5", None]
            for limit in bad:
                with pytest.raises(InvalidValue, match="limit"):
                    await view.runs(limit=limit)
            for cursor in ["", "x", "é", "W10", "WzEsMl0", "W251bGwsIDEuNV0"]:
                with pytest.raises(InvalidValue, match="cursor"):
                    await view.runs(cursor=cursor)
            for where in (RunFilter(since=naive), RunFilter(until=naive)):
                with pytest.raises(InvalidValue, match="time zone"):
                    await view.runs(where)
            with pytest.raises(UnknownName, match="no run 'nobody'"):
                await view.run("nobody")

    asyncio.run(scenario())


def test_texts_of_an_encrypted_log_are_not_copied(shared_log_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless somebody says that they are wanted: the view lies in the clear."""
    fill(shared_log_url, {"run": unwound_run(), "tagged": a_run(1)})
    with monkeypatch.context() as patch:
        patch.setenv("CIPHER_TOPIC", "eventsourcing.cryptography:AESCipher")
        quiet, loud = Audit(), Audit(texts=True)
    assert (quiet.texts, loud.texts, Audit().texts) == (False, True, True)
    applied(shared_log_url, quiet)

    async def read() -> str:
        async with AuditView(shared_log_url) as view:
            return str([await view.run("run"), await view.run("tagged"), await view.commands()])

    text = asyncio.run(read())
    assert "CRM is down" not in text
    assert "Ticket 1" not in text
    assert "100%_" not in text
    assert "update-crm-contact" in text


def test_how_long_a_run_took(shared_log_url: str) -> None:
    fill(shared_log_url, {"run": unwound_run()})
    applied(shared_log_url, Audit())

    async def scenario() -> AuditRun:
        async with AuditView(shared_log_url) as view:
            return (await view.run("run")).run

    run = asyncio.run(scenario())
    assert (run.started_at, run.duration) == (ZERO, timedelta(seconds=1.055))
