"""All routes of the console. There is no other place where one is made, and none without a role.

The id of a run stands last in its paths, because it may hold slashes: `signup:ada/2` is a child of `signup:ada`.
"""

from collections.abc import Sequence

from . import answers, asked, knowing, metrics, reading, starting, streaming, telling
from .roles import Role
from .table import Endpoint

__all__ = ["api_routes"]

_PREFER = {"Prefer": "`wait=N`: wait up to N seconds for the run to end or to be parked"}
_KEYED = {
    "Idempotency-Key": "the same key starts one run, with the tags and the deadline of the first request; of 1 to 200 "
    "printable ASCII characters, for each token"
}
_SUMMARIES = {
    "cancel": "Call a run off: nothing new is done, and what was done is undone",
    "retry": "Let a parked run try again what it could not do",
    "resume": "Let a parked run go on after its code or its surroundings were mended",
    "waive": "Say that a step whose undo failed needs no more undoing",
    "undo": "Have a completed run undone, as if it had failed at its end",
    "abandon": "End a run where it stands: nothing more is done, and nothing is undone",
}


def api_routes() -> Sequence[Endpoint]:
    """Return the rows of the HTTP API."""
    return (*_ABOUT, *_READING, *_STARTING, *_TELLING)


_ABOUT = (
    Endpoint(
        method="GET",
        path="/health",
        role=Role.PUBLIC,
        handler=knowing.health,
        name="health",
        summary="Whether this process serves",
        answers={200: answers.Health},
    ),
    Endpoint(
        method="GET",
        path="/ready",
        role=Role.PUBLIC,
        handler=knowing.ready,
        name="ready",
        summary="Whether the database answers too",
        answers={200: answers.Health},
    ),
    Endpoint(
        method="GET",
        path="/metrics",
        role=Role.VIEWER,
        handler=knowing.scrape,
        name="metrics",
        summary="What Prometheus reads",
        answers={200: None},
        media_type=metrics.MEDIA_TYPE,
    ),
    Endpoint(
        method="GET",
        path="/openapi.json",
        role=Role.VIEWER,
        handler=knowing.document,
        name="openapi",
        summary="This document",
        answers={200: dict},
    ),
    Endpoint(
        method="GET",
        path="/api/actions",
        role=Role.VIEWER,
        handler=knowing.actions,
        name="listActions",
        summary="The actions, with their types",
        answers={200: answers.ActionList},
    ),
    Endpoint(
        method="GET",
        path="/api/sagas",
        role=Role.VIEWER,
        handler=knowing.sagas,
        name="listSagas",
        summary="The sagas, with their types",
        answers={200: answers.SagaList},
    ),
)

_READING = (
    Endpoint(
        method="GET",
        path="/api/runs",
        role=Role.VIEWER,
        handler=reading.runs,
        name="searchRuns",
        summary="Find runs, those first that were started last",
        query=asked.RunsAsked,
        answers={200: answers.RunPage},
    ),
    Endpoint(
        method="GET",
        path="/api/runs/{run_id:path}",
        role=Role.VIEWER,
        handler=reading.run,
        name="readRun",
        summary="A run: what was done, what went wrong, what was undone, what remains",
        query=asked.RunAsked,
        answers={200: answers.RunShown},
        headers=_PREFER,
    ),
    Endpoint(
        method="GET",
        path="/api/events/{run_id:path}",
        role=Role.VIEWER,
        handler=reading.events,
        name="readEvents",
        summary="The events of a run, in order",
        query=asked.EventsAsked,
        answers={200: answers.EventPage},
    ),
    Endpoint(
        method="GET",
        path="/api/stream/{run_id:path}",
        role=Role.VIEWER,
        handler=streaming.stream,
        name="streamEvents",
        summary="The events of a run as they come, as server-sent events",
        query=asked.StreamAsked,
        answers={200: None, 204: None},
        media_type=streaming.MEDIA_TYPE,
        headers={"Last-Event-ID": "the version of the last event that you have"},
    ),
    Endpoint(
        method="GET",
        path="/api/undo-plan/{run_id:path}",
        role=Role.VIEWER,
        handler=reading.undo_plan,
        name="readUndoPlan",
        summary="What undoing a run would do, and what it could not",
        answers={200: answers.UndoPlanShown},
    ),
    Endpoint(
        method="GET",
        path="/api/commands",
        role=Role.VIEWER,
        handler=reading.commands,
        name="listCommands",
        summary="What people told runs, newest first",
        query=asked.Paged,
        answers={200: answers.CommandPage},
    ),
    Endpoint(
        method="GET",
        path="/api/counts",
        role=Role.VIEWER,
        handler=reading.counts,
        name="countRuns",
        summary="How many runs of each saga stand in which state",
        query=asked.Counted,
        answers={200: answers.CountList},
    ),
)

_STARTING = (
    Endpoint(
        method="POST",
        path="/api/actions/{action}/runs",
        role=Role.OPERATOR,
        handler=starting.invoke_action,
        name="invokeAction",
        summary="Run one action as a run of its own",
        body=asked.Start,
        query=asked.Waited,
        answers={200: answers.RunStarted, 202: answers.RunStarted},
        headers=_KEYED | _PREFER,
        each="action",
    ),
    Endpoint(
        method="POST",
        path="/api/sagas/{saga}/runs",
        role=Role.OPERATOR,
        handler=starting.start_saga,
        name="startSaga",
        summary="Start a run of a saga",
        body=asked.Start,
        query=asked.Waited,
        answers={200: answers.RunStarted, 202: answers.RunStarted},
        headers=_KEYED | _PREFER,
        each="saga",
    ),
)

_TELLING = (
    *(
        Endpoint(
            method="POST",
            path=f"/api/{name}/{{run_id:path}}",
            role=Role.ADMIN if name == "abandon" else Role.OPERATOR,
            handler=telling.telling(name),
            name=f"{name}Run",
            summary=_SUMMARIES[name],
            body=asked.Waiver if name == "waive" else asked.Reason,
            answers={200: answers.CommandTaken},
        )
        for name in telling.SAID
    ),
    Endpoint(
        method="POST",
        path="/api/signal/{run_id:path}",
        role=Role.OPERATOR,
        handler=telling.signal,
        name="signalRun",
        summary="Tell a run something that its saga waits for",
        body=asked.SignalSaid,
        answers={200: answers.SignalTaken},
        headers={"Idempotency-Key": "the same as `key`"},
    ),
)
