"""`MODULE:FACTORY`: how a command is told what to call for a coordinator; and how such a command is told to stop."""

import asyncio
import importlib
import os
import signal
import sys
from collections.abc import Callable
from operator import attrgetter
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from .plain import plain

if TYPE_CHECKING:
    from ..saga.coordinator import Coordinator

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class WrongFactory(Exception):
    """What was given is not MODULE:FACTORY of a coordinator."""


def factory_of(name: str) -> Callable[[], object]:
    """Find MODULE:FACTORY; the working directory comes first.

    Raises:
        WrongFactory: there is no such function.
    """
    module_name, separator, attribute = name.partition(":")
    if not (separator and module_name and attribute):
        raise WrongFactory(
            f"{name!r} is not MODULE:FACTORY; for a function make() in service/worker.py it is service.worker:make"
        )
    module = _module(module_name)
    try:
        factory = attrgetter(attribute)(module)
    except AttributeError:
        raise WrongFactory(f"{module_name} has no {attribute}") from None
    if not callable(factory):
        raise WrongFactory(f"{name} is {_kind(factory)}; let it be a function that returns a Coordinator")
    found: Callable[[], object] = factory
    return found


def coordinator_from(factory: Callable[[], object], name: str) -> "Coordinator":
    """Call a factory, on the event loop that the coordinator will run on.

    Raises:
        WrongFactory: it returned something else.
    """
    from ..saga.coordinator import Coordinator

    coordinator = factory()
    if not isinstance(coordinator, Coordinator):
        if asyncio.iscoroutine(coordinator):
            coordinator.close()
        raise WrongFactory(f"{name} returned {_kind(coordinator)}; let it return a Coordinator")
    return coordinator


def stop_signal(say: Callable[[str], None]) -> asyncio.Event:
    """Return what the first signal sets. The second one ends the process, whatever it is doing."""
    stopping = asyncio.Event()

    def stop(number: int) -> None:
        if stopping.is_set():
            say("ended at once; others take over its runs when its lease has lapsed")
            os._exit(128 + number)
        stopping.set()

    for number in _SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, stop, number)
    return stopping


def speaker(command: str) -> Callable[[str], None]:
    """Return what a command speaks by: on stderr, at once, because who supervises the process reads along."""

    def say(text: str) -> None:
        print(f"amends {command} {os.getpid()}: {plain(text, 1000)}", file=sys.stderr, flush=True)

    return say


def _module(name: str) -> ModuleType:
    sys.path.insert(0, str(Path.cwd()))
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise  # The module is there and misses another one.
        raise WrongFactory(f"no module {name}, neither here nor among what is installed") from None
    except (TypeError, ValueError) as error:
        raise WrongFactory(f"{name!r} is not the name of a module") from error


def _kind(value: object) -> str:
    return f"something of type {type(value).__name__}"
