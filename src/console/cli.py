"""The command line, `amends`: reads the arguments and hands over to the command's own module.

A command is a module with `add_to(commands)`, which registers its arguments and the function that runs it. Modules
are named here and nowhere else; each imports what it needs only when it is run.
"""

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from io import TextIOWrapper

from ..errors import AmendsError
from . import (
    completion,
    follow,
    limits,
    migrate,
    operate,
    quarantine,
    rebuild,
    runs,
    serve,
    show,
    signal,
    stats,
    token,
    verify,
    worker,
)
from .demo import command as demo
from .plain import plain

_COMMANDS = (
    demo,
    runs,
    show,
    operate,
    signal,
    stats,
    limits,
    verify,
    worker,
    serve,
    token,
    follow,
    rebuild,
    quarantine,
    migrate,
    completion,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the arguments; those of the process if None.

    Returns:
        The exit code: 0 if all went well, 1 if the command failed, 2 for wrong arguments, 130 for Ctrl-C.
    """
    parser = make_parser()
    arguments = parser.parse_args(argv)
    if not hasattr(arguments, "run"):
        parser.print_help()
        return 2
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # A terminal without Unicode gets question marks, not a traceback.
    try:
        return int(arguments.run(arguments))
    except (AmendsError, OSError, ModuleNotFoundError) as error:
        print(f"amends: {type(error).__name__}: {plain(str(error), 1000)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(prog="amends", description="Event-sourced sagas with compensations.")
    parser.add_argument("--version", action="version", version=f"amends {_version()}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for command in _COMMANDS:
        command.add_to(commands)
    return parser


def _version() -> str:
    try:
        return version("amends")
    except PackageNotFoundError:
        return "(not installed)"


if __name__ == "__main__":
    sys.exit(main())
