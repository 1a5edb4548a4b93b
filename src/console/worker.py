"""`amends worker MODULE:FACTORY`: a coordinator as a process of its own, which hosts runs until it is told to stop.

SIGTERM or SIGINT drains it. A second one ends it at once, which costs nothing but time: a process that is killed leaves
its runs as they stand in the log, and others take them over when its lease has lapsed.
"""

import argparse
import asyncio
import importlib
import os
import signal
import sys
from collections.abc import Callable
from operator import attrgetter
from pathlib import Path
from types import ModuleType

from ..errors import DefinitionError
from .arguments import Commands, add_url_to
from .plain import plain

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class _WrongFactory(DefinitionError):
    """What was given is not MODULE:FACTORY of a coordinator."""


def add_to(commands: Commands) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "worker",
        help="host runs in this process until it is told to stop",
        description="Imports MODULE (the working directory comes first), calls FACTORY() for a coordinator, and hosts "
        "runs until SIGTERM or SIGINT. Then it claims nothing more, lets attempts under way end for the coordinator's "
        "drain_seconds, gives up the rest, and exits with 0. A second signal ends it at once.",
    )
    parser.add_argument(
        "factory", metavar="MODULE:FACTORY", help="a function without arguments that makes a Coordinator"
    )
    add_url_to(parser, "what the factory says; the factory finds this one in AMENDS_URL")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Host runs; 0 when drained, 2 if there is no such factory, 128 and the signal when ended at once."""
    if arguments.url is not None:
        os.environ["AMENDS_URL"] = arguments.url
    try:
        asyncio.run(_host(_factory(arguments.factory), arguments.factory))
    except _WrongFactory as error:
        _say(plain(str(error), 1000))
        return 2
    return 0


async def _host(factory: Callable[[], object], name: str) -> None:
    from ..saga.coordinator import Coordinator

    stopping = _stop_signal()
    coordinator = factory()
    if not isinstance(coordinator, Coordinator):
        if asyncio.iscoroutine(coordinator):
            coordinator.close()
        raise _WrongFactory(f"{name} returned {_kind(coordinator)}; let it return a Coordinator")
    if not coordinator.max_running:
        raise _WrongFactory(
            f"{name} returned a client (max_running=0), which hosts nothing; let it host at least one run"
        )
    async with coordinator:
        _say(f"ready: {coordinator!r}")
        await stopping.wait()
        _say("draining")
    _say("drained")


def _stop_signal() -> asyncio.Event:
    """Return what the first signal sets. The second one ends the process, whatever it is doing."""
    stopping = asyncio.Event()

    def stop(number: int) -> None:
        if stopping.is_set():
            _say("ended at once; others take over its runs when its lease has lapsed")
            os._exit(128 + number)
        stopping.set()

    for number in _SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, stop, number)
    return stopping


def _factory(name: str) -> Callable[[], object]:
    """Find MODULE:FACTORY."""
    module_name, separator, attribute = name.partition(":")
    if not (separator and module_name and attribute):
        raise _WrongFactory(
            f"{name!r} is not MODULE:FACTORY; for a function make() in service/worker.py it is service.worker:make"
        )
    module = _module(module_name)
    try:
        factory = attrgetter(attribute)(module)
    except AttributeError:
        raise _WrongFactory(f"{module_name} has no {attribute}") from None
    if not callable(factory):
        raise _WrongFactory(f"{name} is {_kind(factory)}; let it be a function that returns a Coordinator")
    found: Callable[[], object] = factory
    return found


def _module(name: str) -> ModuleType:
    sys.path.insert(0, str(Path.cwd()))
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise  # The module is there and misses another one.
        raise _WrongFactory(f"no module {name}, neither here nor among what is installed") from None
    except (TypeError, ValueError) as error:
        raise _WrongFactory(f"{name!r} is not the name of a module") from error


def _kind(value: object) -> str:
    return f"something of type {type(value).__name__}"


def _say(text: str) -> None:
    """Say it on stderr, at once: who supervises the process reads along."""
    print(f"amends worker {os.getpid()}: {text}", file=sys.stderr, flush=True)
