"""`amends seal` and `amends verify`: evidence that nobody has changed the log, and the test of it."""

import argparse
import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InvalidValue
from ..progress import Bar
from .arguments import Commands, add_json_to, add_url_to
from .client import existing_url
from .plain import plain

if TYPE_CHECKING:
    from ..projections import KeptHead, Verification


def add_to(commands: Commands) -> None:
    """Register the commands."""
    parser = commands.add_parser(
        "seal",
        help="keep evidence of what is in the log now",
        description="Keeps the digest of every event that is not sealed yet, chained to all before it, and prints the "
        "head of the chain. `amends follow` does it every second. Keep a head where nobody who can write to the "
        "database can write.",
    )
    parser.add_argument("--export", type=Path, metavar="FILE", help="write the head there, for `amends verify --head`")
    add_url_to(parser)
    add_json_to(parser)
    parser.set_defaults(run=run_seal)
    parser = commands.add_parser(
        "verify",
        help="hold the log against its seals, and name the first event that was changed, removed or put in",
        description="Reads the whole log. Without --head it finds whoever changed events, but not somebody who could "
        "write to the database and has forged the seals as well. With RUN it looks at one run only, which is quick.",
    )
    parser.add_argument("run_id", metavar="RUN", nargs="?", help="only this run")
    parser.add_argument("--head", type=Path, metavar="FILE", help="a head that `amends seal --export` has written")
    add_url_to(parser)
    add_json_to(parser)
    parser.set_defaults(run=run_verify)


def run_seal(arguments: argparse.Namespace) -> int:
    """Seal; 0 when all that was in the log is sealed."""
    from ..projections import Sealer, SealProgress

    async def seal() -> SealProgress:
        async with Sealer(existing_url(arguments.url)) as sealer:
            return await sealer.seal(show)

    def show(now: SealProgress) -> None:
        bar.show(now.position, max(1, now.end))

    with Bar("sealing") as bar:
        done = asyncio.run(seal())
    head = json.dumps({"position": done.position, "chain": done.chain})
    if arguments.export is not None:
        arguments.export.write_text(f"{head}\n", encoding="utf-8")
    if arguments.json:
        print(json.dumps({"position": done.position, "chain": done.chain, "sealed_count": done.sealed_count}))
    else:
        print(f"sealed {done.sealed_count:,} events; the head at position {done.position} is {done.chain}")
    return 0


def run_verify(arguments: argparse.Namespace) -> int:
    """Verify; 0 if all is as it was sealed, 1 if something is not."""
    from ..projections import VerifyProgress, verify, verify_run

    def show(now: VerifyProgress) -> None:
        bar.show(now.position, max(1, now.end))

    url, kept = existing_url(arguments.url), _kept(arguments.head)
    if arguments.run_id is not None:
        done = asyncio.run(verify_run(url, arguments.run_id))
    else:
        with Bar("verifying") as bar:
            done = asyncio.run(verify(url, kept=kept, progress=show))
    if arguments.json:
        breach = None if done.breach is None else done.breach._asdict()
        print(json.dumps(done._asdict() | {"breach": breach, "head": done.head._asdict()}))
    else:
        print(_said(done), file=sys.stdout if done.breach is None else sys.stderr)
    return 0 if done.breach is None else 1


def _said(done: "Verification") -> str:
    if done.breach is None:
        behind = f"; {done.unsealed_count:,} are not sealed yet" if done.unsealed_count else ""
        return f"{done.event_count:,} events are as they were sealed{behind}"
    kind, position, run_id, version = done.breach
    if run_id is not None and version is None:
        return f"NOT as it was sealed: something in run {plain(run_id)}; `amends verify` without a run says what"
    what = f"event {version} of run {plain(run_id or '?')}"
    said = {
        "changed": f"{what} was changed",
        "removed": "the event there was removed",
        "put_in": f"{what} was put in",
        "seal_changed": "the seal there is not the one that was made, or does not fit the head that was kept",
    }
    return f"NOT as it was sealed: position {position}: {said[kind]}; {done.event_count:,} events before it are"


def _kept(path: Path | None) -> "KeptHead | None":
    from ..projections import KeptHead

    if path is None:
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return KeptHead(int(found["position"]), str(found["chain"]))
    except (ValueError, TypeError, KeyError) as error:
        raise InvalidValue("head", f"{path} holds no head; `amends seal --export` writes one") from error
