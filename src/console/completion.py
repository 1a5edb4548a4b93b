"""`amends completion SHELL`: what a shell needs to complete commands and options; made by shtab."""

import argparse
import sys

from .arguments import Commands

SHELLS = ("bash", "zsh", "tcsh")


def add_to(commands: Commands) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "completion",
        help="print what a shell needs to complete commands and options",
        description='For bash: eval "$(amends completion bash)" in ~/.bashrc. For zsh: write it to a file named '
        "_amends in a directory of $fpath.",
    )
    parser.add_argument("shell", choices=SHELLS)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the script; 0 if shtab is installed."""
    from .cli import make_parser

    try:
        import shtab
    except ModuleNotFoundError:
        print("amends: completion is made by shtab: pip install 'amends[cli]'", file=sys.stderr)
        return 1
    print(shtab.complete(make_parser(), arguments.shell))
    return 0
