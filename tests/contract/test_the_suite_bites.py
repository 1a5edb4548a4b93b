"""The contract suite in a stranger's project: it finds what is wrong with a log, and asks for what it needs."""

import re

import pytest

LOGS = """
    import asyncio

    import pytest

    from amends.errors import AppendConflict
    from amends.saga.log.memory import MemoryLog
    from amends.testing.log_contract import LogContract

    class Careless(MemoryLog):
        async def append(self, run_id, expected_version, records, standing=None):
            try:
                await super().append(run_id, expected_version, records, standing)
            except AppendConflict:
                pass

    class Pedantic(MemoryLog):
        async def append(self, run_id, expected_version, records, standing=None):
            if records and len(await self.read(run_id)) > expected_version:
                raise AppendConflict(run_id, expected_version)
            await super().append(run_id, expected_version, records, standing)

    class Hasty(MemoryLog):
        async def follow(self, after_position=0):
            async for page in super().follow(after_position):
                yield page[::-1]

    class Open(MemoryLog):
        def _check_open(self):
            pass

    class Loyal(MemoryLog):
        async def claimable(self, known, limit):
            return [run for run in await super().claimable(known, limit) if not run.lapsed]

    class Mixed(MemoryLog):
        async def owned(self, worker):
            return {*await super().owned("ada"), *await super().owned("bob")}

    class Restless(MemoryLog):
        async def wait_for_work(self, seconds):
            self._check_open()
            await asyncio.sleep(0)

    class Generous(MemoryLog):
        async def share(self, need):
            return (await super().share(need))._replace(allowed=need.wanted, taken=need.wanted)

    class OnMemory(LogContract):
        shared_storage = False
"""

FOUND_BY = {
    "MemoryLog": set[str](),
    "Careless": {
        "test_an_append_at_another_version_is_a_conflict_and_writes_nothing",
        "test_other_bytes_at_a_taken_version_are_a_conflict",
        "test_of_sixteen_racers_for_a_version_exactly_one_wins",
        "test_a_conflict_leaves_the_standing_as_it_was",
        "test_of_two_workers_that_claim_one_run_one_has_it",
    },
    "Pedantic": {
        "test_the_same_bytes_again_are_our_own_write",
        "test_an_append_that_is_found_stored_does_not_turn_the_standing_back",
    },
    "Hasty": {"test_events_of_one_run_are_followed_in_the_order_of_their_versions"},
    "Open": {"test_closing_is_idempotent_and_ends_the_log_for_callers", "test_a_closed_log_is_asked_for_nothing"},
    "Loyal": {
        "test_an_owner_without_a_lease_has_lapsed",
        "test_each_lease_has_its_own_length_and_the_newest_beat_counts",
    },
    "Mixed": {"test_a_release_gives_up_every_run_and_the_lease"},
    "Generous": {
        "test_workers_share_and_never_have_more_together",
        "test_of_many_who_ask_at_once_all_together_get_what_there_is",
    },
    "Restless": {"test_the_wait_ends_in_time_and_is_not_ended_by_what_is_no_work"},
}


def run(pytester: pytest.Pytester, text: str, *arguments: str) -> pytest.RunResult:
    pytester.makepyfile(test_it=text)
    return pytester.runpytest_subprocess("-W", "error", "-p", "no:randomly", "-rfEs", "-vv", *arguments)


def test_each_broken_log_is_found_and_a_healthy_one_passes(pytester: pytest.Pytester) -> None:
    """A planted bug for each part of the contract; what a test read is in its report."""
    classes = "".join(
        f"""
    class Test{name}(OnMemory):
        @pytest.fixture
        def make_log(self):
            return {name}
"""
        for name in FOUND_BY
    )
    result = run(pytester, LOGS + classes, "-k", "not large", "--timeout", "20")
    failed = set(re.findall(r"^FAILED test_it.py::Test(\w+)::(\w+)", result.stdout.str(), re.MULTILINE))
    for name, found_by in FOUND_BY.items():
        assert found_by <= {test for log, test in failed if log == name}, name
    assert {name for name, _ in failed} == FOUND_BY.keys() - {"MemoryLog"}
    assert "where 2 = len(['ada', 'bob'])" in result.stdout.str()


def test_a_class_without_what_makes_its_log_is_told_so(pytester: pytest.Pytester) -> None:
    """In every test, with the name of the fixture; what is skipped says why."""
    text = (
        LOGS
        + """
    class TestNothing(LogContract): ...

    class TestMemory(OnMemory):
        @pytest.fixture
        def make_log(self):
            return MemoryLog
"""
    )
    result = run(
        pytester, text, "-k", "TestNothing and closed or TestMemory and (another_log or another_object or beats)"
    )
    result.assert_outcomes(errors=1, skipped=3)
    result.stdout.fnmatch_lines(["*TestNothing needs a fixture `make_log`*"])
    result.stdout.fnmatch_lines(["SKIPPED*TestMemory has no fixture `let_lapse`*"])
    result.stdout.fnmatch_lines(["SKIPPED*TestMemory.shared_storage is False*"])


def test_a_class_without_the_users_rows_is_told_so(pytester: pytest.Pytester) -> None:
    """The contract of transactional logs writes rows beside the log, in the log's own database."""
    text = (
        LOGS
        + """
    from amends.testing.log_contract import TransactionalContract

    class TestMemory(OnMemory): ...

    class TestTransactions(TransactionalContract):
        @pytest.fixture
        def make_log(self):
            return MemoryLog
"""
    )
    result = run(pytester, text, "-k", "TestTransactions and (goes_on or no_connection)")
    result.assert_outcomes(errors=2, failed=1)
    result.stdout.fnmatch_lines(["*TestTransactions needs a fixture `make_rows`*"])
    result.stdout.fnmatch_lines(["*memory lacks a verb of `Transactional`*"])
