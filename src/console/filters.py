"""Which runs a command is about: the conditions that all commands over many runs have in common."""

import argparse
from typing import TYPE_CHECKING

from ..saga.events import ParkReason, RunStatus
from .moments import moment

if TYPE_CHECKING:
    from ..projections import RunFilter

CONDITIONS = ("state", "parked_reason", "saga", "action", "tag", "since", "until", "text", "waiting")


def add_conditions_to(parser: argparse.ArgumentParser) -> None:
    """Give a command the conditions."""
    group = parser.add_argument_group("which runs", "Conditions are combined.")
    group.add_argument("--state", type=_status, metavar="STATE", help=", ".join(RunStatus))
    group.add_argument(
        "--parked", action="store_const", const=RunStatus.PARKED, dest="state", help="the same as --state parked"
    )
    group.add_argument(
        "--parked-because", type=_reason, dest="parked_reason", metavar="REASON", help=", ".join(ParkReason)
    )
    group.add_argument("--waiting", action="store_true", help="running, and at a wait for a signal, a time or a lock")
    group.add_argument("--saga", metavar="NAME", help="of this saga")
    group.add_argument("--action", metavar="NAME", help="that failed because of this action")
    group.add_argument("--tag", type=_tag, metavar="NAME=VALUE", help="that were started with this tag")
    group.add_argument("--since", type=moment, metavar="TIME", help="started then or later: 30m, 7d, 2026-11-23T08:00")
    group.add_argument("--until", type=moment, metavar="TIME", help="started before then")
    group.add_argument("--text", metavar="TEXT", help="whose error, or reason for being parked, holds this text")


def filter_of(arguments: argparse.Namespace) -> "RunFilter":
    """Return the filter that the arguments name."""
    from ..projections import RunFilter

    return RunFilter(**{name: getattr(arguments, name) for name in CONDITIONS})


def _status(text: str) -> RunStatus:
    try:
        return RunStatus(text.strip().replace(" ", "_"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no state; use one of {', '.join(RunStatus)}") from None


def _reason(text: str) -> ParkReason:
    try:
        return ParkReason(text.strip().replace(" ", "_"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no reason; use one of {', '.join(ParkReason)}") from None


def _tag(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value
