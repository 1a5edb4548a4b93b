"""Several processes on one log: their first start, and one of them that stops in its tracks."""

import asyncio
import signal

import pytest

from tests.integration.workers import running_workers
from tests.logs import a_record, collect, opened


def test_twelve_processes_open_an_empty_database_at_once(shared_log_url: str) -> None:
    """All come up, and all can write; the library's own `create_table` fails in half of them (trap V4)."""

    async def count() -> int:
        async with opened(shared_log_url) as log:
            return len(await collect(log, 36))

    with running_workers(shared_log_url, 12) as workers:
        for worker in workers:
            worker.tell("open")
        assert [worker.hear() for worker in workers] == ["done"] * 12
        for number, worker in enumerate(workers):
            worker.tell(f"append run-{number} 0 3")
        assert [worker.hear() for worker in workers] == ["done"] * 12
        for worker in workers:
            worker.tell("quit")
        assert [worker.hear() for worker in workers] == ["closed"] * 12
    assert asyncio.run(count()) == 36


def test_a_writer_that_is_stopped_between_appends_blocks_nobody(shared_log_url: str) -> None:
    """Nothing is held from one append to the next."""

    async def append() -> None:
        async with opened(shared_log_url) as log, asyncio.timeout(2):
            await log.append("other", 0, [a_record()])

    with running_workers(shared_log_url, 1) as (worker,):
        worker.tell("open")
        worker.tell("append run 0 5")
        assert [worker.hear(), worker.hear()] == ["done", "done"]
        worker.send_signal(signal.SIGSTOP)
        asyncio.run(append())
        worker.send_signal(signal.SIGCONT)
        worker.tell("append run 5 1")
        assert worker.hear() == "done"


@pytest.mark.parametrize("after", [3, 10, 30])
def test_a_writer_that_is_stopped_while_it_appends_blocks_nobody(postgres_url: str, after: int) -> None:
    """Wherever it was hit: no transaction waits for a client (trap V3: 5 s or for ever with the library's recorder)."""

    async def scenario() -> None:
        async with opened(postgres_url) as log:
            with running_workers(postgres_url, 1) as (worker,):
                worker.tell("open")
                worker.tell("append run 0 100000")
                await collect(log, after)
                worker.send_signal(signal.SIGSTOP)
                async with asyncio.timeout(1.5):
                    for version in range(10):
                        await log.append("other", version, [a_record()])

    asyncio.run(scenario())
