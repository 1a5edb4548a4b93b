"""`amends retry`, `waive`, `resume`, `cancel`, `abandon` and `undo`: what a person says to a run.

Each is an event with who, when and why.
"""

import argparse
import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, NamedTuple

from ..errors import InvalidValue
from . import undoing
from .arguments import Commands, add_by_to, add_json_to, add_run_to, add_url_to
from .client import client_of

if TYPE_CHECKING:
    from ..saga.events import RunStatus
    from ..saga.handle import RunHandle


class _Command(NamedTuple):
    """One of them.

    Attributes:
        help: for the list of commands.
        description: for its own help.
        nothing: what is said where it changes nothing.
    """

    help: str
    description: str
    nothing: str


_COMMANDS = {
    "retry": _Command(
        "let a parked run try again what it could not do",
        "Every undo that failed gets its whole budget of attempts once more, and a step that was parked as unknown "
        "gets another attempt with the same idempotency key. A worker that knows the run's actions takes it up.",
        "only a parked run can be retried",
    ),
    "waive": _Command(
        "say that a step whose undo failed needs no more undoing",
        "For a step that somebody has undone by hand, or that may stand. The rest of the run goes on; a run that ends "
        "with a waived step ends as partially compensated, and names it.",
        "only a step whose undo has failed, in a parked run, can be waived",
    ),
    "cancel": _Command(
        "call a run off: nothing new is done, and what was done is undone",
        "From anywhere: the worker that has the run lets what is under way end, and undoes the rest. Refused once the "
        "run is past its point of no return.",
        "it unwinds already, or has ended",
    ),
    "resume": _Command(
        "let a parked run go on after its code or its surroundings were mended",
        "For a run that is parked because its code had changed, because workers died over it, or because its saga "
        "raised past its point of no return. One that is parked over a step needs `retry` or `waive`.",
        "only a parked run that no step holds up can be resumed",
    ),
    "abandon": _Command(
        "end a run where it stands: nothing more is done, and nothing is undone",
        "What stands is named in the event and by `amends show`. To have it undone, use `cancel`.",
        "it has ended",
    ),
    "undo": _Command(
        "have a completed run undone, as if it had failed at its end",
        "Look at --plan first: it prints what would be undone, in what order, and what cannot be, and changes nothing.",
        "it unwinds already, or was undone",
    ),
}


def add_to(commands: Commands) -> None:
    """Register the commands."""
    for name, command in _COMMANDS.items():
        parser = commands.add_parser(name, help=command.help, description=command.description)
        add_run_to(parser)
        if name == "waive":
            parser.add_argument("step", metavar="STEP", help="its path, as `amends show` names it: 2, or 3.1.2")
        if name == "undo":
            parser.add_argument("--plan", action="store_true", help="print what would be undone, and do nothing")
        add_by_to(parser, required=name != "undo")
        parser.add_argument("--reason", required=name != "undo", help="why; both are on record")
        add_url_to(parser)
        add_json_to(parser)
        parser.set_defaults(run=run, said=name)


def run(arguments: argparse.Namespace) -> int:
    """Say it; 0 if that changed anything."""
    if arguments.said == "undo":
        if arguments.plan:
            return undoing.show_plan(arguments)
        if arguments.by is None or arguments.reason is None:
            raise InvalidValue("undo", "needs --by and --reason; or --plan, which changes nothing")
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


async def _say(arguments: argparse.Namespace) -> "tuple[bool, RunStatus]":
    """Return whether something was recorded, and how the run stands then."""
    async with client_of(arguments) as coordinator:
        handle = coordinator.handle(arguments.run_id)
        before = len(await handle.history())
        status = await _command(handle, arguments)
        mine = (await handle.history())[before:]
        return any(getattr(event, "by", None) == arguments.by for event in mine), status


async def _command(handle: "RunHandle[object]", arguments: argparse.Namespace) -> "RunStatus":
    said = {"by": arguments.by, "reason": arguments.reason}
    if arguments.said == "waive":
        return await handle.waive(arguments.step, **said)
    commands: dict[str, Callable[..., Awaitable[RunStatus]]] = {
        "retry": handle.retry,
        "resume": handle.resume,
        "cancel": handle.cancel,
        "abandon": handle.abandon,
        "undo": handle.undo,
    }
    return await commands[arguments.said](**said)
