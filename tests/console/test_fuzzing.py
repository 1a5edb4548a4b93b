"""Requests drawn from the OpenAPI document, fitting and unfitting: whatever is sent, the fault is never ours.

200 of them with the suite; `AMENDS_FUZZ=20000` asks for so many, spread over the operations.
"""

import asyncio
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode

from tests.console.scene import SECRETS, served

REQUEST_COUNT = int(os.environ.get("AMENDS_FUZZ", "200"))
RUNS = ("done", "failed", "parked", "waiting", "shop/1")
AUTH = {"Authorization": f"Bearer {SECRETS['admin']}"}


@contextmanager
def a_console(url: str) -> Iterator[str]:
    """Serve one from a thread of its own, over runs in every state; yields where it is."""
    place: list[str] = []
    ready, done = threading.Event(), threading.Event()

    async def serve() -> None:
        unlimited = {"rate_per_minute": 10**9, "wait_limit_seconds": 0.05, "stream_seconds": 0.1}
        async with served(url, follow=True, host={"holds": False}, **unlimited) as console:
            await console.run("buy", run_id="done")
            await console.run("buy", item="declined", run_id="failed")
            await console.run("jam", run_id="parked")
            await console.coordinator.start("ask", {"item": "tea"}, run_id="waiting")
            await console.coordinator.start("idle", run_id="shop/1")
            place.append(console.url)
            ready.set()
            await asyncio.to_thread(done.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert ready.wait(60)
        yield place[0]
    finally:
        done.set()
        thread.join()


@pytest.mark.timeout(max(120, REQUEST_COUNT))
def test_no_request_is_our_fault(shared_log_url: str) -> None:
    with a_console(shared_log_url) as url, httpx.Client(base_url=url, headers=AUTH, timeout=30) as client:
        document = client.get("/openapi.json").json()
        schema = schemathesis.openapi.from_dict(document)
        operations = [found.ok() for found in schema.get_all_operations()]  # type: ignore[union-attr]
        assert len(operations) > 25
        each = min(50, max(2, REQUEST_COUNT // len(operations) // 2))
        statuses: dict[int, int] = {}
        while sum(statuses.values()) < REQUEST_COUNT:  # Where little is taken, there is little to draw.
            for operation in operations:
                for mode in GenerationMode:
                    statuses_of(operation, mode, each, client, statuses)
        assert {200, 404, 422} <= set(statuses), statuses


def statuses_of(
    operation: Any, mode: GenerationMode, count: int, client: httpx.Client, statuses: dict[int, int]
) -> None:
    """Send what is drawn for an operation, half of it to runs that there are; count the statuses."""
    strategy = operation.as_strategy(generation_mode=mode)

    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=strategy, run_id=st.none() | st.sampled_from(RUNS))
    def send(case: Any, run_id: str | None) -> None:
        if run_id is not None and "run_id" in case.path_parameters:
            case.path_parameters["run_id"] = run_id
        response = case.call(base_url=str(client.base_url).rstrip("/"), headers=AUTH)
        statuses[response.status_code] = statuses.get(response.status_code, 0) + 1
        assert response.status_code < 500, (case.as_curl_command(), response.text)
        if response.status_code >= 400 and case.method != "HEAD":
            assert response.headers["content-type"] == ["application/problem+json"], case.as_curl_command()

    with suppress(Unsatisfiable):  # Where nothing is taken, nothing can be unfitting.
        send()
