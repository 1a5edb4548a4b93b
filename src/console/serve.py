"""`amends serve MODULE:FACTORY`: the console of a coordinator over HTTP, until it is told to stop.

It listens on this machine only, unless tokens say who may come in. SIGTERM or SIGINT ends it as they end a worker.
"""

import argparse
import asyncio
import os
import socket
from collections.abc import Callable
from ipaddress import ip_address
from typing import TYPE_CHECKING

from ..errors import DefinitionError, InvalidValue
from .arguments import Commands, add_url_to
from .factories import WrongFactory, coordinator_from, factory_of, speaker, stop_signal

if TYPE_CHECKING:
    from .web import ConsoleSettings

_say = speaker("serve")


class _Unsafe(Exception):
    """It would let in everybody."""


def add_to(commands: Commands) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "serve",
        help="serve the HTTP API and the audit page of a coordinator until told to stop",
        description="Imports MODULE (the working directory comes first), calls FACTORY() for a coordinator, and serves "
        "its HTTP API until SIGTERM or SIGINT. If the coordinator hosts runs, so does this process; then it drains as "
        "a worker does. Without --tokens only this machine is let in. There is no TLS here: put a proxy before it.",
    )
    parser.add_argument(
        "factory", metavar="MODULE:FACTORY", help="a function without arguments that makes a Coordinator"
    )
    parser.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="where to listen (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=8765, help="(default: 8765; 0 takes a free one)")
    parser.add_argument(
        "--tokens",
        default=os.environ.get("AMENDS_TOKENS") or None,
        metavar="FILE",
        help="who may come in, a line each as `amends token` makes it (default: AMENDS_TOKENS, or this machine only)",
    )
    parser.add_argument("--allow-host", action="append", default=[], metavar="NAME", help="a name that it is served by")
    parser.add_argument(
        "--allow-origin",
        action="append",
        default=[],
        metavar="ORIGIN",
        help="its origin behind a proxy that changes the Host: https://HOST[:PORT]",
    )
    parser.add_argument(
        "--audit-url", metavar="URL", help="the log as it is opened for searching, by a role that may only read"
    )
    parser.add_argument("--no-follow", action="store_true", help="do not keep the audit view up to date from here")
    add_url_to(parser, "what the factory says; the factory finds this one in AMENDS_URL")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Serve; 0 when told to stop, 2 if there is no such factory or it would be unsafe, 1 if it cannot be served."""
    if arguments.url is not None:
        os.environ["AMENDS_URL"] = arguments.url
    try:
        settings = _settings(arguments)
        asyncio.run(_serve(factory_of(arguments.factory), arguments, settings))
    except (WrongFactory, _Unsafe, InvalidValue, DefinitionError) as error:
        _say(str(error))
        return 2
    return 0


def _settings(arguments: argparse.Namespace) -> "ConsoleSettings":
    from .web import ConsoleSettings, read_tokens
    from .web.settings import LOOPBACK_HOSTS

    tokens = read_tokens(arguments.tokens) if arguments.tokens else ()
    if not tokens and not _is_this_machine(arguments.host):
        raise _Unsafe(
            f"without tokens {arguments.host} would let in everybody; make one with `amends token NAME "
            "--role ROLE --add-to FILE`, and give --tokens FILE"
        )
    host = f"[{arguments.host}]" if ":" in arguments.host else arguments.host
    return ConsoleSettings(
        tokens=tokens,
        allowed_hosts=(*LOOPBACK_HOSTS, host, *arguments.allow_host),
        allowed_origins=arguments.allow_origin,
        audit_url=arguments.audit_url,
        follow=not arguments.no_follow,
    )


def _is_this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


async def _serve(factory: Callable[[], object], arguments: argparse.Namespace, settings: "ConsoleSettings") -> None:
    from .web import console_app
    from .web.server import serve_until

    stopping = stop_signal(_say)
    family = socket.AF_INET6 if ":" in arguments.host else socket.AF_INET
    with socket.create_server((arguments.host, arguments.port), family=family) as listening:
        host, port = listening.getsockname()[:2]
        async with coordinator_from(factory, arguments.factory) as coordinator:
            app = console_app(coordinator, settings)
            who = f"{len(settings.tokens)} tokens" if settings.tokens else "anybody on this machine"
            _say(f"ready: http://{f'[{host}]' if ':' in host else host}:{port} for {who}")
            await serve_until(app, listening, stopping)
            _say("draining")
    _say("stopped")
