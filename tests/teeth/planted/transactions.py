"""Bugs of transactional steps, and of starts in their callers' transactions. They take a database: tests catch them."""

from tests.teeth.planted.places import (
    COMMANDS,
    COORDINATOR,
    ENLISTING,
    HOSTING,
    MOVING,
    POSTGRES_TRANSACTIONS,
    SQLITE_LENT,
    SQLITE_STARTS,
    TRANSACTING,
)
from tests.teeth.tooth import Tooth, tooth_of_suite

_STEPS, _STARTS = "integration/test_transactional.py", "integration/test_enlisting.py"
_CONTRACT = "contract/test_transactional_logs.py"

_ATTEMPTS: tuple[Tooth, ...] = (
    tooth_of_suite(
        "a handler's rows are committed without its record",
        TRANSACTING,
        "            version = await self._appended(transaction, records)\n",
        "            version = self._durable_version()\n",
        f"{_STEPS}::test_the_row_and_the_record_are_there_together[sqlite]",
    ),
    tooth_of_suite(
        "a success is recorded although its commit failed",
        TRANSACTING,
        "            if not await self._landed(transaction, version, records):\n",
        "            if False:\n",
        f"{_STEPS}::test_a_commit_that_never_arrived_is_made_again",
    ),
    tooth_of_suite(
        "a commit whose reply was lost is taken for failed",
        TRANSACTING,
        "            if not await self._landed(transaction, version, records):\n",
        "            if True:\n",
        f"{_STEPS}::test_a_lost_reply_changes_nothing",
    ),
    tooth_of_suite(
        "what a zombie wrote is committed behind the claim of another worker",
        TRANSACTING,
        "event.worker != state.worker or event.epoch > state.epoch",
        "False",
        f"{_STEPS}::test_what_a_zombie_wrote_vanishes",
    ),
    tooth_of_suite(
        "what was under way when its run was abandoned is committed",
        TRANSACTING,
        "            isinstance(event, RunAbandoned)\n            or (isinstance",
        "            (isinstance",
        f"{_STEPS}::test_what_a_zombie_wrote_vanishes",
    ),
    tooth_of_suite(
        "a success gives up when others have written meanwhile",
        TRANSACTING,
        "            version += len(theirs)\n",
        "            return None\n",
        f"{_STEPS}::test_what_others_write_meanwhile_breaks_nothing",
    ),
    tooth_of_suite(
        "an output that is too large makes a transactional step unknown",
        TRANSACTING,
        "        except ValueTooLarge as error:\n",
        "        except ZeroDivisionError as error:\n",
        f"{_STEPS}::test_an_output_that_cannot_be_recorded_leaves_no_row[sqlite]",
    ),
    tooth_of_suite(
        "an attempt whose time was up is unknown although it was rolled back",
        TRANSACTING,
        "                late(replace(timed_out, rolled_back=True))\n",
        "                late(timed_out)\n",
        f"{_STEPS}::test_an_attempt_whose_time_was_up_has_failed_for_certain[sqlite]",
        f"{_STEPS}::test_an_async_handler_that_will_not_be_cancelled_writes_nothing_more[sqlite]",
    ),
    tooth_of_suite(
        "a log without transactions is found out at the first attempt",
        COORDINATOR,
        "        check_transactional(self._registry.actions.values(), self._log)\n",
        "        check_transactional((), self._log)\n",
        f"{_STEPS}::test_a_log_without_transactions_refuses_it",
    ),
    tooth_of_suite(
        "what was not committed is committed in the end",
        SQLITE_LENT,
        '            self.own("ROLLBACK")\n',
        '            self.own("COMMIT")\n',
        f"{_CONTRACT}::TestSQLite::test_what_is_not_committed_never_was",
    ),
    tooth_of_suite(
        "a handler can commit by itself",
        SQLITE_LENT,
        "        raise sqlite3.ProgrammingError(_NOT_YOURS)\n\n    rollback = commit\n",
        "        super().commit()  # type: ignore[misc]\n\n    rollback = commit\n",
        f"{_STEPS}::test_a_handler_cannot_commit_its_transaction[sqlite-_commit]",
    ),
    tooth_of_suite(
        "a commit over a connection that was lost passes for done",
        POSTGRES_TRANSACTIONS,
        "    if error is None and connection.closed:\n",
        "    if False:\n",
        f"{_CONTRACT}::TestPostgreSQL::test_who_was_cut_off_writes_nothing_more",
    ),
    tooth_of_suite(
        "those who wait for the log's lock leave no thread to commit in",
        POSTGRES_TRANSACTIONS,
        "ThreadPoolExecutor(limit, ",
        "ThreadPoolExecutor(4, ",
        f"{_CONTRACT}::TestPostgreSQL::test_many_at_once_are_served_one_after_the_other_or_together",
    ),
)

_OF_STARTS: tuple[Tooth, ...] = (
    tooth_of_suite(
        "a start that is repeated in the same instant passes for the first one",
        COORDINATOR,
        "worker=hosting.worker, epoch=1, start=number",
        "worker=hosting.worker, epoch=1",
        "integration/test_starting.py::"
        "test_a_start_that_is_repeated_in_the_same_instant_does_not_begin_a_run_that_is_over",
    ),
    tooth_of_suite(
        "no worker moves what was started in a transaction",
        HOSTING,
        "        if await move_starts(self._host):  #",
        "        if False:  #",
        f"{_STARTS}::test_a_worker_finds_what_was_committed_without_being_asked[sqlite]",
    ),
    tooth_of_suite(
        "a run that was started in a transaction does not exist until a worker comes",
        COMMANDS,
        "            await move_starts(host, run_id)\n",
        "            pass\n",
        f"{_STARTS}::test_a_committed_start_needs_no_worker_to_be_a_run[sqlite]",
    ),
    tooth_of_suite(
        "whoever asks moves a page of starts, and not the one that is wanted",
        MOVING,
        "        if len(taken) < STARTS_AT_ONCE:\n",
        "        if True:\n",
        f"{_STARTS}::test_the_last_of_many_starts_is_found[sqlite]",
    ),
    tooth_of_suite(
        "a start that came second is tried again for ever",
        MOVING,
        "        await log.settle_start(start.run_id, keep=False)\n",
        "        pass\n",
        f"{_STARTS}::test_a_start_that_comes_second_is_dropped_or_set_aside[sqlite]",
    ),
    tooth_of_suite(
        "the start of another run is dropped in silence",
        MOVING,
        "        await log.settle_start(start.run_id, keep=True)\n",
        "        await log.settle_start(start.run_id, keep=False)\n",
        f"{_STARTS}::test_a_start_that_comes_second_is_dropped_or_set_aside[sqlite]",
    ),
    tooth_of_suite(
        "the second start of an id is not compared with the first",
        ENLISTING,
        "    check_same(run_id, state, started)\n",
        "",
        f"{_STARTS}::test_the_same_start_twice_is_one_run[sqlite]",
    ),
    tooth_of_suite(
        "a connection that commits by itself is accepted",
        SQLITE_STARTS,
        "    if commits_itself and not connection.in_transaction:\n",
        "    if False:\n",
        f"{_STARTS}::test_a_connection_that_does_not_fit_is_refused[sqlite]",
    ),
    tooth_of_suite(
        "a start whose id is taken is dropped before anybody has looked",
        SQLITE_STARTS,
        "            if start.run_id not in refused:\n",
        "            if True:\n",
        f"{_CONTRACT}::TestSQLite::test_a_start_whose_id_is_taken_is_refused_until_it_is_settled",
    ),
    tooth_of_suite(
        "what was moved stays to be moved again",
        SQLITE_STARTS,
        "            if start.run_id not in refused:\n",
        "            if False:\n",
        f"{_CONTRACT}::TestSQLite::test_a_start_is_there_when_its_caller_has_committed",
    ),
    tooth_of_suite(
        "a run that was moved is nobody's to claim",
        SQLITE_STARTS,
        "Append(run.run_id, 0, [run.record], Standing(run.saga, run.version))",
        "Append(run.run_id, 0, [run.record])",
        f"{_CONTRACT}::TestSQLite::test_a_start_is_there_when_its_caller_has_committed",
    ),
    tooth_of_suite(
        "nobody is woken for a start in a transaction",
        SQLITE_STARTS,
        '            cursor.execute(statement("sqlite_ring"))\n',
        "",
        f"{_CONTRACT}::TestSQLite::test_a_commit_wakes_whoever_waits_for_work",
    ),
)

TEETH: tuple[Tooth, ...] = (*_ATTEMPTS, *_OF_STARTS)
