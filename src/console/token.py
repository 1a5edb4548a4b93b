"""`amends token NAME --role ROLE`: a token for the console, shown once, and the line by which it is recognised."""

import argparse
import os
from pathlib import Path

from .arguments import Commands

ROLES = ("viewer", "operator", "admin")


def add_to(commands: Commands) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "token",
        help="make a token for `amends serve`",
        description="Prints a token, which is shown once and stored nowhere, and the line by which it is recognised, "
        "which holds only a hash of it. Whoever has the token is NAME in what is recorded.",
    )
    parser.add_argument("name", metavar="NAME", help="who gets it; recorded with each command")
    parser.add_argument("--role", required=True, choices=ROLES, help="what they may do")
    parser.add_argument(
        "--payloads", action="store_true", help="they see inputs, outputs, payloads and the texts of errors"
    )
    parser.add_argument(
        "--add-to", type=Path, metavar="FILE", help="add the line to this file, and print the token alone"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Make one; 0 if that could be done."""
    from ..errors import InvalidValue
    from .web import Role, new_token, read_tokens

    secret, token = new_token(arguments.name, Role[arguments.role.upper()], payloads=arguments.payloads)
    if arguments.add_to is None:
        print(f"token: {secret}\nline:  {token.line}")
        return 0
    if arguments.add_to.exists() and token.name in {each.name for each in read_tokens(arguments.add_to)}:
        raise InvalidValue("name", f"{arguments.add_to} has a token of that name; remove its line first")
    descriptor = os.open(arguments.add_to, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "a", encoding="utf-8") as file:
        file.write(f"{token.line}\n")
    print(secret)
    return 0
