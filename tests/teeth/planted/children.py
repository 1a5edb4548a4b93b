"""Bugs of runs that are steps of others. A simulation has one run, so the tests of children catch them."""

from tests.teeth.planted.places import CHILDREN, UNDER_WAY
from tests.teeth.tooth import Tooth, tooth_of_suite

_LIVE = "integration/test_children.py"

TEETH: tuple[Tooth, ...] = (
    tooth_of_suite(
        "a child that ended is taken for one that was completed",
        CHILDREN,
        "        if ended.status is RunStatus.COMPLETED:\n",
        "        if ended.status.ended:\n",
        f"{_LIVE}::test_a_child_that_fails_fails_its_step",
    ),
    tooth_of_suite(
        "a child is not undone with its parent",
        CHILDREN,
        "            await until_answered(lambda: self._host.runs.command(child, moment))\n"
        "            ended = await self._ended(step.child, is_work=False)\n",
        "            ended = await self._ended(step.child, is_work=False)\n"
        "            return UndoSucceeded(step.path, attempt, ended.remaining)\n",
        f"{_LIVE}::test_what_a_child_has_done_is_undone_with_its_parent",
    ),
    tooth_of_suite(
        "what stands of a child that was undone is forgotten",
        CHILDREN,
        "            return UndoSucceeded(step.path, attempt, ended.remaining)\n",
        "            return UndoSucceeded(step.path, attempt)\n",
        f"{_LIVE}::test_a_child_that_cannot_be_undone_completely_remains",
    ),
    tooth_of_suite(
        "a parent that is called off leaves its children going",
        CHILDREN,
        "                if self._called_off.is_set():\n                    await self._cancel(child)\n",
        "                pass\n",
        f"{_LIVE}::test_cancelling_a_parent_cancels_its_children",
    ),
    tooth_of_suite(
        "a parent that was called off while nobody had it leaves its children going",
        UNDER_WAY,
        "            if self._is_called_off:\n                self._children.call_off()\n",
        "",
        f"{_LIVE}::test_a_parent_that_is_cancelled_while_nobody_has_it_calls_its_children_off",
    ),
    tooth_of_suite(
        "a parent that waits keeps its place",
        CHILDREN,
        "            self._host.places.release()\n",
        "            pass\n",
        f"{_LIVE}::test_parents_never_keep_their_children_out[memory]",
    ),
    tooth_of_suite(
        "a parent that goes on does not take its place back",
        CHILDREN,
        "            self._host.places.take()\n",
        "            pass\n",
        f"{_LIVE}::test_parents_never_keep_their_children_out[memory]",
    ),
    tooth_of_suite(
        "a child that is parked is taken for ended",
        CHILDREN,
        "                if state.status.ended:\n",
        "                if state.at_rest:\n",
        f"{_LIVE}::test_a_parked_child_is_waited_for",
    ),
    tooth_of_suite(
        "another run that has the id of a child is taken for it",
        CHILDREN,
        "            check_same(child, await host.runs.state(child), started)\n",
        "            pass\n",
        f"{_LIVE}::test_a_run_of_that_id_that_is_another_is_left_alone",
    ),
    tooth_of_suite(
        "a child does not say whose step it is",
        CHILDREN,
        "            parent=state.run_id,\n",
        "",
        f"{_LIVE}::test_a_saga_is_a_step_and_a_run_of_its_own",
    ),
    tooth_of_suite(
        "a parent that fails starts its children all the same",
        CHILDREN,
        "        if saga is None or self._called_off.is_set():\n",
        "        if saga is None:\n",
        f"{_LIVE}::test_a_child_that_the_log_does_not_take_is_started_later_unless_its_parent_fails",
    ),
    tooth_of_suite(
        "a log that does not answer fails a child",
        CHILDREN,
        "            if not await until_answered(lambda: self._started(step, child)):\n",
        "            if not await self._started(step, child):\n",
        f"{_LIVE}::test_a_child_that_the_log_does_not_take_is_started_later_unless_its_parent_fails",
    ),
)
