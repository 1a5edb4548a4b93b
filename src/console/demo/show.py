"""Plays the demo's runs and prints them: a timeline for each, then the proof from the systems themselves."""

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path

from ..paint import Paint
from ..plain import plain, without_password
from ..timeline import Timeline, timeline
from ..timeline_svg import timeline_svg
from ..timeline_text import timeline_text
from .acts import ACTS, Act, Traces
from .stage import Stage, set_stage

Say = Callable[[str], None]


async def show_demo(
    url: str | None, svg: Path | None, paint: Paint, say: Say, page: socket.socket | None = None
) -> bool:
    """Play all runs.

    Args:
        url: of the log; None for a temporary SQLite file.
        svg: where to draw the run that is undone; None for nowhere.
        paint: the colours.
        say: prints lines.
        page: where to show the runs in a browser then; None for nowhere.

    Returns:
        Whether every run ended, and left the systems, as it should.

    Raises:
        AmendsError: the log cannot be used.
        OSError: the picture cannot be written, or the database of users does not answer.
    """
    async with set_stage(url) as stage:
        played = []
        acts = [act for act in ACTS if stage.shared or not act.dies]
        for number, act in enumerate(acts, start=1):
            say(f"\n{paint.bold(f'{number}. {act.heading}')}\n")
            told = await act.play(stage)
            seen = timeline(act.run_id(stage), await stage.coordinator.handle(act.run_id(stage)).history())
            say(timeline_text(seen, paint).rstrip("\n"))
            say(f"  {paint.dim('the service gets')}  {plain(told, 300)}")
            played.append((act, seen))
        as_promised = await _prove(stage, played, paint, say)
        if svg is not None:
            drawn = next(seen for _, seen in played if seen.failing_at is not None)
            await asyncio.to_thread(svg.write_text, timeline_svg(drawn), encoding="utf-8")
            say(f"\nThe run that was undone is drawn in {svg}")
        if stage.kept:
            say(f"\nThe events are in {without_password(stage.systems.log_url)}")
        if page is not None:
            from .page import serve_page  # With what serves HTTP, which is an extra.

            await serve_page(stage, played[1][0].run_id(stage), page, say)
        return as_promised


async def _prove(stage: Stage, played: list[tuple[Act, Timeline]], paint: Paint, say: Say) -> bool:
    """Print what the systems say, and return whether it is what the runs should have left there."""
    users = {email for _, _, email in await asyncio.to_thread(stage.users.list)}
    mails = [str(mail["To"]) for mail in stage.mail.mails]
    contacts = {contact["email"] for contact in stage.crm.contacts.list()}
    width = max(len(act.email(stage)) for act, _ in played)
    say(f"\n{paint.bold('What the systems themselves say')}\n")
    say(paint.dim(f"  {'':{width}}  user in the database  mails received  contact in the CRM"))
    right = True
    for act, seen in played:
        email = act.email(stage)
        found = Traces(user=email in users, mails=mails.count(email), contact=email in contacts)
        wrong = found != act.traces or seen.status is not act.status
        right = right and not wrong
        line = f"  {email:{width}}  {_yes(found.user):20}  {found.mails:<14}  {_yes(found.contact):18}"
        say(f"{line}{paint.bad('  NOT AS IT SHOULD BE') if wrong else ''}".rstrip())
    return right


def _yes(there: bool) -> str:
    return "yes" if there else "no"
