"""A worker is killed inside a handler; the one that takes the run over goes on with its trace."""

import asyncio
import json
import os
import subprocess
import sys
import textwrap

from amends import Coordinator, Run, action, saga
from tests.telemetry import Sdk, parent_of
from tests.tree import ROOT

LEASE_SECONDS = 0.5

WORKER = textwrap.dedent(
    """
    import asyncio, sys
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor
    from amends import Coordinator
    from amends.telemetry.otel import OpenTelemetry
    from tests.acceptance.test_traces_outlive_workers import LEASE_SECONDS, hang, note, story

    async def main():
        tracers = TracerProvider(shutdown_on_exit=False)
        exporter = ConsoleSpanExporter(formatter=lambda span: span.to_json(indent=None) + "\\n")
        tracers.add_span_processor(SimpleSpanProcessor(exporter))
        observers = [OpenTelemetry(tracer_provider=tracers)]
        async with Coordinator(
            sys.argv[1], sagas=[story], actions=[note, hang], lease_seconds=LEASE_SECONDS, observers=observers
        ):
            await asyncio.Event().wait()

    asyncio.run(main())
    """
)


@action("note", irreversible=True)
async def note() -> None: ...


@action("hang", irreversible=True, timeout=None)
async def hang() -> None:
    if os.environ.get("HANGS"):
        sys.stdout.write("hanging\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


@saga("story")
async def story(run: Run) -> None:
    await run.do(note)
    await run.do(hang)


def test_the_next_worker_goes_on_with_the_trace_of_one_that_was_killed(shared_log_url: str) -> None:
    """The client's span, the spans of the dead and of the living are one trace; the attempt cut off is missing."""
    client_sdk, sdk = Sdk(), Sdk()
    heard: list[str] = []

    def kill_it_when_it_hangs(worker: "subprocess.Popen[str]") -> None:
        assert worker.stdout is not None
        while (line := worker.stdout.readline()) != "hanging\n":
            assert line, "the worker has ended"
            heard.append(line)
        worker.kill()
        worker.communicate()

    async def scenario(worker: "subprocess.Popen[str]") -> str:
        actions = [note, hang]
        async with Coordinator(
            shared_log_url, sagas=[story], actions=actions, max_running=0, observers=[client_sdk.observer]
        ) as client:
            with client_sdk.caller() as trace:
                await client.start(story, run_id="run")
            await asyncio.to_thread(kill_it_when_it_hangs, worker)
        async with Coordinator(
            shared_log_url, sagas=[story], actions=actions, lease_seconds=LEASE_SECONDS, observers=[sdk.observer]
        ) as coordinator:
            await coordinator.handle("run").result()
        return trace

    with subprocess.Popen(
        [sys.executable, "-c", WORKER, shared_log_url],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "HANGS": "yes"},
    ) as worker:
        try:
            trace = asyncio.run(scenario(worker))
        finally:
            worker.kill()
    start = client_sdk.one("start story").context
    assert start is not None
    (first,) = [json.loads(line) for line in heard]
    assert first["name"] == "do note"
    assert int(first["context"]["trace_id"], 16) == int(trace, 16) == start.trace_id
    assert int(first["parent_id"], 16) == start.span_id
    assert [span.name for span in sdk.spans] == ["do hang", "step hang", "run story"]
    for span in sdk.spans:
        assert int(str(parent_of(span)), 16) == start.span_id
    assert (sdk.one("do hang").attributes or {})["amends.attempt"] == 2
    lost = (sdk.one("do hang").start_time or 0) - (sdk.one("step hang").start_time or 0)
    assert lost >= LEASE_SECONDS / 2 * 1e9, "the step began in the worker that was killed"
