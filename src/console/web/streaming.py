"""A run's events as they come, as server-sent events (WHATWG HTML, 9.2): a message each, whose id is its version.

Each stream reads the log behind what it has sent, so it needs nothing from whoever hosts the run: soon again when
something has come, once a second when nothing happens, and less often where very many are open. A client that comes
again with `Last-Event-ID` goes on where it was.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from ...errors import AmendsError, InvalidValue, LogUnavailable
from ...saga.ids import checked_run_id
from ...saga.state import RunState, evolve
from .json_text import json_bytes
from .problems import Problem, problem_of
from .shown import event_shown
from .table import Ask

__all__ = ["stream"]

MEDIA_TYPE = "text/event-stream"

POLL_SECONDS = (0.05, 1.0)
"""First and longest pause between two looks."""

LOOKS_PER_SECOND = 100
"""How often all streams together look, so that they leave the process and the log to those who do the work."""

PING_SECONDS = 15.0
"""How long nothing is sent at most, so that proxies do not hang up."""

LAST_WORD_SECONDS = 1.0
"""How long a client that does not read is asked to take the end of its stream."""

MAX_VERSION = 2**31


async def stream(ask: Ask) -> Response:
    """Answer with a stream of events, behind `Last-Event-ID`; with 204 where nothing more will come."""
    run_id, after = checked_run_id(ask.path("run_id")), _after(ask)
    events = await ask.console.coordinator.runs.events(run_id)
    state = RunState(run_id)
    for event in events[:after]:
        evolve(state, event)
    if state.status.ended and len(events) <= after:
        return Response(status_code=204)  # This tells an EventSource not to come again.
    if ask.request.method == "HEAD":
        return Response(media_type=MEDIA_TYPE)
    await ask.console.views.record(ask.actor, run_id, "stream")
    return _EventStream(ask, state)


def _after(ask: Ask) -> int:
    last = ask.request.headers.get("last-event-id")
    if last is None:
        return int(ask.query.after_version)
    if not last.isascii() or not last.isdecimal() or len(last) > 10 or int(last) >= MAX_VERSION:
        raise InvalidValue("Last-Event-ID", "is not the id of an event of this stream")
    return int(last)


class _EventStream(StreamingResponse):
    """A stream that has a place among the streams of the console, and ends in time.

    Args:
        ask: for whom.
        state: of the run behind the last event that they have.

    Raises:
        Problem: there are too many.
    """

    def __init__(self, ask: Ask, state: RunState) -> None:
        self._console = ask.console
        if ask.console.stream_count >= ask.console.settings.stream_limit:
            said = f"{ask.console.stream_count:,} streams are open, and no more may be; ask again"
            raise Problem(503, "too-many-streams", said, headers={"Retry-After": "5"})
        super().__init__(_messages(ask, state), media_type=MEDIA_TYPE, headers={"X-Accel-Buffering": "no"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._console.stream_count += 1
        try:
            # A client that does not read holds up what is sent to it: then this ends it.
            async with asyncio.timeout(self._console.settings.stream_seconds):
                await super().__call__(scope, receive, send)
        except TimeoutError:
            with suppress(TimeoutError):
                async with asyncio.timeout(LAST_WORD_SECONDS):
                    await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            self._console.stream_count -= 1


async def _messages(ask: Ask, state: RunState) -> AsyncIterator[bytes]:
    host, _ = ask.console.coordinator.runs.opened()
    yield b"retry: 2000\n\n"
    pause, quiet_seconds = POLL_SECONDS[0], 0.0
    while not ask.console.closing.is_set():
        try:
            records = await host.log.read(state.run_id, state.version)
            for record in records:
                event = host.codec.decode(record)
                evolve(state, event)
                yield _message(event_shown(state.version, event, payloads=ask.actor.payloads), state.version)
        except LogUnavailable:
            records = []
        except AmendsError as error:
            yield b"event: problem\ndata: %s\n\n" % json_bytes({"detail": problem_of(error).detail})
            return
        if state.status.ended:
            yield b"event: end\ndata: %s\n\n" % json_bytes({"status": state.status.value})
            return
        pause = POLL_SECONDS[0] if records else min(POLL_SECONDS[1], pause * 1.5)
        wait = max(pause, ask.console.stream_count / LOOKS_PER_SECOND)
        quiet_seconds = 0.0 if records else quiet_seconds + wait
        if quiet_seconds >= PING_SECONDS:
            quiet_seconds = 0.0
            yield b": still here\n\n"
        with suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await ask.console.closing.wait()


def _message(shown: dict[str, object], version: int) -> bytes:
    # JSON in ASCII has no line breaks, so that one line of data is enough.
    return b"id: %d\ndata: %s\n\n" % (version, json_bytes(shown))
