"""`amends retry`, `waive`, `resume`, `cancel`, `abandon` and `undo`: what a person says to a run, or to many.

Each is an event with who, when and why.
"""

import argparse
import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ..saga.events import RemainingWhy, RunStatus
from . import undoing
from .arguments import Commands, add_by_to, add_json_to, add_url_to
from .bulk import Bulk, add_bulk_to, check
from .bulk import run as run_bulk
from .client import client_of

if TYPE_CHECKING:
    from ..projections.bulk import Command
    from ..saga.coordinator import Coordinator
    from ..saga.handle import RunHandle


class _Command(NamedTuple):
    """One of them.

    Attributes:
        help: for the list of commands.
        description: for its own help.
        nothing: what is said where it changes nothing.
        done: of a run that it has changed.
        states: of the runs to which it can apply.
    """

    help: str
    description: str
    nothing: str
    done: str
    states: Sequence[RunStatus] = (RunStatus.PARKED,)


_COMMANDS = {
    "retry": _Command(
        "let a parked run try again what it could not do",
        "Every undo that failed gets its whole budget of attempts once more, and a step that was parked as unknown "
        "gets another attempt with the same idempotency key. A worker that knows the run's actions takes it up.",
        "only a parked run can be retried",
        "retried",
    ),
    "waive": _Command(
        "say that a step whose undo failed needs no more undoing",
        "For a step that somebody has undone by hand, or that may stand. The rest of the run goes on; a run that ends "
        "with a waived step ends as partially compensated, and names it.",
        "only a step whose undo has failed, in a parked run, can be waived",
        "waived",
    ),
    "cancel": _Command(
        "call a run off: nothing new is done, and what was done is undone",
        "From anywhere: the worker that has the run lets what is under way end, and undoes the rest. Refused once the "
        "run is past its point of no return.",
        "it unwinds already, or has ended",
        "cancelled",
        (RunStatus.RUNNING, RunStatus.PARKED),
    ),
    "resume": _Command(
        "let a parked run go on after its code or its surroundings were mended",
        "For a run that is parked because its code had changed, because workers died over it, or because its saga "
        "raised past its point of no return. One that is parked over a step needs `retry` or `waive`.",
        "only a parked run that no step holds up can be resumed",
        "resumed",
    ),
    "abandon": _Command(
        "end a run where it stands: nothing more is done, and nothing is undone",
        "What stands is named in the event and by `amends show`. To have it undone, use `cancel`.",
        "it has ended",
        "abandoned",
        (RunStatus.RUNNING, RunStatus.UNWINDING, RunStatus.PARKED),
    ),
    "undo": _Command(
        "have a completed run undone, as if it had failed at its end",
        "Look at --plan first: it prints what would be undone, in what order, and what cannot be, and changes nothing.",
        "it unwinds already, or was undone",
        "to be undone",
        (RunStatus.COMPLETED,),
    ),
}


def add_to(commands: Commands) -> None:
    """Register the commands."""
    for name, command in _COMMANDS.items():
        parser = commands.add_parser(name, help=command.help, description=command.description)
        parser.add_argument("run_id", metavar="RUN", nargs="?", help="the id of the run")
        if name == "waive":
            parser.add_argument(
                "step", metavar="STEP", nargs="?", help="its path, as `amends show` names it: 2, or 3.1.2"
            )
            parser.add_argument("--undo-of", metavar="ACTION", help="with --all: the step of this action, in each run")
        if name == "undo":
            parser.add_argument("--plan", action="store_true", help="print what would be undone, and do nothing")
        add_by_to(parser, required=name != "undo")
        parser.add_argument("--reason", required=name != "undo", help="why; both are on record")
        add_url_to(parser)
        add_json_to(parser)
        add_bulk_to(parser)
        parser.set_defaults(run=run, said=name, fail=parser.error)


def run(arguments: argparse.Namespace) -> int:
    """Say it; 0 if that changed anything. To many: 0 if nothing went wrong."""
    check(arguments)
    if arguments.said == "undo":
        if arguments.plan and not arguments.every:
            return undoing.show_plan(arguments)
        if arguments.plan or arguments.by is None or arguments.reason is None:
            arguments.fail("give --by and --reason; or RUN and --plan, which changes nothing")
    if arguments.said == "waive":
        _check_waive(arguments)
    if arguments.every:
        command = _COMMANDS[arguments.said]
        ends_at_commit = arguments.said in ("cancel", "undo")
        said = Bulk(arguments.said, command.done, command.states, lambda c: _bulk(c, arguments), ends_at_commit)
        return run_bulk(arguments, said)
    changed, status = asyncio.run(_say(arguments))
    if arguments.json:
        print(json.dumps({"run_id": arguments.run_id, "changed": changed, "status": status.value}))
    elif changed:
        takes_up = "" if status.ended else "; a worker that knows its saga takes it up"
        print(f"{arguments.run_id} is {status.replace('_', ' ')}{takes_up}")
    else:
        nothing = _COMMANDS[arguments.said].nothing
        print(f"{arguments.run_id} is {status.replace('_', ' ')}: {nothing}; nothing was changed")
    return 0 if changed else 1


def _check_waive(arguments: argparse.Namespace) -> None:
    if arguments.every and arguments.undo_of is None:
        arguments.fail("with --all, give --undo-of ACTION: the action whose undo has failed")
    if not arguments.every and (arguments.step is None or arguments.undo_of is not None):
        arguments.fail("give RUN and STEP, or --all with --undo-of ACTION")


async def _say(arguments: argparse.Namespace) -> "tuple[bool, RunStatus]":
    """Return whether something was recorded, and how the run stands then."""
    from ..projections.bulk import tell

    async with client_of(arguments) as coordinator:
        handle = coordinator.handle(arguments.run_id)
        return await tell(
            handle, lambda told: _command(told, arguments, getattr(arguments, "step", "")), by=arguments.by
        )


def _bulk(coordinator: "Coordinator", arguments: argparse.Namespace) -> "Command":
    """Return what each of many runs is told."""

    async def say(handle: "RunHandle[object]") -> None:
        if arguments.said != "waive":
            await _command(handle, arguments)
            return
        # The first one only: the run goes on then, and is parked again if it has another one that is in the way.
        for left in (await coordinator.runs.state(handle.run_id)).remaining:
            if left.why is RemainingWhy.UNDO_FAILED and left.action == arguments.undo_of:
                await _command(handle, arguments, left.step)
                return

    return say


async def _command(handle: "RunHandle[object]", arguments: argparse.Namespace, step: str = "") -> "RunStatus":
    said = {"by": arguments.by, "reason": arguments.reason}
    if arguments.said == "waive":
        return await handle.waive(step, **said)
    commands: dict[str, Callable[..., Awaitable[RunStatus]]] = {
        "retry": handle.retry,
        "resume": handle.resume,
        "cancel": handle.cancel,
        "abandon": handle.abandon,
        "undo": handle.undo,
    }
    return await commands[arguments.said](**said)
