"""Seals: whatever is done to a log behind its back is found and named, on SQLite and on PostgreSQL."""

import asyncio
from collections.abc import Sequence

import pytest

from amends import UnknownName
from amends.projections import BreachKind, KeptHead, Sealer, SealProgress, Verification, verify, verify_run
from amends.saga.log.open import open_log
from amends.saga.log.port import Record
from tests.databases import behind_its_back

RUNS, EVENTS = 30, 5


async def fill(url: str, runs: range = range(RUNS)) -> None:
    """Write a few events of each run, in turns, so that the positions of a run are not one after the other."""
    log = open_log(url)
    await log.open()
    for version in range(EVENTS):
        records = [Record("topic", f"event {version}".encode())]
        await asyncio.gather(*(log.append(f"run-{run}", version, records) for run in runs))
    await log.close()


async def seal(url: str) -> SealProgress:
    async with Sealer(url) as sealer:
        return await sealer.seal()


async def filled(url: str) -> SealProgress:
    await fill(url)
    return await seal(url)


def test_an_untouched_log_is_as_it_was_sealed(shared_log_url: str) -> None:
    """What came later is counted; sealing again goes on behind the last seal."""

    async def scenario() -> None:
        first = await filled(shared_log_url)
        assert (first.sealed_count, len(first.chain)) == (RUNS * EVENTS, 64)
        assert (await seal(shared_log_url))[:2] == first[:2]
        await fill(shared_log_url, range(RUNS, RUNS + 3))
        kept = KeptHead(first.position, first.chain)
        found = await verify(shared_log_url, kept=kept)
        assert found == Verification(None, RUNS * EVENTS, 3 * EVENTS, kept)
        second = await seal(shared_log_url)
        assert second.sealed_count == 3 * EVENTS
        assert second.chain != first.chain
        seen: list[int] = []
        found = await verify(shared_log_url, kept=kept, progress=lambda now: seen.append(now.event_count))
        assert (found.breach, found.event_count, found.unsealed_count) == (None, (RUNS + 3) * EVENTS, 0)
        assert seen[-1] == found.event_count
        assert await verify_run(shared_log_url, "run-2") == Verification(
            None, EVENTS, 0, (await verify_run(shared_log_url, "run-2")).head
        )

    asyncio.run(scenario())


TAMPERED: dict[str, tuple[BreachKind, Sequence[tuple[str, tuple[object, ...]]]]] = {
    "an event's state": (
        BreachKind.CHANGED,
        [("UPDATE stored_events SET state = ? WHERE rowid >= ?", (b"event x", 70))],
    ),
    "an event's topic": (BreachKind.CHANGED, [("UPDATE stored_events SET topic = 'x' WHERE rowid = ?", (70,))]),
    "the kind of its state": (
        BreachKind.CHANGED,
        [("UPDATE stored_events SET state = ? WHERE rowid = ?", ("event y", 70))],
    ),
    "whose event it is": (
        BreachKind.CHANGED,
        [("UPDATE stored_events SET originator_id = 'x' WHERE rowid = ?", (70,))],
    ),
    "an event is removed": (BreachKind.REMOVED, [("DELETE FROM stored_events WHERE rowid >= ?", (70,))]),
    "one is put in where another one was": (
        BreachKind.REMOVED,
        [("UPDATE stored_events SET rowid = 100000 WHERE rowid = ?", (70,))],
    ),
}


@pytest.mark.parametrize(("kind", "deeds"), TAMPERED.values(), ids=TAMPERED.keys())
def test_the_first_event_that_was_touched_is_named(
    shared_log_url: str, kind: BreachKind, deeds: Sequence[tuple[str, tuple[object, ...]]]
) -> None:
    """With its position, and how many events before it are as they were."""

    async def scenario() -> None:
        await filled(shared_log_url)
        for statement, parameters in deeds:
            behind_its_back(shared_log_url, statement, *parameters)
        found = await verify(shared_log_url)
        assert found.breach is not None
        assert (found.breach.kind, found.breach.position, found.event_count) == (kind, 70, 69)

    asyncio.run(scenario())


def test_an_event_that_was_put_in_is_named(shared_log_url: str) -> None:
    """In a gap of the positions, which rolled-back transactions leave."""

    async def scenario() -> None:
        await fill(shared_log_url)
        behind_its_back(shared_log_url, "DELETE FROM stored_events WHERE rowid = ?", 70)
        await seal(shared_log_url)
        assert (await verify(shared_log_url)).breach is None
        behind_its_back(
            shared_log_url,
            "INSERT INTO stored_events (originator_id, originator_version, topic, state, rowid) VALUES (?, ?, ?, ?, ?)",
            *("somebody", 1, "topic", b"state", 70),
        )
        found = await verify(shared_log_url)
        assert found.breach == (BreachKind.PUT_IN, 70, "somebody", 1)

    asyncio.run(scenario())


def test_the_events_of_one_run_can_be_held_against_its_chain(shared_log_url: str) -> None:
    """Quick, and says that something is wrong; what came after the seal is counted."""

    async def scenario() -> None:
        await filled(shared_log_url)
        behind_its_back(
            shared_log_url, "DELETE FROM stored_events WHERE originator_id = ? AND originator_version = 5", "run-1"
        )
        behind_its_back(shared_log_url, "DELETE FROM stored_events WHERE originator_id = ?", "run-2")
        for run in ("run-1", "run-2"):
            breach = (await verify_run(shared_log_url, run)).breach
            assert breach is not None
            assert (breach.kind, breach.run_id) == (BreachKind.CHANGED, run)
        assert (await verify_run(shared_log_url, "run-3")).breach is None
        await fill(shared_log_url, range(90, 91))
        assert (await verify_run(shared_log_url, "run-90")).unsealed_count == EVENTS
        with pytest.raises(UnknownName):
            await verify_run(shared_log_url, "nobody")

    asyncio.run(scenario())


def test_whoever_forges_the_seals_too_is_found_by_a_head_that_was_kept(shared_log_url: str) -> None:
    """Without it, everything fits; and a log that was cut off behind an old head is found as well."""

    async def scenario() -> None:
        head = await filled(shared_log_url)
        kept = KeptHead(head.position, head.chain)
        behind_its_back(shared_log_url, "UPDATE stored_events SET state = ? WHERE rowid = ?", b"forged", 70)
        behind_its_back(shared_log_url, "DELETE FROM amends_seals")
        behind_its_back(shared_log_url, "DELETE FROM amends_run_links")
        assert (await verify(shared_log_url, kept=kept)).breach == (BreachKind.SEAL_CHANGED, head.position, None, None)
        await seal(shared_log_url)
        assert (await verify(shared_log_url)).breach is None
        assert (await verify(shared_log_url, kept=kept)).breach == (BreachKind.SEAL_CHANGED, head.position, None, None)

    asyncio.run(scenario())


@pytest.mark.parametrize("column", ["marks", "chain"])
def test_a_seal_that_was_changed_is_named(shared_log_url: str, column: str) -> None:
    """A mark alone does not fit the chain, nor does a chain the marks."""

    async def scenario() -> None:
        head = await filled(shared_log_url)
        behind_its_back(shared_log_url, f"UPDATE amends_seals SET {column} = ?", bytes(80))
        assert (await verify(shared_log_url)).breach == (BreachKind.SEAL_CHANGED, head.position, None, None)

    asyncio.run(scenario())


def test_several_may_seal_at_once(shared_log_url: str) -> None:
    """While others write. Each event is sealed once, and the chain does not fork."""

    async def scenario() -> None:
        await fill(shared_log_url, range(3))

        async def write() -> None:
            for run in range(3, 60, 3):
                await fill(shared_log_url, range(run, run + 3))

        async def go_on_sealing(writing: "asyncio.Task[None]") -> int:
            count = 0
            async with Sealer(shared_log_url) as sealer:
                while not writing.done():
                    count += (await sealer.seal()).sealed_count
            return count

        writing = asyncio.create_task(write())
        counts = await asyncio.gather(*(go_on_sealing(writing) for _ in range(3)))
        last = await seal(shared_log_url)
        assert sum(counts) + last.sealed_count == 60 * EVENTS
        found = await verify(shared_log_url)
        assert (found.breach, found.event_count, found.unsealed_count) == (None, 60 * EVENTS, 0)

    asyncio.run(scenario())


def test_whoever_is_stopped_goes_on_behind_the_last_page(shared_log_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page and its links are one transaction."""
    monkeypatch.setattr("amends.projections.sqlite.PAGE_COUNT", 40)
    monkeypatch.setattr("amends.projections.postgres.PAGE_COUNT", 40)

    class Stopped(Exception):
        pass

    def stop(now: SealProgress) -> None:
        raise Stopped

    async def scenario() -> None:
        await fill(shared_log_url)
        async with Sealer(shared_log_url) as sealer:
            for _ in range(2):
                with pytest.raises(Stopped):
                    await sealer.seal(stop)
            assert (await sealer.seal()).sealed_count == RUNS * EVENTS - 80
        assert (await verify(shared_log_url)).event_count == RUNS * EVENTS
        assert (await verify_run(shared_log_url, "run-1")).breach is None

    asyncio.run(scenario())
