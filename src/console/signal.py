"""`amends signal RUN NAME`: tell a run something that its saga waits for."""

import argparse
import asyncio
import json

from ..errors import InvalidValue
from .arguments import Commands, add_by_to, add_json_to, add_run_to, add_url_to
from .client import client_of


def add_to(commands: Commands) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "signal",
        help="tell a run something that its saga waits for",
        description="The signal is kept until the saga waits for it. A type that the saga declares for its payload is "
        "checked where the saga is known, which is not here: say exactly what it expects.",
    )
    add_run_to(parser)
    parser.add_argument("name", metavar="NAME", help="the signal's name, as in run.wait_for(NAME)")
    parser.add_argument("payload", metavar="JSON", nargs="?", default="null", help="its payload (default: null)")
    parser.add_argument("--key", help="one with the same key is taken once (default: a new key)")
    add_by_to(parser)
    add_url_to(parser)
    add_json_to(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Tell it; 0 if it is on record."""
    asyncio.run(_tell(arguments, _payload(arguments.payload)))
    if arguments.json:
        print(json.dumps({"run_id": arguments.run_id, "signal": arguments.name, "recorded": True}))
    else:
        print(f"{arguments.run_id} has received {arguments.name}")
    return 0


async def _tell(arguments: argparse.Namespace, payload: object) -> None:
    async with client_of(arguments) as coordinator:
        handle = coordinator.handle(arguments.run_id)
        await handle.signal(arguments.name, payload, by=arguments.by, key=arguments.key)


def _payload(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidValue("payload", f"is no JSON: {error}; write strings in quotes, '\"yes\"'") from None
