"""`amends retry`, `waive` and `cancel`: what a person says to a run. Each is an event with who, when and why."""

import argparse
import asyncio
import json
import os
from typing import TYPE_CHECKING, NamedTuple

from .arguments import Commands, add_json_to, add_run_to, add_url_to
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
        "A run that is under way in another process is cancelled by that process; a parked one from anywhere.",
        "it unwinds already, or has ended",
    ),
}


def add_to(commands: Commands) -> None:
    """Register the commands."""
    for name, command in _COMMANDS.items():
        parser = commands.add_parser(name, help=command.help, description=command.description)
        add_run_to(parser)
        if name == "waive":
            parser.add_argument("step", metavar="STEP", help="its path, as `amends show` names it: 2, or 3.1.2")
        known = os.environ.get("AMENDS_BY") or None
        parser.add_argument("--by", required=known is None, default=known, help="who says so (default: AMENDS_BY)")
        parser.add_argument("--reason", required=True, help="why; both are on record")
        add_url_to(parser)
        add_json_to(parser)
        parser.set_defaults(run=run, said=name)


def run(arguments: argparse.Namespace) -> int:
    """Say it; 0 if that changed anything."""
    changed, status = asyncio.run(_say(arguments))
    if arguments.json:
        print(json.dumps({"run_id": arguments.run_id, "changed": changed, "status": status.value}))
    elif changed:
        print(f"{arguments.run_id} is {status.replace('_', ' ')}; a worker that knows its saga takes it up")
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
    return await (handle.retry(**said) if arguments.said == "retry" else handle.cancel(**said))
