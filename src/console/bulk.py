"""A command to many runs at once: `amends retry --all --parked-because undo_failed ...`.

What a command says to one run is its own business. Here is which runs are told, what is shown before, and what came
of it after. Lines are written as they come, so nothing here grows with the number of runs.
"""

import argparse
import asyncio
import json
import signal
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import LogUnavailable
from ..saga.events import RunStatus
from ..saga.ids import checked_words
from .audit import add_as_is_to, audit_of
from .client import client_of
from .filters import CONDITIONS, add_conditions_to, filter_of
from .plain import plain
from .standing import stands, why

if TYPE_CHECKING:
    from ..projections import AuditRun, BulkOutcome, RunFilter
    from ..projections.bulk import Command
    from ..saga.coordinator import Coordinator

_BULK_ONLY = (*CONDITIONS, "dry_run", "yes", "limit", "as_is")


class Bulk(NamedTuple):
    """A command as it is said to many runs.

    Attributes:
        name: what it is called: `retry`.
        done: of a run to which it was said: `retried`.
        states: of the runs to which it can apply.
        said: what each run is told, by the coordinator through which it is told.
        ends_at_commit: a run that is past its point of no return refuses it.
    """

    name: str
    done: str
    states: Sequence[RunStatus]
    said: "Callable[[Coordinator], Command]"
    ends_at_commit: bool = False

    def is_refused(self, found: "AuditRun") -> bool:
        """Tell whether the run would refuse it."""
        return self.ends_at_commit and found.committed_at is not None


def add_bulk_to(parser: argparse.ArgumentParser) -> None:
    """Give a command for one run `--all` and what goes with it."""
    parser.add_argument("--all", action="store_true", dest="every", help="say it to every run that the conditions find")
    add_conditions_to(parser)
    group = parser.add_argument_group("with --all")
    group.add_argument("--dry-run", action="store_true", help="show which runs would be told, and tell none")
    group.add_argument("--yes", action="store_true", help="do not ask first")
    group.add_argument("--limit", type=_count, metavar="N", help="at most so many runs, those that were started last")
    add_as_is_to(group)


def check(arguments: argparse.Namespace) -> None:
    """End with a message and code 2 if what was given is neither for one run nor for many."""
    fail: Callable[[str], None] = arguments.fail
    if arguments.every and arguments.run_id is not None:
        fail("give RUN, or --all with conditions, not both")
    if arguments.every:
        return
    if arguments.run_id is None:
        fail("give RUN, or --all with conditions")
    given = [name for name in _BULK_ONLY if getattr(arguments, name)]
    if given:
        fail(f"--{given[0].replace('_', '-')} goes with --all, not with RUN")


def run(arguments: argparse.Namespace, bulk: Bulk) -> int:
    """Say it to every run that is found; 0 if all went well, 1 if not, 130 if Ctrl-C ended it."""
    checked_words("by", arguments.by)
    checked_words("reason", arguments.reason)
    wheres = _filters(arguments, bulk)
    if arguments.dry_run:
        asyncio.run(_show(arguments, bulk, wheres, each=True))
        return 0
    if not arguments.yes:
        if not sys.stdin.isatty():
            arguments.fail("nobody is there to be asked: give --yes, or look first with --dry-run")
        found = asyncio.run(_show(arguments, bulk, wheres, each=False))
        if not found or not _confirmed(f"{bulk.name} {_runs(found)}? [y/N] "):
            return 0 if not found else 1
    return asyncio.run(_carry_out(arguments, bulk, wheres))


def _filters(arguments: argparse.Namespace, bulk: Bulk) -> "list[RunFilter]":
    where = filter_of(arguments)
    if where.state is not None and where.state not in bulk.states:
        arguments.fail(f"there is nothing to {bulk.name} in runs that are {where.state}; only in {_listed(bulk)}")
    if tuple(bulk.states) != (RunStatus.PARKED,) and not any(getattr(arguments, name) for name in CONDITIONS):
        arguments.fail(f"--all alone would {bulk.name} everything; give a condition, such as --saga or --state")
    if where.state is not None or where.parked_reason is not None:
        return [where]
    return [replace(where, state=state) for state in bulk.states]


async def _show(arguments: argparse.Namespace, bulk: Bulk, wheres: "Sequence[RunFilter]", *, each: bool) -> int:
    """Show which runs would be told, each or only how many of which kind; return how many would take it."""
    from ..projections.bulk import matching

    kinds: Counter[str] = Counter()
    refused = 0
    async with audit_of(arguments) as audit:
        for where in wheres:
            left = _left(arguments.limit, kinds.total())
            async for found in matching(audit, where, limit=left):
                kinds[f"{found.saga or '?'}: {(found.parked_reason or found.state).replace('_', ' ')}"] += 1
                refused += bulk.is_refused(found)
                if each:
                    _say(arguments, _preview(found, bulk), _would(found, bulk))
    if not arguments.json:
        for kind, count in sorted(kinds.items()):
            print(f"{count:,} of {kind}")
    total = kinds.total()
    if each:
        more = f"; {_runs(refused)} past the point of no return would refuse it" if refused else ""
        shown = {"command": bulk.name, "dry_run": True, "matched": total, "refused": refused}
        _say(arguments, shown, f"would {bulk.name} {_runs(total - refused)}{more}")
    elif not total:
        _say(arguments, {"command": bulk.name, "matched": 0}, "no such runs")
    return total - refused


async def _carry_out(arguments: argparse.Namespace, bulk: Bulk, wheres: "Sequence[RunFilter]") -> int:
    from ..projections import tell_all

    told: Counter[str] = Counter()
    stopping = _interrupted()
    problem: str | None = None
    async with audit_of(arguments) as audit, client_of(arguments) as coordinator:
        command = bulk.said(coordinator)
        try:
            for where in wheres:
                left = _left(arguments.limit, told.total())
                outcomes = tell_all(coordinator, audit, command, by=arguments.by, where=where, limit=left)
                async with aclosing(outcomes):
                    async for outcome in outcomes:
                        told[outcome.result] += 1
                        _say(arguments, _as_json(outcome), f"{_word(outcome, bulk)} {_detail(outcome)}")
                        if stopping.is_set():
                            break
                if stopping.is_set():
                    break
        except LogUnavailable as error:
            problem = str(error)
    changed, unchanged, failed = (told[name] for name in ("changed", "unchanged", "failed"))
    said = f"{bulk.done} {changed:,}, unchanged {unchanged:,}, failed {failed:,}"
    if stopping.is_set():
        said = f"stopped: {said}; the rest was not told"
    elif problem is not None:
        said = f"stopped: {said}; {plain(problem)}; do it again when the database answers"
    summary = {"command": bulk.name, "changed": changed, "unchanged": unchanged, "failed": failed}
    _say(arguments, summary | {"interrupted": stopping.is_set(), "error": problem}, said)
    return 130 if stopping.is_set() else 1 if failed or problem is not None else 0


def _interrupted() -> asyncio.Event:
    """Return what the first Ctrl-C sets; the second one is an ordinary one."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop() -> None:
        stopping.set()
        loop.remove_signal_handler(signal.SIGINT)

    loop.add_signal_handler(signal.SIGINT, stop)
    return stopping


def _say(arguments: argparse.Namespace, shown: dict[str, Any], line: str) -> None:
    """Write one line: an object for machines, a sentence for people."""
    print(json.dumps(shown) if arguments.json else line, flush=True)


def _preview(found: "AuditRun", bulk: Bulk) -> dict[str, Any]:
    remaining = [each.model_dump(mode="json") for each in found.remaining]
    would = None if bulk.is_refused(found) else bulk.name
    return {"run_id": found.run_id, "would": would, "status": found.state.value, "remaining": remaining}


def _would(found: "AuditRun", bulk: Bulk) -> str:
    if bulk.is_refused(found):
        return f"would not {bulk.name} {_described(found)}: it has passed its point of no return"
    return f"would {bulk.name} {_described(found)}"


def _described(found: "AuditRun") -> str:
    left = stands(found)
    about = ", ".join(filter(None, [plain(found.saga or "?"), plain(why(found))]))
    return f"{plain(found.run_id)} ({about}{'; ' + left if left else ''})"


def _as_json(outcome: "BulkOutcome") -> dict[str, Any]:
    shown: dict[str, Any] = {"run_id": outcome.run_id, "result": outcome.result.value}
    return shown | {"status": outcome.status and outcome.status.value, "error": outcome.error}


def _word(outcome: "BulkOutcome", bulk: Bulk) -> str:
    return bulk.done if outcome.result == "changed" else outcome.result.value


def _detail(outcome: "BulkOutcome") -> str:
    more = outcome.error if outcome.status is None else outcome.status.replace("_", " ")
    return f"{plain(outcome.run_id)}: {plain(more or '?')}"


def _confirmed(question: str) -> bool:
    try:
        return input(question).strip().lower() in ("y", "yes")
    except EOFError:
        return False


def _left(limit: int | None, told: int) -> int | None:
    return None if limit is None else max(0, limit - told)


def _listed(bulk: Bulk) -> str:
    return " or ".join(state.replace("_", " ") for state in bulk.states) + " ones"


def _runs(count: int) -> str:
    return "1 run" if count == 1 else f"{count:,} runs"


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1")
    return int(text)
